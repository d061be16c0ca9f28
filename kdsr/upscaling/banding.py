"""Repairs a result band by band, with the values of the whole: doubtful rows wait in a file."""

import mmap
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from .comparing import CELL, TONED, Canvas, Comparison, Noise, compare
from .mending import REACH, Mender

_HELD = -(-REACH // CELL)  # groups of rows that later rows may still change


def mended(
    mender: Mender, lq: Tensor, bands: Iterable[Tensor], folder: Path | None
) -> Iterator[Tensor]:
    """Yields bands with the values that repairing the whole result would give them.

    Correct rows are passed on as soon as no row below can change them. From the first doubtful row
    on, all rows are kept in a file without a name, and repaired there after the last one.

    Args:
        mender: Mender, whose network makes the bands and is free after the last one.
        lq: Input of the bands, (3, H, W), in [0, 1] or uint8.
        bands: Rows from top to bottom, (3, rows, sW), float32 or uint8.
        folder: Folder of the temporary file, which is as large as its rows; None for the system's.

    Yields:
        Rows, laid out as (rows, sW, 3). Be done with them before asking for more.
    """
    waiting: deque[Tensor] = deque()
    compared: list[Comparison] = []
    doubted = torch.tensor(mender.doubted)
    spool, given, seen = None, 0, 0
    for group in _grouped(bands, CELL * mender.scale):
        rows = slice(seen, seen + group.shape[1] // mender.scale)
        found = compare(lq[:, rows], group, mender.scale)
        compared.append(found)
        seen = rows.stop
        waiting.append(group)
        if spool is None and found.off(doubted, Noise(), mender.scale, TONED).any():
            spool = _Spool(folder, group)
        while waiting and spool is not None:
            spool.add(waiting.popleft())
        while len(waiting) > _HELD:
            yield waiting.popleft()
            given += 1
    if spool is None:
        yield from waiting
        return
    with spool:
        first = given * CELL
        canvas = Canvas(lq, spool.pixels(), first, tuple(compared[:given]), spool.release)
        mender.mend(canvas)
        for top in range(0, canvas.out.shape[1], CELL * mender.scale):
            yield canvas.out[:, top : top + CELL * mender.scale]
            spool.release()
        del canvas


class _Spool:
    """Rows in a temporary file without a name, which disappears when it is closed.

    Args:
        folder: Where.
        like: Rows of the kind that will come.
    """

    def __init__(self, folder: Path | None, like: Tensor) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - see __exit__
        self._width, self._type = like.shape[-1], like.movedim(0, -1).numpy().dtype
        self._map: mmap.mmap | None = None

    def add(self, rows: Tensor) -> None:
        """Takes (3, rows, W)."""
        self._file.write(np.ascontiguousarray(rows.movedim(0, -1).numpy()).data)

    def pixels(self) -> Tensor:
        """All rows, (3, H, W); changes to them change the file."""
        self._file.flush()
        self._map = mmap.mmap(self._file.fileno(), 0)
        values = np.frombuffer(self._map, self._type).reshape(-1, self._width, 3)
        return torch.from_numpy(values).movedim(-1, 0)

    def release(self) -> None:
        """Releases the memory of rows that were read; the file keeps them."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._map = None  # goes with the last view of it
        self._file.close()


def _grouped(bands: Iterable[Tensor], rows: int) -> Iterator[Tensor]:
    """The same rows, copied, so many at a time; fewer in the end. Laid out as (rows, W, 3)."""
    group, filled = torch.empty(0), 0
    for band in bands:
        top = 0
        while top < band.shape[1]:
            if not filled:
                group = torch.empty(rows, band.shape[2], 3, dtype=band.dtype).movedim(-1, 0)
            count = min(rows - filled, band.shape[1] - top)
            group[:, filled : filled + count] = band[:, top : top + count]
            top, filled = top + count, filled + count
            if filled == rows:
                yield group
                filled = 0
    if filled:
        yield group[:, :filled]
