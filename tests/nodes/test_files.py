"""Save IDR and Load IDR in a V3 host."""

from pathlib import Path

import pytest
import torch

from kdsr import IDR
from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.comfy_host import Host

REFUSED = [
    "../secret", "/etc/idr", "a//b", "a/./b", "a\0b", "a\nb", "x" * 5000, "x" * 250, "aux.txt",
    "CON", "com1.look/idr", "a:b*c?", "look./idr", "look /idr", "", "\udcff",
]  # fmt: skip
"""Beginnings of names that nothing may be saved under."""
TAKEN = ["look", "kdsr/look 1", "日本/写真", ".hidden", "aux2/console.1", "ünï%"]


@pytest.fixture(scope="module")
def idr() -> IDR:
    return make_tiny().estimate(torch.rand(2, 3, 12, 10))


def offered(host: Host) -> list[str]:
    """Choices of Load IDR."""
    return host.module("nodes.runtime").idr_files()


def test_a_saved_idr_loads_from_the_output_folder(host: Host, idr: IDR) -> None:
    path = host.run("KDSR_SaveIDR", idr=idr, filename_prefix="looks/portra")
    second = host.run("KDSR_SaveIDR", idr=idr, filename_prefix="looks\\portra")
    assert Path(path).parent == Path(second).parent
    assert path != second
    torch.testing.assert_close(IDR.load(path).idr_full, idr.idr_full)  # the command reads it too
    name = "looks/portra_00001_.safetensors [output]"
    assert name in offered(host)
    assert host.check("KDSR_LoadIDR", file=name) is True
    loaded = host.run("KDSR_LoadIDR", file=name)
    assert torch.equal(loaded.idr, idr.idr)
    assert loaded.fingerprint == idr.fingerprint


@pytest.mark.parametrize("name", TAKEN)
def test_names_that_every_system_reads_are_saved_listed_and_taken(
    host: Host, idr: IDR, name: str
) -> None:
    path = host.run("KDSR_SaveIDR", idr=idr, filename_prefix=name)
    listed = f"{Path(path).relative_to(host.base / 'output').as_posix()} [output]"
    assert listed in offered(host)
    assert torch.equal(host.run("KDSR_LoadIDR", file=listed).idr, idr.idr)


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: repr(name[:12]))
def test_names_that_some_system_could_not_read_are_refused(host: Host, idr: IDR, name: str) -> None:
    before = sorted(host.base.rglob("*"))
    with pytest.raises(RuntimeError, match="no file can be saved as"):
        host.run("KDSR_SaveIDR", idr=idr, filename_prefix=name)
    assert "no IDR file" in host.check("KDSR_LoadIDR", file=f"{name}.safetensors")
    assert sorted(host.base.rglob("*")) == before


@pytest.mark.parametrize("name", [5, None, 1.5, ["x"]])
def test_what_is_no_name_is_named(host: Host, idr: IDR, name) -> None:
    with pytest.raises(RuntimeError, match="no IDR file"):
        host.run("KDSR_LoadIDR", file=name)
    with pytest.raises(RuntimeError, match="expected text, got"):
        host.run("KDSR_SaveIDR", idr=idr, filename_prefix=name)
    host.node("KDSR_LoadIDR").fingerprint_inputs(name)


def test_a_file_that_windows_could_not_read_is_neither_listed_nor_taken(
    host: Host, idr: IDR
) -> None:
    idr.save(host.base / "input" / "a:b.safetensors")
    assert "a:b.safetensors" not in offered(host)
    assert "no IDR file" in host.check("KDSR_LoadIDR", file="a:b.safetensors")


def test_links_are_listed_and_taken_but_never_followed_in_a_circle(
    host: Host, idr: IDR, tmp_path: Path
) -> None:
    folder, elsewhere = host.base / "input" / "links", tmp_path / "looks"
    folder.mkdir()
    idr.save(elsewhere / "film" / "one.safetensors")
    (elsewhere / "film" / "back").symlink_to(elsewhere)
    (folder / "file.safetensors").symlink_to(elsewhere / "film" / "one.safetensors")
    (folder / "folder").symlink_to(elsewhere)
    (folder / "circle").symlink_to(host.base / "input")
    (folder / "dead.safetensors").symlink_to(tmp_path / "gone")
    listed = [name for name in offered(host) if name.startswith("links/")]
    assert listed == ["links/file.safetensors", "links/folder/film/one.safetensors"]
    for name in listed:
        assert torch.equal(host.run("KDSR_LoadIDR", file=name).idr, idr.idr)
    assert "no IDR file" in host.check("KDSR_LoadIDR", file="links/dead.safetensors")


def test_idr_files_that_cannot_be_read_are_found_before_running(host: Host) -> None:
    (host.base / "input" / "broken.safetensors").write_bytes(b"not one")
    save_checkpoint(make_tiny(), host.base / "input" / "weights.safetensors")
    (host.base / "secret.safetensors").write_bytes(b"outside")
    assert "no IDR file 'gone'" in host.check("KDSR_LoadIDR", file="gone")
    assert "not a readable IDR" in host.check("KDSR_LoadIDR", file="broken.safetensors")
    assert "not an IDR file" in host.check("KDSR_LoadIDR", file="weights.safetensors")
    for outside in ("../secret.safetensors", str(host.base / "secret.safetensors")):
        assert "no IDR file" in host.check("KDSR_LoadIDR", file=outside)


def test_a_changed_idr_file_is_loaded_again(host: Host, idr: IDR) -> None:
    path = host.base / "input" / "mine.safetensors"
    load = host.node("KDSR_LoadIDR")
    idr.save(path)
    before = load.fingerprint_inputs("mine.safetensors")
    idr[0].save(path)
    assert load.fingerprint_inputs("mine.safetensors") != before
