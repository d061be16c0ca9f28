"""Opening images with Pillow: the promised formats only, and what other files are."""

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from ..errors import ConfigError, ImageError, printable
from ..formats import FORMATS

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
    """Explains a file that cannot be opened, with a remedy; None if its format is unknown."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for name, remedy, fits in _KINDS:
        if fits(head):
            return f"it is {name}, which is not read here; {remedy}"
    if kind := _odd_jpeg(head):
        return f"it is a JPEG {kind}, which is not read here; {_CONVERT}"
    return "the image is damaged or truncated" if head.startswith(_OURS) else None


def _odd_jpeg(head: bytes) -> str:
    """Describes the unusual kind of a JPEG that programs rarely read; empty for usual ones."""
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


LARGEST = 65_536**2
"""Pixels of an image that is read, unless `KDSR_MAX_PIXELS` says otherwise; memory is asked for
apart. Pillow's own limit, 179 million, is below what we write."""

_VARIABLE = "KDSR_MAX_PIXELS"
_ORIENTATION = 0x0112
_EXR = b"\x76\x2f\x31\x01"
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BITS, _COMPRESSION, _PHOTOMETRIC, _FORMAT = 258, 259, 262, 339  # tags of TIFF
_UNSIGNED, _WEBP = 1, 50001
_ONE_AT_A_TIME = threading.Lock()
_log = logging.getLogger(__name__)


class UnknownImageError(ImageError):
    """Pillow does not know a file, or not as one of the promised formats."""


@contextmanager
def open_image(path: Path, page: int = 0) -> Iterator[Image.Image]:
    """Opens an image by its content, whatever its suffix; its pixels are not read yet.

    Args:
        path: The file.
        page: Number of the page.

    Raises:
        UnknownImageError: If it is of no format in `FORMATS`: Pillow knows dozens more, which
            nobody asked for and many of whose decoders were never meant for files of strangers.
        ImageError: If it has more pixels than are allowed.
    """
    Image.init()
    formats = [one.name for one in FORMATS if one.name in Image.OPEN]  # older ones have no AVIF
    # A file, not its path: Pillow would map it into memory, and then takes the rows of a grey TIFF
    # that lies on its side for those of an upright one.
    with path.open("rb") as file:
        try:
            with _without_pillows_limit():
                image = Image.open(file, formats=formats)
        except UnidentifiedImageError:
            known = f"not an image that can be read ({', '.join(formats)})"
            raise UnknownImageError(what_it_is(path) or known) from None
        with image:
            if page:
                try:
                    image.seek(page)
                except SyntaxError as error:
                    raise UnknownImageError(f"its page {page + 1}: {error}") from None
            check_pixels(image.width, image.height)
            yield image


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    with _ONE_AT_A_TIME:
        kept = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def check_pixels(width: int, height: int) -> None:
    """Refuses an image that is larger than is allowed, before anything of it is decoded.

    Raises:
        ImageError: If it is.
        ConfigError: If the limit in the environment is no number.
    """
    said = os.environ.get(_VARIABLE, "") or str(LARGEST)
    if not said.isdecimal():
        raise ConfigError(f"{_VARIABLE} must be a number of pixels, got {said!r}")
    if width * height > int(said):
        raise ImageError(
            f"{width:,} x {height:,} px are more than the {int(said):,} that are read; if the file "
            f"is meant to be so large, set {_VARIABLE} to what is allowed"
        )


def orientation(image: Image.Image) -> int:
    """EXIF orientation that remains to be applied to a loaded image: 1 for none.

    Asked after loading, because Pillow turns TIFFs by itself and then forgets their orientation.
    """
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - ruined EXIF is no reason to refuse the pixels
        return 1


@contextmanager
def remarks_on(path: Path) -> Iterator[list[str]]:
    """Logs what is to be said of an image as one line for it.

    Yields:
        A list for remarks. What Pillow warns of in the block (ruined EXIF, mostly) comes with them.
    """
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += [" ".join(str(warning.message).split()) for warning in caught]
    if said:
        _log.warning("%s", printable(f"{path}: {'; '.join(dict.fromkeys(said))}"))


def is_lossless_webp(path: Path) -> bool:
    """Whether a WebP file keeps every value of its (first) picture."""
    with path.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name in (b"VP8 ", b"VP8L"):
                return name == b"VP8L"
            if name == b"ANMF":  # a frame: 16 bytes about it, then the same kinds of blocks
                file.seek(16, 1)
                continue
            file.seek(size + size % 2, 1)
    return False


def is_exr(path: Path) -> bool:
    """Whether a file's content is an OpenEXR image."""
    with path.open("rb") as file:
        return file.read(4) == _EXR


def is_tiff(path: Path) -> bool:
    """Whether a file's content is a TIFF, BigTIFF included."""
    with path.open("rb") as file:
        return file.read(4) in _TIFFS


def is_motorola_bigtiff(path: Path) -> bool:
    """Whether a file is a BigTIFF whose numbers have their first byte first: Pillow reads none."""
    with path.open("rb") as file:
        return file.read(4) == b"MM\0+"


def profile_of_bmp(path: Path) -> bytes | None:
    """The colour profile in a BMP, which Pillow does not tell of."""
    with path.open("rb") as file:
        head = file.read(138)
        if len(head) < 138 or head[14:18] != b"\x7c\0\0\0" or head[70:74] != b"DEBM":
            return None
        file.seek(14 + int.from_bytes(head[126:130], "little"))
        return file.read(int.from_bytes(head[130:134], "little")) or None


def is_deep(image: Image.Image) -> bool:
    """Whether an opened, not yet loaded image has 16-bit channels that `read_deep` can read."""
    return image.mode in ("I", "I;16", "I;16B", "I;16L") or raw_mode(image)[:-1] in (
        "RGB;16", "RGBA;16", "LA;16",
    )  # fmt: skip


def needs_tifffile(image: Image.Image) -> bool:
    """Whether Pillow would cut a TIFF's channels, take them for others, or not know them."""
    if image.format != "TIFF" or _is_plain(image):
        return False
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(_BITS, (8,))
    signed = set(tags.get(_FORMAT, (_UNSIGNED,))) != {_UNSIGNED}
    if signed or image.mode == "La" or tags.get(_COMPRESSION) == _WEBP:
        return True
    return max(bits) > 8 and tags.get(_PHOTOMETRIC) != 5  # 5: CMYK, which is converted anyway


def _is_plain(image: Image.Image) -> bool:
    """Whether a TIFF is of 16-bit grey or RGB(A) in one plane, or of 12-bit grey."""
    tags = getattr(image, "tag_v2", {})
    unsigned = set(tags.get(_FORMAT, (_UNSIGNED,))) == {_UNSIGNED}
    if image.mode.startswith("I"):
        return unsigned and tags.get(_BITS, ()) in ((12,), (16,))
    planes = tags.get(284, 1)
    return unsigned and planes == 1 and raw_mode(image)[:-1] in ("RGB;16", "RGBA;16")


def raw_mode(image: Image.Image) -> str:
    """Layout of the pixels in the file, as Pillow names it."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ""
    arguments = tiles[0][3]
    return arguments if isinstance(arguments, str) else str(arguments[0])
