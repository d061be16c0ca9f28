"""A training step on a machine that does other things: what the wait policy and the threads bring.

    python -m benchmarks.busy_machine [--size s] [--steps 8] [--turns 2]

Each row is a process of its own, as OpenMP reads its environment once: a student step of
`train/run.py`, alone and beside one program that keeps a core busy. Wall seconds a step, the median
over all turns; the rows take turns. Everything else on the machine should be quiet.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tools.arguments import parser_of

CHOICES = {
    "PyTorch's own: threads that spin": {},
    "threads that sleep, one a core: `train/run.py`": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""Name -> what is in the environment."""
_BUSY = "while True: pass"


def main() -> None:
    """Prints a Markdown table; as a row's own process, seconds a step."""
    parser = parser_of(__doc__)
    parser.add_argument("--size", default="s", choices=["s", "m", "l", "gan"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=32, help="side of LQ patches")
    parser.add_argument("--steps", type=int, default=8, help="of each row in each turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row is not None:
        print(*_seconds(args), flush=True)
        return
    print(f"{args.size}, {args.batch} x {args.patch}x{args.patch} LQ, {os.cpu_count()} CPUs\n")
    taken: dict[tuple[str, bool], list[float]] = {}
    for _ in range(args.turns):
        for name, environment in CHOICES.items():
            taken.setdefault((name, False), []).extend(_row(name, environment))
            with _busy_program():
                taken.setdefault((name, True), []).extend(_row(name, environment))
    print("| threads | s a step, alone | beside one busy program |")
    print("|---|---|---|")
    for name in CHOICES:
        alone, beside = (statistics.median(taken[name, busy]) for busy in (False, True))
        print(f"| {name} | {alone:.2f} | {beside:.2f} |")


def _row(name: str, environment: dict[str, str]) -> list[float]:
    """Seconds of each step in a new process."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    command = [sys.executable, "-m", "benchmarks.busy_machine", *sys.argv[1:], "--row", name]
    done = subprocess.run(
        command, env={**clean, **environment}, check=True, stdout=subprocess.PIPE, text=True
    )
    return [float(seconds) for seconds in done.stdout.split("\n")[-2].split()]


@contextmanager
def _busy_program() -> Iterator[None]:
    busy = subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def _seconds(args: argparse.Namespace) -> list[float]:
    # Imported here: PyTorch would read the environment of the table's process, which has no row.
    import torch

    from benchmarks.training import real_step
    from kdsr.tiles.precision import multiplies_bf16
    from train.loop.freed_memory import keep_freed_memory
    from train.loop.threads import use_threads

    cpu = torch.device("cpu")
    if "OMP_WAIT_POLICY" in os.environ:
        use_threads(0)
    keep_freed_memory()
    found = []
    precision = "bf16" if multiplies_bf16(cpu) else "no"
    with real_step(args.size, args.batch, args.patch, cpu, precision) as step:
        step()
        for _ in range(args.steps):
            start = time.perf_counter()
            step()
            found.append(time.perf_counter() - start)
    return found


if __name__ == "__main__":
    main()
