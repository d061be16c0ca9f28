"""A step of the GAN stage beside one of the student stage, part by part, for each discriminator.

    python -m benchmarks.gan_training --perceptual WEIGHTS [--size s] [--batch 8] [--patch 32]

Forward and backward of everything that learns, without crops, degradation and optimisers, which
both stages pay for alike. The parts add up: the student on L1; what the perceptual network adds;
the verdict that the student is taught by; the discriminator's own turn. Interleaved in one run.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.timing import default_device, measure
from kdsr import KDSR, PRESETS, KDSRConfig, KDSRTeacher
from tools.arguments import parser_of
from train.losses.discriminator import UNetDiscriminator
from train.losses.perceptual import PerceptualLoss, load_perceptual
from train.losses.terms import kd_loss, l1_loss, vanilla_gan_loss
from train.losses.unshuffled_discriminator import UnshuffledDiscriminator

SCALE = 4
DISCRIMINATORS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "unet, 64 channels (published)": (lambda: UNetDiscriminator(64), 1),
    "unet, 16 channels": (lambda: UNetDiscriminator(16), 1),
    "unet, 32 channels, `--gan.shrink 2`": (lambda: UNetDiscriminator(32), 2),
    "unshuffled, 64 channels": (lambda: UnshuffledDiscriminator(SCALE, 64), 1),
}
"""With how much smaller they and the perceptual network see images."""


def main() -> None:
    """Prints one Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("--perceptual", type=Path, required=True, help="VGG19 or SqueezeNet v1.1")
    parser.add_argument("--size", default="s", choices=list(PRESETS))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=32, help="side of LQ patches")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default=None, help="cpu or cuda")
    args = parser.parse_args()
    device = torch.device(args.device) if args.device else default_device()
    torch.manual_seed(0)
    lq = torch.rand(args.batch, 3, args.patch, args.patch, device=device)
    gt = torch.rand(args.batch, 3, args.patch * SCALE, args.patch * SCALE, device=device)
    perceptual = load_perceptual(args.perceptual).to(device)
    jobs: dict[str, Callable[[], object]] = {
        "student": _student(args.size, lq, gt),
    }
    for name, (make, shrink) in DISCRIMINATORS.items():
        discriminator = make().to(device)
        seen = F.avg_pool2d(gt, shrink)
        jobs[f"perceptual {shrink}"] = _features(perceptual, seen)
        jobs[f"{name}: verdict"] = _verdict(discriminator, seen)
        jobs[f"{name}: turn"] = _turn(discriminator, seen)
    seconds = {name: row.seconds for name, row in measure(jobs, device, args.rounds).items()}
    unit = seconds["student"]
    print(f"{args.size}, {args.batch} x {args.patch}x{args.patch} LQ, {perceptual.network}\n")
    print("| discriminator | L1 and distillation | perceptual | verdict | its own turn | a step |")
    print("|---|---|---|---|---|---|")
    for name, (_, shrink) in DISCRIMINATORS.items():
        keys = (f"perceptual {shrink}", f"{name}: verdict", f"{name}: turn")
        parts = [unit, *(seconds[key] for key in keys)]
        cells = " | ".join(f"{part / unit:.2f}x" for part in [*parts, sum(parts)])
        print(f"| {name} | {cells} |")


def _student(size: str, lq: Tensor, gt: Tensor) -> Callable[[], object]:
    """The student's own step, the teacher's target included."""
    config = KDSRConfig.preset(size, SCALE)
    student, teacher = KDSR(config).to(lq.device), KDSRTeacher(config).to(lq.device)

    def step() -> None:
        with torch.no_grad():
            target = teacher.estimate_pair(lq, gt)[1]
        sr, _, idr_full = student(lq, compose_tail=True)
        (l1_loss(sr, gt) + kd_loss(idr_full, target)).backward()

    return step


def _features(perceptual: PerceptualLoss, gt: Tensor) -> Callable[[], object]:
    """What the perceptual network sees, back to the picture."""
    return lambda: perceptual(gt.clone().requires_grad_(), gt).backward()


def _verdict(discriminator: nn.Module, gt: Tensor) -> Callable[[], object]:
    """Through the discriminator to the picture, its own weights left alone."""

    def step() -> None:
        sr = gt.clone().requires_grad_()
        discriminator.requires_grad_(False)
        vanilla_gan_loss(discriminator(sr), real=True).backward()
        discriminator.requires_grad_(True)

    return step


def _turn(discriminator: nn.Module, gt: Tensor) -> Callable[[], object]:
    """What the discriminator learns from real and fake pictures."""

    def step() -> None:
        real, fake = discriminator(torch.cat((gt, gt.flip(0)))).chunk(2)
        (vanilla_gan_loss(real, real=True) + vanilla_gan_loss(fake, real=False)).backward()

    return step


if __name__ == "__main__":
    main()
