"""What the streams of a video file are, before anything of it is decoded for use."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from ..errors import VideoError
from .headers import Header
from .pyav import explained, load_av, side_data

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

READING = "the video cannot be read"
MOV = "mov,mp4,m4a,3gp,3g2,mj2"
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own give no opacity
_LOST = {
    "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+ (brightness of each scene)",
    "STEREO3D": "which eye sees what (3D)",
    "A53_CC": "closed captions within the pictures",
    "S12M_TIMECODE": "time code within the pictures",
}


def end_of(stream: "av.VideoStream") -> Fraction | None:
    """Seconds when the pictures end, as the header says it; None where it says nothing of them."""
    name = stream.container.format.name
    if name == "avi" and stream.time_base:  # the duration would be that of what is there
        return stream.frames * stream.time_base
    if name == MOV and stream.duration is not None and stream.time_base:
        return ((stream.start_time or 0) + stream.duration) * stream.time_base
    said = stream.metadata.get("DURATION", "").split(":")
    if name == "matroska,webm" and len(said) == 3:
        with suppress(ValueError):
            hours, minutes, seconds = map(Fraction, said)
            return hours * 3600 + minutes * 60 + seconds
    return None


def unsaid(frame: "av.VideoFrame", header: Header) -> Iterator[str]:
    """What is known of the pictures and cannot be written."""
    if header.spherical:
        yield "the 360-degree projection"
    for name, words in _LOST.items():
        if side_data(frame, name):
            yield words


def decoder_of(stream: "av.VideoStream") -> "av.VideoCodecContext":
    """The stream's own, or one that gives opacity where there is some."""
    av, context = load_av(), stream.codec_context
    said = {key.lower(): value for key, value in stream.metadata.items()}
    name = _ALPHA_DECODERS.get(context.name)
    if name is not None and said.get("alpha_mode") == "1":
        with suppress(av.codec.codec.UnknownCodecError):
            context = cast("av.VideoCodecContext", av.CodecContext.create(name, "r"))
    context.thread_type = "AUTO"
    return context


def pictures_of(container: "InputContainer") -> "av.VideoStream":
    """The first video stream that is none: covers of songs are coded as videos of one frame."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    found = ", ".join(kinds) or "nothing"
    raise VideoError(f"{READING}: it has no moving pictures, only {found}")


def first_frame(container: "InputContainer", stream: "av.VideoStream") -> "av.VideoFrame":
    """The first that can be decoded."""
    decoder = decoder_of(stream)
    with explained(READING):
        for packet in container.demux(stream):
            with suppress(load_av().error.InvalidDataError):  # reading says how many are damaged
                if frames := decoder.decode(packet):
                    return cast("av.VideoFrame", frames[0])
    raise VideoError(f"{READING}: it has no frames")
