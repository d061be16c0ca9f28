"""`kdsr upscale --cluster` on films: short ones whole, of long ones the segments are shared."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tqdm import tqdm

from ..cluster.pool import WorkerPool
from ..errors import ClusterError, KDSRError
from ..idr import IDR
from ..video import segments
from ..video.session import ESTIMATING, UPSCALING, VideoSession, film_of
from .cluster_worker import ClusterWorker
from .commands import Upscale
from .models import ModelSet
from .streams import Failure, explained, remarking, say
from .video import GOES_ON, line_about, lost, naming, remark, video_session

Failures: TypeAlias = dict[Path, Failure]


class VideoTask(NamedTuple):
    """What a worker does at a time."""

    source: Path
    target: Path
    number: int
    """Of the segment."""
    last: bool
    """Takes all that follow, too: files do not always say rightly how long they are."""


def tasks_of(source: Path, target: Path, frames: int) -> list[VideoTask]:
    """A film of so many frames, or about so many."""
    most = max(1, -(-frames // segments.SEGMENT))
    return [VideoTask(source, target, number, number == most - 1) for number in range(most)]


def count_tasks(videos: Iterable[Path]) -> int:
    """How many workers there is work for."""
    return sum(map(_count_tasks, videos))


def _count_tasks(source: Path) -> int:
    try:
        return len(tasks_of(source, source, film_of(source).facts().frames))
    except KDSRError:  # the run says why
        return 1


def share_videos(
    workers: WorkerPool[ClusterWorker],
    models: ModelSet,
    idr: IDR | None,
    videos: Mapping[Path, Path],
    command: Upscale,
) -> Failures:
    """Upscales films one after the other, each by all workers; returns what failed."""
    failures: Failures = {}
    for source, target in videos.items():
        try:
            with naming(source), remarking(GOES_ON):
                session = video_session(models, idr, source, target, command, workers.device)
                remark(session, command)
                frames = _shared(workers, session, overwrite=command.overwrite)
            say(line_about(session, frames))
            if session.missing:
                failures[source] = Failure(2, lost(session, frames), "")
        except Exception as error:  # noqa: BLE001, PERF203 - one film never ends the batch
            failures[source] = explained(error)
    return failures


def _shared(workers: WorkerPool[ClusterWorker], session: VideoSession, *, overwrite: bool) -> int:
    """Both passes over a film by all workers; its segments are joined here."""
    with session.segments.claimed():
        if session.two_passes and session.segments.idr(None) is None:
            _pass(workers, ESTIMATING, _estimated, session)
        session.gather()
        if not session.segments.complete:
            _pass(workers, UPSCALING, _upscaled, session)
            session.complete()
        frames = session.join(_untold, overwrite=overwrite)
        session.segments.remove()
    return frames


def _pass(
    workers: WorkerPool[ClusterWorker], title: str, step: Callable, session: VideoSession
) -> None:
    """One pass over the segments of a film.

    Raises:
        ClusterError: If one of them cannot be done, with the reason.
    """
    job = session.job
    tasks = tasks_of(job.source, job.target, session.facts.frames)
    problems: list[str] = []
    with tqdm(total=len(tasks), desc=title, unit="segment", disable=None) as bar:

        def report(_: VideoTask, outcome: int | Failure | ClusterError) -> None:
            if isinstance(outcome, Failure):
                problems.append(outcome.line)
            elif isinstance(outcome, ClusterError):
                problems.append(str(outcome))
            bar.update()

        workers.run(step, tasks, report)
    if problems:
        raise ClusterError(problems[0])


# What follows runs in the workers.

Outcomes: TypeAlias = Iterator[tuple[VideoTask, int | Failure]]


def _estimated(worker: ClusterWorker, tasks: Sequence[VideoTask]) -> Outcomes:
    def work(task: VideoTask) -> int:
        film = worker.film(task.source, task.target)
        return _numbered(task, partial(film.session.estimate, film.reader, tell=_untold))

    return _done(worker, tasks, work)


def _upscaled(worker: ClusterWorker, tasks: Sequence[VideoTask]) -> Outcomes:
    def work(task: VideoTask) -> int:
        film = worker.film(task.source, task.target)
        return _numbered(
            task, partial(film.session.upscale, film.upscaler, film.reader, tell=_untold)
        )

    return _done(worker, tasks, work)


def _done(
    worker: ClusterWorker, tasks: Sequence[VideoTask], work: Callable[[VideoTask], int]
) -> Outcomes:
    for task in tasks:
        try:
            yield task, work(task)
        except Exception as error:  # noqa: BLE001, PERF203 - the driver says it
            worker.close()
            yield task, explained(error)


def _numbered(task: VideoTask, work: Callable[[int], int]) -> int:
    """Does a task's segments; returns how many there were."""
    numbers = count(task.number) if task.last else (task.number,)
    for done, number in enumerate(numbers):
        if not work(number):
            return done
    return 1


def _untold(_stage: str, _done: int, _total: int) -> None:
    """Only tasks are told, by the driver."""
