"""Coded pictures and the packets of other streams -> a file."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from .containers import Container
from .encoding import Coded, Encoding
from .pyav import WRITING, add_opacity, explained, load_av
from .tracks import for_container, track

if TYPE_CHECKING:
    import av
    from av.container.core import Chapter
    from av.stream import Stream


class VideoWriter:
    """Writes a video with its other streams.

    Args:
        path: Of any name.
        container: What to write.
        encoding: Of the pictures that will come.
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
        try:
            self._mux_other(source, packet)
        except (load_av().error.InvalidDataError, load_av().error.ArgumentError):
            self.refused[source] += 1
        except load_av().FFmpegError:
            with explained(WRITING):
                raise

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
