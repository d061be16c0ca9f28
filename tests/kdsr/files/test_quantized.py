"""Weights stored in 8 bits."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kdsr import KDSR, CheckpointError
from kdsr.files.weights import (
    SCALE,
    dequantize,
    load_student,
    quantize,
    save_checkpoint,
    stored_dtype,
)
from tests.conftest import make_tiny
from tests.support.calibrated import calibration_for

KERNEL = "network.blocks.0.conv.weight"


def stored(tmp_path: Path, model: KDSR | None = None) -> Path:
    model = model or make_tiny()
    model.calibration = calibration_for(model)
    save_checkpoint(model, tmp_path / "8.safetensors", dtype=torch.int8)
    return tmp_path / "8.safetensors"


def test_blocks_move_by_half_a_step_and_the_rest_is_float16(tmp_path: Path) -> None:
    model = make_tiny()
    exact, kept = model.state_dict(), load_student(stored(tmp_path, model)).state_dict()
    assert set(kept) == set(exact)
    for key, weight in exact.items():
        assert kept[key].dtype == torch.float32
        if key.startswith("network.blocks.") and weight.ndim > 1:
            step = weight.flatten(1).abs().amax(1) / 127 * (1 + 2**-8)  # a step of bfloat16
            off = (kept[key] - weight).flatten(1).abs()
            assert (off <= step[:, None] * 0.5001).all()
            assert off.any()
        else:
            assert torch.equal(kept[key], weight.half().float()), key


def test_storing_it_again_changes_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path)
    before = load_file(path)
    assert stored_dtype(path) == torch.int8
    save_checkpoint(load_student(path), path, dtype=torch.int8)
    after = load_file(path)
    assert set(after) == set(before)
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_a_file_is_stored_in_is_known(tmp_path: Path, dtype: torch.dtype) -> None:
    model = make_tiny()
    model.calibration = calibration_for(model)  # in float32, whatever the others are in
    save_checkpoint(model, tmp_path / "a.safetensors", dtype=dtype)
    assert stored_dtype(tmp_path / "a.safetensors") == dtype


def test_a_row_of_zeros_and_rows_of_any_size_survive() -> None:
    rows = torch.tensor([[0.0, 0.0], [1e-30, -5e-31], [3e5, 1e5], [1.0, -1.0]])
    kept = dequantize(quantize({KERNEL: rows}))[KERNEL]
    assert torch.isfinite(kept).all()
    torch.testing.assert_close(kept, rows, rtol=0.01, atol=0)


def without_steps(state: dict[str, Tensor]) -> None:
    del state[KERNEL + SCALE]


def one_too_few(state: dict[str, Tensor]) -> None:
    state[KERNEL + SCALE] = state[KERNEL + SCALE][1:].clone()


def whole_steps(state: dict[str, Tensor]) -> None:
    state[KERNEL + SCALE] = state[KERNEL + SCALE].int()


def no_number(state: dict[str, Tensor]) -> None:
    state[KERNEL + SCALE][0] = torch.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_steps, f"expected {KERNEL} as a tensor of floats, got torch.int8"),
        (one_too_few, rf"{KERNEL} needs one step for each row.*shape \(8,\).*of \(7,\)"),
        (whole_steps, f"{KERNEL} needs one step for each row.*int32"),
        (no_number, f"{KERNEL} holds values from nan"),
    ],
)
def test_steps_that_are_wrong_are_refused(tmp_path: Path, change: object, message: str) -> None:
    path = stored(tmp_path)
    state = load_file(path)
    assert callable(change)
    change(state)
    save_file(state, path)
    with pytest.raises(CheckpointError, match=f"{path}: {message}"):
        load_student(path)
