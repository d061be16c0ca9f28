"""Blocks of image files: chunks of PNG, and whether a file has several pictures; writes PNG."""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import accumulate, islice, repeat, takewhile
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from ..formats import ANIMATION_SUFFIXES, VIDEO_READ_SUFFIXES

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR = (b"cICP", b"gAMA", b"cHRM", b"sRGB", b"mDCV", b"mDCv", b"cLLI", b"cLLi")
"""Chunks that say what the numbers mean; a profile (iCCP) does so too."""
Chunks = tuple[tuple[bytes, bytes], ...]
"""(name, content) of PNG chunks that say what the numbers mean."""
_SILENT = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", *COLOUR)
"""Chunks that speak of pixels alone."""
_PIXELS = (b"IDAT", b"fdAT")
_LARGEST = 64 << 20  # bytes of a chunk that is kept; texts and profiles are smaller


def read_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of every chunk but the pixels, in order; ends where the file is damaged."""
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            if name in _PIXELS or size > _LARGEST:
                file.seek(size + 4, 1)
                continue
            content = file.read(size)
            if len(content) < size or file.read(4) != struct.pack(">I", zlib.crc32(name + content)):
                return
            yield name, content
            if name == b"IEND":
                return


def is_bare(path: Path) -> bool:
    """Whether a PNG holds pixels and their colours, and no metadata."""
    return all(name in _SILENT for name, _ in read_chunks(path))


def named_colours(path: Path) -> Chunks:
    """Colour information of a PNG or AVIF other than a profile, as PNG chunks."""
    return tuple(chunk for chunk in read_chunks(path) if chunk[0] in COLOUR) or nclx_of(path)


def nclx_of(path: Path) -> Chunks:
    """The colours that an AVIF file names by numbers, as PNG says the same; nothing if none."""
    with path.open("rb") as file:
        head = file.read(_HEAD_OF_AVIF)
    at = head.find(b"colrnclx")
    if at < 0 or len(head) < at + 15:
        return ()
    primaries, transfer = struct.unpack(">HH", head[at + 8 : at + 12])
    if 2 in (primaries, transfer) or max(primaries, transfer) > 255:  # 2 is: not said
        return ()
    return ((b"cICP", bytes((primaries, transfer, 0, 1))),)


def write_chunk(file: BinaryIO, name: bytes, content: bytes) -> None:
    """Writes a chunk with its length and checksum."""
    file.write(struct.pack(">I", len(content)) + name + content)
    file.write(struct.pack(">I", zlib.crc32(name + content)))


def profile_chunk(icc: bytes) -> tuple[bytes, bytes]:
    """The chunk that holds a colour profile."""
    return b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)


_BAND = 256  # rows that are compressed at a time
_PNG_COLOR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def write_png(
    path: Path,
    shape: tuple[int, int, int],
    bands: Iterable[np.ndarray],
    icc: bytes | None,
    level: int,
    chunks: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Writes a PNG of 8 or 16 bits, compressed by zlib's level 0 to 9.

    Args:
        path: The file.
        shape: (height, width, channels), 1 to 4 channels.
        bands: Its rows from top to bottom, (rows, width, channels) each, uint8 or uint16.
        icc: Its colour profile.
        level: Level of zlib.
        chunks: Go in front of the pixels.
    """
    height, width, channels = shape
    packer, above = zlib.compressobj(level), np.zeros(0, np.uint8)
    with path.open("wb") as file:
        for band in bands:
            rows = band.astype(">u2", copy=False) if band.dtype == np.uint16 else band
            rows = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
            if not len(above):
                kind = (8 * band.dtype.itemsize, _PNG_COLOR_TYPE[channels], 0, 0, 0)
                file.write(SIGNATURE)
                write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, *kind))
                for name, content in (*([profile_chunk(icc)] if icc else []), *chunks):
                    write_chunk(file, name, content)
                above = np.zeros_like(rows[0])
            for top in range(0, len(rows), _BAND):  # a chunk's length is limited
                part = rows[top : top + _BAND]
                write_chunk(file, b"IDAT", packer.compress(_filtered(part, above)))
                above = part[-1].copy()
        write_chunk(file, b"IDAT", packer.flush())
        write_chunk(file, b"IEND", b"")


def _filtered(rows: np.ndarray, above: np.ndarray) -> memoryview:
    """Rows as PNG's "up" filter stores them: differences to the row above compress well."""
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    np.subtract(rows[0], above, out=filtered[0, 1:])
    return filtered.reshape(-1).data


_SCREEN, _PALETTE = 0x80, 0x07  # of a GIF's flags: there is a palette, and how large it is
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B  # of GIF
_RIFF_HEAD = 12
_MOST_FRAMES = 1_000_000  # of an AVIF
_HEAD_OF_AVIF = 1 << 16  # bytes, in which its boxes lie
_ANIMATED = 2  # of a WebP's flags


def is_video(path: Path) -> bool:
    """Whether KDSR treats a file as a video: by its suffix, for images by their content."""
    suffix = path.suffix.lower()
    return is_moving(path) if suffix in ANIMATION_SUFFIXES else suffix in VIDEO_READ_SUFFIXES


class Blocks(NamedTuple):
    """Facts from the blocks of an image file."""

    pictures: int
    """Number of complete pictures."""
    promised: int
    """Stated number of pictures; `pictures` if none is stated."""
    whole: bool
    """Whether the file is complete."""
    size: int = 0
    """Smallest stated size of an AVIF in bytes; 0 for all others."""


