"""Segments of a film: files that are kept until all are there, and the frames of one."""

import json
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..atomic import sweep, writing
from ..errors import IDRError, VideoError
from ..idr import IDR
from .clock import Clock
from .encoding import Coded
from .film import Film, Frame
from .upscaling import frames_of

SEGMENT = 60
"""Frames in a segment: the largest loss of a killed run, and the distance of seek points."""
SUFFIX = ".kdsr-parts"
"""Suffix of the folder's name, after the result's name."""
_JOB = "job.json"
_COMPLETE = "complete"
_LOCK = "lock"
_KEPT = (_JOB, _COMPLETE, "*.safetensors", "*.segment")
_HEAD = struct.Struct("<qq?qq")  # shown, duration, key, bytes of the picture and of its opacity


class Segments:
    """The folder of one result. Each file in it is complete or absent.

    Args:
        target: The result.
        job: All settings that decide the result, as JSON.

    Raises:
        VideoError: If there is something else of that name.
    """

    def __init__(self, target: Path, job: dict[str, object]) -> None:
        self.target = target
        self.folder = folder_of(target)
        self.job = json.dumps(job, indent=1, sort_keys=True)
        if self.folder.exists() and not self._is_ours():
            raise VideoError(f"{self.folder} is in the way; move it elsewhere")

    @property
    def resumed(self) -> bool:
        """Whether an earlier run left segments of the same result."""
        try:
            return (self.folder / _JOB).read_text(encoding="utf-8") == self.job
        except (OSError, UnicodeDecodeError):
            return False

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps other runs out during the block; removes the segments of a different result.

        Raises:
            VideoError: If another run is at work there.
        """
        made = [folder for folder in self.folder.parents if not folder.exists()]
        try:
            with _locked(self.folder / _LOCK, self.target):
                if not self.resumed:
                    self.remove()
                    with writing(self.folder / _JOB) as part:
                        part.write_text(self.job, encoding="utf-8")
                try:
                    yield
                finally:
                    if not any(next(self.folder.glob(pattern), None) for pattern in _KEPT[1:]):
                        self.remove()
        finally:
            with suppress(OSError):  # not where something is kept
                for folder in (self.folder, *made):
                    folder.rmdir()

    def idr(self, number: int | None) -> IDR | None:
        """The IDRs of a segment's frames, or with None of all frames; None if not yet stored."""
        path = self._idr(number)
        try:
            return IDR.load(path) if path.exists() else None
        except IDRError:  # damaged: it is made anew
            return None

    def keep_idr(self, number: int | None, idr: IDR) -> None:
        """Stores these IDRs."""
        idr.save(self._idr(number))

    @property
    def complete(self) -> bool:
        """Whether all segments are upscaled."""
        return (self.folder / _COMPLETE).exists()

    @property
    def damaged(self) -> int:
        """Packets of the source that could not be decoded, known once all is upscaled."""
        return int((self.folder / _COMPLETE).read_text(encoding="ascii") or 0)

    def keep_complete(self, damaged: int) -> None:
        """Stores that all segments are upscaled, and the number of damaged packets."""
        with writing(self.folder / _COMPLETE) as part:
            part.write_text(f"{damaged}", encoding="ascii")

    def has(self, number: int) -> bool:
        """Whether a segment is upscaled."""
        return self._segment(number).exists()

    def keep(self, number: int, coded: Iterable[Coded]) -> None:
        """Stores an upscaled segment, frame by frame as it is made."""
        with writing(self._segment(number)) as part, part.open("wb") as file:
            for one in coded:
                file.write(_HEAD.pack(*one[:3], len(one.data), len(one.opacity)))
                file.write(one.data + one.opacity)

    def frames(self) -> Iterator[Coded]:
        """The upscaled frames of all segments, one by one.

        Raises:
            VideoError: If a segment is damaged.
        """
        number = 0
        while self.has(number):
            yield from _read(self._segment(number))
            number += 1

    def remove(self) -> None:
        """Removes the folder's files."""
        sweep(self.folder)
        for pattern in _KEPT:
            for path in self.folder.glob(pattern):
                path.unlink()

    def _idr(self, number: int | None) -> Path:
        return self.folder / f"{'all' if number is None else f'{number:05}'}.safetensors"

    def _segment(self, number: int) -> Path:
        return self.folder / f"{number:05}.segment"

    def _is_ours(self) -> bool:
        """Whether the folder has only files of this class; a stopped run leaves an empty one."""
        if not self.folder.is_dir():
            return False
        patterns = (*_KEPT, _LOCK, "*.part")
        return all(any(path.match(one) for one in patterns) for path in self.folder.iterdir())


