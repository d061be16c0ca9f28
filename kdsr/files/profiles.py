"""Colour profiles (ICC): read, written, made of what PNG, AVIF and TIFF say of their colours."""

import io
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from ..errors import ImageError
from .blocks import Chunks

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D65 = (0.3127, 0.3290)
_PRIMARIES = {  # of ITU-T H.273: white, red, green, blue
    1: (_D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    5: (_D65, (0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_BT709 = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_CURVES = {  # likewise: g, or g a b c d of ICC's parametric curves
    1: _BT709, 4: (2.2,), 5: (2.8,), 6: _BT709, 8: (1.0,), 13: _SRGB, 14: _BT709, 15: _BT709,
}  # fmt: skip
_HDR = {16: "PQ", 18: "HLG"}
_SRGB_GAMMA = 45455
SRGB_GAMMA = struct.pack(">I", _SRGB_GAMMA)


def space_of(icc: bytes) -> str:
    """Colour space of a profile: "RGB", "GRAY", "CMYK", "Lab" or another name of ICC."""
    return icc[16:20].decode("latin-1").strip()


_NEAR = 1e-3


def primaries_as_chunks(said: Sequence[float]) -> Chunks:
    """Primaries (x and y of red, green, blue, white) as PNG says them; nothing if usual or none."""
    usual = (value for pair in (*_PRIMARIES[1][1:], _PRIMARIES[1][0]) for value in pair)
    if len(said) != 8 or all(abs(a - b) < _NEAR for a, b in zip(said, usual, strict=True)):
        return ()
    numbers = [round(value * 100_000) for value in (*said[6:], *said[:6])]
    return (b"gAMA", SRGB_GAMMA), (b"cHRM", struct.pack(">8I", *numbers))


_CURVE_TAGS = (b"rTRC", b"gTRC", b"bTRC", b"kTRC")


def _tags_of(icc: bytes) -> list[tuple[bytes, int, int]]:
    """(name, place, size) of what is in a profile."""
    count = min(int.from_bytes(icc[128:132], "big"), (len(icc) - 132) // 12)
    return [struct.unpack_from(">4sII", icc, 132 + 12 * number) for number in range(count)]


def is_linear(icc: bytes) -> bool | None:
    """Whether the numbers of a profile are linear light; None if it has tables instead."""
    curves = [icc[at : at + size] for name, at, size in _tags_of(icc) if name in _CURVE_TAGS]
    return all(map(_is_straight, curves)) if curves else None


def _is_straight(curve: bytes) -> bool:
    if curve[:4] == b"para" and len(curve) >= 16:
        return curve[12:16] == _fixed(1)
    count = int.from_bytes(curve[8:12], "big")
    if count < 2:
        return count == 0 or curve[12:14] == b"\1\0"
    points = np.frombuffer(curve, ">u2", offset=12)[:count] / 65535
    return bool(np.abs(points - np.linspace(0, 1, len(points))).max() < _NEAR)


def with_curve(icc: bytes) -> bytes:
    """A profile of linear light, now for numbers that have the curve of sRGB."""
    made, place = bytearray(icc), len(icc) + -len(icc) % 4
    for number, (name, _, _) in enumerate(_tags_of(icc)):
        if name in _CURVE_TAGS:
            struct.pack_into(">II", made, 136 + 12 * number, place, 32)
    made += bytes(place - len(made)) + b"para" + struct.pack(">IHH", 0, 3, 0)
    made += b"".join(_fixed(value) for value in _SRGB)
    made[84:100] = bytes(16)  # a checksum
    struct.pack_into(">I", made, 0, len(made))
    return bytes(made)


def to_rgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, str]:
    """Converts CMYK or CIELab to sRGB, by the file's profile where it has one.

    Returns:
        The image in RGB, and what is to be said of it.
    """
    wanted = "Lab" if image.mode == "LAB" else image.mode
    srgb = ImageCms.createProfile("sRGB")
    source: Any = None
    if icc and space_of(icc) == wanted:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        except (OSError, ImageCms.PyCMSError):
            source = None
    if source is None and image.mode == "LAB":
        source = ImageCms.createProfile("LAB")
    if source is None:
        return image.convert("RGB"), f"its {wanted} colours have no profile: they are approximate"
    made = ImageCms.profileToProfile(
        image,
        source,
        srgb,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert made is not None
    return made, f"its {wanted} colours are converted to sRGB"


def profile_for(
    chunks: Iterable[tuple[bytes, bytes]], *, grey: bool, linear: bool = False
) -> bytes | None:
    """A profile that says what PNG chunks say, for formats that know profiles alone.

    Args:
        chunks: Chunks with names in `kdsr.files.blocks.COLOUR`.
        grey: Whether it is for a grey image.
        linear: Whether the numbers are linear light, though chunks say what is made of them.

    Returns:
        None for sRGB, which is what is taken for granted.

    Raises:
        ImageError: If no profile can say it.
    """
    said = dict(chunks)
    if len(cicp := said.get(b"cICP", b"")) == 4:
        return _of_numbers(cicp[0], cicp[1], grey=grey)
    if b"sRGB" in said or b"gAMA" not in said or len(said[b"gAMA"]) != 4:
        return None
    (gamma,) = struct.unpack(">I", said[b"gAMA"])
    primaries = _PRIMARIES[1]
    if len(chrm := said.get(b"cHRM", b"")) == 32:
        v = [number / 100_000 for number in struct.unpack(">8I", chrm)]
        primaries = tuple((v[i], v[i + 1]) for i in (0, 2, 4, 6))
    if gamma == 0 or any(y <= 0 for _, y in primaries):
        return None
    near = all(
        abs(a - b) < 0.002
        for ours, theirs in zip(primaries, _PRIMARIES[1], strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )
    if gamma == _SRGB_GAMMA and near:
        return None
    curve = _SRGB if gamma == _SRGB_GAMMA else (100_000 / gamma,)
    return _profile(
        primaries, (1.0,) if linear else curve, "gamma and primaries of a PNG", grey=grey
    )


def _of_numbers(primaries: int, transfer: int, *, grey: bool) -> bytes | None:
    if (primaries, transfer) == (1, 13):
        return None
    if transfer in _HDR or primaries not in _PRIMARIES or transfer not in _CURVES:
        name = _HDR.get(transfer, f"primaries {primaries}, transfer {transfer}")
        raise ImageError(
            f"its colours ({name} of ITU-T H.273) can be named in PNG alone; use --format png"
        )
    name = f"H.273 primaries {primaries}, transfer {transfer}"
    return _profile(_PRIMARIES[primaries], _CURVES[transfer], name, grey=grey)


def _profile(
    primaries: tuple[tuple[float, float], ...], curve: tuple[float, ...], name: str, *, grey: bool
) -> bytes:
    """An ICC profile, version 4, of primaries (white, red, green, blue) and a curve."""
    white, *colours = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in primaries)
    bradford = np.array(_BRADFORD)
    ratio = (bradford @ _D50) / (bradford @ white)
    adapt = np.linalg.inv(bradford) @ np.diag(ratio) @ bradford
    columns = np.stack(colours, 1)
    matrix = adapt @ (columns * np.linalg.solve(columns, white))
    text = name.encode("utf-16-be")
    words = b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(text), 28) + text
    trc = b"para" + struct.pack(">IHH", 0, 0 if len(curve) == 1 else 3, 0)
    trc += b"".join(_fixed(value) for value in curve)
    tags = {b"desc": words, b"cprt": words, b"wtpt": _xyz(_D50)}
    if grey:
        tags[b"kTRC"] = trc
    else:
        tags |= {b"rTRC": trc, b"gTRC": trc, b"bTRC": trc}
        tags |= {n: _xyz(matrix[:, i]) for i, n in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
        tags[b"chad"] = b"sf32\0\0\0\0" + b"".join(_fixed(value) for value in adapt.flat)
    table, data, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, content in tags.items():
        table += tag + struct.pack(">II", at + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12s4s28x", at + len(data), b"", 0x04200000, b"mntr",
        b"GRAY" if grey else b"RGB ", b"XYZ ", b"\x07\xe6\0\1\0\1\0\0\0\0\0\0", b"acsp",
    )  # fmt: skip
    head += b"".join(struct.pack(">i", round(value * 65536)) for value in _D50)
    return head.ljust(128, b"\0") + table + data


def _xyz(values: Iterable[float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(value)) for value in values)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
