"""The rooms do not blur: who may import whom, and that imports go one way."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

STDLIB = set(sys.stdlib_module_names)
CORE = {"torch", "numpy", "safetensors", "einops", "PIL", "huggingface_hub", "tqdm"}
OPTIONAL = {
    "OpenEXR", "av", "filelock", "imagecodecs", "onnx", "onnxscript", "ray", "spandrel", "tifffile",
}  # fmt: skip
FOR_TYPE_CHECKERS = {"typing_extensions"}

LIBRARY = (
    ("errors", "atomic"),
    ("formats", "options", "pixels", "idr"),
    ("network",),
    ("tiles",),
    ("estimation",),
    ("upscaling",),
    ("meaning",),
    ("model",),
    ("exports",),
    ("files",),
    ("spandrel_archs",),
    ("video",),
    ("cluster",),
    ("__init__",),
    ("cli", "__main__"),
)
"""Floors of `kdsr/`, the lowest first: each imports only from its own folder and from below."""

TRAINING = (
    ("errors", "colour"),
    ("cards",),
    ("degradation",),
    ("data",),
    ("recipes",),
    ("losses",),
    ("measuring",),
    ("stages",),
    ("loop",),
    ("run", "evaluate", "calibrate", "publish", "pack"),
    ("short",),
)
"""The same for `train/`."""


def imports(path: Path, *, running: bool = False) -> set[tuple[int, str]]:
    """(relative level, dotted name) of everything a file imports.

    Args:
        path: The file.
        running: Leave out what only type checkers import.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if running else ():
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {node.module} if node.module else {alias.name for alias in node.names}
            found |= {(node.level, name) for name in names}
    return found


def modules_imported(path: Path, package: str) -> set[str]:
    """Modules of a package that one of its files imports, for type checkers too, dotted in full."""
    here = list(path.relative_to(ROOT).with_suffix("").parts)
    found = set()
    for level, name in imports(path):
        full = [*here[: len(here) - level], name] if level else [name]
        if (dotted := ".".join(full)).split(".")[0] == package:
            found.add(dotted)
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def floor_of(module: str, floors: tuple[tuple[str, ...], ...]) -> int:
    """The floor of a dotted module of a package; the package itself is its `__init__`."""
    room = [*module.split("."), "__init__"][1]
    room = "errors" if room == "__version__" else room  # a string, which the door needs nothing for
    found = [floor for floor, rooms in enumerate(floors) if room in rooms]
    assert found, f"{module} lies on no floor: name its room in tests/test_imports.py"
    return found[0]


@pytest.mark.parametrize("path", files("kdsr"), ids=name_of)
def test_the_library_imports_only_itself_and_its_dependencies(path: Path) -> None:
    depth = len(path.relative_to(ROOT / "kdsr").parts)
    for level, name in imports(path):
        if level:
            assert level <= depth, f"{path.name} reaches outside kdsr: {'.' * level}{name}"
        else:
            allowed = STDLIB | CORE | OPTIONAL | FOR_TYPE_CHECKERS
            assert name.split(".")[0] in allowed, f"{path.name} imports {name}"
    needed = {name.split(".")[0] for level, name in imports(path, running=True) if not level}
    assert not needed & FOR_TYPE_CHECKERS, f"{path.name} needs {needed & FOR_TYPE_CHECKERS} to run"


@pytest.mark.parametrize(
    ("path", "package", "floors"),
    [
        *((path, "kdsr", LIBRARY) for path in files("kdsr")),
        *(
            (path, "train", TRAINING)
            for path in files("train")
            if path != ROOT / "train/__init__.py"
        ),
    ],
    ids=lambda value: name_of(value) if isinstance(value, Path) else "",
)
def test_each_folder_imports_only_from_below(
    path: Path, package: str, floors: tuple[tuple[str, ...], ...]
) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if module == "kdsr.__init__":
        return  # the door: it names what lies on all floors, on first use
    here = floor_of(module, floors)
    for other in modules_imported(path, package):
        assert floor_of(other, floors) <= here, f"{name_of(path)} climbs up to {other}"


@pytest.mark.parametrize("package", ["kdsr", "nodes", "train"])
def test_no_module_imports_itself_in_a_circle(package: str) -> None:
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): modules_imported(path, package)
        for path in files(package)
        if path.name != "__init__.py"
    }

    def circle(module: str, way: tuple[str, ...]) -> tuple[str, ...] | None:
        if module in way:
            return (*way[way.index(module) :], module)
        found = (circle(other, (*way, module)) for other in sorted(graph.get(module, ())))
        return next((way for way in found if way), None)

    assert [way for module in sorted(graph) if (way := circle(module, ()))] == []


@pytest.mark.parametrize("path", files("nodes"), ids=name_of)
def test_nodes_do_not_import_training(path: Path) -> None:
    for level, name in imports(path):
        if level:  # inside a pack `from ..kdsr` is the only way to the library
            assert name.split(".")[0] != "train", f"{path.name}: {name}"
        else:
            assert name.split(".")[0] not in {"train", "kdsr", "nodes"}, f"{path.name}: {name}"


@pytest.mark.parametrize("path", files("nodes"), ids=name_of)
def test_only_the_runtime_folder_talks_to_comfy(path: Path) -> None:
    if path.parent == ROOT / "nodes/runtime":
        return
    comfy = {name.split(".")[0] for _, name in imports(path)} & {"comfy", "folder_paths", "server"}
    assert not comfy, f"{path.name} imports {comfy}; move it to nodes/runtime/"


@pytest.mark.parametrize("path", files("train"), ids=name_of)
def test_training_does_not_import_nodes(path: Path) -> None:
    for _, name in imports(path):
        assert name.split(".")[0] not in {"nodes", "comfy"}, f"{path.name}: {name}"


@pytest.mark.parametrize("path", [*files("tools"), *files("benchmarks")], ids=name_of)
def test_tools_and_benchmarks_need_no_tests(path: Path) -> None:
    assert not {name for _, name in imports(path) if name.split(".")[0] == "tests"}


def test_the_map_shows_every_room_in_the_order_of_its_floor() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.split("## kdsr/")[1].split("\n\n")[1].splitlines()[2:]
    shown = [re.findall(r"`(\w+)(?:\.py|/)`", line.split("|")[1]) for line in table]
    assert all(shown)
    floors = [floor_of(f"kdsr.{room}", LIBRARY) for rooms in shown for room in rooms]
    assert floors == sorted(floors)
    rooms = {room for rooms in shown for room in rooms} | {"__init__", "__main__"}
    there = {path.relative_to(ROOT / "kdsr").parts[0].removesuffix(".py") for path in files("kdsr")}
    assert rooms == there


def test_every_file_on_the_walk_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    walk = text.split("## Follow one picture through the code")[1].split("\n## ")[0]
    named = re.findall(r"`((?:kdsr|nodes)/[\w/]+\.py)`(?:, `([\w.]+)`)?", walk)
    assert len(named) > 10
    for path, name in named:
        code = (ROOT / path).read_text(encoding="utf-8")
        for part in name.split(".") if name else ():
            assert re.search(rf"\b(def|class) {part}\b", code), f"{path} has no {part}"
