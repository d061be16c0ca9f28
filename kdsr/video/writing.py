"""The result: an MP4 file with H.264 video, written frame by frame."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from torch import Tensor

from .film import Facts, Frame
from .pyav import explained, load_av
from .sound import track

if TYPE_CHECKING:
    import av
    from av.stream import Stream

_WRITING = "the upscaled video cannot be written"
# The encoder's memory is that of the frames it holds back: few threads, a short look ahead.
_THREADS = 8
_OPTIONS = {"preset": "medium", "rc-lookahead": "10"}


class VideoWriter:
    """Writes frames and packets of sound to a file; to be used in a `with` statement.

    Args:
        path: Of any name; the container is MP4.
        facts: Of the source, whose rate, colours, aspect and metadata are kept.
        size: (height, width) of the frames, even numbers.
        sound: Streams of the source whose packets will come.
        crf: Constant rate factor of x264, 0 (lossless) to 51.

    Raises:
        VideoError: If it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        facts: Facts,
        size: tuple[int, int],
        sound: "Sequence[Stream]",
        crf: int,
    ) -> None:
        self.facts = facts
        with explained(_WRITING):
            # Without this flag an MP4 file keeps no metadata of its own, such as a workflow.
            options = {"movflags": "use_metadata_tags"}
            self.output = load_av().open(str(path), "w", format="mp4", options=options)
            self.output.metadata.update(facts.metadata)
            self.video = self._add_video(size, crf)
            self.tracks = {stream: track(self.output, stream) for stream in sound}
        self.first: Fraction | None = None
        self.last = -1
        self.durations: dict[int, int] = {}

    def _add_video(self, size: tuple[int, int], crf: int) -> "av.VideoStream":
        facts = self.facts
        stream = self.output.add_stream(
            "h264", rate=facts.rate, options=_OPTIONS | {"crf": f"{crf}"}
        )
        stream.height, stream.width = size
        stream.pix_fmt = facts.colour.pixel_format
        context = stream.codec_context
        context.time_base = facts.tick
        context.sample_aspect_ratio = facts.aspect
        context.thread_count = _THREADS
        # Frames that are stored out of order get durations in the order of storage.
        context.max_b_frames = 0
        facts.colour.tag(context)
        return stream

    def write(self, rgb: Tensor, frame: Frame) -> None:
        """Appends an upscaled frame.

        Args:
            rgb: (H, W, 3), see `Colour.to_frame`.
            frame: The source's, for its time.
        """
        facts = self.facts
        if self.first is None:
            self.first = frame.time
        coded = facts.colour.to_frame(rgb)
        # Damaged files repeat time stamps or step back, which MP4 cannot.
        coded.pts = self.last = max(facts.ticks(frame.time, self.first), self.last + 1)
        coded.time_base = facts.tick
        end = facts.ticks(frame.time + frame.duration, self.first)
        self.durations[coded.pts] = max(1, end - coded.pts)
        with explained(_WRITING):
            self._mux_video(self.video.encode(coded))

    def copy(self, packet: "av.Packet") -> None:
        """Appends a packet of sound."""
        with explained(_WRITING):
            self._mux_sound(packet.stream, packet)

    def finish(self) -> None:
        """Writes what is held back, and the index."""
        with explained(_WRITING):
            self._mux_video(self.video.encode(None))
            for stream in self.tracks:
                self._mux_sound(stream, None)
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

    def _mux_video(self, packets: "Sequence[av.Packet]") -> None:
        for packet in packets:
            if packet.pts is not None:
                packet.duration = self.durations.pop(packet.pts)
            self.output.mux(packet)

    def _mux_sound(self, source: "Stream", packet: "av.Packet | None") -> None:
        if (found := self.tracks[source]) is not None:
            self.output.mux(list(found.packets(packet)))
