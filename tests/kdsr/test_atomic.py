"""Files are written completely or not at all, never over another's, without leftovers."""

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from kdsr import ImageError, atomic
from kdsr.atomic import abandon, sweep, writing
from kdsr.errors import KDSRError
from kdsr.exports.export import export_program
from kdsr.files.images import DecodedImage, write_image
from kdsr.files.weights import convert, save_checkpoint
from tests.conftest import make_tiny
from tests.support.limits import full_disk
from tests.support.places import GOLDEN, ROOT

PICTURE = DecodedImage(torch.rand(1, 3, 8, 8))
DEEP = DecodedImage(torch.rand(1, 3, 8, 8), deep=True)
TINY = make_tiny()
PIXELS = torch.rand(3, 64, 64)
WRITERS: dict[str, Callable[[Path], object]] = {
    **{
        name: lambda path, like=like: write_image(path, PIXELS, like)
        for name, like in {
            "a.png": PICTURE, "a.jpg": PICTURE, "a.webp": PICTURE, "a.tif": PICTURE,
            "deep.png": DEEP, "deep.tif": DEEP,
        }.items()
    },
    "idr.safetensors": lambda path: TINY.estimate(PICTURE.rgb).save(path),
    "weights.safetensors": lambda path: save_checkpoint(TINY, path),
    "weights.pt": lambda path: convert(GOLDEN / "classic_student_x2.pt", path),
    "baked.pt2": lambda path: export_program(TINY.bake(TINY.estimate(PICTURE.rgb)), path),
}  # fmt: skip


@pytest.fixture
def umask_027() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask_027")
@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_follows_the_umask_and_leaves_only_its_file(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / "new" / "folders" / name)
    written = tmp_path / "new" / "folders" / name
    assert mode(written) == 0o640
    assert list(written.parent.iterdir()) == [written]


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_full_disk_is_one_error_that_names_file_and_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = {}
    with full_disk(room=200):
        for name, write in WRITERS.items():
            try:
                write(Path("out") / name)
            except KDSRError as error:  # noqa: PERF203 - each says its own
                said[name] = str(error)
            except OSError as error:
                said[name] = f"{error.filename}: {error.strerror}"
    assert set(said) == set(WRITERS), "some writers took a full disk for success"
    for name, error in said.items():
        assert error.startswith(f"out/{name}: ")
        assert "File too large (disk /" in error
        assert "MB free)" in error
    assert list(tmp_path.iterdir()) == []


def write(path: Path, text: str, *, meanwhile: Callable[[], object] = str) -> None:
    with writing(path, overwrite=False) as part:
        part.write_text(text)
        meanwhile()


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(FileExistsError) as caught:
        write(target, "late", meanwhile=lambda: target.write_text("first"))
    assert caught.value.filename == str(target)
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_where_there_are_no_hard_links_a_file_is_still_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", unsupported)
    target = tmp_path / "a.txt"
    write(target, "first")
    with pytest.raises(FileExistsError):
        write(target, "second")
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_overwriting_keeps_the_permissions_and_the_link(tmp_path: Path) -> None:
    private, link = tmp_path / "private.txt", tmp_path / "link.txt"
    private.write_text("old")
    private.chmod(0o600)
    link.symlink_to(private)
    with writing(link) as part:
        assert mode(part) == 0o600, "others could read it while it is written"
        part.write_text("new")
    assert link.is_symlink()
    assert private.read_text() == "new"
    assert mode(private) == 0o600


def interrupted(error: type[BaseException]) -> None:
    raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_the_block_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    new = tmp_path / "new" / "folder" / "a.txt"
    with pytest.raises(error):
        write(new, "half", meanwhile=lambda: interrupted(error))
    old = tmp_path / "old.txt"
    old.write_text("old")
    with pytest.raises(error), writing(old):
        interrupted(error)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_folders_that_others_use_meanwhile_stay(tmp_path: Path) -> None:
    def others() -> None:
        (tmp_path / "new" / "other.txt").touch()
        interrupted(ValueError)

    with pytest.raises(ValueError):  # noqa: PT011
        write(tmp_path / "new" / "a.txt", "half", meanwhile=others)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["other.txt"]


def test_abandoning_removes_what_is_being_written(tmp_path: Path) -> None:
    def ended() -> None:
        abandon()
        assert list(tmp_path.iterdir()) == []

    with pytest.raises(FileNotFoundError):
        write(tmp_path / "new" / "a.txt", "half", meanwhile=ended)


@pytest.mark.skipif(os.name == "nt", reason="goes by age there")
def test_what_a_killed_process_left_is_swept_and_what_a_living_one_writes_is_not(
    tmp_path: Path,
) -> None:
    script = f"""
from pathlib import Path
from kdsr.atomic import writing
with writing(Path({str(tmp_path / "a.txt")!r})) as part:
    part.write_text("half")
    print("writing", flush=True)
    input()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdin=-1, stdout=-1, text=True
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        (part,) = tmp_path.iterdir()
        sweep(tmp_path)
        assert part.read_text() == "half"
        writer.kill()
    assert part.exists()
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="goes by age there")
def test_where_there_are_no_locks_only_old_files_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    names = [f".kdsr-{digit * 16}.part" for digit in "01"]
    for name in names:
        (tmp_path / name).touch()
    os.utime(tmp_path / names[0], (0, 0))
    with writing(tmp_path / "a.txt") as part:
        part.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", names[1]}


def test_subfolders_are_swept_if_asked(tmp_path: Path) -> None:
    left = tmp_path / "below" / f".kdsr-{'0' * 16}.part"
    left.parent.mkdir()
    left.touch()
    os.utime(left, (0, 0))
    sweep(tmp_path)
    assert left.exists()
    sweep(tmp_path, below=True)
    assert not left.exists()


def special_files(folder: Path) -> list[Path]:
    """A pipe, a socket, a device where that is allowed, and a link to the pipe."""
    made = [folder / "pipe.png", folder / "socket.png", folder / "link.png"]
    os.mkfifo(made[0])
    socket.socket(socket.AF_UNIX).bind(str(made[1]))
    made[2].symlink_to(made[0])
    with contextlib.suppress(PermissionError):
        os.mknod(folder / "device.png", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        made.append(folder / "device.png")
    return made


@pytest.mark.skipif(os.name == "nt", reason="has no such files")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_only_regular_files_are_ever_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    for path in special_files(Path()):
        before = path.lstat()
        for write in (
            lambda path: write_image(path, PIXELS, PICTURE),
            lambda path: TINY.estimate(PICTURE.rgb).save(path),
            lambda path: save_checkpoint(TINY, path),
        ):
            with pytest.raises((ImageError, OSError), match="device, pipe or socket") as caught:
                write(path)
            assert str(path) in str(caught.value)
        assert os.path.samestat(before, path.lstat())
    assert not list(Path().glob("*.part"))


@pytest.mark.parametrize("name", ["a" * 251 + ".txt", "é" * 125 + ".txt"])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    with writing(tmp_path / name) as part:
        part.write_text("whole")
    assert (tmp_path / name).read_text() == "whole"


def test_an_error_in_words_alone_keeps_them(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="out of luck") as caught, writing(tmp_path / "a.txt"):
        raise OSError("out of luck")
    assert caught.value.filename == str(tmp_path / "a.txt")


def test_errors_about_other_files_keep_their_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, writing(tmp_path / "a.txt"):
        (tmp_path / "source.txt").read_text()
    assert caught.value.filename == str(tmp_path / "source.txt")
    assert not atomic._unfinished
