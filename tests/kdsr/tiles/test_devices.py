import os

import pytest
import torch

import kdsr.tiles.work
from kdsr.tiles.work import free_memory, multiplies_bf16, pick_dtype

CPU = torch.device("cpu")
PROBES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


@pytest.mark.skipif(not hasattr(torch.cpu, "get_capabilities"), reason="an older PyTorch")
def test_both_ways_of_asking_agree_on_this_machine() -> None:
    probes = (getattr(torch.cpu, probe, bool)() for probe in PROBES)
    assert multiplies_bf16(CPU) is any(probes)


@pytest.mark.parametrize("able", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("public", [True, False], ids=["by name", "by probes"])
def test_a_processor_gets_bf16_only_if_it_has_the_instructions(
    monkeypatch: pytest.MonkeyPatch, able: tuple[bool, bool], public: bool
) -> None:
    for probe in PROBES:
        monkeypatch.delattr(torch.cpu, probe, raising=False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pick_dtype("auto", CPU) == torch.float32, "nothing is known"
    if public:
        known = dict(zip(("avx512_bf16", "amx_bf16"), able, strict=True))
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    else:
        for probe, answer in zip(PROBES, able, strict=True):
            monkeypatch.setattr(torch.cpu, probe, lambda answer=answer: answer, raising=False)
    assert multiplies_bf16(CPU) is any(able)
    expected = torch.bfloat16 if any(able) else torch.float32
    assert pick_dtype("auto", CPU) == expected


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


def test_free_memory_is_a_plausible_number_of_bytes() -> None:
    assert 1 << 20 < free_memory(CPU) < 1 << 50


def system_says(monkeypatch: pytest.MonkeyPatch, free: int | None) -> None:
    monkeypatch.setattr(kdsr.tiles.work, "free_host_memory", lambda: free)


def test_free_memory_is_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    system_says(monkeypatch, 123)
    assert free_memory(CPU) == 123
    system_says(monkeypatch, 0)
    assert free_memory(CPU) == 0, "none is not the same as not said"


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="a POSIX interface")
def test_half_of_all_memory_counts_where_the_system_does_not_say_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system_says(monkeypatch, None)
    sizes = {"SC_PHYS_PAGES": 1001, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    assert free_memory(CPU) == 1001 * 4096 // 2


def test_four_gib_are_assumed_of_a_system_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system_says(monkeypatch, None)
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert free_memory(CPU) == 4 * 1024**3


def test_what_a_gpus_allocator_holds_unused_counts_as_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 9000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 500)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 200)
    assert free_memory(torch.device("cuda")) == 1000 + 500 - 200
