"""Files that are no image that is read here: by their first bytes, what they are instead."""

from collections.abc import Callable
from pathlib import Path

_HEAD = 1 << 16  # bytes that are looked at
_BOX = slice(4, 12)  # of ISO files: the first box's name and brand
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_CONVERT = "convert it to PNG or TIFF first"
_DEVELOP = "develop it first, to TIFF for instance"


def _begins(*heads: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(heads)


_KINDS: tuple[tuple[str, str, Callable[[bytes], bool]], ...] = (
    ("a HEIC image", _CONVERT, lambda h: h[_BOX][:4] == b"ftyp" and h[_BOX][4:] in _HEIC),
    ("a JPEG XL image", _CONVERT, _begins(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    ("a JPEG 2000 image", _CONVERT, _begins(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("a JPEG XR image", _CONVERT, _begins(b"II\xbc\x01")),
    ("a Photoshop document", _CONVERT, _begins(b"8BPS")),
    ("a GIMP document", _CONVERT, _begins(b"gimp xcf")),
    ("an icon", _CONVERT, _begins(b"\0\0\1\0")),
    ("a QOI image", _CONVERT, _begins(b"qoif")),
    ("a DirectX texture", _CONVERT, _begins(b"DDS ")),
    ("a Radiance image", _CONVERT, _begins(b"#?RADIANCE", b"#?RGBE")),
    ("a PDF document", "export its pages as images", _begins(b"%PDF")),
    ("a camera's raw file", _DEVELOP, lambda h: h[_BOX] == b"ftypcrx "),
    ("a camera's raw file", _DEVELOP, _begins(b"FUJIFILM", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")),
    ("a camera's raw file", _DEVELOP, lambda h: h[:4] == b"II*\0" and h[8:10] == b"CR"),
    ("a pointer of Git LFS, not the image", "run git lfs pull",
     _begins(b"version https://git-lfs")),
    ("an SVG drawing", "render it as PNG first", lambda h: b"<svg" in h[:512].lower()),
    ("a web page", "the download went wrong: get the image again",
     lambda h: h.lstrip().lower().startswith((b"<!doctype html", b"<html"))),
)  # fmt: skip
_OURS = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"\0\0\0 ftypavi", b"\0\0\0\x1cftypavi",
)  # fmt: skip


def what_it_is(path: Path) -> str | None:
    """What a file is that cannot be opened, and what to do; None if that is not known."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for name, remedy, fits in _KINDS:
        if fits(head):
            return f"it is {name}, which is not read here; {remedy}"
    if kind := _odd_jpeg(head):
        return f"it is a JPEG {kind}, which is not read here; {_CONVERT}"
    return "the image is damaged or truncated" if head.startswith(_OURS) else None


def _odd_jpeg(head: bytes) -> str:
    """In which way a JPEG is none that programs usually read; empty if it is not."""
    at = 2 if head[:2] == b"\xff\xd8" else len(head)
    while at + 5 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xF7:
            return "of the kind JPEG-LS"
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if marker in (0xC3, 0xC7, 0xCB, 0xCF):
                return "without loss (of medicine or a camera)"
            bits = head[at + 4]
            return "of arithmetic coding" if marker > 0xC8 else f"of {bits} bits" * (bits != 8)
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return ""
