"""`kdsr upscale --cluster`: the same work, by many workers."""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from ..cluster.crew import Crew, crew
from ..errors import ClusterError
from ..files.loading import load
from ..idr import IDR
from .failures import Failure, explained, report_failure
from .one_idr import OneIDR
from .outputs import unfinished
from .streams import note, say
from .upscale import Desk, read_idr


def upscale_on_cluster(arguments: argparse.Namespace, targets: Mapping[Path, Path]) -> int:
    """Upscales every input whose result is not there yet; says in the end which ones failed.

    Args:
        arguments: Of the command, checked; see `anywhere`.
        targets: Input -> result.
    """
    model = load(arguments.model)  # a wrong model or IDR fails before there is a cluster
    idr = read_idr(arguments.idr, model)
    left = targets if arguments.overwrite else unfinished(targets)
    if len(left) < len(targets):
        there = len(targets) - len(left)
        note(f"{there} of {len(targets)} results are there; --overwrite makes them anew")
    if not left:
        return 0
    if (
        arguments.one_idr
        and not arguments.overwrite
        and arguments.save_idr
        and arguments.save_idr.is_file()
    ):
        idr = read_idr(arguments.save_idr, model)  # by a run that was stopped
    opener = partial(_opened, arguments, len(targets) == 1, model.fingerprint)
    with crew(arguments.cluster, arguments.device, opener) as workers:
        if arguments.one_idr and idr is None:
            idr = _one_idr(workers, list(targets), arguments)
        failures = _upscale(workers, left, idr, overwrite=arguments.overwrite)
    codes = [report_failure(failures[source], str(source)) for source in sorted(failures)]
    note(f"{len(targets) - len(failures)} of {len(targets)} images upscaled")
    return max(codes, default=0)


def anywhere(
    arguments: argparse.Namespace, inputs: Iterable[Path]
) -> tuple[argparse.Namespace, list[Path]]:
    """The same arguments and inputs with names that do not depend on the folder one is in."""
    changed = argparse.Namespace(**vars(arguments))
    for name in ("output", "idr", "save_idr"):
        if getattr(arguments, name) is not None:
            setattr(changed, name, getattr(arguments, name).absolute())
    if Path(arguments.model).is_file():
        changed.model = str(Path(arguments.model).absolute())
    return changed, list(dict.fromkeys(path.absolute() for path in inputs))


def _upscale(
    workers: Crew[Desk],
    targets: Mapping[Path, Path],
    idr: IDR | None,
    *,
    overwrite: bool,
) -> dict[Path, Failure]:
    """Upscales into new files; returns what failed."""
    failures: dict[Path, Failure] = {}
    with tqdm(total=len(targets), unit="image", disable=None) as files:

        def report(source: Path, outcome: str | Failure | ClusterError) -> None:
            target = targets[source]
            if isinstance(outcome, str):
                say(outcome)
            elif not overwrite and target.exists():  # by a worker that died before it could say so
                say(f"{source} -> {target}")
            else:
                failures[source] = _failure(outcome)
                files.set_postfix(failed=len(failures))
            files.update()

        workers.run(partial(_upscaled, idr=idr), list(targets), report)
    return failures


def _one_idr(workers: Crew[Desk], sources: Sequence[Path], arguments: argparse.Namespace) -> IDR:
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


def _opened(arguments: argparse.Namespace, single: bool, fingerprint: str, device: str) -> Desk:
    desk = Desk.opened(arguments, torch.device(device), single=single)
    if desk.model.fingerprint != fingerprint:
        raise ClusterError(
            f"{arguments.model} is another model there (fingerprint {desk.model.fingerprint}, here "
            f"{fingerprint}); install the same kdsr on every machine, or name a file that all see"
        )
    return desk


def _estimated(desk: Desk, sources: Sequence[Path]) -> Iterator[tuple[Path, IDR | Failure]]:
    for source, outcome in desk.estimated(sources):
        yield source, outcome if isinstance(outcome, IDR) else explained(outcome)


def _upscaled(
    desk: Desk, sources: Sequence[Path], idr: IDR | None
) -> Iterator[tuple[Path, str | Failure]]:
    for source, outcome in desk.upscaled(sources, idr):
        yield source, outcome if isinstance(outcome, str) else explained(outcome)
