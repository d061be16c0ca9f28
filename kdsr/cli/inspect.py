"""`kdsr inspect`."""

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
from ..tiles.devices import pick_device
from ..upscaling.upscaler import Upscaler
from .commands import Inspect
from .paths import check_output
from .streams import say


def inspect(command: Inspect) -> int:
    """Prints what an image's IDR says, and draws it when asked to."""
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
    for line in report(idr, other, local, model).splitlines():
        say(line)
    if line := explained(model, idr):
        say(line)
    if output is not None:
        figure = draw_report(idr, other, local, image, model)
        packed = io.BytesIO()  # Pillow's own writer takes a full disk for success
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
