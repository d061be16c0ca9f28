"""Images, one after the other, by models that are loaded once: here, or on any machine."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from ..errors import ImageError, printable
from ..estimation.averages import Average
from ..estimation.maps import idr_map
from ..estimation.regions import Regions
from ..estimation.visible import visible
from ..files.catalog import list_models, models_by_factor
from ..files.images import DecodedImage, check_format, read_image, write_image
from ..files.loading import load
from ..idr import IDR
from ..meaning.strength import with_strength
from ..memory import check_room, explaining_shortage
from ..model import KDSR
from ..network.trust import explained
from ..options import DEFAULT_MODEL, PURPOSES, Job, Size
from ..tiles.devices import pick_device
from ..upscaling.resizing import resizing_bytes
from ..upscaling.sizes import OutputSize, plan_passes
from ..upscaling.upscaler import Upscaler
from .commands import Upscale
from .failures import Failure
from .paths import check_new
from .pipeline import pipelined
from .streams import note, say

Task = tuple[Path, Path]
"""A file, and where its result goes."""


class ModelPass(NamedTuple):
    """One pass over a picture."""

    model: KDSR
    """On the device to run on."""
    size: Size
    """Of its result."""
    full: Size
    """What the network makes, before it is resized to that."""


class ModelSet:
    """Loads each model that is needed once.

    Args:
        command: What was asked.
        idr: That was read for it, or None. One for all images fits one model alone: then nothing
            is chosen.

    Raises:
        IDRError: If the IDR is another model's.
    """

    def __init__(self, command: Upscale, idr: IDR | None) -> None:
        self.device = pick_device(command.device)
        self._loaded: dict[int, KDSR] = {}
        self._names: dict[int, str] = {}
        of_one = idr is not None or command.one_idr or command.crispness != 1
        purpose = "faithful" if command.model is None else command.model
        if purpose in PURPOSES and command.size is not None and not of_one:
            found = models_by_factor(list_models(), purpose)
            self._names = {factor: entry.name for factor, entry in found.items()}
            return
        model = load(command.model or DEFAULT_MODEL, crispness=command.crispness)
        model = model.to(self.device)
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

    def passes(self, source: Size, wish: OutputSize | None) -> list[ModelPass]:
        """The passes that make a picture of a size as large as is wished.

        Raises:
            ConfigError: If the size is out of range, or no two passes lead to it.
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


class _Result(NamedTuple):
    """An upscaled picture on its way to a file."""

    picture: DecodedImage
    """What it was made from."""
    pixels: Tensor
    """(3 or 4, H, W)."""
    idr: IDR | None


