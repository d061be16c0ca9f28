"""`kdsr upscale`."""

import argparse
import sys
from pathlib import Path

import torch
from einops import rearrange
from tqdm import tqdm

from ..errors import ConfigError, KDSRError
from ..estimation.maps import idr_map
from ..files.images import DecodedImage, check_format, read_image, write_image
from ..files.loading import load
from ..idr import IDR
from ..meaning.strength import check_strength, with_strength
from ..model import KDSR
from ..options import LARGEST_MAP, WRAPS, UpscaleOptions
from ..upscaling.resized import upscale_to
from .inputs import find_inputs, pick_device, tile_of
from .outputs import IDR_SUFFIXES, check_new, check_output, check_targets, output_path


def upscale(arguments: argparse.Namespace) -> int:
    """Upscales every input; one that fails does not stop the others."""
    tile = tile_of(arguments)
    UpscaleOptions(tile=tile, overlap=arguments.overlap)  # wrong values fail before any work
    if not 1 <= arguments.quality <= 100:
        raise ConfigError(f"--quality must be 1 to 100, got {arguments.quality}")
    check_strength(arguments.strength)
    if arguments.map is not None and not 1 <= arguments.map <= LARGEST_MAP:
        raise ConfigError(f"--map must be 1 to {LARGEST_MAP} cells, got {arguments.map}")
    inputs = find_inputs(arguments.input)
    single = len(inputs) == 1
    if arguments.save_idr and not single:
        raise ConfigError("--save-idr is for one input; use `kdsr estimate` for several")
    if arguments.save_idr and arguments.map:
        raise ConfigError("--save-idr keeps one IDR, --map makes many; leave one of them out")
    targets = {
        source: output_path(
            source, arguments.output, arguments.suffix, arguments.format, single=single
        )
        for source in inputs
    }
    read = (arguments.idr, arguments.model)
    check_targets(targets, read)
    if arguments.save_idr:
        read = (*inputs, *read)
        check_output(arguments.save_idr, IDR_SUFFIXES, "IDRs", read, overwrite=arguments.overwrite)
    model = load(arguments.model).to(pick_device(arguments.device))
    idr = IDR.load(arguments.idr) if arguments.idr else None
    if idr is not None:
        idr.check_model(model.fingerprint, model.config.n_feats)
    failures = []
    with tqdm(total=len(inputs), unit="image", disable=None if not single else True) as files:
        for source, target in targets.items():
            try:
                _one(model, idr, source, target, tile, arguments)
            except (KDSRError, OSError) as error:
                failures.append(str(error))
                tqdm.write(f"kdsr: error: {error}", file=sys.stderr)
            files.update()
    if not single:
        sys.stderr.write(f"kdsr: {len(inputs) - len(failures)} of {len(inputs)} images upscaled\n")
    return 2 if failures else 0


def _one(
    model: KDSR,
    idr: IDR | None,
    source: Path,
    target: Path,
    tile: int | str | None,
    arguments: argparse.Namespace,
) -> None:
    picture = read_image(source)
    check_new(target, overwrite=arguments.overwrite)
    height, width = picture.rgb.shape[-2:]
    size = arguments.size.resolve(height, width) if arguments.size else None
    result = size or (height * model.config.scale, width * model.config.scale)
    check_format(target, transparent=picture.alpha is not None, size=result)
    wrap = WRAPS[arguments.wrap]
    if arguments.map:
        steering = idr_map(
            model, picture.rgb, cells=arguments.map, wrap=wrap, dtype=arguments.dtype
        )
    else:
        if idr is None:
            idr = model.estimate(
                picture.rgb, wrap=wrap, dtype=arguments.dtype, provenance={"image": source.name}
            )
        steering = idr
    with tqdm(desc=source.name, unit="tile", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        pixels = upscale_to(
            model,
            picture.rgb,
            with_strength(model, steering, arguments.strength),
            size,
            alpha=picture.alpha,
            out=_eight_bit_buffer(picture, model.config.scale) if size is None else None,
            tile=tile,
            overlap=arguments.overlap,
            wrap=wrap,
            dtype=arguments.dtype,
            progress=progress,
        )
    write_image(
        target, pixels[0], picture, quality=arguments.quality, overwrite=arguments.overwrite
    )
    if arguments.save_idr and idr is not None:
        idr.save(arguments.save_idr, overwrite=arguments.overwrite)
    tqdm.write(f"{source} -> {target} ({pixels.shape[3]} x {pixels.shape[2]} px)")


def _eight_bit_buffer(picture: DecodedImage, scale: int) -> torch.Tensor | None:
    """A result buffer that is a quarter of float32, where the result will have 8 bits anyway.

    Its memory is laid out as image files want it, (H, W, 3), so that nothing is copied.
    """
    if picture.deep or picture.alpha is not None:
        return None
    _, _, height, width = picture.rgb.shape
    buffer = torch.empty(1, height * scale, width * scale, 3, dtype=torch.uint8)
    return rearrange(buffer, "b h w c -> b c h w")
