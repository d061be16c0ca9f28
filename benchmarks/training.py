"""Times a training step of the student stage: the official way, ours, and the effect of each part.

    python -m benchmarks.training [--sizes s m] [--batch 16] [--patch 64] [--rounds 9]

All rows train the same network on the same crops with the same losses, interleaved in one run. Each
row adds one part to the row above. "official" is a plain re-implementation of the published step:
one kernel per batch, blur by a grouped convolution, the teacher's estimator with a graph, the tail
layer by layer, fp32. The last row is a real step of `train/run.py`, which also keeps freed memory.
A second table holds the degradation's share of that step.

    python -m benchmarks.training --perceptual WEIGHTS [--sizes b] [--batch 8] [--patch 32]

times whole steps of the gan stage with various networks against a step on L1 alone.
"""

import ctypes
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor

from benchmarks.timing import default_device, measure
from kdsr import KDSR, KDSRTeacher
from kdsr.files.weights import save_checkpoint
from kdsr.network.architecture import PRESETS, KDSRConfig
from kdsr.pixels import on_grid
from tools.arguments import parser_of
from train.data.cache import ImageCache, open_cache
from train.data.crops import CropSampler
from train.data.pool import PairPool
from train.data.sources import SyntheticPairs
from train.degradation.kernels import gaussian_kernels
from train.degradation.pipelines import DegradationOptions
from train.degradation.resize import resize_bicubic
from train.loop.log import RunLog
from train.loop.loop import make_loop
from train.loop.machine import keep_freed_memory
from train.loop.session import open_session
from train.losses.terms import kd_loss, l1_loss
from train.recipes.options import TrainOptions
from train.recipes.stages import StageOptions

_OURS = "train/run.py"
PHOTOS = Path(__file__).parents[1] / "samples" / "photos"


@dataclass(frozen=True)
class Parts:
    """Our parts in a step."""

    graph_free_teacher: bool = False
    composed_tail: bool = False
    bf16: bool = False
    per_sample: bool = False
    fused_adam: bool = False


LADDER = {
    "official": Parts(),
    "+ teacher without a graph": Parts(graph_free_teacher=True),
    "+ composed tail": Parts(graph_free_teacher=True, composed_tail=True),
    "+ bf16 autocast": Parts(graph_free_teacher=True, composed_tail=True, bf16=True),
    "+ a kernel per sample, folded": Parts(True, True, True, per_sample=True),
    "+ fused Adam": Parts(True, True, True, True, fused_adam=True),
}