def is_moving(path: Path) -> bool:
    """Whether an image file has several pictures, or had before it was cut off."""
    found = blocks_of(path)
    return found is not None and (found.promised > 1 or found.pictures > 1)


def blocks_of(path: Path) -> Blocks | None:
    """Reads the blocks of a GIF, WebP, PNG or AVIF file; None for what is no animation of these."""
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_RIFF_HEAD)
            file.seek(0)
            for fits, read in _KINDS:
                if fits(head):
                    return read(file)
    except (OSError, struct.error, IndexError):
        pass  # whoever reads it says why
    return None


def _gif(file: BinaryIO) -> Blocks:
    pictures = 0
    try:
        flags = file.read(13)[10]
        _skip_palette(file, flags)
        while (kind := file.read(1)[0]) != _TRAILER:
            if kind == _IMAGE:
                _skip_palette(file, file.read(9)[8])
                file.read(1)[0]  # the size of the codes
            elif kind == _EXTENSION:
                file.read(1)[0]
            else:
                return Blocks(pictures, pictures, whole=True)  # what follows is no GIF's
            while size := file.read(1)[0]:
                if len(file.read(size)) < size:
                    raise IndexError
            pictures += kind == _IMAGE
    except IndexError:  # of a byte that is not there
        return Blocks(pictures, pictures + 1, whole=False)
    return Blocks(pictures, pictures, whole=True)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & _SCREEN:
        file.seek(3 << ((flags & _PALETTE) + 1), 1)


def _png(file: BinaryIO) -> Blocks | None:
    file.seek(len(SIGNATURE))
    pictures = promised = 0
    whole = False
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        content = file.read(min(size, 8))
        if name == b"acTL":
            (promised,) = struct.unpack(">I", content[:4])
        if name == b"IDAT" and not promised:
            return None
        pictures += name == b"fcTL"
        whole = name == b"IEND"
        if file.seek(size - len(content) + 4, 1) < 0 or whole:
            break
    return Blocks(pictures if whole else max(pictures - 1, 0), promised, whole)


def _webp(file: BinaryIO) -> Blocks | None:
    _, size, _ = struct.unpack("<4sI4s", file.read(_RIFF_HEAD))
    end, there = size + 8, file.seek(0, 2)
    file.seek(_RIFF_HEAD)
    pictures = 0
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"VP8X" and not file.read(1)[0] & _ANIMATED:
            return None
        if name in (b"VP8 ", b"VP8L"):
            return None
        place = file.seek(size + size % 2 - (name == b"VP8X"), 1)
        pictures += name == b"ANMF" and place <= there
    whole = end <= there
    return Blocks(pictures, pictures + (not whole), whole)


def _avif(file: BinaryIO) -> Blocks | None:
    (size,) = struct.unpack(">I", file.read(4))
    if b"avis" not in file.read(min(size, 256)):
        return None
    there, end, index = file.seek(0, 2), 0, b""
    while end + 8 <= there:
        file.seek(end)
        length, name = struct.unpack(">I4s", file.read(8))
        if name == b"moov":
            index = file.read(length - 8)
        if length < 8:  # up to the end of the file, or of more than 4 GiB
            break
        end += length
    tracks: list[list[int]] = []
    with suppress(LookupError, StopIteration, struct.error):  # whoever reads it says so
        tracks = [_ends_of_samples(track) for name, track in boxes(index) if name == b"trak"]
    tracks = [ends for ends in tracks if ends]
    if not tracks:
        return Blocks(2, 2, whole=True)
    size = max(end, *map(max, tracks))
    pictures = min(sum(1 for _ in takewhile(there.__ge__, ends)) for ends in tracks)
    return Blocks(pictures, max(map(len, tracks)), size <= there, size)


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, content) of the boxes of an AVIF or MP4."""
    place = 0
    while place + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        yield name, content[place + 8 : place + length]
        place += max(length, 8)


def _ends_of_samples(track: bytes) -> list[int]:
    """End of each picture of a track in the file; chunks may be anywhere."""
    media = dict(boxes(dict(boxes(track))[b"mdia"]))
    if media[b"hdlr"][8:12] not in (b"pict", b"auxv"):  # colours and opacity
        return []
    tables = dict(boxes(dict(boxes(media[b"minf"]))[b"stbl"]))
    same, count = struct.unpack_from(">II", tables[b"stsz"], 4)
    sizes = repeat(same, count) if same else struct.unpack_from(f">{count}I", tables[b"stsz"], 12)
    offsets, form = tables.get(b"stco"), "I"
    if offsets is None:
        offsets, form = tables[b"co64"], "Q"
    starts = struct.unpack_from(f">{int.from_bytes(offsets[4:8], 'big')}{form}", offsets, 8)
    runs = list(struct.iter_unpack(">III", tables[b"stsc"][8:]))
    ends, coming = [], islice(sizes, _MOST_FRAMES)
    for chunk, start in enumerate(starts, 1):
        samples = next(run[1] for run in reversed(runs) if run[0] <= chunk)
        ends += [start + end for end in accumulate(islice(coming, samples))]
    return ends


_KINDS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], Blocks | None]], ...] = (
    (lambda head: head[:3] == b"GIF", _gif),
    (lambda head: head.startswith(SIGNATURE), _png),
    (lambda head: head[:4] == b"RIFF" and head[8:] == b"WEBP", _webp),
    (lambda head: head[4:8] == b"ftyp", _avif),
)
