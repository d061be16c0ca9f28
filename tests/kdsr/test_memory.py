import errno
import os
from pathlib import Path

import pytest
import torch

from kdsr import IDRError, OutOfMemoryError, memory
from kdsr.memory import check_room, explaining_shortage, free_host_memory, is_out_of_memory

SHORTAGES = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("could not create a primitive"),
    RuntimeError("could not execute a primitive"),
    RuntimeError("unable to mmap 8192 bytes from file: Cannot allocate memory (12)"),
    RuntimeError("can't start new thread"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 1024 vs 960"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    OSError("encoder error -9 when writing image file"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    OutOfMemoryError("already said"),
    SystemError("error return without exception set"),
    SystemError("<built-in> returned NULL without setting an exception"),
    type("PanicException", (BaseException,), {})("PyObject pointer is null"),
]
OTHERS = [
    RuntimeError("shapes do not match"),
    SystemError("bad argument to internal function"),
    KeyboardInterrupt(),
    OSError(errno.ENOSPC, "No space left on device"),
    FileNotFoundError(errno.ENOENT, "No such file", "out of memory.png"),
    ImportError("cannot allocate memory in static TLS block"),
    IDRError("out of memory.safetensors: no such file"),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=repr)
def test_every_librarys_words_for_a_shortage_are_known_and_become_one_sentence(
    error: BaseException,
) -> None:
    assert is_out_of_memory(error)
    with pytest.raises(OutOfMemoryError) as caught, explaining_shortage("to do it", "buy some"):
        raise error
    if not isinstance(error, OutOfMemoryError):
        assert str(caught.value) == "not enough memory to do it; buy some"


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_are_not_taken_for_a_shortage(error: BaseException) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as caught, explaining_shortage("to do it"):
        raise error
    assert caught.value is error


def test_what_pytorch_really_raises_is_a_shortage() -> None:
    for wrong in (lambda: torch.empty(1 << 60), lambda: torch.zeros(1 << 50)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            wrong()
        assert is_out_of_memory(caught.value)


def test_what_cannot_fit_is_refused_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_meminfo", lambda *names: 3_000_000_000 * len(names))
    monkeypatch.setattr(memory, "_container", lambda: None)
    monkeypatch.setattr(memory, "_address_space", lambda: None)
    check_room(6_000_000_000, "swap space counts: a picture")
    with pytest.raises(OutOfMemoryError, match=r"a picture needs about 6\.1 GB .* 6\.0 GB are"):
        check_room(6_100_000_000, "a picture")
    monkeypatch.setattr(memory, "_container", lambda: 2_000_000)
    with pytest.raises(OutOfMemoryError, match="2 MB are free"):
        check_room(6_000_000, "a picture")
    monkeypatch.setattr(memory, "free_host_memory", lambda **_: None)
    check_room(1 << 80, "where nobody knows, nothing is refused: a picture")


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("MemTotal:  999 kB\nMemFree:  5 kB\nMemAvailable:  123 kB\nSwapFree: 7 kB\n", 123 * 1024),
        ("MemTotal:  999 kB\n", None),
        (None, None),
    ],
)
def test_the_machines_free_memory_is_what_it_calls_available(
    monkeypatch: pytest.MonkeyPatch, text: str | None, free: int | None
) -> None:
    def read(path: Path, *_: object, **__: object) -> str:
        if text is None or path != Path("/proc/meminfo"):
            raise FileNotFoundError
        return text

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(memory, "_address_space", lambda: None)
    assert free_host_memory() == free
    if free is not None:
        assert free_host_memory(swap=True) == free + 7 * 1024


@pytest.mark.parametrize(
    ("files", "free"),
    [
        (
            {"memory.max": "1000\n", "memory.current": "700\n", "memory.stat": "inactive_file 50"},
            350,
        ),
        ({"memory.max": "max\n", "memory.current": "700\n", "memory.stat": ""}, None),
        (
            {
                "memory/memory.limit_in_bytes": "900",
                "memory/memory.usage_in_bytes": "500",
                "memory/memory.stat": "cache 3\ntotal_inactive_file 7\n",
            },
            407,
        ),
        ({}, None),
    ],
)
def test_the_limits_of_containers_count(
    tmp_path: Path, files: dict[str, str], free: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory._container(tmp_path) == free


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="Linux says it there")
def test_the_machine_says_how_much_is_free() -> None:
    free, with_swap = free_host_memory(), free_host_memory(swap=True)
    assert free is not None
    assert with_swap is not None
    assert 1 << 20 < free < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert with_swap > free - (1 << 28)
