import pytest
import torch

from kdsr.tiles.precision import multiplies_bf16, pick_dtype

PROBES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


@pytest.mark.parametrize("able", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("public", [True, False], ids=["by name", "by probes"])
def test_a_processor_gets_bf16_only_if_it_has_the_instructions(
    monkeypatch: pytest.MonkeyPatch, able: tuple[bool, bool], public: bool
) -> None:
    for probe in PROBES:
        monkeypatch.delattr(torch.cpu, probe, raising=False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pick_dtype("auto", torch.device("cpu")) == torch.float32, "nothing is known"
    if public:
        known = dict(zip(("avx512_bf16", "amx_bf16"), able, strict=True))
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    else:
        for probe, answer in zip(PROBES, able, strict=True):
            monkeypatch.setattr(torch.cpu, probe, lambda answer=answer: answer, raising=False)
    assert multiplies_bf16(torch.device("cpu")) is any(able)
    expected = torch.bfloat16 if any(able) else torch.float32
    assert pick_dtype("auto", torch.device("cpu")) == expected


@pytest.mark.parametrize(
    ("capability", "hip", "able"),
    [((7, 0), None, False), ((7, 5), None, False), ((8, 0), None, True), ((9, 0), None, True),
     ((0, 0), "6.2", True)],
    ids=["V100", "T4", "A100", "H100", "ROCm"],
)  # fmt: skip
def test_a_gpu_gets_bf16_only_if_it_has_the_instructions_and_runs_fp16_either_way(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], hip: str | None, able: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.version, "hip", hip)
    assert multiplies_bf16(torch.device("cuda")) is able
    assert pick_dtype("auto", torch.device("cuda")) == torch.float16


def test_other_devices_are_not_taken_to_multiply_bf16() -> None:
    assert not multiplies_bf16(torch.device("mps"))
