"""The first pass over a film: the IDR of each frame, and what all of them together give."""

from collections.abc import Iterable, Iterator
from itertools import islice

from ..errors import IDRError
from ..estimation.frames import smooth
from ..estimation.visible import visible
from ..estimation.whole import estimate
from ..idr import IDR
from ..network.models import Student
from ..options import DEFAULT_TILING, UNWATCHED, Job, Tiling
from .film import Frame
from .options import LOCKED, PER_FRAME, VideoOptions

_BLOCK = 60  # IDRs; each by itself pins the memory around it (measured on glibc: 35 KB a frame)


def needs_first_pass(idr: IDR | None, options: VideoOptions) -> bool:
    """Whether all frames are estimated before the first is upscaled.

    Raises:
        IDRError: If several IDRs were given for all frames.
    """
    if idr is not None and len(idr) != 1:
        raise IDRError(
            f"got {len(idr)} IDRs for the frames of a video; give one for all (in ComfyUI Estimate "
            "IDR with mode one for the batch, else `kdsr estimate --mean`), or none"
        )
    return idr is None and options.mode != PER_FRAME


def estimate_frame(
    model: Student, frame: Frame, tiling: Tiling = DEFAULT_TILING, job: Job = UNWATCHED
) -> IDR:
    """The IDR of what can be seen of one frame."""
    return estimate(model, frame.lq, mask=visible(frame.alpha), tiling=tiling, job=job)


def collected(idrs: Iterable[IDR]) -> IDR | None:
    """One for each frame, in one block of memory; None where there are none."""
    coming, blocks = iter(idrs), []
    while block := list(islice(coming, _BLOCK)):
        blocks.append(IDR.cat(block))
    return IDR.cat(blocks) if blocks else None


def combined(idr: IDR, options: VideoOptions) -> IDR:
    """What the IDRs of all frames become: one for all, or one for each, smoothed."""
    if options.mode == LOCKED:
        return idr.mean()
    return smooth(idr, options.smoothing, options.scene_cut)


def frames_of(reading: Iterable[object]) -> Iterator[Frame]:
    """The pictures alone."""
    return (item for item in reading if isinstance(item, Frame))
