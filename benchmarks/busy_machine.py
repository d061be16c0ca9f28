"""A training step beside busy programs: threads that spin while they wait, or sleep, or are none.

    python -m benchmarks.busy_machine [--busy 1] [--size s] [--batch 16] [--patch 32] [--rounds 7]

OpenMP reads its settings once, so that each row is a process of its own; they make their steps in
turn, in one run, by the clock on the wall, beside programs that do nothing but keep a core busy.
"""

import os
import statistics
import subprocess
import sys
import time

import torch

from benchmarks.training import real_step
from tools.arguments import parser_of
from train.loop.freed_memory import keep_freed_memory
from train.loop.threads import use_threads

SETTINGS: dict[str, dict[str, str]] = {
    "threads spin, PyTorch's default": {},
    "threads sleep, as `train/run.py` sets it": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


class Worker:
    """A process that makes a step when it is asked to."""

    def __init__(self, settings: dict[str, str], arguments: list[str]) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.busy_machine", "--worker", *arguments],
            env={**inherited, **settings}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def step(self) -> float:
        """Seconds of one step."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith("step "):
            assert line, "the worker died"
        return float(line.split()[1])


def main() -> None:
    """Prints a Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("--busy", type=int, default=1, help="programs beside it")
    parser.add_argument("--size", default="s", choices=["s", "m", "l", "gan"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=32, help="side of LQ patches")
    parser.add_argument("--precision", default="no", choices=["no", "bf16"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", action="store_true", help="one of the processes themselves")
    args = parser.parse_args()
    if args.worker:
        work(args.size, args.batch, args.patch, args.precision)
        return
    passed = [f"--{name}={getattr(args, name)}" for name in ("size", "batch", "patch", "precision")]
    endless = [sys.executable, "-c", "while True: pass"]
    beside = [subprocess.Popen(endless) for _ in range(args.busy)]
    workers = {name: Worker(settings, passed) for name, settings in SETTINGS.items()}
    try:
        times: dict[str, list[float]] = {name: [] for name in workers}
        for turn in range(args.rounds + 1):
            for name, worker in workers.items():
                seconds = worker.step()
                if turn:  # the first one warms up
                    times[name].append(seconds)
    finally:
        for process in [*beside, *(worker.process for worker in workers.values())]:
            process.kill()
    print(f"{args.size}, {args.batch} x {args.patch}x{args.patch} LQ, {args.busy} busy programs\n")
    print("| threads | s a step |")
    print("|---|---|")
    for name, taken in times.items():
        print(f"| {name} | {statistics.median(taken):.2f} |")


def work(size: str, batch: int, patch: int, precision: str) -> None:
    """Makes a step for each line that comes in, and says how long it took."""
    use_threads(0)
    keep_freed_memory()
    with real_step(size, batch, patch, torch.device("cpu"), precision) as step:
        for _ in sys.stdin:
            start = time.perf_counter()
            step()
            print(f"step {time.perf_counter() - start}", flush=True)


if __name__ == "__main__":
    main()
