"""Images, one after the other, by models that are loaded once: here, or on any machine."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from ..errors import printable
from ..estimation.regions import Regions
from ..estimation.visible import visible
from ..files.banded import can_be_banded, write_bands
from ..files.catalog import list_models, models_by_factor
from ..files.image_formats import TIFF, format_of
from ..files.images import DecodedImage, check_format, read_image, write_image
from ..files.loading import load
from ..files.pages import write_pages
from ..idr import IDR
from ..memory import check_room, explaining_shortage
from ..model import KDSR
from ..network.trust import explained
from ..options import DEFAULT_MODEL, PURPOSES, Job, Size
from ..pixels import as_floats
from ..tiles.devices import pick_device
from ..upscaling.resizing import resizing_bytes
from ..upscaling.sizes import OutputSize, plan_passes
from ..upscaling.upscaler import Upscaler
from .commands import Upscale
from .paths import check_new
from .pipeline import pipelined
from .streams import note

_LARGE = 2**28  # bytes of a result that is written as it is made
Task = tuple[Path, Path]
"""A file, and where its result goes."""


class ModelPass(NamedTuple):
    """One pass over a picture."""

    model: KDSR
    """On the device to run on."""
    size: Size
    """The size of its result."""
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
    size: Size
    pixels: Tensor | None
    """(3 or 4, H, W); None if it is in its file already."""
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
        command = self.command
        check_new(target, overwrite=command.overwrite)
        passes = self.models.passes(Size.of(picture.rgb), command.size)
        check_format(
            target,
            transparent=picture.transparent,
            size=passes[-1].size.shape,
            colours=() if picture.icc else picture.colours,
        )
        size = passes[-1].size
        if len(picture.pages) > 1 and format_of(target) is TIFF:
            return _Result(picture, size, None, self._upscale_pages(task, picture, size))
        if len(picture.pages) > 1:
            note(f"{source}: of its {len(picture.pages)} pages the first alone; .tif holds all")
        if _is_large(picture, passes) and can_be_banded(target, picture) and not command.map:
            picture = picture if len(passes) == 1 else _in_floats(picture)
            sink = partial(self._write_bands, target, size, picture)
            return _Result(picture, size, None, self._go_over(task, picture, passes, sink))
        picture = _in_floats(picture)
        buffer = _buffer(picture, passes)
        return _Result(picture, size, buffer[0], self._go_over(task, picture, passes, buffer))

    def _upscale_pages(self, task: Task, first: DecodedImage, size: Size) -> IDR | None:
        """Upscales and writes page by page; returns the IDR of the last."""
        (source, target), command = task, self.command
        found: list[IDR | None] = []

        def made(number: int) -> tuple[Tensor, DecodedImage]:
            page = read_image(source, number)
            passes = self.models.passes(Size.of(page.rgb), command.size)
            buffer = _buffer(page, passes)
            found.append(self._go_over(task, page, passes, buffer))
            return buffer[0], page

        largest = 4 * size.pixels * (4 if first.floats else 2 if first.deep else 1)
        write_pages(
            target,
            first.pages,
            made,
            largest,
            overwrite=command.overwrite,
            strip=command.strip,
        )
        return found[-1]

    def _write_bands(
        self, target: Path, size: Size, picture: DecodedImage, bands: Iterator[Tensor]
    ) -> None:
        command = self.command
        write_bands(
            target,
            size.shape,
            bands,
            picture,
            compress=command.compress,
            overwrite=command.overwrite,
            strip=command.strip,
        )

    def _go_over(
        self,
        task: Task,
        picture: DecodedImage,
        passes: list[ModelPass],
        into: "Tensor | Callable[[Iterator[Tensor]], None]",
    ) -> IDR | None:
        """Pass after pass, into a buffer or to whoever takes the last one's bands."""
        (source, target), command, tiling = task, self.command, self.command.tiling
        rgb, alpha, kept = picture.rgb, picture.alpha, None
        for number, (model, size, _) in enumerate(passes, 1):
            steering = self.idr if number == 1 else None
            if steering is None:
                steering = self._estimate(model, (rgb, alpha), source, by_map=number == 1)
            if number == 1:
                kept = steering if isinstance(steering, IDR) else None
                _remark(source, model, steering)
            if command.strength != 1:
                from ..meaning.strength import with_strength

                steering = with_strength(model, steering, command.strength)
            which = f", pass {number} of {len(passes)}" if len(passes) > 1 else ""
            upscaler, last = Upscaler(model, tiling), number == len(passes)
            with _bar(f"{printable(source.name)}{which}") as job:
                if last and not isinstance(into, Tensor):
                    assert isinstance(steering, IDR), "regions give no bands"
                    folder, dtype = target.parent, _dtype(picture)
                    into(upscaler.bands(rgb, steering, dtype=dtype, folder=folder, job=job))
                    break
                out = into if last and isinstance(into, Tensor) else None
                made = upscaler.upscale(rgb, steering, size, alpha=alpha, out=out, job=job)
            rgb, alpha = made[:, :3], made[:, 3:] if made.shape[1] > 3 else None
        return kept

    def _estimate(
        self, model: KDSR, picture: tuple[Tensor, Tensor | None], source: Path, *, by_map: bool
    ) -> IDR | Regions:
        (rgb, alpha), command = picture, self.command
        mask = visible(alpha)
        if command.map and by_map:
            from ..estimation.maps import idr_map

            return idr_map(model, rgb, cells=command.map, mask=mask, tiling=command.tiling)
        upscaler = Upscaler(model, command.tiling)
        return upscaler.estimate(rgb, mask, provenance={"image": source.name})

    def _write(self, task: Task, result: _Result) -> str:
        """Writes a result; returns a line about it."""
        (source, target), command = task, self.command
        if result.pixels is not None:
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
        pages = len(result.picture.pages)
        several = f", {pages} pages" if pages > 1 and format_of(target) is TIFF else ""
        return f"{source} -> {target} ({result.size}{several})"


def _read(task: Task) -> DecodedImage:
    # Of several pages the session says what becomes of them.
    return read_image(task[0], 0, small=True)


def _in_floats(picture: DecodedImage) -> DecodedImage:
    """With pixels as all but the writing of bands takes them."""
    return replace(picture, rgb=as_floats(picture.rgb))


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


def _is_large(picture: DecodedImage, passes: list[ModelPass]) -> bool:
    """Whether a result is written as it is made: it is large, and nothing is resized in the end."""
    last = passes[-1]
    return last.size == last.full and 3 * last.size.pixels * _dtype(picture).itemsize > _LARGE


def _dtype(picture: DecodedImage) -> torch.dtype:
    """The dtype of a result: a quarter of float32 where it will have 8 bits anyway."""
    return torch.float32 if picture.deep else torch.uint8


def _buffer(picture: DecodedImage, passes: list[ModelPass]) -> Tensor:
    """A result buffer.

    Its memory is laid out as image files want it, (H, W, C), so that nothing is copied. What the
    work takes besides is asked for, too, before there is any work.
    """
    size = passes[-1].size
    shape = (1, *size.shape, 3 if picture.alpha is None else 4)
    dtype = _dtype(picture)
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
