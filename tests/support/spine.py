"""Watches a `kdsr upscale`: our files that run, and the frames above the network."""

import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from tests.support.places import ROOT

OURS = str(ROOT / "kdsr") + os.sep
NETWORK = str(Path("network/baked.py"))


def watched() -> dict[str, list[str]]:
    """Runs it in a process of its own.

    Returns:
        "files": all of `kdsr/` whose code was executed, imports too; "frames": those of `kdsr/` on
        the stack as the network begins, the outermost first, each as file:function.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-m", "tests.support.spine"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


def _run() -> None:
    files: set[str] = set()
    frames: list[str] = []

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(OURS):
            return
        files.add(frame.f_code.co_filename[len(OURS) :])
        name = (frame.f_code.co_filename[len(OURS) :], frame.f_code.co_name)
        if name == (NETWORK, "forward") and not frames:
            above = frame.f_back
            while above is not None:
                if above.f_code.co_filename.startswith(OURS):
                    frames.append(f"{above.f_code.co_filename[len(OURS) :]}:{above.f_code.co_name}")
                above = above.f_back

    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["kdsr", "upscale", str(ROOT / "samples/example.png"), "-o", folder]
        threading.setprofile(watch)  # for the threads that read and write
        sys.setprofile(watch)
        try:
            runpy.run_module("kdsr", run_name="__main__")
        except SystemExit as ended:
            sys.setprofile(None)
            if ended.code:
                raise
    found = {"files": sorted(files), "frames": frames[::-1]}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    _run()
