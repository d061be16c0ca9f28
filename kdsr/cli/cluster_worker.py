"""What a worker of a cluster keeps from task to task: models, and the film it is at."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import ClusterError
from ..idr import IDR
from ..video.session import VideoSession
from ..video.upscaling import FrameUpscaler
from .session import ImageSession
from .video import video_session


class OpenFilm:
    """A film at work.

    Args:
        session: Of it.
    """

    def __init__(self, session: VideoSession) -> None:
        self.session = session
        self.reader = session.reader()

    @cached_property
    def upscaler(self) -> FrameUpscaler:
        """Once all frames are estimated."""
        return self.session.upscaler()


@dataclass
class ClusterWorker:
    """The state of one worker."""

    images: ImageSession
    idr: IDR | None
    """For all images and films, in place of each one's own."""
    _names: tuple[Path, Path] | None = None
    _film: OpenFilm | None = None

    def film(self, source: Path, target: Path) -> OpenFilm:
        """The film that is wanted, still where it was if it was wanted last.

        Raises:
            ClusterError: If this worker would make something else of it than the others.
        """
        if self._film is None or self._names != (source, target):
            self.close()
            models, command = self.images.models, self.images.command
            session = video_session(models, self.idr, source, target, command, models.device.type)
            if not session.segments.resumed:
                raise ClusterError(
                    f"{source} would become something else on a machine of the cluster than here; "
                    "install the same versions of kdsr, PyTorch and PyAV on all of them"
                )
            self._names, self._film = (source, target), OpenFilm(session)
        return self._film

    def close(self) -> None:
        """Closes the film."""
        if self._film is not None:
            self._film.reader.close()
        self._names = self._film = None
