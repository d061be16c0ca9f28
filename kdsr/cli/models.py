"""`kdsr info`, `kdsr models`, `kdsr convert` and `kdsr blend-models`."""

import argparse

from ..blending import blend_models as blended
from ..errors import printable
from ..files.catalog import list_models, models_by_factor
from ..files.loading import find_file, load
from ..files.weights import convert as convert_checkpoint
from ..files.weights import load_checkpoint, save_checkpoint
from ..model import KDSR
from ..options import PURPOSES
from .outputs import check_output
from .streams import say


def info(arguments: argparse.Namespace) -> int:
    """Prints what a weights file holds; a teacher's too."""
    model = load_checkpoint(find_file(arguments.model))
    config = model.config
    count = sum(parameter.numel() for parameter in model.parameters())
    lines = {
        "file": str(model.source),
        "role": model.role,
        "size": config.preset_name or "custom",
        "scale": str(config.scale),
        "n_feats": str(config.n_feats),
        "n_blocks": str(config.n_blocks),
        "n_resblocks": str(config.n_resblocks),
        "parameters": f"{count:,}",
        "exact overlap": f"{model.network.halo} LQ px",
    }
    if isinstance(model, KDSR):
        lines["fingerprint"] = model.fingerprint
    shown = {key: value for key, value in sorted(model.metadata.items()) if key not in lines}
    said = {printable(key): printable(value) for key, value in {**lines, **shown}.items()}
    width = max(len(key) for key in said)
    for key, value in said.items():
        say(f"{key:{width}}  {value}")
    return 0


def models(_: argparse.Namespace) -> int:
    """Lists the purposes and the catalog."""
    for purpose, words in PURPOSES.items():
        found = models_by_factor(list_models(), purpose)
        files = ", ".join(f"x{factor} {found[factor].name}" for factor in sorted(found))
        say(f"{purpose}  {words}")
        say(f"    {files}")
    say("")
    for entry in list_models():
        place = "bundled" if entry.bundled else f"hf://{entry.hub_id}"
        say(f"{entry.name}  x{entry.scale}  {entry.purpose}  ({place}, {entry.licence})")
        say(f"    {entry.degradations}")
    return 0


def convert(arguments: argparse.Namespace) -> int:
    """Converts between the official format and safetensors."""
    overwrite: bool = arguments.overwrite
    kinds = (".safetensors", ".pt", ".pth")
    check_output(arguments.target, kinds, "models", [arguments.source], overwrite=overwrite)
    model = convert_checkpoint(arguments.source, arguments.target, overwrite=overwrite)
    say(f"{arguments.source} -> {arguments.target} ({model.role}, {model.config})")
    return 0


def blend_models(arguments: argparse.Namespace) -> int:
    """Writes a model between two."""
    overwrite: bool = arguments.overwrite
    read = (arguments.faithful, arguments.crisp)
    check_output(arguments.output, (".safetensors",), "models", read, overwrite=overwrite)
    pair = load(arguments.faithful), load(arguments.crisp)
    model = blended(*pair, arguments.weight, estimators=arguments.estimators)
    save_checkpoint(model, arguments.output, overwrite=overwrite)
    say(f"saved {arguments.output}: fingerprint {model.fingerprint}")
    return 0
