"""Upscales images one after the other, by models that are loaded once.

Threads read the next image and write the last one meanwhile, so that the network does not wait.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import torch
from einops import rearrange
from torch import Tensor
from tqdm import tqdm

from ..errors import check_room, explaining_shortage, is_out_of_memory, printable
from ..estimation import explained, visible
from ..files.catalog import ModelPass, ModelSet
from ..files.images import DecodedImage, check_format, read_image, write_image
from ..formats import TIFF, format_of
from ..idr import IDR
from ..model import KDSR
from ..options import Job, Size
from ..pixels import as_floats, resizing_bytes
from ..upscaling.upscaler import Upscaler
from . import streams
from .commands import Upscale, check_new
from .streams import Failure, note

if TYPE_CHECKING:
    from ..estimation.regions import Regions
    from ..video.session import VideoSession

Item = TypeVar("Item")
Read = TypeVar("Read")
Made = TypeVar("Made")
Done = TypeVar("Done")


def pipelined(
    items: Sequence[Item],
    read: Callable[[Item], Read],
    work: Callable[[Item, Read], Made],
    write: Callable[[Item, Made], Done],
) -> Iterator[tuple[Item, Done | Failure]]:
    """Reads, works and writes item by item; overlaps reading and writing with the work.

    `work` runs in the calling thread, in order; `read` and `write` run in one thread each. At most
    two results of `work` exist at a time: one in work, one being written. If memory runs out for
    two, `work` starts again after the writing.

    Yields:
        Each item with the result of `write`, or with the failure of any step, in order.
    """
    reader, writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")
    behind: tuple[Item, Future[Done]] | None = None
    ahead = reader.submit(read, items[0]) if items else None
    try:
        for index, item in enumerate(items):
            assert ahead is not None
            current = ahead
            ahead = reader.submit(read, items[index + 1]) if index + 1 < len(items) else None
            made, error = None, None
            try:
                made = work(item, current.result())
            except Exception as caught:  # noqa: BLE001 - one item never ends the batch
                error = caught
            if behind is not None:
                yield behind[0], _outcome(behind[1])
                behind = None
                if error is not None and is_out_of_memory(error):
                    made, error = _again(work, item, current)  # the writing has freed its memory
            if error is not None:
                yield item, streams.explained(error)
            else:
                behind = item, writer.submit(write, item, cast("Made", made))
            del made, error, current
        if behind is not None:
            yield behind[0], _outcome(behind[1])
    finally:
        for pool in (reader, writer):
            pool.shutdown(cancel_futures=True)


def _again(
    work: Callable[[Item, Read], Made], item: Item, current: "Future[Read]"
) -> tuple[Made | None, Exception | None]:
    try:
        return work(item, current.result()), None
    except Exception as error:  # noqa: BLE001 - as above
        return None, error


def _outcome(future: "Future[Done]") -> Done | Failure:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - as above
        return streams.explained(error)


_LARGE = 2**28  # bytes; larger results are written band by band
Task = tuple[Path, Path]
"""An input file and the path of its result."""


class _Result(NamedTuple):
    """An upscaled picture on its way to a file."""

    picture: DecodedImage
    """The input."""
    size: Size
    """Size of the result."""
    pixels: Tensor | None
    """Pixels of the result, (3 or 4, H, W); None if its file is already written."""
    idr: IDR | None


@dataclass(frozen=True)
class ImageSession:
    """Estimates and upscales image files on this machine."""

    command: Upscale
    models: ModelSet
    idr: IDR | None = None
    """Common IDR of all images, set by `upscaled`; None for each image's own."""
    device = None
    """Device type for films; None for the model's."""

    def estimated(self, sources: Sequence[Path]) -> Iterator[tuple[Path, IDR | Failure]]:
        """Estimates the IDR of each file by the single model; yields it, or a failure."""
        upscaler = Upscaler(self.models.only, self.command.tiling)

        def work(source: Path, picture: DecodedImage) -> IDR:
            told = {"image": source.name}
            return upscaler.estimate(picture.rgb, picture.weights, provenance=told)

        return pipelined(sources, read_image, work, lambda _, idr: idr)

    def upscaled(
        self, tasks: Sequence[Task], idr: IDR | None = None
    ) -> Iterator[tuple[Task, str | Failure]]:
        """Upscales files, by a common IDR if given; yields a line about each, or a failure."""
        steered = replace(self, idr=idr)
        return pipelined(tasks, _read, steered._upscale, steered._write)

    def run_film(self, film: "VideoSession") -> int:
        """Upscales a film; returns the number of frames in the result."""
        from .films import run_film

        return run_film(film, overwrite=self.command.overwrite)

    def _upscale(self, task: Task, picture: DecodedImage) -> _Result:
        """Makes the result of one file; a second pass estimates anew from the first's result."""
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
        if _is_large(picture, passes) and (sink := self._sink(target, size, picture)):
            picture = picture if len(passes) == 1 else _in_floats(picture)
            return _Result(picture, size, None, self._go_over(task, picture, passes, sink))
        picture = _in_floats(picture)
        buffer = _buffer(picture, passes)
        return _Result(picture, size, buffer[0], self._go_over(task, picture, passes, buffer))

    def _upscale_pages(self, task: Task, first: DecodedImage, size: Size) -> IDR | None:
        """Upscales and writes page by page; returns the IDR of the last."""
        from ..files.banded import write_pages

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

    def _sink(
        self, target: Path, size: Size, picture: DecodedImage
    ) -> Callable[[Iterator[Tensor]], None] | None:
        """A writer that takes a result band by band; None if this result cannot be banded."""
        from ..files.banded import can_be_banded, write_bands

        if self.command.map or not can_be_banded(target, picture):
            return None
        command = self.command
        return partial(
            write_bands,
            target,
            size.shape,
            like=picture,
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
        """Runs all passes, into a buffer or a band writer; returns the IDR of the first pass."""
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
                from ..meaning.references import with_strength

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
    ) -> "IDR | Regions":
        (rgb, alpha), command = picture, self.command
        mask = visible(alpha)
        if command.map and by_map:
            from ..estimation.maps import idr_map

            return idr_map(model, rgb, cells=command.map, mask=mask, tiling=command.tiling)
        upscaler = Upscaler(model, command.tiling)
        return upscaler.estimate(rgb, mask, provenance={"image": source.name})

    def _write(self, task: Task, result: _Result) -> str:
        """Writes a result and its IDR; returns a line about them."""
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
    # Pages beyond the first are handled by `_upscale`.
    return read_image(task[0], 0, small=True)


