"""Times steps of the gan stage, part by part, against L1 alone; called by `benchmarks.training`."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from benchmarks.timing import synchronize
from kdsr import KDSR
from kdsr.files.weights import save_checkpoint
from train.degradation.pipelines import DegradationOptions
from train.loop.log import RunLog
from train.loop.loop import make_loop
from train.loop.machine import keep_freed_memory
from train.loop.session import open_session
from train.recipes.options import TrainOptions
from train.recipes.stages import StageOptions


@dataclass(frozen=True)
class Variant:
    """Networks of a gan stage.

    Attributes:
        perceptual: Share of the samples that the perceptual network sees.
        discriminator: Name of the discriminator, or None.
        feats: Number of the discriminator's channels.
    """

    perceptual: float = 0.0
    discriminator: str | None = None
    feats: int = 24


VARIANTS = {
    "L1": Variant(),
    "+ perceptual network": Variant(1.0),
    "+ it on a quarter of the samples": Variant(0.25),
    "+ discriminator, unet, 24 channels": Variant(0.0, "unet"),
    "+ both": Variant(1.0, "unet"),
    "+ both, the former on a quarter": Variant(0.25, "unet"),
    "+ both, unet of 16 channels": Variant(0.25, "unet", 16),
    "+ both, unshuffled, 64 channels": Variant(0.25, "unshuffled", 64),
}


def table(
    size: str, photos: Path, perceptual: Path, batch: int, patch: int, rounds: int,
    device: torch.device,
) -> None:  # fmt: skip
    """Prints the table of one size: whole steps of `train/run.py`, measured in turn.

    With one thread on a CPU it measures CPU time, which other programs hardly affect.
    """
    keep_freed_memory()
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        steps = {
            name: _step(variant, size, photos, perceptual, batch, patch, Path(folder), device)
            for name, variant in VARIANTS.items()
        }
        print("\n| size | gan stage | ms | against L1 |\n|---|---|---|---|")
        for turn in range(rounds + 1):
            for name, step in steps.items():
                start = clock()
                step()
                synchronize(device)
                if turn:  # the first turn is a warm-up
                    times[name].append(clock() - start)
    seconds = {name: statistics.median(found) for name, found in times.items()}
    for name, took in seconds.items():
        print(f"| {size} | {name} | {took * 1e3:.0f} | {took / seconds['L1']:.2f}x |", flush=True)


def _step(
    variant: Variant, size: Any, photos: Path, perceptual: Path, batch: int, patch: int,
    folder: Path, device: torch.device,
) -> Callable[[], None]:  # fmt: skip
    """Makes a function that runs one step of the real loop."""
    start = folder / "start.safetensors"
    stage = StageOptions(
        optimizer="muon", warmup=0, shift=16,
        perceptual_weight=float(variant.perceptual > 0), perceptual_share=variant.perceptual or 1.0,
        gan_weight=0.1 if variant.discriminator else 0.0,
    )  # fmt: skip
    kind: Any = variant.discriminator or "unet"
    options = TrainOptions(
        data=photos, out=folder / "run", cache=folder, size=size, batch=batch, patch=patch,
        degradation=DegradationOptions(kind="classic"), stages=("gan",), gan=stage, init=str(start),
        perceptual=perceptual, discriminator=kind, discriminator_feats=variant.feats,
        device="cuda" if device.type == "cuda" else "cpu", resume=False,
    )  # fmt: skip
    options = options.resolved(device)
    if not start.exists():
        save_checkpoint(KDSR(options.network()), start)
    precision = "bf16" if options.precision == "bf16" else "no"
    session = open_session(
        options, Accelerator(cpu=device.type == "cpu", mixed_precision=precision)
    )
    session.log.__exit__(None, None, None)
    loop = make_loop(replace(session, log=RunLog(folder / "run", active=False)), "gan")

    def step() -> None:
        loop.learn()
        loop.step += 1

    return step
