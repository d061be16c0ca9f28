"""Work in processes of their own, which may change what they like, hang or die."""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path


def in_a_process(
    work: Callable[[], bool], limit: float, output: Path = Path(os.devnull)
) -> tuple[str, float]:
    """Does something in a process of its own.

    Args:
        work: Says whether all was well.
        limit: Seconds of processor time, and ten times as many of waiting, until it is stopped.
        output: File for all that it prints.

    Returns:
        "survived", "killed" (also by what `work` raises) or "timeout"; and seconds.
    """
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (round(limit), round(limit)))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(printed, stream)
        passed = False
        try:
            passed = work()
        finally:
            sys.stdout.flush()
            os._exit(not passed)
    outcome = "timeout"
    done = 0
    while not done and time.monotonic() - start < 10 * limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done and os.waitstatus_to_exitcode(status) != -signal.SIGXCPU:
            outcome = "survived" if status == 0 else "killed"
        time.sleep(0.02)
    if not done:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return outcome, time.monotonic() - start
