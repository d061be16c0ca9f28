"""Do the tests notice small wrong changes? Runs them against a sample of mutants.

    nice -n 19 python -m tools.mutate kdsr/tiles kdsr/files --count 60 --log mutants.jsonl

The sample is `--count` mutants of each folder, the same in every run. Nothing on disk is changed:
each mutant lives in a process of its own that imports it instead of the file, and that runs the
tests which enter the changed function, the fastest first. The log gets one line of JSON a mutant; a
second call with the same log skips those it has, and `--again` repeats the ones that survived,
after tests were added. Mutants in `tests/equivalent_mutants.json` do what the code does, for the
reason given there.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from tools.entered import Chosen, Recorder
from tools.mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
TESTS = {
    "kdsr/tiles": ["tests/kdsr/tiles", "tests/kdsr/upscaling/test_tiled.py"],
    "kdsr/upscaling": ["tests/kdsr/upscaling"],
    "kdsr/files": ["tests/kdsr/files", "tests/kdsr/network/test_baked.py"],
    "train/degradation": ["tests/train/degradation"],
    "train/loop": ["tests/train/loop"],
}
"""Folders and the tests that are to notice."""
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.json"
"""Name -> why no test can tell it from the code."""
_SEED = 0
_LONGEST = 15.0  # seconds of processor time; tests that take longer are left out
_SLOW = "in_bf16 or test_bf16 or overfits"
"""Tests that are left out: parts of names."""
_OPTIONS = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-k", f"not ({_SLOW})")
_PRELOADED = (
    "torch", "numpy", "PIL.Image", "safetensors.torch", "einops", "pytest", "hypothesis",
    "huggingface_hub.file_download", "accelerate", "jsonargparse", "torch.utils.tensorboard",
    "torch.optim.swa_utils", "rich.progress",
)  # fmt: skip


class _Loader(importlib.abc.InspectLoader):
    """Gives a module the mutant's code."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def get_source(self, fullname: str) -> str:
        del fullname
        return ast.unparse(self.mutant.tree)

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self.mutant.tree, str(self.mutant.path), "exec")

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.mutant.path)
        exec(self.get_code(module.__name__), vars(module))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the mutant before the file."""

    def __init__(self, mutant: Mutant) -> None:
        parts = mutant.path.relative_to(ROOT).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self.name:
            return None
        package = self.mutant.path.name == "__init__.py"
        origin = str(self.mutant.path)
        return importlib.util.spec_from_file_location(
            fullname, origin, loader=_Loader(self.mutant),
            submodule_search_locations=[str(self.mutant.path.parent)] if package else None,
        )  # fmt: skip


def in_a_process(work: Callable[[], bool], limit: float) -> tuple[str, float]:
    """Does something in a process of its own that prints nothing.

    Args:
        work: Says whether all was well.
        limit: Seconds of processor time, and ten times as many of waiting, until it is stopped.

    Returns:
        "survived", "killed" (also by what `work` raises) or "timeout"; and seconds.
    """
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (round(limit), round(limit)))
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        passed = False
        try:
            passed = work()
        finally:
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


def _pytest(tests: list[str], plugin: object) -> bool:
    import pytest

    return pytest.main([*_OPTIONS, *tests], [plugin]) == 0


def record(folder: str) -> Recorder:
    """Runs the tests of a folder without a mutant."""

    def work() -> bool:
        recorder = Recorder(ROOT / folder)
        passed = _pytest(TESTS[folder], recorder)
        pickled.write_bytes(pickle.dumps(recorder))
        return passed

    with tempfile.TemporaryDirectory() as temporary:
        pickled = Path(temporary) / "recorder"
        outcome, _ = in_a_process(work, 600)
        if outcome != "survived":
            raise SystemExit(f"the tests fail without a mutant: {' '.join(TESTS[folder])}")
        return pickle.loads(pickled.read_bytes())


def run_tests(mutant: Mutant, recorder: Recorder) -> tuple[str, float]:
    """What the tests that enter a mutant say to it; as `in_a_process`."""
    tests = [t for t in recorder.tests_of(mutant.function) if recorder.seconds[t] <= _LONGEST]
    if not tests:
        return "survived", 0.0

    def work() -> bool:
        sys.meta_path.insert(0, _Finder(mutant))
        return _pytest(sorted({test.partition("::")[0] for test in tests}), Chosen(tests))

    return in_a_process(work, 20 + 4 * sum(recorder.seconds[test] for test in tests))


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns 1 if a mutant survived that does something else."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", default=list(TESTS))
    parser.add_argument("--count", type=int, default=70, help="mutants of each folder")
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--again", action="store_true", help="repeat the survivors in the log")
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)
    for module in _PRELOADED:
        importlib.import_module(module)
    equivalent = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = scratch
        sys.dont_write_bytecode, sys.pycache_prefix = (
            False,
            scratch,
        )  # compiled once, not per mutant
        for folder in arguments.folders:
            files = sorted((ROOT / folder).rglob("*.py"))
            mutants = [mutant for file in files for mutant in mutants_of(file, ROOT)]
            sample = random.Random(_SEED).sample(mutants, min(arguments.count, len(mutants)))
            repeated = "survived" if arguments.again else None
            done = _logged(arguments.log)
            chosen = [
                m for m in sample if done.get(m.name) == repeated and m.name not in equivalent
            ]
            print(f"{folder}: {len(mutants)} mutants, {len(chosen)} to run", flush=True)
            _run(folder, sorted(chosen, key=lambda m: m.name), arguments.log)
            done = _logged(arguments.log)
            counts = Counter(
                "equivalent" if m.name in equivalent else done.get(m.name, "not run")
                for m in sample
            )
            print(
                f"{folder}:", ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
            )
            survivors += counts["survived"]
    return int(survivors > 0)


def _run(folder: str, mutants: list[Mutant], log: Path) -> None:
    recorder = record(folder) if mutants else None
    for mutant in mutants:
        assert recorder is not None
        outcome, seconds = run_tests(mutant, recorder)
        line = {
            "outcome": outcome, "seconds": round(seconds, 1), "line": mutant.line,
            "name": mutant.name,
        }  # fmt: skip
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _logged(log: Path) -> dict[str, str]:
    """Name -> the last outcome."""
    if not log.exists():
        return {}
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return {line["name"]: line["outcome"] for line in lines}


if __name__ == "__main__":
    sys.exit(main())
