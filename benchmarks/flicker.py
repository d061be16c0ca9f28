"""What the three ways to treat a film's IDRs do to a still scene whose noise changes.

    python -m benchmarks.flicker IMAGE [--model kdsr-s-x4] [--frames 30]

IMAGE is ground truth. Every frame has the same blur and noise of its own. Per frame: each its own
IDR; locked: their average for all; smoothed: over neighbouring frames. Noise that is left flickers
in any case; what the IDR adds is seen in the pulsing of the frames' sharpness.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import kdsr
from kdsr.estimation.frames import smooth
from kdsr.options import DEFAULT_MODEL
from tools.arguments import parser_of
from train.data.images import load_image
from train.measuring.metrics import luma
from train.measuring.protocols import fixed

SIDE, _SMOOTHING = 384, 0.8


def main() -> None:
    """Prints a Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--blur", type=float, default=1.5)
    parser.add_argument("--noise", type=float, default=10.0)
    arguments = parser.parse_args()
    model = kdsr.load(arguments.model)
    gt = load_image(arguments.image)[:, :, :SIDE, :SIDE]
    numbers = {"blur": arguments.blur, "noise": arguments.noise}
    film = noisy_film(gt, arguments.frames, model.config.scale, numbers)
    own = model.estimate(film, dtype="fp32")
    ways = {
        "per frame": own,
        "locked": own.mean(),
        f"smoothed {_SMOOTHING}": smooth(own, _SMOOTHING),
    }
    print(f"{arguments.frames} frames, blur {arguments.blur:g} px, noise {arguments.noise:g}/255\n")
    print("| IDR | frame to frame, 1/255 | pulsing of the sharpness | turns of the IDR, degrees |")
    print("|---|---|---|---|")
    for name, idr in ways.items():
        frames = luma(model.upscale(film, idr, dtype="fp32"))
        step = (frames[1:] - frames[:-1]).abs().mean()
        print(f"| {name} | {step:.3f} | {pulsing(frames):.3%} | {_turns(idr):.3f} |", flush=True)


def noisy_film(gt: Tensor, frames: int, scale: int, numbers: dict[str, Any]) -> Tensor:
    """A still scene, (1, 3, sH, sW), whose noise changes: (frames, 3, H, W)."""
    return torch.cat([fixed(scale, seed=i, **numbers)(gt) for i in range(frames)])


def pulsing(frames: Tensor) -> float:
    """Standard deviation of the frames' mean gradient, as a share of it.

    Args:
        frames: Luma, (N, 1, H, W).
    """
    sharpness = frames.diff(dim=-1).abs().mean((1, 2, 3)) + frames.diff(dim=-2).abs().mean(
        (1, 2, 3)
    )
    return (sharpness.std() / sharpness.mean()).item()


def _turns(idr: kdsr.IDR) -> float:
    """Mean angle between neighbouring frames' vectors."""
    if len(idr) == 1:
        return 0.0
    cosine = torch.cosine_similarity(idr.idr_full[1:], idr.idr_full[:-1]).clamp(-1, 1)
    return torch.rad2deg(torch.arccos(cosine)).mean().item()


if __name__ == "__main__":
    main()
