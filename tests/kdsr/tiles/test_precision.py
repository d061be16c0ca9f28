import pytest
import torch

from kdsr.tiles.precision import multiplies_bf16, pick_dtype

PROBES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


@pytest.mark.parametrize("able", [(False, False), (True, False), (False, True)])
def test_a_processor_gets_bf16_only_if_it_has_the_instructions(
    monkeypatch: pytest.MonkeyPatch, able: tuple[bool, bool]
) -> None:
    for probe, answer in zip(PROBES, able, strict=True):
        monkeypatch.setattr(torch.cpu, probe, lambda answer=answer: answer, raising=False)
    assert multiplies_bf16(torch.device("cpu")) is any(able)
    expected = torch.bfloat16 if any(able) else torch.float32
    assert pick_dtype("auto", torch.device("cpu")) == expected


def test_a_pytorch_without_the_probes_means_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    for probe in PROBES:
        monkeypatch.delattr(torch.cpu, probe, raising=False)
    assert pick_dtype("auto", torch.device("cpu")) == torch.float32


@pytest.mark.parametrize("able", [False, True])
def test_a_gpu_is_asked_itself_and_runs_fp16_either_way(
    monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: able)
    assert multiplies_bf16(torch.device("cuda")) is able
    assert pick_dtype("auto", torch.device("cuda")) == torch.float16


def test_other_devices_are_not_taken_to_multiply_bf16() -> None:
    assert not multiplies_bf16(torch.device("mps"))
