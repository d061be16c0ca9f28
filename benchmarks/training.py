"""What a student step costs: the official way, and ours, part by part.

    python -m benchmarks.training [--sizes s m] [--batch 16] [--patch 32] [--rounds 5]

"official" restates the published step plainly: one kernel for the batch in a grouped convolution,
float32, the tail layer by layer, the teacher's features with a graph. Each row below it adds one
part; the last is what `train/run.py` does. A step is everything from GT patches to updated weights
and averages.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.timing import default_device, measure
from kdsr import KDSR, KDSRConfig, KDSRTeacher
from train.degradation.classic import ClassicDegradation, ClassicOptions
from train.degradation.kernels import gaussian_kernels
from train.degradation.resize import resize_bicubic
from train.losses import kd_loss, l1_loss

SCALE = 4


@dataclass(frozen=True)
class Parts:
    """Which parts of our step are on."""

    folded_degradation: bool = False
    """Blur and downscale of each sample as one matrix per axis."""
    frozen_teacher: bool = False
    """The teacher without a graph."""
    bf16: bool = False
    """Autocast."""
    channels_last: bool = False
    """Memory format."""
    composed_tail: bool = False
    """The tail as one convolution."""


VARIANTS = {"official": Parts()}
for _part, _name in {
    "folded_degradation": "+ folded degradation",
    "frozen_teacher": "+ teacher without graph",
    "bf16": "+ bf16 autocast",
    "channels_last": "+ channels last",
    "composed_tail": "+ composed tail (ours)",
}.items():
    VARIANTS[_name] = replace(list(VARIANTS.values())[-1], **{_part: True})


class Step:
    """One student step with some of the parts."""

    def __init__(
        self, size: str, parts: Parts, batch: int, patch: int, device: torch.device
    ) -> None:
        torch.manual_seed(0)
        config = KDSRConfig.preset(size, SCALE)
        self.parts, self.count, self.device = parts, 0, device
        self.teacher = KDSRTeacher(config).to(device).requires_grad_(False)
        self.student = KDSR(config).to(device)
        if parts.channels_last:
            self.teacher.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            self.student.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.ema = AveragedModel(self.student, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=1e-4)
        self.gt = torch.rand(batch, 3, patch * SCALE, patch * SCALE, device=device)
        self.degradation = ClassicDegradation(ClassicOptions(), SCALE)

    def degrade(self) -> Tensor:
        """LQ patches of the batch."""
        drawn = self.degradation.sample(0, self.count, range(len(self.gt)))
        if self.parts.folded_degradation:
            return self.degradation.apply(self.gt, drawn)
        kernel = gaussian_kernels(drawn.sigma_long[:1], drawn.sigma_short[:1], drawn.angle[:1])
        kernel = kernel.to(self.gt)
        b, c, h, w = self.gt.shape
        padded = F.pad(self.gt, (10, 10, 10, 10), mode="reflect").reshape(1, b * c, h + 20, w + 20)
        blurred = F.conv2d(padded, kernel[None].expand(b * c, 1, 21, 21), groups=b * c)
        lq = resize_bicubic(blurred.reshape(b, c, h, w), (h // SCALE, w // SCALE))
        return (lq * 255).round().clamp(0, 255) / 255

    def __call__(self) -> None:
        """Runs the step."""
        self.count += 1
        lq, gt, parts = self.degrade(), self.gt, self.parts
        if parts.channels_last:
            lq = lq.contiguous(memory_format=torch.channels_last)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=parts.bf16):
            target = self._target(lq, gt)
            sr, _, idr_full = self.student(lq, compose_tail=parts.composed_tail)
        (l1_loss(sr, gt) + 0.05 * kd_loss(idr_full, target)).backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self.ema.update_parameters(self.student)

    def _target(self, lq: Tensor, gt: Tensor) -> Tensor:
        if self.parts.frozen_teacher:
            with torch.no_grad():
                return self.teacher.estimate_pair(lq, gt)[1]
        return self.teacher.estimate_pair(lq.detach().requires_grad_(), gt)[1].detach()


def main() -> None:
    """Prints one table per size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["s", "m"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=32, help="side of LQ patches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default=None)
    args = parser.parse_args()
    device = torch.device(args.device) if args.device else default_device()
    print(f"{device}, {torch.get_num_threads()} threads, batch {args.batch}, patch {args.patch}\n")
    print("| size | step | steps / s | ratio | brought |")
    print("|---|---|---|---|---|")
    for size in args.sizes:
        steps = {
            name: Step(size, parts, args.batch, args.patch, device)
            for name, parts in VARIANTS.items()
        }
        print_table(size, steps, device, args.rounds)


def print_table(size: str, steps: dict[str, Step], device: torch.device, rounds: int) -> None:
    """One size's rows, and the degradation's share of our step."""
    last = list(steps.values())[-1]
    candidates: dict[str, Callable[[], object]] = {**steps, "degradation alone": last.degrade}
    rows = measure(candidates, device, rounds)
    first = previous = next(iter(rows.values())).seconds
    for name in steps:
        seconds = rows[name].seconds
        print(
            f"| {size} | {name} | {1 / seconds:.2f} | {first / seconds:.2f}x "
            f"| {previous / seconds:.2f}x |",
            flush=True,
        )
        previous = seconds
    share = rows["degradation alone"].seconds / previous
    print(f"| {size} | degradation's share of our step | | {share:.1%} | |", flush=True)


if __name__ == "__main__":
    main()