def folder_of(target: Path) -> Path:
    """Folder of a result's segments."""
    return target.with_name(target.name + SUFFIX)


def tidy(target: Path) -> None:
    """Removes the files of a run that was killed between its result and its cleaning up."""
    folder, done = folder_of(target), folder_of(target) / _COMPLETE
    if done.exists() and target.exists() and target.stat().st_mtime_ns >= done.stat().st_mtime_ns:
        with suppress(VideoError):
            finished = Segments(target, {})
            with _locked(folder / _LOCK, target):
                finished.remove()
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _locked(path: Path, target: Path) -> Iterator[None]:
    """Holds a file during the block, and removes it in the end.

    The system lets go of it whatever ends the process. A file system that knows no locks is taken
    at its word: then nothing is held.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(path, blocking=False))
        except Timeout:
            raise VideoError(f"another run writes {target}; wait for its end, or stop it") from None
        except NotImplementedError:
            pass
        try:
            yield
        finally:
            if sys.platform != "win32":  # where what is open cannot be removed
                path.unlink(missing_ok=True)
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _read(path: Path) -> Iterator[Coded]:
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            *about, size, beside = _HEAD.unpack(head.ljust(_HEAD.size, b"\xff"))
            data = file.read(max(0, size + beside))
            if len(data) != size + beside:
                raise VideoError(f"{path} is damaged; remove it and try again")
            shown, duration, key = about
            yield Coded(shown, duration, key, data[:size], data[size:])


class Shot(NamedTuple):
    """A frame of a film, with its number."""

    place: int
    frame: Frame
    stamp: tuple[int, int]
    """Time stamp from `Clock.stamp`."""


class SegmentReader:
    """Gives the frames of any segment; fastest in the order of the film.

    Going back means to begin anew. What lies between is decoded, as damaged files cannot be
    searched safely, but not made into pixels.

    Args:
        film: Film to read.
        clock: Makes one that has seen no frame.
    """

    def __init__(self, film: Film, clock: Callable[[], Clock]) -> None:
        self._film, self._clock = film, clock
        self._groups: Iterator[tuple[int, Iterator[Shot]]] = iter(())
        self._next: int | None = None  # the next segment; None before the film is opened
        self._shots: Iterator[Shot] | None = None
        self.damaged = 0
        """Packets that could not be decoded, once the film was read to its end."""

    def shots(self, number: int) -> Iterator[Shot]:
        """The frames of a segment; none if the film ends before."""
        if self._next is None or number < self._next:
            self.close()
            self._shots = self._read()
            self._groups = groupby(self._shots, lambda shot: shot.place // SEGMENT)
        self._next = number + 1
        return next((shots for found, shots in self._groups if found == number), iter(()))

    def close(self) -> None:
        """Closes the film."""
        if self._shots is not None:
            self._shots.close()  # pyright: ignore[reportAttributeAccessIssue] - a generator
        self._groups, self._shots, self._next = iter(()), None, None

    def _read(self) -> Iterator[Shot]:
        clock = self._clock()
        with self._film.open() as reading:
            for place, frame in enumerate(frames_of(reading)):
                yield Shot(place, frame, clock.stamp(frame))
                del frame  # its pixels are free while the next are decoded
            self.damaged = reading.damaged
