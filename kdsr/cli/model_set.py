"""Loads models once; runs `kdsr info`, `kdsr models`, `kdsr convert` and `kdsr blend-models`."""

from typing import NamedTuple

from ..errors import printable
from ..files.catalog import current, find_file, list_models, load, models_by_factor
from ..files.weights import convert as convert_checkpoint
from ..files.weights import load_checkpoint, save_checkpoint
from ..idr import IDR
from ..model import KDSR
from ..model import blend_models as blended
from ..options import DEFAULT_MODEL, PURPOSES, Size
from ..tiles.work import pick_device
from ..upscaling.sizes import OutputSize, plan_passes
from .commands import BlendModels, Convert, Info, Upscale
from .paths import check_output
from .streams import say


class ModelPass(NamedTuple):
    """One network pass over a picture."""

    model: KDSR
    """The model, on the device to run on."""
    size: Size
    """Size of the pass's result."""
    full: Size
    """Size of the network's output, before resizing to `size`."""


class ModelSet:
    """Loads each needed model once.

    Args:
        command: Arguments of the command.
        idr: Common IDR of all images, or None. It belongs to one model, so that sizes then do not
            choose among models.

    Raises:
        IDRError: If the IDR belongs to another model.
    """

    def __init__(self, command: Upscale, idr: IDR | None) -> None:
        self.device = pick_device(command.device)
        self._loaded: dict[int, KDSR] = {}
        self._names: dict[int, str] = {}
        of_one = idr is not None or command.one_idr or command.crispness != 1
        source = None if command.model is None else current(command.model)
        purpose = "faithful" if source is None else source
        if purpose in PURPOSES and command.size is not None and not of_one:
            found = models_by_factor(list_models(), purpose)
            self._names = {factor: entry.name for factor, entry in found.items()}
            return
        model = load(source or DEFAULT_MODEL, crispness=command.crispness)
        model = model.to(self.device)
        if idr is not None:
            idr.check_model(model.fingerprint, model.config.n_feats)
        self._loaded = {model.config.scale: model}

    @property
    def only(self) -> KDSR:
        """The single model, if sizes do not choose."""
        (model,) = self._loaded.values()
        return model

    def identity(self) -> dict[int, str]:
        """Name of each model by factor, or the hash of the single model's weights."""
        return self._names or {self.only.config.scale: self.only.weights_hash()}

    def passes(self, source: Size, wish: OutputSize | None) -> list[ModelPass]:
        """Plans the passes that bring a picture to a wanted size.

        Raises:
            ConfigError: If the size is out of range, or two passes cannot reach it.
        """
        factors = self._names or self._loaded
        own = next(iter(factors))
        target = wish.resolve(source) if wish else source.scaled(own)
        passes, before = [], source
        for one in plan_passes(source, target, factors):
            full = before.scaled(one.factor)
            passes.append(ModelPass(self._model(one.factor), one.size, full))
            before = one.size
        return passes

    def _model(self, factor: int) -> KDSR:
        if factor not in self._loaded:
            self._loaded[factor] = load(self._names[factor]).to(self.device)
        return self._loaded[factor]


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
    for key, value in said.items():
        say(f"{key:{width}}  {value}")
    return 0


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
