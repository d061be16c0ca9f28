"""Interleaved timing: every candidate sees the same machine in the same minutes."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass
class Measurement:
    """What one candidate took.

    Attributes:
        seconds: Median of one call.
        peak_mib: Memory one call allocated at its peak, in MiB; NaN where not measured.
    """

    seconds: float
    peak_mib: float


def measure(
    candidates: Mapping[str, Callable[[], object]],
    device: torch.device,
    rounds: int,
    prepare: Callable[[str], object] = lambda _: None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Measurement]:
    """Times all candidates in turn, `rounds` times, after one warm-up call each.

    Args:
        candidates: Name -> what to time.
        device: Is waited for.
        rounds: How often.
        prepare: Called with the name before each call, outside the timed part.
        clock: Seconds; `time.process_time` where one thread shares a CPU with other programs.
    """
    peaks = {name: cuda_peak(run, device) for name, run in candidates.items()}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            prepare(name)
            synchronize(device)
            start = clock()
            run()
            synchronize(device)
            times[name].append(clock() - start)
    return {name: Measurement(statistics.median(times[name]), peaks[name]) for name in candidates}


def cuda_peak(run: Callable[[], object], device: torch.device) -> float:
    """MiB that a call allocates on a CUDA device; also the warm-up. NaN elsewhere."""
    run()
    if device.type != "cuda":
        return math.nan
    synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def resident_peak(run: Callable[[], object]) -> float:
    """MiB of resident memory that a call adds, by the Linux kernel's own high-water mark.

    Only the first such call of a process tells: later ones reuse what the allocator kept.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the mark
    before = _status("VmRSS")
    run()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def synchronize(device: torch.device) -> None:
    """Waits until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def default_device() -> torch.device:
    """CUDA, else MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
