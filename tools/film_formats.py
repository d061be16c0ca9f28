"""Makes the table of film containers in docs/formats.md from real files; see `tools.formats`."""

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from PIL import Image

from kdsr.cli import main

_HEIGHT, _WIDTH, _FRAMES, _RATE = 24, 32, 3, 25
_SAMPLES = 48_000


class Film(NamedTuple):
    """Description of a test film."""

    what: str
    name: str
    encoder: str
    """Name of the encoder in FFmpeg; so are `pixels` and `sound`."""
    pixels: str
    sound: str | None


FILMS: Sequence[Film] = (
    Film("MP4, H.264, AAC", "a.mp4", "libx264", "yuv420p", "aac"),
    Film("MP4, HEVC 10 bit", "a.mp4", "libx265", "yuv420p10le", None),
    Film("MOV, ProRes 4444 with opacity, PCM", "a.mov", "prores_ks", "yuva444p10le", "pcm_s16le"),
    Film("MOV, QuickTime RLE with opacity", "a.mov", "qtrle", "argb", None),
    Film("Matroska, FFV1 in RGB, FLAC", "a.mkv", "ffv1", "bgr0", "flac"),
    Film("Matroska, FFV1 10 bit", "a.mkv", "ffv1", "yuv420p10le", None),
    Film("WebM, VP9 with opacity, Opus", "a.webm", "libvpx-vp9", "yuva420p", "libopus"),
    Film("AVI, Motion JPEG, PCM", "a.avi", "mjpeg", "yuvj420p", "pcm_s16le"),
    Film("MPEG transport stream, H.264, AAC", "a.ts", "libx264", "yuv420p", "aac"),
    Film("MPEG program stream, MPEG-2, MP2", "a.mpg", "mpeg2video", "yuv420p", "mp2"),
    Film("Flash, H.263", "a.flv", "flv", "yuv420p", None),
    Film("Windows Media, WMV2", "a.wmv", "wmv2", "yuv420p", None),
    Film("3GP, MPEG-4", "a.3gp", "mpeg4", "yuv420p", None),
)
MOVING: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("GIF", "a.gif", {"comment": b"by hand"}),
    ("animated PNG, opacity", "a.png", {"clear": True, "exif": True}),
    ("animated WebP, opacity, no loss", "a.webp", {"clear": True, "lossless": True, "exif": True}),
    ("animated AVIF, opacity", "a.avif", {"clear": True, "exif": True}),
)
_ALSO = {"a.mov": ("mp4", "webm"), "a.mkv": ("mp4",), "a.webm": ("mp4", "mov"), "a.gif": ("mp4",),
         "a.png": ("gif", "mp4"), "a.webp": ("mov",), "a.mp4": ("webm", "webp")}  # fmt: skip


def rows(folder: Path) -> Iterator[str]:
    """Yields the lines of the table."""
    yield "| comes in | into | goes out | what is said | decoded by |\n|---|---|---|---|---|"
    made = [(film.what, film.name, _film(folder, film)) for film in FILMS]
    made += [(what, name, _moving(folder, name, options)) for what, name, options in MOVING]
    for what, name, source in made:
        own = source.suffix[1:] if source.suffix in _KEPT else "mp4"
        for suffix in (own, *_ALSO.get(name, ())):
            if suffix != own or suffix == source.suffix[1:] or own == "mp4":
                yield _row(what, source, suffix)


_KEPT = (".mp4", ".mov", ".mkv", ".webm", ".gif", ".png", ".webp", ".avif")


def _film(folder: Path, film: Film) -> Path:
    _, name, encoder, pixels, sound = film
    path = folder / f"{encoder}-{pixels}-{name}"
    with av.open(str(path), "w") as output:
        options = {"auto-alt-ref": "0"} if encoder == "libvpx-vp9" else {}
        options |= {"x265-params": "log-level=none"} if encoder == "libx265" else {}
        video: Any = output.add_stream(encoder, rate=_RATE, options=options)
        video.width, video.height, video.pix_fmt = _WIDTH, _HEIGHT, pixels
        if "yuva" in pixels and path.suffix == ".webm":
            video.metadata["alpha_mode"] = "1"
        video.metadata.update({"language": "jpn", "title": "Main"})
        tone: Any = output.add_stream(sound, rate=_SAMPLES, layout="stereo") if sound else None
        for number, pixel in enumerate(_pixels()):
            frame = av.VideoFrame.from_ndarray(pixel, "rgba").reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if tone is not None:
            wave = np.zeros((1, 2 * _SAMPLES * _FRAMES // _RATE), np.int16)
            silence = av.AudioFrame.from_ndarray(wave, "s16", "stereo")
            silence.sample_rate, silence.pts = _SAMPLES, 0
            output.mux(tone.encode(silence))
            output.mux(tone.encode(None))
    return path


def _pixels() -> list[np.ndarray]:
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    planes = [x * 7, y * 9, x + y, np.where(x < _WIDTH // 2, 0, 255)]
    whole = np.dstack(planes).astype(np.uint8)
    return [np.roll(whole, 5 * number, 0) for number in range(_FRAMES)]


def _moving(folder: Path, name: str, options: dict[str, Any]) -> Path:
    path, options = folder / f"moving-{name}", dict(options)
    mode = "RGBA" if options.pop("clear", False) else "RGB"
    pictures = [Image.fromarray(one).convert(mode) for one in _pixels()]
    if options.pop("exif", False):
        options["exif"] = Image.Exif()
        options["exif"][0x0132] = "2019:05:04 10:00:00"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, **options)
    return path


def _row(what: str, source: Path, suffix: str) -> str:
    target = source.with_name(f"out.{suffix}")
    said, out = io.StringIO(), io.StringIO()
    words = ["upscale", str(source), "-o", str(target), "--overwrite", "--size", "2x"]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(out):
        code = main([*words, "--model", "kdsr-s-x2", "--mode", "per-frame"])
    lines = [line.split(f"{source.name}: ")[-1] for line in said.getvalue().splitlines()]
    found = _described(target) if not code else "refused"
    return f"| {what} | .{suffix} | {found} | {'; '.join(lines)} | {_library(source)} |"


def _library(source: Path) -> str:
    return "Pillow" if source.name.startswith("moving") else "PyAV"


def _described(path: Path) -> str:
    """Describes a result as other programs read it."""
    if path.suffix in (".gif", ".png", ".webp", ".avif"):
        with Image.open(path) as image:
            clear = image.convert("RGBA").getchannel("A").getextrema() != (255, 255)
            kept = ["opacity"] if clear else []
            kept += ["EXIF"] if image.getexif() else []
            kept += ["a comment"] if "comment" in image.info else []
            lossless = [] if b"VP8L" not in path.read_bytes() else ["no loss"]
            return ", ".join([f"{getattr(image, 'n_frames', 1)} frames", *kept, *lossless])
    with av.open(os.fspath(path)) as film:
        video = film.streams.video[0]
        context = video.codec_context
        parts = [f"{context.codec.canonical_name}, {context.pix_fmt}"]
        said = {key.lower(): value for key, value in video.metadata.items()}
        parts += ["opacity"] if said.get("alpha_mode") == "1" else []
        parts += [f"sound {one.codec_context.codec.canonical_name}" for one in film.streams.audio]
        parts += ["language"] if said.get("language") == "jpn" else []
        parts += ["title"] if "Main" in (said.get("title"), said.get("name")) else []
        return ", ".join(parts)
