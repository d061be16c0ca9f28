"""`kdsr inspect`."""

import argparse
import io
from pathlib import Path

from ..atomic import writing
from ..estimation.grid import estimate_local
from ..files.images import read_image
from ..files.loading import load
from ..idr import IDR
from ..meaning.report import draw_report, report
from ..model import KDSR
from ..network.trust import explained
from ..upscaling.upscaler import Upscaler
from .inputs import pick_device, tiling_of
from .outputs import check_output
from .streams import say


def inspect(arguments: argparse.Namespace) -> int:
    """Prints what an image's IDR says, and draws it when asked to."""
    output: Path | None = arguments.output
    if output is not None:
        read = (arguments.input, arguments.other, arguments.model)
        check_output(output, (".png",), "figures", read, overwrite=arguments.overwrite)
    model = load(arguments.model, crispness=arguments.crispness).to(pick_device(arguments.device))
    idr = _idr(model, arguments.input, arguments)
    other = _idr(model, arguments.other, arguments) if arguments.other else None
    local, image = None, None
    if not _is_idr(arguments.input):
        picture = read_image(arguments.input)
        image = picture.rgb
        tiling = tiling_of(arguments)
        local = estimate_local(model, image, mask=picture.weights, tiling=tiling)
    for line in report(idr, other, local, model).splitlines():
        say(line)
    if line := explained(model, idr):
        say(line)
    if output is not None:
        figure = draw_report(idr, other, local, image, model)
        packed = io.BytesIO()  # Pillow's own writer takes a full disk for success
        figure.save(packed, format="PNG")
        with writing(output, overwrite=arguments.overwrite) as temporary:
            temporary.write_bytes(packed.getbuffer())
        say(f"saved {output}")
    return 0


def _idr(model: KDSR, source: Path, arguments: argparse.Namespace) -> IDR:
    if _is_idr(source):
        idr = IDR.load(source)
        idr.check_model(model.fingerprint, model.config.n_feats)
        return idr
    picture = read_image(source)
    upscaler = Upscaler(model, tiling_of(arguments))
    return upscaler.estimate(picture.rgb, picture.weights, provenance={"image": source.name})


def _is_idr(source: Path) -> bool:
    return source.suffix.lower() == ".safetensors"
