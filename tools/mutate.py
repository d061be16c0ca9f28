"""Do the tests notice small wrong changes? Runs them against a sample of mutants.

    nice -n 19 python -m tools.mutate kdsr/tiles kdsr/files --count 100 --log mutants.log

Nothing on disk is changed: each mutant lives in a process of its own that imports it instead of
the file. The log gets one line a mutant; a second call with the same log skips those it has, and
`--again` repeats the ones that survived, after tests were added.
"""

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

from tools.mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
TESTS = {
    "kdsr/tiles": ["tests/kdsr/tiles", "tests/kdsr/upscaling/test_tiled.py"],
    "kdsr/upscaling": ["tests/kdsr/upscaling"],
    "kdsr/files": ["tests/kdsr/files", "tests/kdsr/network"],
    "train/degradation": ["tests/train/degradation"],
    "train/loop": ["tests/train/loop"],
}
"""Folders and the tests that are to notice; those with the file's own name run first."""
_SEED = 0
_PRELOADED = ("torch", "numpy", "PIL.Image", "safetensors.torch", "einops", "pytest")


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


def run_tests(mutant: Mutant | None, tests: list[str], limit: float) -> tuple[str, float]:
    """Runs tests in a process of its own.

    Args:
        mutant: What is imported instead of its file; None for the files as they are.
        tests: Paths.
        limit: Seconds.

    Returns:
        "survived", "killed" or "timeout", and seconds.
    """
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        if mutant is not None:
            sys.meta_path.insert(0, _Finder(mutant))
        import pytest

        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])))
    while time.monotonic() - start < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            passed = os.waitstatus_to_exitcode(status) == 0
            return "survived" if passed else "killed", time.monotonic() - start
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout", time.monotonic() - start


def tests_of(path: Path) -> list[str]:
    """The tests that are to notice a change of a file; the ones with its name first."""
    folder = next(folder for folder in TESTS if path.is_relative_to(ROOT / folder))
    own = ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.stem}.py"
    first = [str(own.relative_to(ROOT))] if own.is_file() else []
    return first + TESTS[folder]


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns 1 if a mutant survived."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", default=list(TESTS))
    parser.add_argument("--count", type=int, default=300, help="mutants in the sample")
    parser.add_argument("--log", type=Path, default=Path("mutants.log"))
    parser.add_argument("--again", action="store_true", help="repeat the survivors in the log")
    arguments = parser.parse_args(argv)
    files = [f for folder in arguments.folders for f in sorted((ROOT / folder).rglob("*.py"))]
    mutants = [mutant for file in files for mutant in mutants_of(file, ROOT)]
    done = _logged(arguments.log)
    if arguments.again:
        chosen = [m for m in mutants if done.get(m.name) == "survived"]
    else:
        sample = random.Random(_SEED).sample(mutants, min(arguments.count, len(mutants)))
        chosen = [m for m in sample if m.name not in done]
    print(f"{len(mutants)} mutants, {len(chosen)} to run", flush=True)
    _run(sorted(chosen, key=lambda m: m.name), arguments.log)
    counts = Counter(_logged(arguments.log).values())
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    return int(counts["survived"] > 0)


def _run(mutants: list[Mutant], log: Path) -> None:
    os.chdir(ROOT)
    for module in _PRELOADED:
        importlib.import_module(module)
    usual: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        for mutant in mutants:
            tests = tests_of(mutant.path)
            key = " ".join(tests)
            if key not in usual:
                outcome, usual[key] = run_tests(None, tests, 600)
                if outcome != "survived":
                    raise SystemExit(f"the tests fail without a mutant: {key}")
            outcome, seconds = run_tests(mutant, tests, 20 + 4 * usual[key])
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{outcome}\t{seconds:.1f}\t{mutant.line}\t{mutant.name}\n")


def _logged(log: Path) -> dict[str, str]:
    """Name -> the last outcome."""
    if not log.exists():
        return {}
    lines = (line.split("\t") for line in log.read_text(encoding="utf-8").splitlines())
    return {name: outcome for outcome, _, _, name in lines}


if __name__ == "__main__":
    sys.exit(main())
