from pathlib import Path

from tools.entered import Recorder
from tools.mutants import Mutant, mutants_of

SOURCE = """
LIMIT = 2.0

def clamp(x: int, *, low: int = 0) -> int:
    if x < low:
        return low
    return min(x, 7)

class Counter:
    def add(self) -> None:
        self.n = self.n + 1
"""


def mutants(folder: Path) -> list[Mutant]:
    (folder / "a.py").write_text(SOURCE)
    return mutants_of(folder / "a.py", folder)


def test_each_mutant_is_one_change_that_its_name_states(tmp_path: Path) -> None:
    names = [mutant.name for mutant in mutants(tmp_path)]
    assert sorted(names) == sorted(
        [
            "a.py : 2.0 -> 3.0 #1",
            "a.py clamp: 0 -> 1 #1",
            "a.py clamp: x < low -> x <= low #1",
            "a.py clamp: return low -> return None #1",
            "a.py clamp: return min(x, 7) -> return None #1",
            "a.py clamp: 7 -> 8 #1",
            "a.py Counter.add: self.n + 1 -> self.n - 1 #1",
            "a.py Counter.add: 1 -> 2 #1",
        ]
    )


def test_a_mutant_knows_its_function_which_says_what_tests_it_needs(tmp_path: Path) -> None:
    found = {mutant.name: mutant.function for mutant in mutants(tmp_path)}
    path = str(tmp_path / "a.py")
    assert found["a.py : 2.0 -> 3.0 #1"] is None
    assert found["a.py clamp: 7 -> 8 #1"] == (path, 4)
    recorder = Recorder(tmp_path)
    recorder.entered = {"t.py::slow": {(path, 4)}, "t.py::quick": {(path, 4)}, "t.py::other": set()}
    recorder.seconds = {"t.py::slow": 2.0, "t.py::quick": 1.0, "t.py::other": 0.1}
    recorder.prepared = {"t.py": set()}
    assert recorder.tests_of((path, 4)) == ["t.py::quick", "t.py::slow"]
    assert recorder.tests_of(None) == ["t.py::other", "t.py::quick", "t.py::slow"]
