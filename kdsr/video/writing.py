"""The file of a result: coded pictures, with the sound, subtitles and data of the source."""

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

from ..formats import CONTAINERS, Container
from .clock import Holes
from .encoding import Coded, Encoding
from .pyav import LAYOUTS, WRITING, add_opacity, explained, load_av

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.container.core import Chapter
    from av.stream import Stream


COPIED = "copied"
_SAMPLES = {"aac": "fltp", "libopus": "flt"}
_NAMES = ("language", "title")
_CALLED = ("filename", "title")
_KINDS = {"video": "further pictures", "audio": "sound", "subtitle": "subtitles"}
_PAIRS = (
    "alb/sqi arm/hye baq/eus bur/mya chi/zho cze/ces dut/nld fre/fra geo/kat ger/deu gre/ell "
    "ice/isl mac/mkd mao/mri may/msa per/fas rum/ron slo/slk tib/bod wel/cym swe/sve"
)
_OTHER_CODES = {
    a: b for pair in _PAIRS.split() for a, b in (pair.split("/"), reversed(pair.split("/")))
}
"""ISO 639-2 has two codes of some languages; FFmpeg's MOV calls Swedish sve."""
_OPUS_RATE = 48_000  # the one that all its decoders give


class Track(Protocol):
    """One stream of the result."""

    def packets(self, packet: "av.Packet | None") -> "Iterable[av.Packet]":
        """Packets to write for a packet of the source; None stands for the end."""
        ...


def track(output: "OutputContainer", source: "Stream", container: Container) -> Track | None:
    """Adds a stream for one of the source; None for what cannot be kept."""
    import av

    found = fate(source, container, output.supported_codecs)
    if found is None:
        return None
    if found == COPIED:
        made = _Copied(output, source)
    else:
        assert isinstance(source, av.AudioStream)
        made = _Encoded(output, source, found)
    made.stream.metadata.update(for_container(names_of(source), container))
    # The default, forced, for the deaf, ...: PyAV 14.2 takes it as a number, as later ones do, too.
    made.stream.disposition = source.disposition.value  # pyright: ignore[reportAttributeAccessIssue]
    return made


def names_of(source: "Stream") -> dict[str, str]:
    """Language and title of a stream; MP4 calls the title a name."""
    said = source.metadata
    found = {key: said[key] for key in _NAMES if key in said}
    return found if "title" in found or "name" not in said else {**found, "title": said["name"]}


def for_container(names: dict[str, str], container: Container) -> dict[str, str]:
    """Converts a language code for a container, as QuickTime knows only one of two codes."""
    language = names.get("language")
    if container.format != "mov" or language is None or _is_storable(language):
        return names
    other = _OTHER_CODES.get(language, language)
    return {**names, "language": other} if _is_storable(other) else names


@cache
def _is_storable(language: str) -> bool:
    """Whether QuickTime files can say a language."""
    av, file = load_av(), io.BytesIO()
    with av.open(file, "w", format="mov") as output:
        sound = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound.metadata["language"] = language
        frame = av.AudioFrame(format="s16", layout="mono", samples=8)
        frame.sample_rate, frame.pts = 8000, 0
        output.mux(sound.encode(frame))
    file.seek(0)
    with av.open(file) as written:
        return written.streams[0].metadata.get("language") == language


def fate(source: "Stream", container: Container, supported: Set[str]) -> str | None:
    """Plans the writing of a stream.

    Packets are copied if the container allows it. PCM, which MP4 knows but browsers do not play
    there, becomes FLAC with the same samples (of up to 24 bits).

    Args:
        source: Stream of sound or subtitles.
        container: Container of the result.
        supported: Names of the codecs that it can hold.

    Returns:
        `COPIED`, the encoder that makes something else of it, or None if it cannot be kept:
        subtitles in a form that the container does not know.
    """
    codec = source.codec_context.codec.name
    if source.type == "audio" and codec.startswith("pcm_") and container.format == "mp4":
        return "flac"
    if codec in supported and _takes(container.format, source):
        return COPIED
    return container.sound if source.type == "audio" else None


def remarks(sources: "Iterable[Stream]", container: Container, suffix: str) -> list[str]:
    """Makes a line for each stream that is not copied unchanged, with the way to keep it.

    Args:
        sources: Streams of sound and subtitles.
        container: Container of the result.
        suffix: Suffix of the result, for the messages.
    """
    lines, supported = [], _supported(container)
    for source in sources:
        found = None if container.is_animation else fate(source, container, supported)
        name, said = source.codec_context.name, names_of(source)
        language = for_container(said, container).get("language")
        if language and container.format == "mov" and not _is_storable(language):
            lines.append(
                f"{suffix} cannot say the language {language}: left out; name the result .mp4 or "
                ".mkv to keep it"
            )
        what = f"{'sound' if source.type == 'audio' else 'subtitles'} ({name})"
        if found is None:
            lines.append(f"{suffix} cannot hold the {what}: left out{_remedy(source, 'it')}")
        elif found != COPIED:
            kind = {"flac": "FLAC, the same samples", "libopus": "Opus"}.get(found, found.upper())
            remedy = _remedy(source, "it as it is")
            lines.append(f"{suffix} cannot hold the {what}: it becomes {kind}{remedy}")
    return lines


def _remedy(source: "Stream", what: str) -> str:
    """Names the suffixes with which the result would keep a stream."""
    fits = [
        suffix
        for suffix, container in CONTAINERS.items()
        if not container.is_animation and fate(source, container, _supported(container)) == COPIED
    ]
    return f"; name the result {' or '.join(fits)} to keep {what}" if fits else ""


