"""`kdsr upscale --cluster`: the same work, by many workers; they share segments of long films."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tqdm import tqdm

from ..atomic import sweep
from ..cluster import WorkerPool, worker_pool
from ..errors import ClusterError, KDSRError
from ..idr import IDR
from ..video import segments
from ..video.containers import is_video
from ..video.session import ESTIMATING, UPSCALING, VideoSession, film_of
from ..video.upscaling import FrameUpscaler
from .commands import Upscale
from .films import GOES_ON, line_about, lost, naming, remark, video_session
from .image_session import ImageSession, Task
from .model_set import ModelSet
from .paths import READ_SUFFIXES, find_inputs, left_to_do
from .streams import Failure, explained, note, remarking, report_failure, say
from .upscale import OneIDR, checked


class OpenFilm:
    """A film at work.

    Args:
        session: Of it.
    """

    def __init__(self, session: VideoSession) -> None:
        self.session = session
        self.reader = session.reader()

    @cached_property
    def upscaler(self) -> FrameUpscaler:
        """Once all frames are estimated."""
        return self.session.upscaler()


@dataclass
class ClusterWorker:
    """The state of one worker."""

    images: ImageSession
    idr: IDR | None
    """For all images and films, in place of each one's own."""
    _names: tuple[Path, Path] | None = None
    _film: OpenFilm | None = None

    def film(self, source: Path, target: Path) -> OpenFilm:
        """The film that is wanted, still where it was if it was wanted last.

        Raises:
            ClusterError: If this worker would make something else of it than the others.
        """
        if self._film is None or self._names != (source, target):
            self.close()
            models, command = self.images.models, self.images.command
            session = video_session(models, self.idr, source, target, command, models.device.type)
            if not session.segments.resumed:
                raise ClusterError(
                    f"{source} would become something else on a machine of the cluster than here; "
                    "install the same versions of kdsr, PyTorch and PyAV on all of them"
                )
            self._names, self._film = (source, target), OpenFilm(session)
        return self._film

    def close(self) -> None:
        """Closes the film."""
        if self._film is not None:
            self._film.reader.close()
        self._names = self._film = None


Failures: TypeAlias = dict[Path, Failure]


class VideoTask(NamedTuple):
    """What a worker does at a time."""

    source: Path
    target: Path
    number: int
    """Which segment of the film."""
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
            _pass(workers, ESTIMATING, _segments_estimated, session)
        session.gather()
        if not session.segments.complete:
            _pass(workers, UPSCALING, _segments_upscaled, session)
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


def _segments_estimated(worker: ClusterWorker, tasks: Sequence[VideoTask]) -> Outcomes:
    def work(task: VideoTask) -> int:
        film = worker.film(task.source, task.target)
        return _numbered(task, partial(film.session.estimate, film.reader, tell=_untold))

    return _done(worker, tasks, work)


def _segments_upscaled(worker: ClusterWorker, tasks: Sequence[VideoTask]) -> Outcomes:
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


def upscale_on_cluster(arguments: Upscale) -> int:
    """Upscales every input whose result is not there yet; says in the end which ones failed."""
    arguments, inputs = _anywhere(arguments, find_inputs(arguments.input, READ_SUFFIXES))
    assert arguments.cluster is not None
    targets = checked(arguments, inputs)
    left = left_to_do(targets, overwrite=arguments.overwrite)
    if not left:
        return 0
    videos = {source: target for source, target in left.items() if is_video(source)}
    images = [task for task in left.items() if task[0] not in videos]
    idr = _read_idr(arguments)
    models = ModelSet(_on(arguments, "cpu"), idr)  # what is wrong with them is wrong everywhere
    opener = partial(_opened, arguments, idr, models.identity())
    most = _most(targets if arguments.one_idr else images, videos)
    failures = {}
    with worker_pool(arguments.cluster, arguments.device, opener, most) as workers:
        if arguments.one_idr and idr is None:
            idr = _one_idr(workers, inputs, arguments)
        if images:
            failures = _upscale(workers, images, idr, overwrite=arguments.overwrite)
        if videos:
            failures |= share_videos(workers, models, idr, videos, arguments)
    for folder in {target.parent for target in left.values()}:
        sweep(folder)  # after workers that died here as the last to write there
    codes = [report_failure(failures[source], str(source)) for source in sorted(failures)]
    kinds = [what for what, some in (("images", images), ("videos", videos)) if some]
    note(f"{len(targets) - len(failures)} of {len(targets)} {' and '.join(kinds)} upscaled")
    return max(codes, default=0)


