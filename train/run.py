"""Trains KDSR: `python train/run.py RECIPE [--key value ...]`.

RECIPE is a name from `train/recipes/` or a YAML file. Everything in it can be overridden:

    python train/run.py general --data photos --out runs/mine --student.steps 20000
    python train/run.py general --data photos --check-data

The same command goes on with a run that was stopped. `accelerate launch train/run.py ...` uses
several GPUs or machines.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from kdsr import KDSRError
from train.calibrate import calibrate_file, describe
from train.data.crops import CropSampler, ImageCache, open_cache
from train.errors import DataError, TrainingError
from train.loop.checkpoints import Checkpoints
from train.loop.export import export_model
from train.loop.log import RunLog
from train.loop.loop import Loop
from train.loop.stop import StopRequest, keep_freed_memory
from train.loop.validation import Validation
from train.recipes.options import TrainOptions
from train.recipes.reading import make_parser, read_options, write_options
from train.stages.start import build_stage


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code: 0, 2 after an error that has been explained."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        make_parser().print_help()
        return 0 if argv else 2
    check = "--check-data" in argv or "--check_data" in argv
    argv = [word for word in argv if word not in ("--check-data", "--check_data")]
    try:
        options = read_options(argv)
        return check_data(options) if check else train(options)
    except KDSRError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        message = f"error: cannot read or write {what}; checkpoints are kept"
        print(message, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("stopped at once; the newest checkpoint is kept", file=sys.stderr)  # noqa: T201
        return 130


def check_data(options: TrainOptions) -> int:
    """Prints what is wrong with the training images; returns 1 if anything must be mended."""
    from train.data.check import check, report

    problems = check(_source(options), options.patch * options.scale, options.validate)
    print(report(problems))  # noqa: T201
    return 1 if any(problem.serious for problem in problems) else 0


@dataclass(frozen=True)
class Assembly:
    """What the stages of a run share."""

    options: TrainOptions
    accelerator: Accelerator
    crops: CropSampler
    held_out: ImageCache
    log: RunLog
    stop: StopRequest

    def loop(self, stage: str) -> Loop:
        """The loop of a stage, its weights as they start."""
        options, device = self.options, self.accelerator.device
        set_seed(options.seed)
        folder = options.out / "checkpoints"
        checkpoints = Checkpoints(folder, stage, options.keep, options.shard_mib << 20)
        resuming = options.resume and bool(checkpoints.manifests())
        degradation = options.degradation.build(options.scale)
        return Loop(
            options=options,
            stage=build_stage(stage, options, (lambda _: None) if resuming else self.log.say),
            crops=self.crops,
            degradation=degradation,
            validation=Validation(
                degradation, options.scale, options.validate, self.held_out, device
            ),
            accelerator=self.accelerator,
            checkpoints=checkpoints,
            log=self.log,
            stop=self.stop,
            data_fingerprint=self.crops.cache.fingerprint,
        )


def assemble(options: TrainOptions, accelerator: Accelerator) -> Assembly:
    """Opens the data and the log of a run.

    Raises:
        DataError: If there are no images to train on.
    """
    with accelerator.main_process_first():
        cache = open_cache(_source(options), options.cache.expanduser())
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
    return Assembly(options, accelerator, crops, held_out, log, stop)


def train(options: TrainOptions) -> int:
    """Runs the stages that the options ask for, one after the other."""
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    options = options.settled(_device(options))
    accelerator = _accelerator(options)
    assembly = assemble(options, accelerator)
    log = assembly.log
    with assembly.stop, log:
        if accelerator.is_main_process:
            write_options(options, options.out / "options.yaml")
        for name in options.chain():
            loop = assembly.loop(name)
            reason = loop.run()
            if accelerator.is_main_process:
                path = export_model(loop)
                log.say(f"{name}: {path}")
                if reason is None and name in ("student", "gan") and options.calibration:
                    log.say("calibrating: what its IDRs mean")
                    cache, held_out = assembly.crops.cache, assembly.held_out
                    log.say(describe(calibrate_file(path, cache, held_out, options.calibration)))
            accelerator.wait_for_everyone()
            if reason is not None:
                log.say(f"{name} stopped at step {loop.step}: {reason}; run again to go on")
                break
            accelerator.free_memory()
    return 0


def _device(options: TrainOptions) -> torch.device:
    """Where the run will be, as accelerate chooses."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda was asked for, but PyTorch finds no CUDA device here")
    if options.device != "auto":
        return torch.device(options.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _accelerator(options: TrainOptions) -> Accelerator:
    accelerator = Accelerator(
        cpu=options.device == "cpu",
        mixed_precision="bf16" if options.precision == "bf16" else "no",
    )
    parts = accelerator.num_processes * options.accumulate
    if options.batch % parts:
        raise TrainingError(
            f"--batch {options.batch} cannot be shared equally by {accelerator.num_processes} "
            f"processes with --accumulate {options.accumulate}; use a multiple of {parts}"
        )
    return accelerator


def _source(options: TrainOptions) -> Path:
    if options.data is None:
        raise DataError("no training images: name a folder or a list file with --data")
    return options.data.expanduser()


if __name__ == "__main__":
    sys.exit(main())