def _in_floats(picture: DecodedImage) -> DecodedImage:
    """Converts the pixels to floats, which everything but band writing needs."""
    return replace(picture, rgb=as_floats(picture.rgb))


def _remark(source: Path, model: KDSR, steering: "IDR | Regions") -> None:
    """Notes which parts of the picture the estimate ignored."""
    vectors = steering if isinstance(steering, IDR) else steering.idr
    if line := explained(model, vectors):
        note(f"{source}: {line}")


@contextmanager
def _bar(title: str) -> Iterator[Job]:
    """A job with a progress bar."""
    with tqdm(desc=title, unit="tile", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield Job(progress)


def _is_large(picture: DecodedImage, passes: list[ModelPass]) -> bool:
    """Whether to write a result band by band: it is large, and its last step is no resizing."""
    last = passes[-1]
    return last.size == last.full and 3 * last.size.pixels * _dtype(picture).itemsize > _LARGE


def _dtype(picture: DecodedImage) -> torch.dtype:
    """The dtype of a result: uint8 for 8-bit results, to save memory."""
    return torch.float32 if picture.deep else torch.uint8


def _buffer(picture: DecodedImage, passes: list[ModelPass]) -> Tensor:
    """Allocates a result buffer (1, 3 or 4, H, W) after checking that all passes fit in memory.

    Its memory layout is that of image files, (H, W, C), which avoids a copy.
    """
    size = passes[-1].size
    shape = (1, *size.shape, 3 if picture.alpha is None else 4)
    dtype = _dtype(picture)
    needed = math.prod(shape) * dtype.itemsize
    for one in passes:
        if one is not passes[-1]:  # the input of the next pass
            needed += shape[-1] * one.size.pixels * torch.float32.itemsize
        if one.size != one.full or picture.alpha is not None:
            needed += resizing_bytes(one.full, one.size)
    check_room(needed, f"a result of {size}")
    with explaining_shortage("for the result", "close other programs, or choose a smaller --size"):
        buffer = torch.empty(shape, dtype=dtype)
    return rearrange(buffer, "b h w c -> b c h w")
