"""Do the tests notice small wrong changes? Runs them against a sample of mutants.

    nice -n 19 python -m tools.mutate kdsr/tiles kdsr/files --count 60 --log mutants.jsonl

The sample is `--count` mutants of each folder, the same in every run: where code was changed, only
its own mutants are others. Nothing on disk is changed: each mutant lives in a process of its own,
which runs the tests that enter the changed function, the fastest first, until one fails. The log
gets one line of JSON a mutant; a second call with the same log skips those it has, and `--again`
repeats the ones that survived, after tests were added. Mutants in `tests/equivalent_mutants.json`
do what the code does, for the reason given there. Leave the tree alone while it runs.
"""

import argparse
import hashlib
import importlib
import json
import math
import os
import pickle
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from tools.changed import change_imports, functions_in, new_codes
from tools.children import in_a_process
from tools.entered import Chosen, InsteadOfTests, Recorder, passes
from tools.mutants import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
TESTS = {
    "kdsr/tiles": ["tests/kdsr/tiles", "tests/kdsr/upscaling/test_tiled.py"],
    "kdsr/upscaling": ["tests/kdsr/upscaling"],
    "kdsr/files": ["tests/kdsr/files"],
    "train/degradation": ["tests/train/degradation", "tests/train/recipes/test_schema.py"],
    "train/loop": ["tests/train/loop"],
}
"""Folders and the tests that are to notice."""
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.json"
"""Name -> why no test can tell it from the code."""
_LONGEST = 15.0  # seconds of processor time; tests that take longer are left out
_RECORDING = 1800.0  # seconds of processor time for all tests of a folder, once
_SLOW = "in_bf16 or test_bf16 or overfits"
"""Tests that are left out: parts of names."""
_OPTIONS = (
    "-x", "-q", "--assert=plain", "--timeout=0", "-p", "no:cacheprovider", "-k", f"not ({_SLOW})"
)  # fmt: skip
_PRELOADED = (
    "torch", "numpy", "PIL.Image", "safetensors.torch", "einops", "pytest", "hypothesis",
    "huggingface_hub.file_download", "accelerate", "jsonargparse", "torch.utils.tensorboard",
    "torch.optim.swa_utils", "rich.progress",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Mutants of a folder, and where to write what becomes of them."""

    folder: str
    mutants: list[Mutant]
    log: Path
    seconds: float
    """Processor time of the tests of one mutant: those beyond it are left out."""
    tests: list[str]
    """Files and folders of them."""

    def run(self) -> None:
        """Runs them: first those in functions, as tests are then imported only once."""
        with tempfile.TemporaryDirectory() as temporary:
            pickled, printed = Path(temporary) / "recorder", Path(temporary) / "printed"
            outcome, _ = in_a_process(lambda: self._in_functions(pickled), 100_000, printed)
            if outcome != "survived":
                said = printed.read_text(encoding="utf-8", errors="replace")
                raise SystemExit(f"{said}\nthe tests fail without a mutant: {' '.join(self.tests)}")
            recorder, left = pickle.loads(pickled.read_bytes())
        for mutant in self.mutants:
            if mutant.name in left:
                self._try(mutant, recorder, lambda tests, m=mutant: _with_import(m, tests))

    def _in_functions(self, pickled: Path) -> bool:
        recorder = Recorder(ROOT / self.folder)

        def record(session: pytest.Session) -> bool:
            passed = passes(session, [item.nodeid for item in session.items])
            if not passed:
                reporter = session.config.pluginmanager.get_plugin("terminalreporter")
                assert reporter is not None
                reporter.summary_errors()
                reporter.summary_failures()
            pickled.write_bytes(pickle.dumps(recorder))
            return passed

        def work(session: pytest.Session) -> None:
            printed = pickled.with_name("printed")
            outcome, seconds = in_a_process(lambda: record(session), _RECORDING, printed)
            if outcome != "survived":
                raise pytest.UsageError(f"without a mutant: {outcome} after {seconds:.0f} s")
            known = pickle.loads(pickled.read_bytes())
            session.config.pluginmanager.unregister(recorder)
            functions = functions_in(ROOT / self.folder)
            left = set()
            for mutant in self.mutants:
                if codes := new_codes(functions, mutant):
                    self._try(mutant, known, lambda tests, c=codes: _with_codes(c, session, tests))
                else:
                    left.add(mutant.name)
            pickled.write_bytes(pickle.dumps((known, left)))

        return _pytest(self.tests, [recorder, InsteadOfTests(work)])

    def _try(self, mutant: Mutant, recorder: Recorder, work: Callable[[list[str]], bool]) -> None:
        tests, room = [], self.seconds
        for test in recorder.tests_of(mutant.function):
            room -= recorder.seconds[test]
            if recorder.seconds[test] <= _LONGEST and (room >= 0 or not tests):
                tests.append(test)
        limit = 20 + 4 * sum(recorder.seconds[test] for test in tests)
        outcome, seconds = in_a_process(lambda: work(tests), limit) if tests else ("survived", 0.0)
        line = {
            "outcome": outcome, "seconds": round(seconds, 1), "line": mutant.line,
            "name": mutant.name,
        }  # fmt: skip
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _pytest(tests: list[str], plugins: list[object]) -> bool:
    scratch = os.environ["HYPOTHESIS_STORAGE_DIRECTORY"]
    return pytest.main([*_OPTIONS, f"--basetemp={scratch}/tests", *tests], plugins) == 0


def _with_codes(
    codes: list[tuple[FunctionType, CodeType]], session: pytest.Session, tests: list[str]
) -> bool:
    for function, code in codes:
        function.__code__ = code
    return passes(session, tests)


def _with_import(mutant: Mutant, tests: list[str]) -> bool:
    change_imports(ROOT, mutant)
    return _pytest(sorted({test.partition("::")[0] for test in tests}), [Chosen(tests)])


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns 1 if a mutant survived that does something else."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", default=list(TESTS))
    parser.add_argument("--count", type=int, default=70, help="mutants of each folder")
    parser.add_argument("--log", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--again", action="store_true", help="repeat the survivors in the log")
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="of tests for each mutant, fastest first"
    )
    parser.add_argument("--tests", nargs="+", help="instead of all that are about the folder")
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)
    for module in _PRELOADED:
        importlib.import_module(module)
    equivalent = json.loads(EQUIVALENT.read_text(encoding="utf-8"))
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = scratch
        # Files are compiled once, not for each mutant.
        sys.dont_write_bytecode, sys.pycache_prefix = False, scratch
        for folder in arguments.folders:
            files = sorted((ROOT / folder).rglob("*.py"))
            mutants = [mutant for file in files for mutant in mutants_of(file, ROOT)]
            sample = sorted(mutants, key=_draw)[: arguments.count]
            done = _logged(arguments.log)
            if arguments.again:
                chosen = [m for m in mutants if done.get(m.name) == "survived"]
            else:
                chosen = [m for m in sample if m.name not in done]
            chosen = [mutant for mutant in chosen if mutant.name not in equivalent]
            print(f"{folder}: {len(mutants)} mutants, {len(chosen)} to run", flush=True)
            gone = {name for name in equivalent if name.startswith(f"{folder}/")}
            for name in sorted(gone - {mutant.name for mutant in mutants}):
                print(f"no mutant any more, remove it from {EQUIVALENT.name}: {name}")
            if chosen:
                chosen.sort(key=lambda mutant: mutant.name)
                tests = arguments.tests or TESTS[folder]
                Run(folder, chosen, arguments.log, arguments.seconds, tests).run()
            done = {mutant.name: "not run" for mutant in sample} | _logged(arguments.log)
            counts = Counter(
                "equivalent" if mutant.name in equivalent else done[mutant.name]
                for mutant in mutants
                if mutant.name in done
            )
            print(
                f"{folder}:", ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))
            )
            survivors += counts["survived"]
    return int(survivors > 0)


def _draw(mutant: Mutant) -> str:
    """A random number that follows from the name: changes elsewhere leave the sample as it is."""
    return hashlib.sha256(mutant.name.encode()).hexdigest()


def _logged(log: Path) -> dict[str, str]:
    """Name -> the last outcome."""
    if not log.exists():
        return {}
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return {line["name"]: line["outcome"] for line in lines}


if __name__ == "__main__":
    sys.exit(main())
