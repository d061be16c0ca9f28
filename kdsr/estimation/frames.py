"""One look through a video: IDRs smoothed over frames, starting afresh at scene cuts."""

from itertools import pairwise

import torch
from torch import Tensor

from ..errors import ConfigError
from ..idr import IDR, degrees_between
from ..options import CUT_ANGLE


def smooth(idr: IDR, factor: float, cut_angle: float = CUT_ANGLE) -> IDR:
    """Averages each frame's IDR with its neighbours' in the same scene.

    The weight of a frame n frames away is factor**n, to both sides: unlike a running average this
    does not lag behind a slow change, and the first frame of a scene is as smooth as any other.

    Args:
        idr: One IDR per frame, in order.
        factor: 0 (unchanged) to less than 1; about 2 / (1 - factor) frames count.
        cut_angle: Degrees between `idr_full` of a frame and the scene's running average above which
            a new scene begins; 180 for never.

    Returns:
        As many IDRs.

    Raises:
        ConfigError: If an argument is out of range.
    """
    problems = []
    if not 0 <= factor < 1:
        problems.append(f"the smoothing factor must be 0 to less than 1, got {factor}")
    if not 0 <= cut_angle <= 180:
        problems.append(f"the scene-cut angle must be 0 to 180 degrees, got {cut_angle}")
    if problems:
        raise ConfigError("; ".join(problems))
    starts = [*scene_starts(idr, factor, cut_angle), len(idr)]
    parts = [
        IDR(
            _average(idr.idr[first:stop], factor),
            _average(idr.idr_full[first:stop], factor),
            idr.fingerprint,
            {**idr.provenance, "operation": f"smoothed {factor:g}"},
            idr.structure[first:stop],
        )
        for first, stop in pairwise(starts)
    ]
    return IDR.cat(parts)


def scene_starts(idr: IDR, factor: float, cut_angle: float = CUT_ANGLE) -> list[int]:
    """The frames that begin a scene; the first is always 0. Arguments as in `smooth`."""
    frames = idr.idr_full.double()
    starts, running = [0], frames[0]
    for index, frame in enumerate(frames[1:], start=1):
        if degrees_between(frame[None], running[None]) > cut_angle:
            starts.append(index)
            running = frame
        else:
            running = factor * running + (1 - factor) * frame
    return starts


def _average(frames: Tensor, factor: float) -> Tensor:
    """Weighted averages over the frames (N, C): one pass forward, one backward."""
    values = frames.double()
    values = torch.cat((values, torch.ones(len(values), 1, dtype=values.dtype)), dim=1)
    forward, backward = values.clone(), values.clone()
    for i in range(1, len(values)):
        forward[i] += factor * forward[i - 1]
        backward[-1 - i] += factor * backward[-i]
    total = forward + backward - values
    return (total[:, :-1] / total[:, -1:]).to(frames.dtype)
