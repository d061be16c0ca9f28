"""Films of every kind: any codec, matrix, range, times and turn."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.support.clips import SAMPLES

KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}
"""Red's and blue's share of luma by FFmpeg's numbers of the matrices of BT.709 and BT.601."""
LIMITED, FULL = 1, 2


def bars_and_ramp(height: int, width: int) -> np.ndarray:
    """Colour bars above a grey ramp, (H, W, 3) in [0, 1]."""
    bars = [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0)]
    card = np.empty((height, width, 3))
    card[: height // 2] = 0.75 * np.array(bars, float).repeat(width // 8, 0)
    card[height // 2 :] = np.linspace(0, 1, width)[:, None]
    return card


def coded(rgb: np.ndarray, matrix: int, levels: int, bits: int = 8) -> list[np.ndarray]:
    """The planes Y, U, V, 4:2:0, that a picture is by the standards; no library is asked."""
    kr, kb = KR_KB[matrix]
    luma = rgb @ (kr, 1 - kr - kb, kb)
    blue = (rgb[..., 2] - luma) / (2 - 2 * kb)
    red = (rgb[..., 0] - luma) / (2 - 2 * kr)
    half = [plane.reshape(len(plane) // 2, 2, -1, 2).mean((1, 3)) for plane in (blue, red)]
    top, unit = 2**bits - 1, 2 ** (bits - 8)
    spans = (
        ((219 * unit, 16 * unit), (224 * unit,) * 2) if levels == LIMITED else ((top, 0), (top,))
    )
    planes = [luma * spans[0][0] + spans[0][1], *(p * spans[1][0] + 128 * unit for p in half)]
    return [plane.round().clip(0, top).astype(np.uint16 if bits > 8 else np.uint8)
            for plane in planes]  # fmt: skip


def shown(frame, matrix: int, levels: int, bits: int = 8) -> np.ndarray:
    """The RGB, (H, W, 3), that a decoded frame is by the standards."""
    planes = []
    for plane, part in zip(frame.planes, (1, 2, 2), strict=True):
        kind = np.uint16 if bits > 8 else np.uint8
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]
        planes.append(rows.repeat(part, 0).repeat(part, 1).astype(float))
    unit, top = 2 ** (bits - 8), 2**bits - 1
    luma, blue, red = planes
    if levels == LIMITED:
        luma, span = (luma - 16 * unit) / (219 * unit), 224 * unit
    else:
        luma, span = luma / top, top
    kr, kb = KR_KB[matrix]
    blue, red = ((plane - 128 * unit) / span for plane in (blue, red))
    r, b = luma + (2 - 2 * kr) * red, luma + (2 - 2 * kb) * blue
    return np.stack([r, (luma - kr * r - kb * b) / (1 - kr - kb), b], -1)


def write_film(
    path: Path,
    pictures: Sequence[list[np.ndarray]],
    *,
    encoder: str = "libx264",
    pixels: str = "yuv420p",
    matrix: int = 1,
    levels: int = LIMITED,
    times: Sequence[int] | None = None,
    sound: str | None = None,
    subtitles: Path | None = None,
    **options: str,
) -> Path:
    """Writes planes as a video.

    Args:
        path: Path of the film; its suffix decides the container.
        pictures: Planes of the pictures, from `coded`.
        encoder: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixel format.
        matrix: A key of `KR_KB`.
        levels: LIMITED or FULL.
        times: Display times in milliseconds; by default 40 apart.
        sound: FFmpeg's encoder of an added tone, or None.
        subtitles: A file of subtitles to add, or None.
        **options: Options of the encoder.
    """
    import av

    times = times or range(0, 40 * len(pictures), 40)
    with av.open(str(path), "w") as output:
        video = output.add_stream(encoder, rate=25, options={"crf": "0"} | options)
        context = video.codec_context
        context.height, context.width = pictures[0][0].shape
        context.pix_fmt, context.time_base = pixels, Fraction(1, 1000)
        context.colorspace, context.color_range = matrix, levels
        context.max_b_frames = 0
        tone = output.add_stream(sound, rate=SAMPLES, layout="mono") if sound else None
        texts = av.open(str(subtitles)) if subtitles else None
        lines = output.add_stream_from_template(texts.streams[0]) if texts else None
        for shown_at, planes in zip(times, pictures, strict=True):
            frame = av.VideoFrame(context.width, context.height, pixels)
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
                rows[:, : plane.width] = values
                plane.update(rows.tobytes())
            frame.color_range, frame.colorspace = levels, matrix
            frame.pts, frame.time_base = shown_at, Fraction(1, 1000)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if tone is not None:
            _add_tone(output, tone, times[-1] + 40)
        if texts is not None and lines is not None:
            for packet in texts.demux():
                if packet.dts is not None:
                    packet.stream = lines
                    output.mux(packet)
    return path


def _add_tone(output, tone, milliseconds: int) -> None:
    import av

    seconds = np.arange(milliseconds * SAMPLES // 1000) / SAMPLES
    wave = (np.sin(2764 * seconds) * 12_000).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(wave, "s16", "mono")
    frame.sample_rate, frame.pts = SAMPLES, 0
    output.mux(tone.encode(frame))
    output.mux(tone.encode(None))


def turn(path: Path, degrees: int) -> None:
    """Says in an MP4 file that its video is shown turned, clockwise, as phones do."""
    content = bytearray(path.read_bytes())
    one = 1 << 16
    a, b = {90: (0, one), 180: (-one, 0), 270: (0, -one)}[degrees]
    at = content.index(b"tkhd") + 4 + 40  # a version 0 header: the matrix is 40 bytes in
    content[at : at + 36] = struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def remuxed(source: str, target: str, *kept: int, prepare: Callable = lambda *_: None) -> None:
    """Copies all streams, or those with these numbers, after `prepare(output, streams)`."""
    import av

    with av.open(source) as film, av.open(target, "w") as output:
        numbers = kept or range(len(film.streams))
        streams = [output.add_stream_from_template(film.streams[n], opaque=True) for n in numbers]
        prepare(output, streams)
        for packet in film.demux():
            for number, stream in zip(numbers, streams, strict=True):
                if packet.size and packet.stream_index == number:
                    packet.stream = stream
                    output.mux(packet)


def times_of(path: Path) -> list[Fraction]:
    """Seconds at which each frame is shown."""
    import av

    with av.open(str(path)) as container:
        return [f.pts * f.time_base for f in container.decode(container.streams.video[0])]


def packets_of(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """(seconds, data) of every packet of the first stream of a kind."""
    import av

    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(stream)
            if packet.pts is not None
        ]