class PlainStep:
    """A student step, written out without `train`'s loop.

    Args:
        config: Configuration of student and teacher.
        crops: Source of GT patches.
        batch: Number of samples.
        patch: Side of LQ patches in pixels.
        parts: Our parts in the step.
        device: Device of the training.
    """

    def __init__(
        self,
        config: KDSRConfig,
        crops: CropSampler,
        batch: int,
        patch: int,
        parts: Parts,
        device: torch.device,
    ) -> None:
        torch.manual_seed(0)
        self.parts, self.device, self.scale = parts, device, config.scale
        self.student, self.teacher = KDSR(config).to(device), KDSRTeacher(config).to(device)
        self.optimizer = torch.optim.Adam(
            self.student.parameters(), 1e-4, fused=True if parts.fused_adam else None
        )
        self.gt = crops.batch(0, range(batch), patch * config.scale, device)
        self.degradation = DegradationOptions(kind="classic").build(config.scale)
        self.step = 0

    def degrade(self) -> Tensor:
        """Makes LQ images, with a kernel per sample or one for all."""
        if self.parts.per_sample:
            samples = range(len(self.gt))
            return self.degradation.apply(self.gt, self.degradation.sample(0, self.step, samples))
        sigma = torch.rand(1) * 3.8 + 0.2
        kernel = gaussian_kernels(sigma, sigma, sigma * 0).to(self.device)
        b, c, h, w = self.gt.shape
        padded = F.pad(self.gt, (10, 10, 10, 10), mode="reflect")
        blurred = F.conv2d(
            padded.reshape(1, b * c, h + 20, w + 20),
            kernel[:, None].expand(b * c, 1, 21, 21),
            groups=b * c,
        ).reshape(b, c, h, w)
        lq = resize_bicubic(blurred, (h // self.scale, w // self.scale))
        return on_grid(lq)

    def __call__(self) -> None:
        """Degrades, runs both networks forwards and the student backwards, and updates it."""
        parts, self.step = self.parts, self.step + 1
        lq = self.degrade()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=parts.bf16):
            with torch.set_grad_enabled(not parts.graph_free_teacher):
                target = self.teacher.estimate_pair(lq, self.gt)[1]
            sr, _, idr_full = self.student(lq, compose_tail=parts.composed_tail)
            loss = l1_loss(sr, self.gt) + kd_loss(idr_full, target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def real_step(options: TrainOptions, stage: str, device: torch.device) -> Callable[[], object]:
    """Makes a function that runs one full step of the real loop."""
    options = options.resolved(device)
    precision = "bf16" if options.precision == "bf16" else "no"
    session = open_session(
        options, Accelerator(cpu=device.type == "cpu", mixed_precision=precision)
    )
    session.log.__exit__(None, None, None)
    loop = make_loop(replace(session, log=RunLog(options.out, active=False)), stage)

    def step() -> None:
        loop.learn()
        loop.step += 1

    return step


def student_step(
    folder: Path, size: Any, batch: int, patch: int, device: torch.device
) -> Callable[[], object]:
    """Makes a function that runs one step of the student stage."""
    teacher = folder / "teacher.safetensors"
    options = TrainOptions(
        data=PHOTOS, out=folder, cache=folder, size=size, batch=batch, patch=patch,
        degradation=DegradationOptions(kind="classic"), student=StageOptions(kd_weight=1.0),
        teacher_checkpoint=teacher, precision="bf16",
    )  # fmt: skip
    save_checkpoint(KDSRTeacher(options.network()), teacher)
    return real_step(options, "student", device)


NETWORKS: dict[str, tuple[float, str | None, int]] = {
    "L1": (0, None, 24),
    "+ perceptual network": (1.0, None, 24),
    "+ it on a quarter of the samples": (0.25, None, 24),
    "+ discriminator, unet, 24 channels": (0, "unet", 24),
    "+ both": (1.0, "unet", 24),
    "+ both, the former on a quarter": (0.25, "unet", 24),
    "+ both, unet of 16 channels": (0.25, "unet", 16),
    "+ both, unshuffled, 64 channels": (0.25, "unshuffled", 64),
}
"""Networks of a gan stage: share of samples that the perceptual network sees, discriminator, and
the discriminator's channels."""


def gan_step(
    folder: Path, size: Any, batch: int, patch: int, device: torch.device, weights: Path, name: str
) -> Callable[[], object]:
    """Makes a function that runs one step of the gan stage with some of `NETWORKS`."""
    (share, judge, feats), start = NETWORKS[name], folder / "start.safetensors"
    stage = StageOptions(
        optimizer="muon", warmup=0, shift=16, perceptual_weight=float(share > 0),
        perceptual_share=share or 1.0, gan_weight=0.1 if judge else 0.0,
    )  # fmt: skip
    kind: Any = judge or "unet"
    options = TrainOptions(
        data=PHOTOS, out=folder / "run", cache=folder, size=size, batch=batch, patch=patch,
        degradation=DegradationOptions(kind="classic"), stages=("gan",), gan=stage, init=str(start),
        perceptual=weights, discriminator=kind, discriminator_feats=feats,
        device="cuda" if device.type == "cuda" else "cpu", resume=False,
    )  # fmt: skip
    if not start.exists():
        save_checkpoint(KDSR(options.network()), start)
    return real_step(options, "gan", device)


def main() -> None:
    """Prints two Markdown tables."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", nargs="+", default=["s", "m"], choices=list(PRESETS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=64, help="side of LQ patches")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default=None, help="cpu or cuda")
    parser.add_argument("--perceptual", type=Path, help="VGG19, VGG16 or SqueezeNet v1.1")
    args = parser.parse_args()
    device = torch.device(args.device) if args.device else default_device()
    if args.perceptual:
        keep_freed_memory()
        for size in args.sizes:
            gan_table(size, args.perceptual, args.batch, args.patch, args.rounds, device)
        return
    with tempfile.TemporaryDirectory() as folder:
        cache = open_cache(PHOTOS, Path(folder))
        print(
            f"{args.batch} x {args.patch}x{args.patch} LQ, x4, {device}, "
            f"torch {torch.__version__}\n"
        )
        print("| size | step | ms | steps/s | against official |")
        print("|---|---|---|---|---|")
        for size in args.sizes:
            ladder(size, cache, args.batch, args.patch, args.rounds, device)
        keep_freed_memory()
        print("\n| size | degradation | ms | share of a step |")
        print("|---|---|---|---|")
        for size in args.sizes:
            shares(size, cache, args.batch, args.patch, args.rounds, device)


def gan_table(
    size: str, weights: Path, batch: int, patch: int, rounds: int, device: torch.device
) -> None:
    """Prints the gan steps of one size. With one thread on a CPU it measures CPU time."""
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        steps = {
            name: gan_step(Path(folder), size, batch, patch, device, weights, name)
            for name in NETWORKS
        }
        rows = measure(steps, device, rounds, clock=clock)
    print("\n| size | gan stage | ms | against L1 |\n|---|---|---|---|")
    for name, row in rows.items():
        ratio = f"{row.seconds / rows['L1'].seconds:.2f}x"
        print(f"| {size} | {name} | {row.seconds * 1e3:.0f} | {ratio} |")


def ladder(
    size: str, cache: ImageCache, batch: int, patch: int, rounds: int, device: torch.device
) -> None:
    """Prints the rows of one size."""
    crops = CropSampler(cache, 0)
    config = KDSRConfig.preset(size, 4)
    candidates: dict[str, Callable[[], object]] = {
        name: PlainStep(config, crops, batch, patch, parts, device)
        for name, parts in LADDER.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        candidates[_OURS] = student_step(Path(folder), size, batch, patch, device)
        rows = measure(candidates, device, rounds, _set_allocator)
    for name, row in rows.items():
        ratio = f"{rows['official'].seconds / row.seconds:.2f}x"
        print(f"| {size} | {name} | {row.seconds * 1e3:.0f} | {1 / row.seconds:.2f} | {ratio} |")


def _set_allocator(name: str) -> None:
    """Makes the allocator keep freed memory for our steps, and return it as usual for others."""
    if name == _OURS:
        keep_freed_memory()
    elif sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None)
        # Values that glibc's own thresholds reach in a process that frees large blocks.
        libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 64 << 20)  # M_TRIM_THRESHOLD
        libc.malloc_trim(0)


def shares(
    size: str, cache: ImageCache, batch: int, patch: int, rounds: int, device: torch.device
) -> None:
    """Prints the share of each pipeline in a step of one size."""
    crops, samples = CropSampler(cache, 0), range(batch)
    cut = _median(lambda: crops.batch(0, samples, patch * 4, device), rounds, device)
    with tempfile.TemporaryDirectory() as folder:
        whole = _median(student_step(Path(folder), size, batch, patch, device), rounds, device)
    base = whole - _pairs("classic", 1, crops, batch, patch, rounds, device) + cut
    for kind, uses in (("classic", 1), ("general", 1), ("realworld", 1), ("realworld", 6)):
        seconds = _pairs(kind, uses, crops, batch, patch, rounds, device) - cut
        name = kind if uses == 1 else f"{kind}, pairs used {uses} times"
        print(f"| {size} | {name} | {seconds * 1e3:.1f} | {seconds / (base + seconds):.1%} |")


def _pairs(
    kind: Any, uses: int, crops: CropSampler, batch: int, patch: int, rounds: int,
    device: torch.device,
) -> float:  # fmt: skip
    """Measures the seconds for the pairs of a step."""
    degradation = DegradationOptions(kind=kind).build(4)
    pairs = SyntheticPairs(crops, degradation, 0, device)
    pool = PairPool(pairs, 0, uses, depth=max(1, 180 // batch))
    steps = count(uses)
    for _ in range(uses):  # fills the pool first
        pool.batch(next(steps), range(batch), patch * 4)
    return _median(lambda: pool.batch(next(steps), range(batch), patch * 4), rounds, device)


def _median(run: Callable[[], object], rounds: int, device: torch.device) -> float:
    return measure({"run": run}, device, rounds)["run"].seconds


if __name__ == "__main__":
    main()
