"""Blocks of image files, byte by byte."""

import struct
from pathlib import Path

import pytest

from kdsr.files.blocks import SIGNATURE, boxes, nclx_of, read_chunks
from tests.support.pngs import chunk


@pytest.mark.parametrize(
    ("primaries", "transfer", "known"),
    [(9, 16, True), (255, 1, True), (2, 13, False), (1, 2, False), (256, 13, False)],
)
def test_an_avif_names_its_colours_by_the_first_numbers_in_it(
    tmp_path: Path, primaries: int, transfer: int, known: bool
) -> None:
    path, numbers = tmp_path / "a.avif", struct.pack(">HHHB", primaries, transfer, 6, 128)
    said = ((b"cICP", bytes((primaries, transfer, 0, 1))),) if known else ()
    path.write_bytes(b"ftypavif colrnclx" + numbers)
    assert nclx_of(path) == said
    path.write_bytes(b"colrnclx" + numbers + b"colrnclx" + struct.pack(">HHHB", 12, 8, 0, 0))
    assert nclx_of(path) == said
    path.write_bytes(b"colrnclx" + numbers[:-1])
    assert nclx_of(path) == ()


@pytest.mark.parametrize("name", [b"IDAT", b"tEXt"])
def test_a_chunk_beyond_the_end_of_its_file_is_the_last(tmp_path: Path, name: bytes) -> None:
    header = bytes(13)
    start = SIGNATURE + chunk(b"IHDR", header) + struct.pack(">I4s", 2**32 - 12, name)
    (tmp_path / "a.png").write_bytes(start + chunk(b"IEND", b""))
    assert list(read_chunks(tmp_path / "a.png")) == [(b"IHDR", header)]


def test_boxes_follow_each_other_and_an_empty_one_is_passed() -> None:
    content = struct.pack(">I4s4s", 12, b"abcd", b"WXYZ") + struct.pack(">I4s", 0, b"none")
    assert list(boxes(content + struct.pack(">I4s", 8, b"last") + b"\0" * 7)) == [
        (b"abcd", b"WXYZ"), (b"none", b""), (b"last", b""),
    ]  # fmt: skip