def named(source: "Stream") -> str:
    """Describes a dropped stream: kind, codec, and file name or title."""
    from av.stream import Disposition

    cover = source.type == "video" and source.disposition & Disposition.attached_pic
    kind = "cover" if cover else _KINDS.get(source.type, source.type or "unknown")
    context = source.codec_context
    about = [context.name if context is not None else "", *map(source.metadata.get, _CALLED)]
    said = ", ".join(dict.fromkeys(text for text in about if text))
    return f"{kind} ({said})" if said else kind


def _supported(container: Container) -> Set[str]:
    return frozenset() if container.is_animation else _supported_by(container.format)


@cache
def _supported_by(form: str) -> Set[str]:
    with load_av().open(os.devnull, "w", format=form) as output:
        return output.supported_codecs


_TAKEN: dict[tuple[str, str], bool] = {}


def _takes(form: str, source: "Stream") -> bool:
    """Whether a muxer that says it knows a codec begins a file with it: MOV refuses Opus then."""
    key = form, source.codec_context.name
    if key not in _TAKEN:
        try:
            with load_av().open(io.BytesIO(), "w", format=form) as output:
                output.add_stream_from_template(source, opaque=True)
                output.start_encoding()
            _TAKEN[key] = True
        except (load_av().FFmpegError, ValueError):
            _TAKEN[key] = False
    return _TAKEN[key]


class _Copied:
    def __init__(self, output: "OutputContainer", source: "Stream") -> None:
        self.stream = output.add_stream_from_template(source, opaque=True)

    def packets(self, packet: "av.Packet | None") -> "Iterable[av.Packet]":
        if packet is not None:
            packet.stream = self.stream
            yield packet


class _Encoded:
    def __init__(self, output: "OutputContainer", source: "av.AudioStream", encoder: str) -> None:
        context = source.codec_context
        # Some files say how many channels only.
        layout = LAYOUTS.get(context.channels, context.layout)
        rate = _OPUS_RATE if encoder == "libopus" else context.sample_rate
        wide = context.format is not None and context.format.bytes > 2
        samples = _SAMPLES.get(encoder) or ("s32" if wide else "s16")
        added = output.add_stream(encoder, rate=rate, layout=layout, format=samples)
        self.stream = cast("av.AudioStream", added)
        self.resampler = load_av().AudioResampler(samples, layout, rate)
        self.tick = Fraction(1, rate)
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


def _packets(count: int, stream: "Stream") -> str:
    return f"{count} packet{'s' * (count != 1)} of {named(stream)}"


class VideoWriter:
    """Writes a video with its other streams.

    Args:
        path: Path of the file, with any suffix.
        container: Container to write.
        encoding: Encoding of the pictures.
        sound: Streams of the source whose packets will come.

    Raises:
        VideoError: If it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        container: Container,
        encoding: Encoding,
        sound: "Sequence[Stream]",
    ) -> None:
        self.encoding = encoding
        with explained(WRITING):
            self.output = load_av().open(
                str(path), "w", format=container.format, options=container.options
            )
            self.output.metadata.update(encoding.facts.metadata)
            self.refused: Counter[Stream] = Counter()
            """Packets of other streams that the container would not take."""
            self.holes = Holes()
            # An encoder that codes nothing: its header is that of the packets, as its settings are.
            self.video = self.output.add_stream(encoding.codec.encoder, rate=encoding.facts.rate)
            encoding.configure(self.video.codec_context)
            self.video.metadata.update(for_container(encoding.facts.track, container))
            if encoding.transparent and container.milliseconds:
                self.video.metadata["alpha_mode"] = "1"  # Matroska's word for opacity
            if encoding.name == "hevc" and container.format in ("mp4", "mov"):
                self.video.codec_context.codec_tag = "hvc1"  # Apple plays no other
            self.tracks = {stream: track(self.output, stream, container) for stream in sound}

    def mark(self, chapters: "list[Chapter]") -> None:
        """Writes chapters; before the first frame."""
        if chapters:
            self.output.set_chapters(chapters)

    def write(self, coded: Iterable[Coded]) -> None:
        """Appends frames."""
        for picture in coded:
            packet = load_av().Packet(picture.data)
            packet.pts = packet.dts = picture.shown
            packet.duration, packet.time_base = picture.duration, self.encoding.tick
            packet.is_keyframe = picture.key
            packet.stream = self.video
            if picture.opacity:
                add_opacity(packet, picture.opacity)
            with explained(WRITING):
                self.output.mux(packet)

    def copy(self, packet: "av.Packet") -> None:
        """Appends a packet of another stream; one that is damaged is left out, and counted."""
        source = packet.stream
        self.holes.look(packet)
        try:
            self._mux_other(source, packet)
        except (load_av().error.InvalidDataError, load_av().error.ArgumentError):
            self.refused[source] += 1
        except load_av().FFmpegError:
            with explained(WRITING):
                raise

    def lost(self) -> Iterator[str]:
        """Makes a line for each other stream with dropped packets."""
        for stream, count in self.refused.items():
            yield f"damaged, left out: {_packets(count, stream)}"
        for stream, count in self.holes.found.items():
            yield f"damaged, not there: {_packets(count, stream)}"

    def finish(self) -> None:
        """Writes what is held back, and the index."""
        with explained(WRITING):
            for stream in self.tracks:
                self._mux_other(stream, None)
            self.output.close()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
            return
        try:
            self.output.close()
        except load_av().FFmpegError:
            pass  # the first error is the one to tell

    def _mux_other(self, source: "Stream", packet: "av.Packet | None") -> None:
        if (found := self.tracks[source]) is not None:
            self.output.mux(list(found.packets(packet)))
