"""Parity with the official code, on tensors that it computed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from kdsr.files.official import to_official
from kdsr.files.weights import load_checkpoint
from tests.support.places import GOLDEN

CASES = json.loads((GOLDEN / "cases.json").read_text())


def weights_of(case: str) -> Path:
    return next(path for path in GOLDEN.glob(f"{case}.pt*"))


def assert_close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    worst = (actual - expected).abs().max() / expected.abs().max()
    assert worst <= tolerance, f"relative difference {worst:.2e}"


@pytest.mark.parametrize("case", CASES["cases"])
def test_official_outputs_are_reproduced(case: str) -> None:
    model = load_checkpoint(weights_of(case))
    io = load_file(GOLDEN / f"{case}.io.safetensors")
    inputs = [io[f"in.{name}"] for name in ("lq", "gt") if f"in.{name}" in io]
    sr, idr, idr_full = model(*inputs)
    assert_close(sr, io["out.sr"])
    assert_close(idr, io["out.idr"])
    assert_close(idr_full, io["out.idr_full"])


@pytest.mark.parametrize("case", [name for name in CASES["cases"] if "student" in name])
def test_the_public_way_reproduces_them_too(case: str) -> None:
    model = load_checkpoint(weights_of(case))
    assert isinstance(model, KDSR)
    io = load_file(GOLDEN / f"{case}.io.safetensors")
    idr = model.estimate(io["in.lq"], dtype="fp32")
    assert_close(idr.idr, io["out.idr"])
    assert_close(idr.idr_full, io["out.idr_full"])
    sr = model.upscale(io["in.lq"], idr, dtype="fp32", tile=5)
    assert_close(sr, io["out.sr"].clamp(0, 1))


@pytest.mark.parametrize("case", CASES["cases"])
def test_configuration_and_role_are_inferred(case: str) -> None:
    expected = dict(CASES["cases"][case])
    role = expected.pop("role")
    model = load_checkpoint(weights_of(case))
    assert model.config == KDSRConfig(**expected)
    assert model.role == role


@pytest.mark.parametrize("name", CASES["parameter_counts"])
def test_parameter_counts_are_the_official_ones(name: str) -> None:
    expected = CASES["parameter_counts"][name]
    config = KDSRConfig.preset(name.lower())
    for model_class, role in ((KDSR, "student"), (KDSRTeacher, "teacher")):
        with torch.device("meta"):
            model = model_class(config)
        # The official count includes the constant mean shifts, which to_official adds.
        official = to_official(dict(model.named_parameters()), role)
        assert sum(tensor.numel() for tensor in official.values()) == expected[role]
