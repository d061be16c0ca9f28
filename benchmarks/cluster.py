"""What it costs to share files among workers, beside the plain command on the same machine.

    python -m benchmarks.cluster FOLDER [--count 40] [--side 256] [--rounds 3] [--names 100000]

"plain" is `kdsr upscale FOLDER`, "shared" `kdsr upscale FOLDER --cluster auto` once its workers are
there, both on crops of the photographs, by turns; "nothing" sends items to the workers and back
that nobody works on: what an item costs besides. Planning is what the driver does before any work,
with so many names of empty files.
"""

import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.folder import sources_of
from benchmarks.timing import resident_peak
from kdsr.cli.bench import Bench
from kdsr.cli.cluster import _opened, _upscaled
from kdsr.cli.inputs import find_inputs
from kdsr.cli.outputs import unfinished
from kdsr.cli.parser import make_parser
from kdsr.cli.passes import Models
from kdsr.cli.upscale import Desk, Errand, checked
from kdsr.cluster.crew import crew
from kdsr.options import DEFAULT_MODEL
from tools.arguments import parser_of

_ITEMS = 4000  # that nobody works on


def main() -> None:
    """Prints a Markdown table, and lines."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--side", type=int, default=256, help="LQ pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--names", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _sharing(Path(name), options)
    with tempfile.TemporaryDirectory() as name:
        _planning(Path(name), options.names)


def _sharing(folder: Path, options: Namespace) -> None:
    sources = sources_of(folder / "in", options)
    arguments = _parsed(folder / "in", folder / "out", "--model", options.model)
    errands = list(checked(arguments, sources).items())
    desk = Desk(arguments, Models(arguments, None))
    opener = partial(_opened, arguments, None, desk.models.identity())
    begun = time.perf_counter()
    with crew("auto", "auto", opener, options.count) as workers:
        workers.run(_nothing, range(len(workers)), _heard)
        started = time.perf_counter() - begun
        ways: dict[str, tuple[Callable[[], object], int]] = {
            "plain": (lambda: list(desk.upscaled(errands)), len(errands)),
            "shared": (
                lambda: workers.run(partial(_upscaled, idr=None), errands, _heard),
                len(errands),
            ),
            "nothing": (lambda: workers.run(_nothing, range(_ITEMS), _heard), _ITEMS),
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, (run, count) in ways.items():
                begun = time.perf_counter()
                run()
                found[way].append((time.perf_counter() - begun) / count)
        print(f"{len(workers)} workers, {torch.get_num_threads()} threads of the plain command\n")
    plain = statistics.median(found["plain"])
    print("| way | ms / item | ratio |\n|---|---|---|")
    for way, seconds in found.items():
        median = statistics.median(seconds)
        print(f"| {way} | {1e3 * median:.2f} | {median / plain:.3f}x |")
    read, written = (
        statistics.mean(errand[side].stat().st_size for errand in errands) for side in (0, 1)
    )
    print(f"\nstart of cluster and workers: {started:.1f} s")
    print(f"bytes a picture: {read / 1e3:.0f} kB read, {written / 1e3:.0f} kB written")


def _planning(folder: Path, count: int) -> None:
    """Names that lead nowhere: nothing of a file is read before there is work."""
    (folder / "in").mkdir()
    for index in range(count):
        (folder / "in" / f"{index:08d}.png").touch()
    arguments = _parsed(folder / "in", folder / "out")
    kept: list[object] = []

    def plan() -> None:
        inputs = find_inputs(arguments.input)
        targets = checked(arguments, inputs)
        kept.extend((inputs, targets, unfinished(targets)))

    begun = time.perf_counter()
    memory = resident_peak(plan)
    seconds = time.perf_counter() - begun
    print(
        f"planning {count:,} files: {1e6 * seconds / count:.0f} us and "
        f"{2**20 * memory / count:,.0f} bytes each"
    )


def _parsed(source: Path, output: Path, *more: str) -> Namespace:
    return make_parser().parse_args(
        ["upscale", str(source), "-o", str(output), "--overwrite", *more]
    )


def _nothing(_: Bench, portion: Sequence[int]) -> Iterator[tuple[int, str]]:
    for item in portion:
        yield item, "as long as a line about a file, with its name, that of its result and its size"


def _heard(_: Errand | int, outcome: object) -> None:
    if not isinstance(outcome, str):
        raise TypeError(outcome)


if __name__ == "__main__":
    main()
