"""Prints JSON about spandrel's handling of KDSR files; needs an interpreter with spandrel.

Questions, of which several are answered in turn where "+" is between them:

python tests/support/spandrel_facts.py install
python tests/support/spandrel_facts.py load FILE...
python tests/support/spandrel_facts.py baked MODEL NEW_FILE
python tests/support/spandrel_facts.py others FILE...
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spandrel  # pyright: ignore[reportMissingImports]
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

import kdsr
import kdsr.spandrel_archs
from kdsr.files.baked import save_baked

# Arguments of architectures that cannot be built without.
_IMAGE = {"num_in_ch": 3, "num_out_ch": 3}
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "Swin2SR": {"window_size": 8},
    "SwinIR": {"window_size": 8},
    "MMRealSR": _IMAGE,
    "SPAN": _IMAGE,
    "SAFMN": {"dim": 36},
    "SAFMNBCIE": {"dim": 36},
    "NAFNet": {"enc_blk_nums": [1], "dec_blk_nums": [1]},
    "AuraSR": {
        "dim": 8, "image_size": 64, "input_image_size": 16, "unconditional": True,
        "style_network": {"dim_in": 8, "dim_out": 8, "depth": 2},
    },
}  # fmt: skip


def install() -> dict[str, Any]:
    """Whether each of two calls added the architecture, and how often it is there."""
    added = [kdsr.spandrel_archs.install(), kdsr.spandrel_archs.install()]
    ids = [support.architecture.id for support in spandrel.MAIN_REGISTRY]
    return {"added": added, "times": ids.count("KDSR"), "baked": ids.count("KDSR-baked")}


def baked(paths: list[str]) -> dict[str, Any]:
    """Bakes a network into a file and describes spandrel's model of it."""
    kdsr.spandrel_archs.install()
    network = kdsr.load(paths[0])
    lq = torch.rand(1, 3, 21, 26, generator=torch.Generator().manual_seed(0))
    network = network.bake(network.estimate(lq, dtype="fp32"))
    save_baked(network, paths[1])
    model = spandrel.ModelLoader().load_from_file(paths[1])
    expected = network(lq).clamp(0, 1)
    off = model(lq).sub(expected), model.half()(lq.half()).float().sub(expected)
    return {
        "kind": type(model).__name__,
        "architecture": model.architecture.id,
        "scale": model.scale,
        "tiling": model.tiling.name,
        "differences": [float(difference.abs().max()) for difference in off],
        "refusal": _refusal_of_rgba(model),
    }


def _refusal_of_rgba(model: Any) -> str:
    try:
        model(torch.rand(1, 4, 8, 8))
    except kdsr.KDSRError as error:
        return str(error)
    return "accepted"


def load(paths: list[str]) -> dict[str, Any]:
    """Loads files by `spandrel.ModelLoader` and compares its results with ours."""
    kdsr.spandrel_archs.install()
    return {path: _load(Path(path)) for path in paths}


def _load(path: Path) -> dict[str, Any]:
    try:
        model = spandrel.ModelLoader().load_from_file(path)
    except kdsr.KDSRError as error:
        return {"error": str(error)}
    lq = torch.rand(1, 3, 21, 26, generator=torch.Generator().manual_seed(0))
    expected = kdsr.load(path).upscale(lq, dtype="fp32")
    sr, alone = model(lq), model.model(lq)
    half = model.half()(lq.half())
    return {
        "kind": type(model).__name__,
        "architecture": model.architecture.id,
        "purpose": model.purpose,
        "scale": model.scale,
        "tags": model.tags,
        "tiling": model.tiling.name,
        "difference": float((sr - expected).abs().max()),
        "difference_of_module": float((alone - expected).abs().max()),
        "difference_in_half": float((half.float() - expected).abs().max()),
        "half_stays_half": half.dtype == torch.float16,
        "refusal": _refusal_of_rgba(model),
    }


def others(paths: list[str]) -> dict[str, Any]:
    """Architectures that accept key sets: spandrel's, built by its own classes, and ours."""
    theirs = list(spandrel.MAIN_REGISTRY)
    kdsr.spandrel_archs.install()
    every = [*theirs, spandrel.MAIN_REGISTRY["KDSR"], spandrel.MAIN_REGISTRY["KDSR-baked"]]
    built = {s.architecture.id: _taken(_state(s.architecture), every) for s in theirs}
    read = spandrel.ModelLoader().load_state_dict_from_file
    return {"theirs": built, "ours": {path: _taken(read(path), every) for path in paths}}


def _state(architecture: Any) -> dict[str, torch.Tensor]:
    module = importlib.import_module(type(architecture).__module__)
    network: Callable[..., torch.nn.Module] = next(
        member
        for member in (getattr(module, name) for name in module.__all__)
        if isinstance(member, type) and issubclass(member, torch.nn.Module)
    )
    arguments = _ARGUMENTS.get(architecture.id, {})
    try:
        with torch.device("meta"):
            return network(**arguments).state_dict()
    except (RuntimeError, NotImplementedError, TypeError):  # reads values while it is built
        return network(**arguments).state_dict()


def _taken(state: dict[str, torch.Tensor], supports: list[Any]) -> list[str]:
    return [s.architecture.id for s in supports if s.detect(state)]


if __name__ == "__main__":
    known = {"install": install, "load": load, "baked": baked, "others": others}
    words, answers = sys.argv[1:], []
    while words:
        end = words.index("+") if "+" in words else len(words)
        (question, *paths), words = words[:end], words[end + 1 :]
        answers.append(known[question](paths) if paths else known[question]())
    print(json.dumps(answers))  # noqa: T201
