"""Interleaved timing, which exposes all candidates to the same load of the machine."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass
class Measurement:
    """Results of one candidate.

    Attributes:
        seconds: Median time of one call.
        peak_mib: Peak memory of one call in MiB; NaN if it was not measured.
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
        candidates: Functions to time, by name.
        device: Device to wait for.
        rounds: Number of rounds.
        prepare: Function called with the name before each call, outside of the timed part.
        clock: Clock in seconds; `time.process_time` for one thread on a shared CPU.
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
    """Runs a call for warm-up; returns its peak memory in MiB on CUDA, NaN elsewhere."""
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
    """Measures the resident memory in MiB that a call adds, by the Linux kernel's peak counter.

    Only the first call of a process is meaningful, as later ones reuse the allocator's memory.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak counter
    before = _status("VmRSS")
    run()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def synchronize(device: torch.device) -> None:
    """Waits until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def default_device() -> torch.device:
    """CUDA if available, otherwise MPS, otherwise the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
