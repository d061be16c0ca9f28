"""Estimates the bundled IDRs of the samples, which belong to the bundled model.

    python -m tools.sample_idrs

Run it after changing the bundled model or a sample. It reads the clip by PyAV.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import kdsr
from kdsr.files.images import read_image

SAMPLES = Path(__file__).parents[1] / "samples"


def frames(path: Path) -> Iterator[Tensor]:
    """Yields the pictures of a sample, (1, 3, H, W) in [0, 1] each."""
    if path.suffix != ".mp4":
        yield read_image(path).rgb
        return
    import av

    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            pixels = frame.to_ndarray(format="rgb24").astype(np.float32) / 255
            yield torch.from_numpy(pixels).movedim(-1, 0)[None]


def main() -> None:
    """Writes samples/idr."""
    model = kdsr.load("kdsr-s-x4")
    for path in sorted(p for p in SAMPLES.iterdir() if p.suffix in (".png", ".jpg", ".mp4")):
        idr = kdsr.IDR.cat([model.estimate(picture) for picture in frames(path)])
        target = SAMPLES / "idr" / f"{path.stem}.safetensors"
        idr.save(target)
        print(f"{target.name}  {len(idr)} x {idr.idr.shape[-1]}")


if __name__ == "__main__":
    main()
