"""`kdsr upscale --cluster` on videos: workers share the segments of each, by files that all see."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeAlias

from tqdm import tqdm

from ..cluster.crew import Crew
from ..errors import ClusterError, KDSRError
from ..idr import IDR
from ..video import segments
from ..video.session import ESTIMATING, UPSCALING, VideoSession, film_of
from .bench import Bench
from .commands import Upscale
from .failures import Failure, explained
from .session import ModelSet
from .stopping import remarking
from .streams import say
from .video import GOES_ON, naming, remark, told, video_session

_PORTIONS = 8  # for each worker: so many segments of short films are done together
_LARGEST_BATCH = 200  # films: of each a file is held open

Failures: TypeAlias = dict[Path, Failure]


class Piece(NamedTuple):
    """What a worker does at a time."""

    source: Path
    target: Path
    number: int
    """Of the segment."""
    last: bool
    """Takes all that follow, too: files do not always say rightly how long they are."""


def pieces_of(source: Path, frames: int, target: Path) -> list[Piece]:
    """A film of so many frames, or about so many."""
    number_of = max(1, -(-frames // segments.SEGMENT))
    return [Piece(source, target, number, number == number_of - 1) for number in range(number_of)]


def count_pieces(videos: Iterable[Path]) -> int:
    """How many workers there is work for."""
    return sum(map(_count_pieces, videos))


def _count_pieces(source: Path) -> int:
    try:
        return len(pieces_of(source, film_of(source).facts().frames, source))
    except KDSRError:  # the run says why
        return 1


def share_videos(
    workers: Crew[Bench],
    models: ModelSet,
    idr: IDR | None,
    videos: Mapping[Path, Path],
    arguments: Upscale,
) -> Failures:
    """Upscales videos, short ones some at a time; returns what failed."""
    failures: Failures = {}
    batch: list[VideoSession] = []

    def take(source: Path, target: Path) -> None:
        run = video_session(models, idr, source, target, arguments, workers.device)
        remark(run, arguments)
        batch.append(run)

    for source, target in videos.items():
        _attempt(source, partial(take, source, target), failures)
        pieces = sum(len(_pieces(run)) for run in batch)
        if pieces >= _PORTIONS * len(workers) or len(batch) == _LARGEST_BATCH:
            failures |= _share(workers, batch, overwrite=arguments.overwrite)
            batch.clear()
    return failures | _share(workers, batch, overwrite=arguments.overwrite)


def _share(workers: Crew[Bench], batch: Sequence[VideoSession], *, overwrite: bool) -> Failures:
    """Upscales some videos together: all are looked at, then upscaled, then joined."""
    failures: Failures = {}
    with ExitStack() as claims, remarking(GOES_ON):
        runs = _each(batch, lambda run: claims.enter_context(run.segments.claimed()), failures)
        unseen = [run for run in runs if run.two_passes and run.segments.idr(None) is None]
        _stage(workers, ESTIMATING, _looked, unseen, failures)
        runs = _each(_left(runs, failures), VideoSession.gather, failures)
        undone = [run for run in runs if not run.segments.complete]
        _stage(workers, UPSCALING, _upscaled, undone, failures)
        runs = _each(_left(runs, failures), _completed, failures)
        _join(workers, runs, failures, overwrite=overwrite)
    return failures


def _each(
    runs: Iterable[VideoSession], work: Callable[[VideoSession], object], failures: Failures
) -> list[VideoSession]:
    """Does something with each run, in this process; returns those with which it could be done."""
    return [run for run in runs if _attempt(run.job.source, partial(work, run), failures)]


def _attempt(source: Path, work: Callable[[], object], failures: Failures) -> bool:
    """Does something about a video; notes why, and returns false, if it cannot be done."""
    try:
        with naming(source):
            work()
    except Exception as error:  # noqa: BLE001 - one video never ends the batch
        failures[source] = explained(error)
        return False
    return True


def _left(runs: Iterable[VideoSession], failures: Failures) -> list[VideoSession]:
    return [run for run in runs if run.job.source not in failures]


def _completed(run: VideoSession) -> None:
    run.complete()


def _stage(
    workers: Crew[Bench],
    title: str,
    step: Callable[[Bench, Sequence[Piece]], Iterator[tuple[Piece, object]]],
    runs: Sequence[VideoSession],
    failures: Failures,
) -> None:
    """One pass over the segments of all runs."""
    pieces = [piece for run in runs for piece in _pieces(run)]
    if not pieces:
        return
    with tqdm(total=len(pieces), desc=title, unit="segment", disable=None) as bar:

        def report(piece: Piece, outcome: object) -> None:
            if isinstance(outcome, Failure | ClusterError):
                failures.setdefault(piece.source, _failure(outcome))
            bar.update()

        workers.run(step, pieces, report)


def _join(
    workers: Crew[Bench], runs: Sequence[VideoSession], failures: Failures, *, overwrite: bool
) -> None:
    """Makes one file of each run's segments, and removes them."""
    left = {run.job.source: run for run in runs}

    def report(piece: Piece, outcome: int | Failure | ClusterError) -> None:
        run = left[piece.source]
        if isinstance(outcome, int):
            told(run, outcome)
        elif not overwrite and piece.target.exists():  # by a worker that died before it said so
            say(f"{piece.source} -> {piece.target}")
        else:
            failures[piece.source] = _failure(outcome)
            return
        run.segments.remove()

    if left:
        workers.run(_joined, [_pieces(run)[0] for run in runs], report)


def _pieces(run: VideoSession) -> list[Piece]:
    return pieces_of(run.job.source, run.facts.frames, run.job.target)


def _failure(outcome: Failure | ClusterError) -> Failure:
    return explained(outcome) if isinstance(outcome, ClusterError) else outcome


# What follows runs in the workers.


def _done(
    bench: Bench, pieces: Sequence[Piece], work: Callable[[Piece], int]
) -> Iterator[tuple[Piece, int | Failure]]:
    for piece in pieces:
        yield piece, _outcome(bench, piece, work)


def _outcome(bench: Bench, piece: Piece, work: Callable[[Piece], int]) -> int | Failure:
    try:
        with naming(piece.source):
            return work(piece)
    except Exception as error:  # noqa: BLE001 - one video never ends the batch
        bench.clear()
        return explained(error)


def _looked(bench: Bench, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, int | Failure]]:
    def work(piece: Piece) -> int:
        show = bench.show(piece.source, piece.target)
        return _numbered(piece, partial(show.run.estimate, show.reel, tell=_untold))

    return _done(bench, pieces, work)


def _upscaled(bench: Bench, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, int | Failure]]:
    def work(piece: Piece) -> int:
        show = bench.show(piece.source, piece.target)
        return _numbered(piece, partial(show.run.upscale, show.upscaler, show.reel, tell=_untold))

    return _done(bench, pieces, work)


def _joined(bench: Bench, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, int | Failure]]:
    def work(piece: Piece) -> int:
        run = bench.show(piece.source, piece.target).run
        return run.join(_untold, overwrite=bench.desk.command.overwrite)

    return _done(bench, pieces, work)


def _numbered(piece: Piece, work: Callable[[int], int]) -> int:
    """Does a piece's segments; returns how many there were."""
    numbers = count(piece.number) if piece.last else (piece.number,)
    for done, number in enumerate(numbers):
        if not work(number):
            return done
    return 1


def _untold(_stage: str, _done: int, _total: int) -> None:
    """Only pieces are told, by the driver."""
