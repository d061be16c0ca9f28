"""Runs `kdsr upscale --cluster`: many workers share the files, and the segments of long films."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from ..atomic import sweep
from ..cluster import WorkerPool, worker_pool
from ..errors import ClusterError, KDSRError
from ..files.blocks import is_video
from ..files.catalog import ModelSet
from ..idr import IDR
from ..video import segments
from ..video.segments import SegmentReader
from ..video.session import ESTIMATING, UPSCALING, VideoSession, film_of
from ..video.upscaling import FrameUpscaler
from .commands import Upscale
from .films import video_session
from .image_session import ImageSession, Task
from .streams import Failure, explained


class VideoTask(NamedTuple):
    """A task of a worker: one segment of a film."""

    source: Path
    target: Path
    number: int
    """Number of the segment."""
    last: bool
    """Whether the task includes all later segments, as stated lengths of files may be wrong."""


def tasks_of(source: Path, target: Path, frames: int) -> list[VideoTask]:
    """The tasks of a film with about `frames` frames."""
    most = max(1, -(-frames // segments.SEGMENT))
    return [VideoTask(source, target, number, number == most - 1) for number in range(most)]


def _count_tasks(source: Path) -> int:
    """The number of tasks in a file."""
    if not is_video(source):
        return 1
    try:
        return len(tasks_of(source, source, film_of(source).facts().frames))
    except KDSRError:  # the run reports it
        return 1


def with_full_names(command: Upscale, inputs: Iterable[Path]) -> tuple[Upscale, list[Path]]:
    """Makes all paths of a command and its inputs absolute."""
    names = ("output", "idr", "save_idr")
    changed = {name: path.absolute() for name in names if (path := getattr(command, name))}
    if command.model and Path(command.model).is_file():
        changed["model"] = str(Path(command.model).absolute())
    return replace(command, **changed), list(dict.fromkeys(path.absolute() for path in inputs))


@contextmanager
def cluster_session(
    command: Upscale, idr: IDR | None, targets: Mapping[Path, Path]
) -> "Iterator[ClusterSession]":
    """Opens a session on a cluster with the interface of `ImageSession`, and leaves it at the end.

    Args:
        command: Arguments of the command.
        idr: Common IDR of all images, or None.
        targets: Paths of the results, by input.

    Raises:
        ClusterError: If the cluster cannot be used; see `kdsr.cluster.worker_pool`.
    """
    assert command.cluster is not None
    models = _models(command, idr, "cpu")  # finds errors before workers start
    opener = partial(ClusterWorker, command, idr, models.identity())
    most = sum(map(_count_tasks, targets))
    with worker_pool(command.cluster, command.device, opener, most) as workers:
        yield ClusterSession(command, models, workers)
    for folder in {target.parent for target in targets.values()}:
        sweep(folder)  # removes half-written files of workers that died on this machine


def _models(command: Upscale, idr: IDR | None, device: str) -> ModelSet:
    return ModelSet(
        command.model, device, idr, crispness=command.crispness, by_size=command.by_size
    )


@dataclass(frozen=True)
class ClusterSession:
    """Estimates and upscales files by workers; has the interface of `ImageSession`."""

    command: Upscale
    models: ModelSet
    workers: "WorkerPool[ClusterWorker]"

    @property
    def device(self) -> str:
        """Device type of all workers."""
        return self.workers.device

    def estimated(self, sources: Sequence[Path]) -> Iterator[tuple[Path, IDR | Failure]]:
        """Estimates as `ImageSession`, but yields in the order of completion."""
        return self._run(_estimated, sources)

    def upscaled(
        self, tasks: Sequence[Task], idr: IDR | None = None
    ) -> Iterator[tuple[Task, str | Failure]]:
        """Upscales as `ImageSession`, but yields in the order of completion."""
        step = partial(_upscaled, idr=idr)
        for task, outcome in self._run(step, tasks):
            source, target = task
            if isinstance(outcome, Failure) and not self.command.overwrite and target.exists():
                outcome = f"{source} -> {target}"  # its worker died after writing
            yield task, outcome

    def run_film(self, film: VideoSession) -> int:
        """Runs both passes over a film by all workers, and joins its segments.

        Returns:
            The number of frames in the result.

        Raises:
            ClusterError: If a segment fails, with the reason.
        """
        with film.segments.claimed():
            if film.two_passes and film.segments.idr(None) is None:
                self._go_over(film, ESTIMATING)
            film.gather()
            if not film.segments.complete:
                self._go_over(film, UPSCALING)
                film.complete()
            frames = film.join(_untold, overwrite=self.command.overwrite)
            film.segments.remove()
        return frames

    def _go_over(self, film: VideoSession, stage: str) -> None:
        tasks = tasks_of(film.job.source, film.job.target, film.facts.frames)
        problems: list[str] = []
        with tqdm(total=len(tasks), desc=stage, unit="segment", disable=None) as bar:
            for _, outcome in self._run(partial(_segments_done, stage=stage), tasks):
                if outcome is not None:
                    problems.append(outcome.line)
                bar.update()
        if problems:
            raise ClusterError(problems[0])

    def _run(self, step: Callable, tasks: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        for task, outcome in self.workers.run(step, tasks):
            yield task, explained(outcome) if isinstance(outcome, ClusterError) else outcome


# The code below runs in the workers.


@dataclass
class OpenFilm:
    """A film that a worker has opened."""

    session: VideoSession
    reader: SegmentReader

    @cached_property
    def upscaler(self) -> FrameUpscaler:
        """Upscaler of the frames; needs the estimates of all frames."""
        return self.session.upscaler()


class ClusterWorker:
    """The state of one worker.

    Args:
        command: Arguments of the command.
        idr: Common IDR of all images and films, or None.
        expected: The driver's models; see `ModelSet.identity`.
        device: Device of the worker.

    Raises:
        ClusterError: If the worker's machine has other models.
    """

    def __init__(
        self, command: Upscale, idr: IDR | None, expected: dict[int, str], device: str
    ) -> None:
        models = _models(command, idr, device)
        if models.identity() != expected:
            raise ClusterError(
                f"there are other models (by factor: {models.identity()}) than here ({expected}); "
                "install the same kdsr on every machine, or name a file that all of them see"
            )
        self.images = ImageSession(command, models)
        self._idr = idr
        self._films: dict[tuple[Path, Path], OpenFilm] = {}  # at most one entry

    def film(self, source: Path, target: Path) -> OpenFilm:
        """Opens a film, or returns it if it is still open from the last task.

        Raises:
            ClusterError: If this worker would produce another result than the others.
        """
        if (source, target) not in self._films:
            self.close()
            models, command = self.images.models, self.images.command
            kind = models.device.type
            session = video_session(models, self._idr, source, target, command, kind)
            if not session.segments.resumed:
                raise ClusterError(
                    f"{source} would become something else on a machine of the cluster than here; "
                    "install the same versions of kdsr, PyTorch and PyAV on all of them"
                )
            self._films[source, target] = OpenFilm(session, session.reader())
        return self._films[source, target]

    def close(self) -> None:
        """Closes the film."""
        for film in self._films.values():
            film.reader.close()
        self._films.clear()


def _estimated(
    worker: ClusterWorker, sources: Sequence[Path]
) -> Iterator[tuple[Path, IDR | Failure]]:
    return worker.images.estimated(sources)


def _upscaled(
    worker: ClusterWorker, tasks: Sequence[Task], idr: IDR | None
) -> Iterator[tuple[Task, str | Failure]]:
    return worker.images.upscaled(tasks, idr)


def _segments_done(
    worker: ClusterWorker, tasks: Sequence[VideoTask], stage: str
) -> Iterator[tuple[VideoTask, Failure | None]]:
    for task in tasks:
        try:
            _do_segments(worker.film(task.source, task.target), task, stage)
        except Exception as error:  # noqa: BLE001, PERF203 - the driver reports it
            worker.close()
            yield task, explained(error)
        else:
            yield task, None


def _do_segments(film: OpenFilm, task: VideoTask, stage: str) -> None:
    for number in count(task.number) if task.last else (task.number,):
        if stage == ESTIMATING:
            found = film.session.estimate(film.reader, number, _untold)
        else:
            found = film.session.upscale(film.upscaler, film.reader, number, _untold)
        if not found:
            break


def _untold(_stage: str, _done: int, _total: int) -> None:
    """Reports nothing, as the driver reports whole tasks."""
