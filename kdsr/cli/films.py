"""`kdsr upscale` for videos and animations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from ..errors import KDSRError, printable
from ..idr import IDR
from ..options import Size
from ..video.containers import ANIMATION_SUFFIXES
from ..video.segments import tidy
from ..video.session import VideoJob, VideoSession, film_of
from .commands import Upscale
from .model_set import ModelSet
from .paths import check_new
from .streams import complain, note, remarking, report, say

GOES_ON = "the same command goes on where it was"


class Workplace(Protocol):
    """Where films are upscaled: here, or on a cluster."""

    @property
    def command(self) -> Upscale:
        """What was asked."""
        ...

    @property
    def models(self) -> ModelSet:
        """What it takes."""
        ...

    @property
    def device(self) -> str | None:
        """The kind that all segments are made on; the model's if None."""
        ...

    def run_film(self, film: VideoSession) -> int:
        """Upscales a film; returns how many frames the result has."""
        ...


def upscale_videos(work: Workplace, idr: IDR | None, targets: Mapping[Path, Path]) -> list[int]:
    """Upscales one video after the other; one that fails does not stop the others.

    Returns:
        The exit code of each that failed.
    """
    codes = (_attempt(work, idr, source, target) for source, target in targets.items())
    return [code for code in codes if code]


def _attempt(work: Workplace, idr: IDR | None, source: Path, target: Path) -> int:
    """Upscales a video and says so, or why not; returns the exit code."""
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
    """Upscales a film here; returns how many frames the result has."""
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
    """What is to be done with a video, here or by workers on devices of a kind."""
    tidy(target)
    check_new(target, overwrite=arguments.overwrite)
    film = film_of(source)
    facts = film.facts()
    facts = facts.stripped() if arguments.strip else facts
    # One pass, by the model that the first of several would be: what is left is resized.
    model = models.passes(Size(facts.width, facts.height), arguments.size)[0].model
    job = VideoJob(
        model, source, target, arguments.size, idr, arguments.strength, arguments.video,
        arguments.tiling, device,
    )  # fmt: skip
    return VideoSession(job, film, facts)


def remark(session: VideoSession, arguments: Upscale) -> None:
    """Says what does not stay what it was, and what is done already."""
    suffix = f".{arguments.format}"
    if suffix in ANIMATION_SUFFIXES and session.encoding is not None:
        note(f"{session.job.source}: stays a film with its sound; for pictures use -o NAME{suffix}")
    for line in session.remarks():
        note(f"{session.job.source}: {line}")
    if session.segments.resumed:
        note(f"{session.job.source}: going on from what is in {session.segments.folder}")


def told(session: VideoSession, frames: int) -> int:
    """Says what there is of a result; returns the exit code: 2 where frames are missing."""
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
    """Begins every error's line with the file that it is about."""
    try:
        yield
    except KDSRError as error:
        if str(error).startswith(printable(str(source))):
            raise
        raise type(error)(f"{source}: {error}") from error


class _Bars:
    """A progress bar for each thing that is done: frames, frames a second, time left."""

    def __init__(self, name: str) -> None:
        self.name = printable(name)
        self._bar: tqdm | None = None
        self._stage = ""

    def tell(self, stage: str, done: int, total: int) -> None:
        """See `kdsr.video.session.TellFn`."""
        if self._bar is None or stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(
                desc=f"{self.name}: {stage}", unit="frame", disable=None, leave=False, initial=done
            )
        self._bar.total = max(done, total)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
