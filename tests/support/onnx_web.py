"""Node.js and onnxruntime-web, as somebody's web page would use them."""

import shutil
import subprocess
from pathlib import Path

from tests.support.places import ROOT

VERSION = "1.30.0"
NOT_FOUND = (
    "no Node.js with onnxruntime-web found: install Node.js 18 or newer and run "
    f"`npm install --prefix ~/.cache/kdsr onnxruntime-web@{VERSION}`"
)


def found_modules() -> Path | None:
    """A node_modules folder that holds onnxruntime-web, or None."""
    homes = (ROOT, Path.home() / ".cache/kdsr")
    folders = [home / "node_modules" for home in homes]
    return next((f for f in folders if (f / "onnxruntime-web/package.json").is_file()), None)


def found_node() -> str | None:
    """The program node, or None where it or onnxruntime-web is missing."""
    return shutil.which("node") if found_modules() else None


def run_node(script: Path, *arguments: object, folder: Path) -> str:
    """Runs a script in a folder that finds onnxruntime-web; returns what it printed."""
    node, modules = found_node(), found_modules()
    assert node, NOT_FOUND
    assert modules, NOT_FOUND
    # Modules are looked for beside the script, not where Node was started.
    copy = folder / script.name
    shutil.copyfile(script, copy)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    done = subprocess.run(
        [node, copy, *map(str, arguments)],
        check=False, cwd=folder, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
