"""Times this checkout against another revision in one run, each in its own process.

It measures processor time, which other work on the machine hardly affects.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
_JOBS = ("estimate", "whole job")
"""Timed jobs: estimating an IDR, and estimating with upscaling."""
_SERVING = """
import importlib, sys, time, torch
from kdsr import KDSR, KDSRConfig
from tests.support.calibrated import calibration_for

def calibrated(model):
    try:
        return calibration_for(model, cell_distance=torch.tensor([1e9]))
    except TypeError:  # revisions before f308783 have no range
        return calibration_for(model)

def seen(found):  # results of random weights differ everywhere; they are compared, not repaired
    return (torch.zeros_like(found[0]), found[1]) if isinstance(found, tuple) else None

def watch(room, owner, name):
    try:
        kind = getattr(importlib.import_module(f"kdsr.upscaling.{room}"), owner)
        off = getattr(kind, name)
    except (ImportError, AttributeError):  # revisions that have it elsewhere or not at all
        return
    setattr(kind, name, lambda *a: seen(off(*a)))

watch("comparing", "Canvas", "off")
watch("mending", "Mender", "_off")
models = {}
for line in sys.stdin:
    job, size, height, width = line.split(",")
    if size not in models:
        torch.manual_seed(0)
        models[size] = KDSR(KDSRConfig.preset(size)).freeze()
        models[size].calibration = calibrated(models[size])
    model, lq = models[size], torch.rand(1, 3, int(height), int(width))
    start = time.process_time()
    idr = model.estimate(lq)
    if job == "whole job":
        model.upscale(lq, idr)
    print(time.process_time() - start, flush=True)
"""


@dataclass(frozen=True)
class Checkout:
    """A running process of a revision."""

    process: "subprocess.Popen[str]"

    def seconds(self, job: str, size: str, height: int, width: int) -> float:
        """Processor time of one job in seconds, without loading."""
        writing, reading = self.process.stdin, self.process.stdout
        assert writing is not None
        assert reading is not None
        return _asked(writing, reading, f"{job},{size},{height},{width}\n")


def _asked(writing: IO[str], reading: IO[str], line: str) -> float:
    writing.write(line)
    writing.flush()
    answer = reading.readline()
    if not answer:
        raise SystemExit("a revision stopped before it answered; see its error above")
    return float(answer)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Checkout]:
    """Runs the code of a folder in a process until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _SERVING],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Checkout(process)


@contextlib.contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Checks out a revision into a temporary folder for the block."""
    with tempfile.TemporaryDirectory(prefix="kdsr-against-") as place:
        folder = Path(place) / "kdsr_there"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(folder), revision], check=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def compare(revision: str, sizes: list[str], shapes: list[str], rounds: int) -> None:
    """Prints a table of each job's time in both, measured in turn.

    Args:
        revision: Git revision.
        sizes: Names in `kdsr.PRESETS`.
        shapes: Sizes of LQ images, HEIGHTxWIDTH.
        rounds: Number of rounds, after one for warm-up.
    """
    print(f"| LQ | size | job | {revision} | here | times as fast |\n|---|---|---|---|---|---|")
    with checked_out(revision) as folder, serving(folder) as there, serving(ROOT) as here:
        for shape in shapes:
            height, width = (int(number) for number in shape.split("x"))
            for size in sizes:
                for job in _JOBS:
                    found = [
                        [side.seconds(job, size, height, width) for side in (there, here)]
                        for _ in range(rounds + 1)
                    ][1:]
                    old, new = (median(column) for column in zip(*found, strict=True))
                    row = f"| {shape} | {size} | {job} | {old:.2f} s | {new:.2f} s "
                    print(f"{row}| {old / new:.2f} |", flush=True)
