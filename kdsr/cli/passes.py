"""The passes of `kdsr upscale`: by the model that is named, or by those that fit the size."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import printable
from ..estimation.maps import idr_map
from ..estimation.regions import Regions
from ..estimation.visible import visible
from ..files.catalog import list_models, models_by_factor
from ..files.images import DecodedImage
from ..files.loading import load
from ..idr import IDR
from ..meaning.strength import with_strength
from ..model import KDSR
from ..network.trust import explained
from ..options import DEFAULT_MODEL, PURPOSES, Job, Size
from ..upscaling.sizes import OutputSize, plan_passes
from ..upscaling.upscaler import Upscaler
from .inputs import pick_device, tiling_of
from .streams import note


@dataclass(frozen=True)
class Sink:
    """Takes a result band by band; see `kdsr.upscaling.upscaler.Upscaler.bands`."""

    dtype: torch.dtype
    take: Callable[[Iterator[Tensor]], None]


@dataclass(frozen=True)
class Step:
    """One pass over a picture."""

    model: KDSR
    """On the device to run on."""
    size: Size
    """Of its result."""
    full: Size
    """What the network makes, before it is resized to that."""


class Models:
    """Loads each model that is needed once.

    Args:
        arguments: Of the command.
        idr: That was read for it, or None. One for all images fits one model alone: then nothing
            is chosen.

    Raises:
        IDRError: If the IDR is another model's.
    """

    def __init__(self, arguments: argparse.Namespace, idr: IDR | None) -> None:
        self.device = pick_device(arguments.device)
        self._loaded: dict[int, KDSR] = {}
        self._names: dict[int, str] = {}
        of_one = idr is not None or arguments.one_idr or arguments.crispness != 1
        purpose = "faithful" if arguments.model is None else arguments.model
        if purpose in PURPOSES and arguments.size is not None and not of_one:
            found = models_by_factor(list_models(), purpose)
            self._names = {factor: entry.name for factor, entry in found.items()}
            return
        model = load(arguments.model or DEFAULT_MODEL, crispness=arguments.crispness).to(
            self.device
        )
        if idr is not None:
            idr.check_model(model.fingerprint, model.config.n_feats)
        self._loaded = {model.config.scale: model}

    @property
    def only(self) -> KDSR:
        """The one model, where nothing is chosen."""
        (model,) = self._loaded.values()
        return model

    def identity(self) -> dict[int, str]:
        """Factor -> name or, where nothing is chosen, fingerprint."""
        return self._names or {self.only.config.scale: self.only.fingerprint}

    def steps(self, source: Size, wish: OutputSize | None) -> list[Step]:
        """The passes that make a picture of a size as large as is wished.

        Raises:
            ConfigError: If the size is out of range, or no two passes lead to it.
        """
        factors = self._names or self._loaded
        own = next(iter(factors))
        target = wish.resolve(source) if wish else source.scaled(own)
        steps, before = [], source
        for one in plan_passes(source, target, factors):
            steps.append(Step(self._model(one.factor), one.size, before.scaled(one.factor)))
            before = one.size
        return steps

    def _model(self, factor: int) -> KDSR:
        if factor not in self._loaded:
            self._loaded[factor] = load(self._names[factor]).to(self.device)
        return self._loaded[factor]


def run_steps(
    steps: list[Step],
    source: Path,
    picture: DecodedImage,
    idr: IDR | None,
    out: Tensor | Sink,
    arguments: argparse.Namespace,
) -> IDR | None:
    """Upscales a picture into `out`; a second pass estimates anew, of what the first has made.

    Returns:
        The IDR of the picture; None with `--map`, which makes many.
    """
    rgb, alpha, kept = picture.rgb, picture.alpha, None
    for number, step in enumerate(steps, 1):
        steering = idr if number == 1 else None
        if steering is None:
            steering = _estimated(step.model, (rgb, alpha), source, arguments, by_map=number == 1)
        if number == 1 and isinstance(steering, IDR):
            kept = steering
        vectors = steering if isinstance(steering, IDR) else steering.idr
        if number == 1 and (line := explained(step.model, vectors)):
            note(f"{source}: {line}")
        which = f", pass {number} of {len(steps)}" if len(steps) > 1 else ""
        made = _run(
            step,
            (rgb, alpha),
            with_strength(step.model, steering, arguments.strength),
            out if number == len(steps) else None,
            f"{printable(source.name)}{which}",
            arguments,
        )
        rgb, alpha = made[:, :3], made[:, 3:] if made.shape[1] > 3 else None
    return kept


def _estimated(
    model: KDSR,
    picture: tuple[Tensor, Tensor | None],
    source: Path,
    arguments: argparse.Namespace,
    *,
    by_map: bool,
) -> IDR | Regions:
    rgb, mask, tiling = picture[0], visible(picture[1]), tiling_of(arguments)
    if arguments.map and by_map:
        return idr_map(model, rgb, cells=arguments.map, mask=mask, tiling=tiling)
    return Upscaler(model, tiling).estimate(rgb, mask, provenance={"image": source.name})


def _run(
    step: Step,
    picture: tuple[Tensor, Tensor | None],
    steering: IDR | Regions,
    out: Tensor | Sink | None,
    title: str,
    arguments: argparse.Namespace,
) -> Tensor:
    """One pass over (colours, opacity); returns (1, 3 or 4, height, width)."""
    with tqdm(desc=title, unit="tile", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        upscaler = Upscaler(step.model, tiling_of(arguments))
        if isinstance(out, Sink):
            assert isinstance(steering, IDR), "only one IDR gives bands"
            out.take(upscaler.bands(picture[0], steering, dtype=out.dtype, job=Job(progress)))
            return picture[0]
        return upscaler.upscale(
            picture[0], steering, step.size, alpha=picture[1], out=out, job=Job(progress)
        )
