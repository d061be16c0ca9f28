"""Runs `kdsr info`, `kdsr models`, `kdsr convert` and `kdsr blend-models`."""

import json

from ..errors import printable
from ..files.catalog import find_file, list_models, load, models_by_factor
from ..files.weights import convert as convert_checkpoint
from ..files.weights import load_checkpoint, save_checkpoint
from ..model import KDSR
from ..model import blend_models as blended
from ..options import PURPOSES
from .commands import BlendModels, Convert, Info, check_output
from .streams import say


def info(command: Info) -> int:
    """Prints facts about a weights file, of a student or a teacher."""
    model = load_checkpoint(find_file(command.model))
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
        lines["weights"] = model.weights_hash()
    shown = {key: value for key, value in sorted(model.metadata.items()) if key not in lines}
    said = {printable(key): printable(value) for key, value in {**lines, **shown}.items()}
    width = max(len(key) for key in said)
    # The options of the training are many; they come last, one a line.
    for key, value in sorted(said.items(), key=lambda item: item[0] == "recipe"):
        options = _options(value) if key == "recipe" else None
        say(f"{key:{width}}  {value if options is None else ''}".rstrip())
        for name, option in (options or {}).items():
            say(f"    {printable(name)} = {printable(str(option))}")
    return 0


def _options(recipe: str) -> dict[str, object] | None:
    """The options of a recipe; None if it is not the JSON object that `train/` writes."""
    try:
        options = json.loads(recipe)
    except (ValueError, RecursionError):
        return None
    return options if isinstance(options, dict) else None


def models() -> int:
    """Lists the purposes and the models of the catalog, except retired ones."""
    for purpose, words in PURPOSES.items():
        found = models_by_factor(list_models(), purpose)
        files = ", ".join(f"x{factor} {found[factor].name}" for factor in sorted(found))
        say(f"{purpose}  {words}")
        say(f"    {files}")
    say("")
    for entry in (entry for entry in list_models() if not entry.retired):
        place = "bundled" if entry.bundled else f"hf://{entry.hub_id}"
        say(f"{entry.name}  x{entry.scale}  {entry.purpose}  ({place}, {entry.licence})")
        say(f"    {entry.degradations}")
    return 0


def convert(command: Convert) -> int:
    """Converts weights between the official format and safetensors."""
    kinds = (".safetensors", ".pt", ".pth")
    check_output(command.target, kinds, "models", [command.source], overwrite=command.overwrite)
    model = convert_checkpoint(command.source, command.target, overwrite=command.overwrite)
    say(f"{command.source} -> {command.target} ({model.role}, {model.config})")
    return 0


def blend_models(command: BlendModels) -> int:
    """Writes a weighted mean of two models."""
    read = (command.faithful, command.crisp)
    check_output(command.output, (".safetensors",), "models", read, overwrite=command.overwrite)
    pair = load(command.faithful), load(command.crisp)
    model = blended(*pair, command.weight, estimators=command.estimators)
    save_checkpoint(model, command.output, overwrite=command.overwrite)
    say(f"saved {command.output}: weights {model.weights_hash()}")
    return 0
