"""The first pass: the IDR of each frame, and the look that all of them together give."""

from collections.abc import Iterable, Iterator

from ..errors import IDRError
from ..estimation.frames import smooth
from ..estimation.whole import estimate
from ..idr import IDR
from ..network.models import Student
from ..tiles.windows import ProgressFn
from ..upscaling.tiled import TileKeywords
from .film import Frame
from .options import LOCKED, PER_FRAME, VideoOptions


def looks_first(idr: IDR | None, options: VideoOptions) -> bool:
    """Whether all frames are looked at before the first is upscaled.

    Raises:
        IDRError: If several IDRs were given for all frames.
    """
    if idr is not None and len(idr) != 1:
        raise IDRError(
            f"got {len(idr)} IDRs for the frames of a video; give one for all (in ComfyUI Estimate "
            "IDR with mode one for the batch, else `kdsr estimate --mean`), or none"
        )
    return idr is None and options.look != PER_FRAME


def look_at(
    model: Student, frame: Frame, keywords: TileKeywords, progress: ProgressFn | None = None
) -> IDR:
    """The IDR of one frame; of the keywords those that do not depend on tiles."""
    return estimate(
        model,
        frame.lq,
        dtype=keywords.get("dtype", "auto"),
        cancelled=keywords.get("cancelled"),
        progress=progress,
    )


def settled(idr: IDR, options: VideoOptions) -> IDR:
    """What the IDRs of all frames become: one for all, or one for each, smoothed."""
    if options.look == LOCKED:
        return idr.mean()
    return smooth(idr, options.smoothing, options.scene_cut)


def frames_of(reading: Iterable[object]) -> Iterator[Frame]:
    """The pictures alone."""
    return (item for item in reading if isinstance(item, Frame))
