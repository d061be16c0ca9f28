"""What is done of a video, in a folder beside the result: a killed run goes on from it."""

import json
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..atomic import sweep, writing
from ..errors import IDRError, VideoError
from ..idr import IDR
from .encoding import Coded
from .locking import holding

SUFFIX = ".kdsr-parts"
"""Of the folder's name, after the result's."""
_MANIFEST = "manifest.json"
_COMPLETE = "complete"
_LOCK = "lock"
_KEPT = (_MANIFEST, _COMPLETE, "look-*.safetensors", "*.frames")
_HEAD = struct.Struct("<qq?q")  # shown, duration, key, bytes that follow


class Store:
    """The folder of one result. Each file in it is whole or not there.

    Args:
        target: The result.
        wanted: All that decides what the result is, as JSON.

    Raises:
        VideoError: If there is something else of that name.
    """

    def __init__(self, target: Path, wanted: dict[str, object]) -> None:
        self.target = target
        self.folder = target.with_name(target.name + SUFFIX)
        self.wanted = json.dumps(wanted, indent=1, sort_keys=True)
        if self.folder.exists() and not self._is_ours():
            raise VideoError(f"{self.folder} is in the way; move it elsewhere")

    @property
    def resumed(self) -> bool:
        """Whether there is something of a run that wanted the same."""
        try:
            return (self.folder / _MANIFEST).read_text(encoding="utf-8") == self.wanted
        except (OSError, UnicodeDecodeError):
            return False

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keeps other runs out during the block; what there is of one that wanted other is removed.

        Raises:
            VideoError: If another run is at work there.
        """
        busy = f"another run writes {self.target}; wait for its end, or stop it"
        made = [folder for folder in self.folder.parents if not folder.exists()]
        try:
            with holding(self.folder / _LOCK, busy):
                if not self.resumed:
                    self.remove()
                    with writing(self.folder / _MANIFEST) as part:
                        part.write_text(self.wanted, encoding="utf-8")
                try:
                    yield
                finally:
                    if not self._is_begun():
                        self.remove()
        finally:
            with suppress(OSError):  # not where something is kept
                for folder in (self.folder, *made):
                    folder.rmdir()

    def look(self, number: int | None) -> IDR | None:
        """The IDRs of a segment's frames, or with None of all frames; None if it is not done."""
        path = self._look(number)
        try:
            return IDR.load(path) if path.exists() else None
        except IDRError:  # damaged: it is made anew
            return None

    def keep_look(self, number: int | None, idr: IDR) -> None:
        """Keeps that."""
        idr.save(self._look(number))

    @property
    def complete(self) -> bool:
        """Whether all segments of the second pass are done."""
        return (self.folder / _COMPLETE).exists()

    def keep_complete(self) -> None:
        """Keeps that."""
        with writing(self.folder / _COMPLETE):
            pass

    def has(self, number: int) -> bool:
        """Whether a segment of the second pass is done."""
        return self._frames(number).exists()

    def keep(self, number: int, coded: Iterable[Coded]) -> None:
        """Keeps a segment of the second pass, while it is made."""
        with writing(self._frames(number)) as part, part.open("wb") as file:
            for picture in coded:
                file.write(_HEAD.pack(*picture[:3], len(picture.data)))
                file.write(picture.data)

    def frames(self, number: int) -> Iterator[Coded]:
        """The frames of a segment of the second pass, one by one.

        Raises:
            VideoError: If it is damaged.
        """
        path = self._frames(number)
        with path.open("rb") as file:
            while head := file.read(_HEAD.size):
                shown, duration, key, size = _HEAD.unpack(head.ljust(_HEAD.size, b"\xff"))
                data = file.read(max(0, size))
                if len(data) != size:
                    raise VideoError(f"{path} is damaged; remove it and try again")
                yield Coded(shown, duration, key, data)

    def all_frames(self) -> Iterator[Coded]:
        """Those of all segments."""
        number = 0
        while self.has(number):
            yield from self.frames(number)
            number += 1

    def remove(self) -> None:
        """Removes what is kept."""
        sweep(self.folder)
        for pattern in _KEPT:
            for path in self.folder.glob(pattern):
                path.unlink()

    def _is_begun(self) -> bool:
        return any(next(self.folder.glob(pattern), None) for pattern in _KEPT[1:])

    def _look(self, number: int | None) -> Path:
        return self.folder / f"look-{'all' if number is None else f'{number:05}'}.safetensors"

    def _frames(self, number: int) -> Path:
        return self.folder / f"{number:05}.frames"

    def _is_ours(self) -> bool:
        """Nothing but what this class writes: an empty folder is left by a run that was stopped."""
        if not self.folder.is_dir():
            return False
        patterns = (*_KEPT, _LOCK, "*.part")
        return all(any(path.match(one) for one in patterns) for path in self.folder.iterdir())
