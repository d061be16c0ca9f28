"""What the stages of a run share: data, device, log, and when to stop."""

from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from kdsr.atomic import sweep
from train.data.crops import CropSampler, ImageCache, open_cache
from train.loop.checkpoints import Checkpoints
from train.loop.log import RunLog
from train.loop.stop_request import StopRequest
from train.recipes.options import TrainOptions


@dataclass(frozen=True)
class Session:
    """One sitting of a run.

    Attributes:
        options: Of the run.
        accelerator: Device, precision and processes.
        crops: Source of GT patches.
        held_out: Photographs kept out of training, to measure with.
        log: Where numbers go.
        stop: Says why to stop now, or None; asked before each step.
    """

    options: TrainOptions
    accelerator: Accelerator
    crops: CropSampler
    held_out: ImageCache
    log: RunLog
    stop: StopRequest

    @property
    def data_fingerprint(self) -> str:
        """Of the training images."""
        return self.crops.cache.fingerprint

    def checkpoints(self, stage: str) -> Checkpoints:
        """Where the state of a stage is kept."""
        folder: Path = self.options.out / "checkpoints"
        return Checkpoints(folder, stage, self.options.keep, self.options.shard_mib << 20)


def open_session(options: TrainOptions, accelerator: Accelerator) -> Session:
    """Opens the data and the log of a run, and clears away what a killed sitting left half-written.

    Raises:
        DataError: If there are no images to train on.
    """
    if accelerator.is_main_process:
        sweep(options.out, below=True)  # also where this sitting writes nothing any more
    with accelerator.main_process_first():
        cache = open_cache(options.source(), options.cache.expanduser())
    cache, held_out = cache.split(options.hold_out)
    largest = max(options.patch, options.final_patch or 0) * options.scale
    cache, small = cache.at_least(largest)
    log = RunLog(options.out, active=accelerator.is_main_process)
    count = accelerator.num_processes
    shared = f", {count} processes" if count > 1 else ""
    log.say(f"{len(cache)} images ({cache.fingerprint}) on {accelerator.device.type}{shared}")
    if small:
        log.say(f"{len(small)} are smaller than {largest} px and left out: {', '.join(small)}")
    crops = CropSampler(cache.on(accelerator.device), options.seed, options.patterns)
    stop = StopRequest(options.time_limit * 60)
    return Session(options, accelerator, crops, held_out, log, stop)
