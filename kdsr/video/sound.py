"""Sound on its way from one file to the other: packets as they are, where MP4 can hold them."""

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol, cast

from .pyav import load_av

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.stream import Stream

_LAYOUTS = {1: "mono", 2: "stereo"}  # some files say how many channels only


class Track(Protocol):
    """One stream of the result."""

    def packets(self, packet: "av.Packet | None") -> "Iterable[av.Packet]":
        """What to write for a packet of the source; None is the end."""
        ...


def track(output: "OutputContainer", source: "Stream") -> Track | None:
    """Adds a stream for one of the source.

    Packets are copied if the container allows it. PCM, which MP4 knows but browsers do not play
    there, becomes FLAC with the same samples (of up to 24 bits); anything else AAC.

    Returns:
        None for what cannot be kept: subtitles in a form that the container does not know.
    """
    import av

    codec = source.codec_context.codec.name
    audio = source if isinstance(source, av.AudioStream) else None
    if audio is not None and codec.startswith("pcm_"):
        wide = audio.codec_context.format.bytes > 2
        return _Encoded(output, audio, "flac", "s32" if wide else "s16")
    if codec in output.supported_codecs:
        return _Copied(output, source)
    return _Encoded(output, audio, "aac", "fltp") if audio is not None else None


class _Copied:
    def __init__(self, output: "OutputContainer", source: "Stream") -> None:
        self.stream = output.add_stream_from_template(source, opaque=True)

    def packets(self, packet: "av.Packet | None") -> "Iterable[av.Packet]":
        if packet is not None:
            packet.stream = self.stream
            yield packet


class _Encoded:
    def __init__(
        self, output: "OutputContainer", source: "av.AudioStream", codec: str, samples: str
    ) -> None:
        context = source.codec_context
        layout = _LAYOUTS.get(context.channels, context.layout)
        added = output.add_stream(codec, rate=context.sample_rate, layout=layout, format=samples)
        self.stream = cast("av.AudioStream", added)
        self.resampler = load_av().AudioResampler(samples, layout, context.sample_rate)
        self.tick = Fraction(1, context.sample_rate)
        self.next: int | None = None

    def packets(self, packet: "av.Packet | None") -> "Iterable[av.Packet]":
        for decoded in packet.decode() if packet is not None else (None,):
            for frame in self.resampler.resample(decoded):
                if self.next is None:
                    began = Fraction(frame.pts or 0) * (frame.time_base or self.tick)
                    self.next = round(began / self.tick)
                frame.pts, frame.time_base = self.next, self.tick
                self.next += frame.samples
                yield from self.stream.encode(frame)
        if packet is None:
            yield from self.stream.encode(None)
