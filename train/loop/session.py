"""What the stages of a run share: data, device, log, and when to stop."""

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from accelerate import Accelerator

from kdsr.atomic import sweep
from train.data.crops import CropSampler
from train.loop.checkpoints import Checkpoints
from train.loop.log import RunLog
from train.loop.training_data import TrainingData, open_data
from train.recipes.options import TrainOptions


class StopRequest:
    """Asks for a clean stop at a deadline or on the first Ctrl-C or SIGTERM.

    Use it as a context manager; call it to hear the reason, or None. A second Ctrl-C stops at once.

    Args:
        seconds: Until the deadline; 0 for none.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._deadline = time.monotonic() + seconds if seconds > 0 else None
        self._reason: str | None = None
        self._previous: dict[int, object] = {}

    def __call__(self) -> str | None:
        """Why to stop now, or None."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            return "the time limit was reached"
        return self._reason

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # handlers belong to the main thread
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._reason is not None:
            raise KeyboardInterrupt
        self._reason = f"{signal.Signals(number).name} was received"


@dataclass(frozen=True)
class Session:
    """One session of a run: from its start to its end or stop.

    Attributes:
        options: Of the run.
        accelerator: Device, precision and processes.
        data: What is trained and measured on.
        crops: Source of GT patches.
        log: Where numbers go.
        stop: Says why to stop now, or None; asked before each step.
    """

    options: TrainOptions
    accelerator: Accelerator
    data: TrainingData
    crops: CropSampler
    log: RunLog
    stop: StopRequest

    def checkpoints(self, stage: str) -> Checkpoints:
        """Where the state of a stage is kept."""
        folder: Path = self.options.out / "checkpoints"
        return Checkpoints(folder, stage, self.options.keep, self.options.shard_mib << 20)


def open_session(options: TrainOptions, accelerator: Accelerator) -> Session:
    """Opens the data and the log of a run, and clears away what a killed session left half-written.

    Raises:
        DataError: If there are no images to train on.
    """
    if accelerator.is_main_process:
        sweep(options.out, below=True)  # also where this session writes nothing
    with accelerator.main_process_first():
        data = open_data(options)
    log = RunLog(options.out, active=accelerator.is_main_process)
    count, device = accelerator.num_processes, accelerator.device
    shared = f", {count} processes" if count > 1 else ""
    photographs, pairs = data.photographs, data.pairs
    log.say(f"{len(photographs)} images ({photographs.fingerprint}) on {device.type}{shared}")
    if pairs is not None:
        held = f"{len(data.held_out_pairs or ())} held out"
        share = f"{options.lq_share:.0%} of the samples"
        log.say(f"{len(pairs)} pairs ({pairs.fingerprint}) for {share}, {held}")
    if data.small:
        largest = options.largest_crop
        listed = ", ".join(data.small)
        log.say(f"{len(data.small)} are smaller than {largest} px and left out: {listed}")
    data = data.on(device)
    crops = CropSampler(data.photographs, options.seed, options.patterns)
    stop = StopRequest(options.time_limit * 60)
    return Session(options, accelerator, data, crops, log, stop)
