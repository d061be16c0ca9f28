from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import kdsr
from kdsr import CheckpointError
from kdsr.files.baked import FORMAT, KEYS, build_baked, save_baked
from kdsr.network.architecture import SCALES
from kdsr.network.baked import BakedKDSR
from tests.conftest import make_tiny


def bake(scale: int = 4) -> BakedKDSR:
    model = make_tiny(scale)
    return model.bake(model.estimate(torch.rand(1, 3, 12, 10)))


@pytest.mark.parametrize("scale", SCALES)
def test_a_saved_network_comes_back_as_it_was(tmp_path: Path, scale: int) -> None:
    baked, path = bake(scale), tmp_path / "baked.safetensors"
    save_baked(baked, path, {"name": "mine"})
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"name": "mine", "format": FORMAT, "scale": str(scale)}
        assert set(KEYS) <= set(file.keys())
    again, lq = build_baked(load_file(path)), torch.rand(2, 3, 11, 9)
    assert (again.scale, again.halo) == (scale, baked.halo)
    assert torch.equal(again(lq), baked(lq))


def test_a_file_is_in_float32_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "baked.safetensors"
    save_baked(bake().cast_body(torch.bfloat16), path)
    assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float32}
    with pytest.raises(FileExistsError):
        save_baked(bake(), path, overwrite=False)


def test_what_belongs_to_no_baked_network_is_named() -> None:
    state = bake().state_dict()
    with pytest.raises(CheckpointError, match=r"missing: fuse\.weight"):
        build_baked({key: t for key, t in state.items() if key != "fuse.weight"})
    with pytest.raises(CheckpointError, match="not a baked KDSR network"):
        build_baked(make_tiny().state_dict())
    with pytest.raises(CheckpointError, match=r"head\.bias holds values.*damaged"):
        build_baked({**state, "head.bias": torch.full((8,), torch.nan)})


def test_loading_one_as_a_model_says_what_it_is(tmp_path: Path) -> None:
    save_baked(bake(), tmp_path / "baked.safetensors")
    with pytest.raises(CheckpointError, match=r"its IDR built in.*Load Upscale Model"):
        kdsr.load(tmp_path / "baked.safetensors")
    save_file({"composed.bias": torch.zeros(3)}, tmp_path / "part.safetensors")
    with pytest.raises(CheckpointError, match="not a KDSR model"):
        kdsr.load(tmp_path / "part.safetensors")
