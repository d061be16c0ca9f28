import errno
import os
from pathlib import Path

import pytest
import torch

from kdsr import IDRError, OutOfMemoryError, errors
from kdsr.errors import check_room, explaining_shortage, free_host_memory, is_out_of_memory

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
    monkeypatch.setattr(errors, "_meminfo", lambda *names: 3_000_000_000 * len(names))
    monkeypatch.setattr(errors, "_container", lambda: None)
    monkeypatch.setattr(errors, "_address_space", lambda: None)
    check_room(6_000_000_000, "swap space counts: a picture")
    with pytest.raises(OutOfMemoryError, match=r"a picture needs about 6\.1 GB .* 6\.0 GB are"):
        check_room(6_100_000_000, "a picture")
    monkeypatch.setattr(errors, "_container", lambda: 2_000_000)
    with pytest.raises(OutOfMemoryError, match="2 MB are free"):
        check_room(6_000_000, "a picture")
    monkeypatch.setattr(errors, "free_host_memory", lambda **_: None)
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
    monkeypatch.setattr(errors, "_address_space", lambda: None)
    assert free_host_memory() == free
    if free is not None:
        assert free_host_memory(swap=True) == free + 7 * 1024


def groups(folder: str, limit: int | str, used: int = 700) -> dict[str, str]:
    """The files of a control group: version 1 in a folder called memory, else version 2."""
    if folder.startswith("memory/"):
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    else:
        names = ("memory.max", "memory.current", "inactive_file")
    return {
        f"{folder}{names[0]}": f"{limit}\n",
        f"{folder}{names[1]}": f"{used}\n",
        f"{folder}memory.stat": f"cache 3\n{names[2]} 50\n",
    }


@pytest.mark.parametrize(
    ("own", "files", "free"),
    [
        ("0::/\n", groups("", 1000), 350),
        ("0::/\n", groups("", "max"), None),
        ("4:memory:/\n0::/\n", groups("memory/", 900), 250),
        ("", {}, None),
        (None, groups("", 1000), 350),
        ("0::/a.slice/job\n", groups("", "max") | groups("a.slice/job/", 800), 150),
        ("0::/a.slice/job\n", groups("a.slice/", 800) | groups("a.slice/job/", "max"), 150),
        ("0::/a.slice/job\n", groups("a.slice/", 800) | groups("a.slice/job/", 760), 110),
        ("0::/a.slice/job\n", groups("", 1000) | groups("b.slice/", 701), 350),
        ("3:cpu,memory:/slurm/job\n0::/\n", groups("memory/slurm/job/", 800), 150),
        ("3:memory:/elsewhere\n0::/\n", groups("memory/", 900), 250),
    ],
    ids=["2", "2 without a limit", "1", "none", "no file", "2: a job's", "2: above a job's",
         "2: the least", "2: of others", "1: a job's", "1: seen from inside"],
)  # fmt: skip
def test_the_limits_of_containers_jobs_and_slices_count(
    tmp_path: Path, own: str | None, files: dict[str, str], free: int | None
) -> None:
    if own is not None:
        (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert errors._container(tmp_path, tmp_path / "own") == free


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="Linux says it there")
def test_the_machine_says_how_much_is_free() -> None:
    free, with_swap = free_host_memory(), free_host_memory(swap=True)
    assert free is not None
    assert with_swap is not None
    assert 1 << 20 < free < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert with_swap > free - (1 << 28)
