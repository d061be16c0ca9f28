"""Runs scripts in Node.js with onnxruntime-web, as a web page would use it."""

import shutil
import subprocess
from pathlib import Path

from kdsr.exports.demo_page import RUNTIME

NOT_FOUND = "no Node.js found: install Node.js 18 or newer"
NO_RUNTIME = (
    f"no onnxruntime-web found: run `npm install --prefix ~/.cache/kdsr {RUNTIME}` (of Node.js)"
)


def found_node() -> str | None:
    """Path of Node.js, or None."""
    return shutil.which("node")


def found_runtime() -> Path | None:
    """Path of a node_modules folder with onnxruntime-web, or None."""
    homes = (Path(__file__).parents[2], Path.home() / ".cache/kdsr")
    folders = [home / "node_modules" for home in homes]
    return next((f for f in folders if (f / "onnxruntime-web/package.json").is_file()), None)


def link_runtime(folder: Path) -> None:
    """Links onnxruntime-web into a folder, for its scripts and pages."""
    modules = found_runtime()
    assert modules, NO_RUNTIME
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)


def run_node(script: Path, *arguments: object) -> str:
    """Runs a script in its folder; returns its output."""
    node = found_node()
    assert node, NOT_FOUND
    done = subprocess.run(
        [node, script, *map(str, arguments)],
        check=False, cwd=script.parent, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
