"""Logs a run to the terminal, a JSONL file and TensorBoard."""

import json
import time
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from kdsr.atomic import writing


class RunLog:
    """Logs one run; use it as a context manager.

    Args:
        folder: Folder of the run.
        active: Whether to write and show anything; true in the first process only.
    """

    def __init__(self, folder: Path, *, active: bool) -> None:
        self.folder, self.active = folder, active
        self.console = Console(quiet=not active)
        self.stage = ""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        # Outside of a terminal, the lines of `numbers` show the progress instead.
        shown = active and self.console.is_terminal
        self.progress = Progress(*columns, console=self.console, disable=not shown)
        self.task, self.board = None, None
        if active:
            from torch.utils.tensorboard import SummaryWriter

            folder.mkdir(parents=True, exist_ok=True)
            self.board = SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> None:
        self.progress.start()

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
        if self.board is not None:
            self.board.close()

    def say(self, text: str) -> None:
        """Prints one line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def start(self, stage: str, step: int, total: int) -> None:
        """Begins a stage at a step; drops log lines of later steps, which will be repeated."""
        self.stage = stage
        self.task = self.progress.add_task(stage, completed=step, total=total, note="")
        path = self.folder / "log.jsonl"
        if self.active and path.is_file():
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if not _is_after(line, stage, step)]
            if len(kept) < len(lines):
                with writing(path) as temporary:
                    temporary.write_bytes(b"".join(kept))

    def advance(self, step: int) -> None:
        """Moves the progress bar."""
        if self.task is not None:
            self.progress.update(self.task, completed=step)

    def numbers(self, step: int, numbers: dict[str, float]) -> None:
        """Writes numbers to `log.jsonl`, TensorBoard and the terminal."""
        if not self.active or not numbers:
            return
        line = {"stage": self.stage, "step": step, "time": round(time.time(), 1), **numbers}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        for name, value in numbers.items():
            if self.board is not None:
                self.board.add_scalar(f"{self.stage}/{name}", value, step)
        shown = " ".join(f"{name} {value:.5g}" for name, value in numbers.items())
        if self.console.is_terminal and self.task is not None and "l1" in numbers:
            self.progress.update(self.task, note=shown)
        else:
            self.say(f"{self.stage} {step}: {shown}")


def _is_after(line: bytes, stage: str, step: int) -> bool:
    try:
        entry = json.loads(line)
        return entry["stage"] == stage and entry["step"] > step
    except (ValueError, KeyError, TypeError):  # a line that a kill cut off, or a damaged one
        return True
