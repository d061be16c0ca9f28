"""`kdsr estimate`."""

from ..files.images import read_image
from ..files.loading import load
from ..idr import IDR
from ..meaning.readings import read
from ..model import KDSR
from ..network.trust import explained
from ..tiles.devices import pick_device
from ..upscaling.upscaler import Upscaler
from .commands import Estimate
from .failures import report
from .paths import IDR_SUFFIXES, check_output, find_inputs
from .streams import say


def estimate(command: Estimate) -> int:
    """Prints a line for each image, and saves the IDRs when asked to."""
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
