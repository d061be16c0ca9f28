"""Facts about the pack that the registry, ComfyUI-Manager and comfy-test read."""

import ast
import sys

import pytest
from PIL import Image

from tests.support.places import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports] - comes with pytest

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def names(requirements: list[str]) -> set[str]:
    return {line.split(">=")[0].split("==")[0].strip() for line in requirements}


def lines(file: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_project_table_is_what_the_registry_wants() -> None:
    project, comfy = PROJECT["project"], PROJECT["tool"]["comfy"]
    assert "comfyui" not in project["name"].lower()
    assert len(project["version"].split(".")) == 3
    assert project["license"]
    assert project["urls"]["Repository"].startswith("https://github.com/")
    assert "Operating System :: OS Independent" in project["classifiers"]
    assert "Environment :: GPU :: NVIDIA CUDA" in project["classifiers"]
    assert comfy["PublisherId"]
    assert comfy["DisplayName"]
    assert comfy["requires-comfyui"] == ">=0.3.64"


def test_requirements_are_those_of_the_package_without_torch() -> None:
    package = PROJECT["project"]["dependencies"]
    manager = lines("requirements.txt")
    assert set(manager) == {line for line in package if not line.startswith("torch")}
    assert not [line for line in package + manager if "==" in line or "<" in line]


@pytest.mark.parametrize(
    "folder",
    [
        "kdsr",
        "nodes",
        "web",
        "workflows",
        "subgraphs",
        "locales",
        "samples",
    ],
)
def test_nothing_that_users_need_is_kept_out_of_the_archive(folder: str) -> None:
    assert f"{folder}/" not in lines(".comfyignore")


def test_what_is_kept_out_exists_and_is_not_imported_by_the_nodes() -> None:
    kept_out = {line.rstrip("/") for line in lines(".comfyignore")}
    assert {"tests", "train", "benchmarks"} <= kept_out
    for path in [*ROOT.glob("nodes/*.py"), *ROOT.glob("kdsr/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.split(".")[0] not in kept_out, path


def test_comfy_test_covers_every_node() -> None:
    config = tomllib.loads((ROOT / "comfy-test.toml").read_text(encoding="utf-8"))
    assert "coverage" in config["test"]["levels"]
    assert config["test"]["workflows"]["cpu"] == "all"


def test_icon_and_banner_have_the_shapes_that_the_registry_takes() -> None:
    comfy = PROJECT["tool"]["comfy"]
    sizes = {}
    for key in ("Icon", "Banner"):
        with Image.open(ROOT / comfy[key].split("/main/")[1]) as image:
            sizes[key] = image.size
    width, height = sizes["Banner"]
    assert sizes["Icon"] == (400, 400)
    assert width * 9 == height * 21
