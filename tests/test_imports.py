"""The rooms do not blur: who may import whom."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STDLIB = set(sys.stdlib_module_names)
CORE = {"torch", "numpy", "safetensors", "einops", "PIL", "huggingface_hub", "tqdm"}
OPTIONAL = {"onnx", "onnxscript"}


def imports(path: Path) -> set[tuple[int, str]]:
    """(relative level, dotted name) of everything a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.level, node.module or ""))
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", files("kdsr"), ids=lambda p: p.name)
def test_the_library_imports_only_itself_and_its_dependencies(path: Path) -> None:
    depth = len(path.relative_to(ROOT / "kdsr").parts)
    for level, name in imports(path):
        if level:
            assert level <= depth, f"{path.name} reaches outside kdsr: {'.' * level}{name}"
        else:
            assert name.split(".")[0] in STDLIB | CORE | OPTIONAL, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", files("nodes"), ids=lambda p: p.name)
def test_nodes_do_not_import_training(path: Path) -> None:
    for level, name in imports(path):
        if level:  # inside a pack `from ..kdsr` is the only way to the library
            assert name.split(".")[0] != "train", f"{path.name}: {name}"
        else:
            assert name.split(".")[0] not in {"train", "kdsr", "nodes"}, f"{path.name}: {name}"


@pytest.mark.parametrize("path", files("nodes"), ids=lambda p: p.name)
def test_only_the_runtime_module_talks_to_comfy(path: Path) -> None:
    if path.name == "runtime.py":
        return
    comfy = {name.split(".")[0] for _, name in imports(path)} & {"comfy", "folder_paths", "server"}
    assert not comfy, f"{path.name} imports {comfy}; move it to nodes/runtime.py"


@pytest.mark.parametrize("path", files("train"), ids=lambda p: p.name)
def test_training_does_not_import_nodes(path: Path) -> None:
    for _, name in imports(path):
        assert name.split(".")[0] not in {"nodes", "comfy"}, f"{path.name}: {name}"
