"""Shared state of a run's stages: data, device, log and stop requests."""

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
    """Requests a clean stop at a deadline, or on the first Ctrl-C or SIGTERM.

    Use it as a context manager, and call it for the reason, or None. A second Ctrl-C stops at once.

    Args:
        seconds: Time until the deadline; 0 for no deadline.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._deadline = time.monotonic() + seconds if seconds > 0 else None
        self._reason: str | None = None
        self._previous: dict[int, object] = {}

    def __call__(self) -> str | None:
        """The reason to stop now, or None."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            return "the time limit was reached"
        return self._reason

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # only the main thread may set handlers
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
        options: Options of the run.
        accelerator: Device, precision and processes.
        data: Images for training and validation.
        crops: Source of GT patches.
        log: Log of the run.
        stop: Returns the reason to stop now, or None; called before each step.
    """

    options: TrainOptions
    accelerator: Accelerator
    data: TrainingData
    crops: CropSampler
    log: RunLog
    stop: StopRequest

    def checkpoints(self, stage: str) -> Checkpoints:
        """The checkpoints of a stage."""
        folder: Path = self.options.out / "checkpoints"
        return Checkpoints(folder, stage, self.options.keep, self.options.shard_mib << 20)


def open_session(options: TrainOptions, accelerator: Accelerator) -> Session:
    """Opens the data and the log of a run, and removes half-written files of a killed session.

    Raises:
        DataError: If there are no images to train on.
    """
    if accelerator.is_main_process:
        sweep(options.out, below=True)  # also in folders that this session does not write to
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
        log.say(f"{len(data.small)} images are smaller than {largest} px and left out: {listed}")
    data = data.on(device)
    crops = CropSampler(data.photographs, options.seed, options.patterns)
    stop = StopRequest(options.time_limit * 60)
    return Session(options, accelerator, data, crops, log, stop)