def _most(images: Sized, videos: Iterable[Path]) -> int:
    """For how many workers there is work."""
    if not videos:
        return len(images)

    return len(images) + count_tasks(videos)


def _read_idr(arguments: Upscale) -> IDR | None:
    """The IDR for all images that is known before any work."""
    if arguments.idr:
        return IDR.load(arguments.idr)
    kept = arguments.save_idr if arguments.one_idr and not arguments.overwrite else None
    return IDR.load(kept) if kept and kept.is_file() else None  # by a run that was stopped


def _on(arguments: Upscale, device: str) -> Upscale:
    return replace(arguments, device=device)


def _anywhere(arguments: Upscale, inputs: Iterable[Path]) -> tuple[Upscale, list[Path]]:
    """The same arguments and inputs with names that do not depend on the folder one is in."""
    names = ("output", "idr", "save_idr")
    changed = {name: path.absolute() for name in names if (path := getattr(arguments, name))}
    if arguments.model and Path(arguments.model).is_file():
        changed["model"] = str(Path(arguments.model).absolute())
    return replace(arguments, **changed), list(dict.fromkeys(path.absolute() for path in inputs))


def _upscale(
    workers: WorkerPool[ClusterWorker], tasks: Sequence[Task], idr: IDR | None, *, overwrite: bool
) -> dict[Path, Failure]:
    """The work itself; returns what failed."""
    failures: dict[Path, Failure] = {}
    with tqdm(total=len(tasks), unit="image", disable=None) as files:

        def report(task: Task, outcome: str | Failure | ClusterError) -> None:
            source, target = task
            if isinstance(outcome, str):
                say(outcome)
            elif not overwrite and target.exists():  # by a worker that died before it could say so
                say(f"{source} -> {target}")
            else:
                failures[source] = _failure(outcome)
                files.set_postfix(failed=len(failures))
            files.update()

        workers.run(partial(_upscaled, idr=idr), tasks, report)
    return failures


def _one_idr(
    workers: WorkerPool[ClusterWorker], sources: Sequence[Path], arguments: Upscale
) -> IDR:
    """The first pass: one IDR for all."""
    gathered = OneIDR(len(sources))
    with tqdm(total=len(sources), desc="estimating", unit="image", disable=None) as files:

        def report(_: Path, outcome: IDR | Failure | ClusterError) -> None:
            gathered.take(outcome if isinstance(outcome, IDR) else _failure(outcome))
            files.update()

        workers.run(_estimated, sources, report)
    return gathered.result(arguments)


def _failure(outcome: Failure | ClusterError) -> Failure:
    return explained(outcome) if isinstance(outcome, ClusterError) else outcome


# What follows runs in the workers.


def _opened(
    arguments: Upscale, idr: IDR | None, expected: dict[int, str], device: str
) -> ClusterWorker:
    models = ModelSet(_on(arguments, device), idr)
    if models.identity() != expected:
        raise ClusterError(
            f"there are other models (by factor: {models.identity()}) than here ({expected}); "
            "install the same kdsr on every machine, or name a file that all of them see"
        )
    return ClusterWorker(ImageSession(arguments, models), idr)


def _estimated(
    worker: ClusterWorker, sources: Sequence[Path]
) -> Iterator[tuple[Path, IDR | Failure]]:
    for source, outcome in worker.images.estimated(sources):
        yield source, outcome if isinstance(outcome, IDR) else explained(outcome)


def _upscaled(
    worker: ClusterWorker, tasks: Sequence[Task], idr: IDR | None
) -> Iterator[tuple[Task, str | Failure]]:
    for task, outcome in worker.images.upscaled(tasks, idr):
        yield task, outcome if isinstance(outcome, str) else explained(outcome)
