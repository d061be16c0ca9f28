"""`kdsr upscale --cluster`: the same work, by many workers."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from ..atomic import sweep
from ..cluster.connecting import worker_pool
from ..cluster.pool import WorkerPool
from ..errors import ClusterError
from ..idr import IDR
from ..video.containers import is_video
from .cluster_worker import ClusterWorker
from .commands import Upscale
from .models import ModelSet
from .paths import READ_SUFFIXES, find_inputs, left_to_do
from .session import ImageSession, Task
from .streams import Failure, explained, note, report_failure, say
from .upscale import OneIDR, checked


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
            from .cluster_video import share_videos

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
    from .cluster_video import count_tasks

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
