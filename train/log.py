"""Where a run's numbers and pictures go: terminal, JSONL, TensorBoard, PNG."""

import json
import time
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor, nn

from train.evaluate import quick_psnr
from train.stages import Stage


class RunLog:
    """Logs one run; use it as a context manager.

    Args:
        folder: Of the run.
        active: False in all processes but the first: nothing is written.
        validate: Folders of GT images.
        scale: Upscaling factor.
    """

    def __init__(
        self, folder: Path, *, active: bool, validate: tuple[Path, ...], scale: int
    ) -> None:
        self.folder, self.active, self.folders, self.scale = folder, active, validate, scale
        self.console = Console(quiet=not active)
        self.stage = ""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self.progress = Progress(*columns, console=self.console, refresh_per_second=1)
        self.task = None
        self.board = None
        if active:
            from torch.utils.tensorboard import SummaryWriter

            folder.mkdir(parents=True, exist_ok=True)
            self.board = SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> "RunLog":
        if self.active:
            self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.active:
            self.progress.stop()
        if self.board is not None:
            self.board.close()

    def say(self, text: str) -> None:
        """One line on the terminal."""
        self.console.print(text, highlight=False)

    def start(self, stage: str, step: int, total: int) -> None:
        """Begins a stage at a step."""
        self.stage = stage
        self.task = self.progress.add_task(stage, completed=step, total=total, losses="")

    def advance(self, step: int, losses: dict[str, float]) -> None:
        """Moves the progress bar."""
        if self.task is not None:
            text = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
            self.progress.update(self.task, completed=step, losses=text)

    def finish(self) -> None:
        """Ends a stage."""
        if self.board is not None:
            self.board.flush()

    def numbers(self, step: int, numbers: dict[str, float]) -> None:
        """Writes numbers to `log.jsonl` and TensorBoard."""
        if not self.active or not numbers:
            return
        line = {"stage": self.stage, "step": step, "time": round(time.time(), 1), **numbers}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in numbers.items():
            if self.board is not None:
                self.board.add_scalar(f"{self.stage}/{name}", value, step)
        if not self.console.is_terminal:
            shown = " ".join(f"{name} {value:.5g}" for name, value in numbers.items())
            self.say(f"{self.stage} {step}: {shown}")

    def preview(self, step: int, images: dict[str, Tensor]) -> None:
        """Writes a grid: one row per patch, LQ and bicubic, then what came out, then GT."""
        if not self.active:
            return
        lq = images["lq"].float().cpu()
        size = images["gt"].shape[-2:]
        columns = [
            F.interpolate(lq, size=size, mode="nearest"),
            F.interpolate(lq, size=size, mode="bicubic", align_corners=False),
            *(tensor.float().cpu() for name, tensor in images.items() if name != "lq"),
        ]
        grid = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
        pixels = (grid.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        folder = self.folder / "previews"
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{self.stage}-{step:08d}.png")

    def validate(self, stage: Stage, model: nn.Module, device: torch.device) -> dict[str, float]:
        """PSNR-Y of a student on the validation folders, at the middle of the Gaussian8 kernels."""
        if stage.name == "teacher":
            return {}
        return {
            f"psnr_y_{folder.name}": quick_psnr(model, folder, self.scale, device)
            for folder in self.folders
        }
