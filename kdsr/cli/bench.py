"""What a worker of a cluster keeps from piece to piece: models, and the film it is at."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import ClusterError
from ..idr import IDR
from ..video.segment_reading import SegmentReader
from ..video.session import VideoSession
from ..video.upscaling import FrameUpscaler
from .session import ImageSession
from .video import video_session


class Show:
    """A film at work.

    Args:
        run: Of it.
    """

    def __init__(self, run: VideoSession) -> None:
        self.run = run
        self.reel: SegmentReader = run.reader()

    @cached_property
    def upscaler(self) -> FrameUpscaler:
        """Once all frames are looked at."""
        return self.run.upscaler()


@dataclass
class Bench:
    """One for each worker."""

    desk: ImageSession
    idr: IDR | None
    """For all images and videos, in place of each one's own."""
    _at: tuple[Path, Path] | None = None
    _show: Show | None = None

    def show(self, source: Path, target: Path) -> Show:
        """The film that is wanted, still where it was if it was wanted last.

        Raises:
            ClusterError: If this worker would make something else of it than the others.
        """
        if self._show is None or self._at != (source, target):
            self.clear()
            desk = self.desk
            device = desk.models.device.type
            run = video_session(desk.models, self.idr, source, target, desk.command, device)
            if not run.segments.resumed:
                raise ClusterError(
                    f"{source} would become something else on a machine of the cluster than here; "
                    "install the same versions of kdsr, PyTorch and PyAV on all of them"
                )
            self._at, self._show = (source, target), Show(run)
        return self._show

    def clear(self) -> None:
        """Closes the film."""
        if self._show is not None:
            self._show.reel.close()
        self._at = self._show = None
