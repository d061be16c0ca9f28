"""Runs `kdsr upscale` for videos and animations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from ..errors import KDSRError, printable
from ..files.catalog import ModelSet
from ..formats import ANIMATION_SUFFIXES
from ..idr import IDR
from ..options import Size
from ..video.segments import tidy
from ..video.session import VideoJob, VideoSession, film_of
from .commands import Upscale, check_new
from .streams import complain, note, remarking, report, say

GOES_ON = "the same command goes on where it was"


class Workplace(Protocol):
    """A session that upscales films, on this machine or on a cluster."""

    @property
    def command(self) -> Upscale:
        """Arguments of the command."""
        ...

    @property
    def models(self) -> ModelSet:
        """Loaded models."""
        ...

    @property
    def device(self) -> str | None:
        """Device type for all segments; None for the model's."""
        ...

    def run_film(self, film: VideoSession) -> int:
        """Upscales a film; returns the number of frames in the result."""
        ...


def upscale_videos(work: Workplace, idr: IDR | None, targets: Mapping[Path, Path]) -> list[int]:
    """Upscales videos one after the other; one that fails does not stop the others.

    Returns:
        Exit codes of the videos that failed.
    """
    codes = (_attempt(work, idr, source, target) for source, target in targets.items())
    return [code for code in codes if code]


def _attempt(work: Workplace, idr: IDR | None, source: Path, target: Path) -> int:
    """Upscales a video and prints a line about it, or the error; returns the exit code."""
    try:
        with naming(source):
            session = video_session(work.models, idr, source, target, work.command, work.device)
            remark(session, work.command)
            with remarking(GOES_ON):
                frames = work.run_film(session)
        if session.judged:
            note(f"{source}: {session.judged}")
        return told(session, frames)
    except Exception as error:  # noqa: BLE001 - one video never ends the batch
        return report(error)


def run_film(session: VideoSession, *, overwrite: bool) -> int:
    """Upscales a film on this machine; returns the number of frames in the result."""
    with _Bars(session.job.source.name) as bars:
        return session.run(bars.tell, overwrite=overwrite)


def video_session(
    models: ModelSet,
    idr: IDR | None,
    source: Path,
    target: Path,
    arguments: Upscale,
    device: str | None = None,
) -> VideoSession:
    """Prepares the upscaling of a video, on this machine or by workers."""
    tidy(target)
    check_new(target, overwrite=arguments.overwrite)
    film = film_of(source)
    facts = film.facts()
    facts = facts.stripped() if arguments.strip else facts
    # Videos take one pass, by the model of the first pass; resizing does the rest.
    model = models.passes(Size(facts.width, facts.height), arguments.size)[0].model
    job = VideoJob(
        model, source, target, arguments.size, idr, arguments.strength, arguments.video,
        arguments.tiling, device,
    )  # fmt: skip
    return VideoSession(job, film, facts)


def remark(session: VideoSession, arguments: Upscale) -> None:
    """Notes changes of streams and formats, and the progress of a stopped run."""
    suffix = f".{arguments.format}"
    if suffix in ANIMATION_SUFFIXES and session.encoding is not None:
        note(f"{session.job.source}: stays a film with its sound; for pictures use -o NAME{suffix}")
    for line in session.remarks():
        note(f"{session.job.source}: {line}")
    if session.segments.resumed:
        note(f"{session.job.source}: going on from what is in {session.segments.folder}")


def told(session: VideoSession, frames: int) -> int:
    """Prints a line about the result; returns the exit code, 2 if frames are missing."""
    job, (height, width) = session.job, session.size
    say(f"{job.source} -> {job.target} ({width} x {height} px, {frames} frames)")
    if not session.missing:
        return 0
    complain(
        f"{job.source}: the file is cut or damaged: {session.missing}; the {frames} that are there "
        "were upscaled"
    )
    return 2


@contextmanager
def naming(source: Path) -> Iterator[None]:
    """Adds the file's name to the start of every error message."""
    try:
        yield
    except KDSRError as error:
        if str(error).startswith(printable(str(source))):
            raise
        raise type(error)(f"{source}: {error}") from error


class _Bars:
    """A progress bar for each stage: frames, frames per second, remaining time."""

    def __init__(self, name: str) -> None:
        self.name = printable(name)
        self._bar: tqdm | None = None
        self._stage = ""

    def tell(self, stage: str, done: int, total: int) -> None:
        """Reports progress; see `kdsr.video.session.TellFn`."""
        if self._bar is None or stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(
                desc=f"{self.name}: {stage}", unit="frame", disable=None, leave=False, initial=done
            )
        self._bar.total = max(done, total)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
