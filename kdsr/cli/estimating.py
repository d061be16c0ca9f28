"""Runs `kdsr estimate` and `kdsr inspect`."""

import io
from pathlib import Path

from ..atomic import writing
from ..estimation import explained
from ..estimation.maps import estimate_local
from ..files.catalog import load
from ..files.images import read_image
from ..idr import IDR
from ..meaning import report as reports
from ..meaning.readings import read
from ..model import KDSR
from ..tiles.work import pick_device
from ..upscaling.upscaler import Upscaler
from .commands import IDR_SUFFIXES, Estimate, Inspect, check_output
from .streams import report, say
from .upscale import find_inputs


def estimate(command: Estimate) -> int:
    """Prints a line about each image's IDR, and saves the IDRs if `--output` is given."""
    inputs = find_inputs(command.input)
    if command.output:
        read = [*inputs, command.model]
        check_output(command.output, IDR_SUFFIXES, "IDRs", read, overwrite=command.overwrite)
    model = load(command.model, crispness=command.crispness).to(pick_device(command.device))
    upscaler = Upscaler(model, command.tiling)
    idrs, code = [], 0
    for source in inputs:
        try:
            picture = read_image(source)
            told = {"image": source.name}
            idr = upscaler.estimate(picture.rgb, picture.weights, provenance=told)
        except Exception as error:  # noqa: BLE001 - one image never ends the batch
            code = max(code, report(error))
            continue
        left = explained(model, idr)
        say(f"{source}: {_described(model, idr)}{left and f'; {left}'}")
        idrs.append(idr)
    if command.output and idrs:
        joined = IDR.cat(idrs)
        kept = joined.mean() if command.mean else joined
        kept.save(command.output, overwrite=command.overwrite)
        some = f" of {len(idrs)} of {len(inputs)} images" if len(idrs) < len(inputs) else ""
        say(f"saved {command.output}{some}")
    return code


def _described(model: KDSR, idr: IDR) -> str:
    if model.calibration is not None:
        return read(model, idr)[0].words
    first = " ".join(f"{value:.3f}" for value in idr.idr[0, :4].tolist())
    length = idr.idr_full.norm().item()
    return f"idr {first} ... ({idr.idr.shape[1]} values), length of idr_full {length:.3f}"


def inspect(command: Inspect) -> int:
    """Prints the report on an image's IDR, and draws it if `--output` is given."""
    output: Path | None = command.output
    if output is not None:
        read = (command.input, command.other, command.model)
        check_output(output, (".png",), "figures", read, overwrite=command.overwrite)
    model = load(command.model, crispness=command.crispness).to(pick_device(command.device))
    idr = _idr(model, command.input, command)
    other = _idr(model, command.other, command) if command.other else None
    local, image = None, None
    if not _is_idr(command.input):
        picture = read_image(command.input)
        image = picture.rgb
        tiling = command.tiling
        local = estimate_local(model, image, mask=picture.weights, tiling=tiling)
    for line in reports.report(idr, other, local, model).splitlines():
        say(line)
    if output is not None:
        figure = reports.draw_report(idr, other, local, image, model)
        packed = io.BytesIO()  # Pillow's own file writing ignores a full disk
        figure.save(packed, format="PNG")
        with writing(output, overwrite=command.overwrite) as temporary:
            temporary.write_bytes(packed.getbuffer())
        say(f"saved {output}")
    return 0


def _idr(model: KDSR, source: Path, command: Inspect) -> IDR:
    if _is_idr(source):
        idr = IDR.load(source)
        idr.check_model(model.fingerprint, model.config.n_feats)
        return idr
    picture = read_image(source)
    upscaler = Upscaler(model, command.tiling)
    return upscaler.estimate(picture.rgb, picture.weights, provenance={"image": source.name})


def _is_idr(source: Path) -> bool:
    return source.suffix.lower() == ".safetensors"