@dataclass(frozen=True)
class ImageSession:
    """Does the same with a file here and on any machine."""

    command: Upscale
    models: ModelSet
    idr: IDR | None = None
    """For all images, in place of each one's own."""

    def estimated(self, sources: Sequence[Path]) -> Iterator[tuple[Path, IDR | Exception]]:
        """The IDR of each file by the model for all of them, or why it has none."""
        upscaler = Upscaler(self.models.only, self.command.tiling)

        def work(source: Path, picture: DecodedImage) -> IDR:
            told = {"image": source.name}
            return upscaler.estimate(picture.rgb, picture.weights, provenance=told)

        return pipelined(sources, read_image, work, lambda _, idr: idr)

    def upscaled(
        self, tasks: Sequence[Task], idr: IDR | None = None
    ) -> Iterator[tuple[Task, str | Exception]]:
        """Upscales files; yields a line about each, or why there is no result.

        Args:
            tasks: The files and where their results go.
            idr: For all of them, in place of each one's own.
        """
        steered = replace(self, idr=idr or self.idr)
        return pipelined(tasks, _read, steered._upscale, steered._write)

    def _upscale(self, task: Task, picture: DecodedImage) -> _Result:
        """Makes a result; a second pass estimates anew, of what the first has made."""
        source, target = task
        command, tiling = self.command, self.command.tiling
        check_new(target, overwrite=command.overwrite)
        passes = self.models.passes(Size.of(picture.rgb), command.size)
        check_format(
            target,
            transparent=picture.transparent,
            size=passes[-1].size.shape,
            colours=() if picture.icc else picture.colours,
        )
        buffer = _buffer(picture, passes)
        rgb, alpha, kept = picture.rgb, picture.alpha, None
        for number, (model, size, _) in enumerate(passes, 1):
            steering = self.idr if number == 1 else None
            if steering is None:
                steering = self._estimate(model, (rgb, alpha), source, by_map=number == 1)
            if number == 1:
                kept = steering if isinstance(steering, IDR) else None
                _remark(source, model, steering)
            steering = with_strength(model, steering, command.strength)
            which = f", pass {number} of {len(passes)}" if len(passes) > 1 else ""
            out = buffer if number == len(passes) else None
            with _bar(f"{printable(source.name)}{which}") as job:
                made = Upscaler(model, tiling).upscale(
                    rgb, steering, size, alpha=alpha, out=out, job=job
                )
            rgb, alpha = made[:, :3], made[:, 3:] if made.shape[1] > 3 else None
        return _Result(picture, buffer[0], kept)

    def _estimate(
        self, model: KDSR, picture: tuple[Tensor, Tensor | None], source: Path, *, by_map: bool
    ) -> IDR | Regions:
        (rgb, alpha), command = picture, self.command
        mask = visible(alpha)
        if command.map and by_map:
            return idr_map(model, rgb, cells=command.map, mask=mask, tiling=command.tiling)
        upscaler = Upscaler(model, command.tiling)
        return upscaler.estimate(rgb, mask, provenance={"image": source.name})

    def _write(self, task: Task, result: _Result) -> str:
        """Writes a result; returns a line about it."""
        (source, target), command = task, self.command
        write_image(
            target,
            result.pixels,
            result.picture,
            quality=command.quality,
            compress=command.compress,
            overwrite=command.overwrite,
            strip=command.strip,
        )
        if command.save_idr and result.idr is not None and not command.one_idr:
            result.idr.save(command.save_idr, overwrite=command.overwrite)
        return f"{source} -> {target} ({Size.of(result.pixels)})"


def _read(task: Task) -> DecodedImage:
    return read_image(task[0])


def _remark(source: Path, model: KDSR, steering: IDR | Regions) -> None:
    """Says what of the picture did not count."""
    vectors = steering if isinstance(steering, IDR) else steering.idr
    if line := explained(model, vectors):
        note(f"{source}: {line}")


@contextmanager
def _bar(title: str) -> Iterator[Job]:
    """A job that shows its progress."""
    with tqdm(desc=title, unit="tile", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield Job(progress)


def _buffer(picture: DecodedImage, passes: list[ModelPass]) -> Tensor:
    """A result buffer, a quarter of float32 where the result will have 8 bits anyway.

    Its memory is laid out as image files want it, (H, W, C), so that nothing is copied. What the
    work takes besides is asked for, too, before there is any work.
    """
    size = passes[-1].size
    shape = (1, *size.shape, 3 if picture.alpha is None else 4)
    dtype = torch.float32 if picture.deep else torch.uint8
    needed = math.prod(shape) * dtype.itemsize
    for one in passes:
        if one is not passes[-1]:  # what the next pass looks at
            needed += shape[-1] * one.size.pixels * torch.float32.itemsize
        if one.size != one.full or picture.alpha is not None:
            needed += resizing_bytes(one.full, one.size)
    check_room(needed, f"a result of {size}")
    with explaining_shortage("for the result", "close other programs, or choose a smaller --size"):
        buffer = torch.empty(shape, dtype=dtype)
    return rearrange(buffer, "b h w c -> b c h w")


class OneIDR:
    """`--one-idr`: the average of what all images say, gathered in any order.

    Args:
        total: How many images there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._average = Average()
        self._first: Failure | None = None

    def take(self, outcome: IDR | Failure) -> None:
        """Takes the IDR of an image, or why it has none; upscaling it will say so again."""
        if isinstance(outcome, IDR):
            self._average.add(outcome)
        elif self._first is None:
            self._first = outcome

    def result(self, command: Upscale) -> IDR:
        """The IDR for all, saved if that was asked for.

        Raises:
            ImageError: If there was no image to estimate one from.
        """
        if not len(self._average):
            assert self._first is not None
            raise ImageError(f"no image has an IDR; of the first: {self._first.line}")
        idr = self._average.result()
        note(f"one IDR for all, from {len(self._average)} of {self._total} images")
        if command.save_idr:
            idr.save(command.save_idr, overwrite=command.overwrite)
            say(f"saved {command.save_idr}")
        return idr
