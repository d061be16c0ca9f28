"""One look through a video: IDRs smoothed over frames, starting afresh at scene cuts."""

from itertools import pairwise

import torch
from torch import Tensor

from ..errors import ConfigError
from ..idr import IDR, degrees_between
from ..options import CUT_ANGLE

_BLOCK = 128  # frames


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
    vectors, full = torch.empty_like(idr.idr), torch.empty_like(idr.idr_full)
    for first, stop in pairwise(starts):
        _average(idr.idr[first:stop], factor, vectors[first:stop])
        _average(idr.idr_full[first:stop], factor, full[first:stop])
    told = {**idr.provenance, "operation": f"smoothed {factor:g}"}
    return IDR(vectors, full, idr.fingerprint, told, idr.structure, idr.left_out)


def scene_starts(idr: IDR, factor: float, cut_angle: float = CUT_ANGLE) -> list[int]:
    """The frames that begin a scene; the first is always 0. Arguments as in `smooth`."""
    starts, running = [0], idr.idr_full[0].double()
    for index, frame in enumerate(idr.idr_full[1:], start=1):
        frame = frame.double()
        if degrees_between(frame[None], running[None]) > cut_angle:
            starts.append(index)
            running = frame
        else:
            running = factor * running + (1 - factor) * frame
    return starts


def _average(frames: Tensor, factor: float, out: Tensor) -> None:
    """Weighted averages over the frames of a scene, (N, C), into `out`.

    One pass forward, one backward, by blocks: beside the result a film of hours takes no memory.
    """
    count, steps = len(frames), torch.arange(_BLOCK, dtype=torch.float64)
    fading = factor**steps
    before = fading[(steps[:, None] - steps).abs().long()].tril()  # weight of each in its block
    blocks = [slice(first, first + _BLOCK) for first in range(0, count, _BLOCK)]
    carried = torch.zeros(frames.shape[1], dtype=torch.float64)
    for block in blocks:
        values = frames[block].double()
        sums = before[: len(values), : len(values)] @ values
        sums += factor * fading[: len(values), None] * carried
        out[block], carried = sums, sums[-1]
    carried = torch.zeros_like(carried)
    for block in reversed(blocks):
        values = frames[block].double()
        sums = before[: len(values), : len(values)].T @ values
        sums += factor * fading[: len(values), None].flip(0) * carried
        place = block.start + steps[: len(values), None]
        weights = _weights(factor, place) + _weights(factor, count - 1 - place) - 1
        out[block], carried = (out[block] + sums - values) / weights, sums[0]


def _weights(factor: float, places: Tensor) -> Tensor:
    """The weights of a frame and of so many on one side of it, together."""
    return (1 - factor ** (places + 1)) / (1 - factor)
