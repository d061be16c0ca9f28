"""Trains KDSR: `python train/run.py RECIPE [--key value ...]`.

RECIPE is a name from `train/recipes/` or a YAML file. Everything in it can be overridden:

    python train/run.py general --data photos --out runs/mine --student.steps 20000
    python train/run.py general --data photos --check-data
    python train/run.py general --data photos --show 40

--check-data reports problems of the images. --show draws the first pairs with their degradations
into OUT/pairs.png. Neither trains.

The same command resumes a stopped run. `accelerate launch train/run.py ...` uses several GPUs or
machines.
"""

import functools
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# OpenMP reads this when torch is imported. Waiting threads then sleep instead of spinning. With
# spinning, a step takes several times as long beside another busy process.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from accelerate import Accelerator, InitProcessGroupKwargs

from kdsr import KDSRError
from kdsr.errors import ConfigError
from kdsr.files.catalog import find_file
from kdsr.network.models import Calibration
from train.errors import TrainingError
from train.loop.export import export_model
from train.loop.loop import make_loop
from train.loop.machine import keep_freed_memory, use_threads
from train.loop.session import Session, open_session
from train.measuring.calibration import calibrate_file, describe, inherit_calibration
from train.recipes.options import TrainOptions
from train.recipes.reading import make_parser, read_options, write_options

_PATIENCE = timedelta(days=1)
"""Time limit for waiting while the first process decodes images, validates or calibrates.

The default is ten minutes. If one process dies, the launcher ends the others anyway.
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code: 0, 2 after a reported error, 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        make_parser().print_help()
        return 0 if argv else 2
    try:
        argv, instead = _instead_of_training(argv)
        options = read_options(argv)
        return instead(options) if instead else train(options)
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


def _instead_of_training(
    argv: list[str],
) -> tuple[list[str], Callable[[TrainOptions], int] | None]:
    """Splits --check-data and --show N off a command line; returns the rest and their function."""
    rest, instead = [], None
    words = iter(argv)
    for word in words:
        if word.replace("_", "-") == "--check-data":
            instead = check_data
        elif word == "--show" or word.startswith("--show="):
            count = word.partition("=")[2] or next(words, "")
            if not count.isdigit() or not int(count):
                raise ConfigError(f"--show takes a number of pairs, such as 40, got {count!r}")
            instead = functools.partial(show, count=int(count))
        else:
            rest.append(word)
    return rest, instead


def check_data(options: TrainOptions) -> int:
    """Prints the problems of the training images; returns 1 if any of them prevents a training."""
    from train.data.check import check, report
    from train.data.pair_check import check_pairs

    problems, pairing = [], options.pairing()
    if pairing is not None:
        problems += check_pairs(pairing, options.scale)
    if options.data is not None or pairing is None:
        problems += check(options.source(), options.patch * options.scale, options.validate)
    print(report(problems))  # noqa: T201
    return 1 if any(problem.serious for problem in problems) else 0


def show(options: TrainOptions, count: int) -> int:
    """Draws the first training pairs into OUT/pairs.png."""
    from train.loop.pictures import show_pairs

    print(f"{show_pairs(options, count)}: the first {count} pairs, LQ and GT")  # noqa: T201
    return 0


def train(options: TrainOptions) -> int:
    """Runs the chosen stages one after the other."""
    use_threads(options.threads)
    keep_freed_memory()
    options = options.resolved(device_of(options))
    accelerator = accelerator_of(options)
    session = open_session(options, accelerator)
    log = session.log
    with session.stop, log:
        if accelerator.is_main_process:
            write_options(options, options.out / "options.yaml")
        for name in options.chain():
            loop = make_loop(session, name)
            reason = loop.run()
            if accelerator.is_main_process:
                path = export_model(loop)
                log.say(f"{name}: {path}")
                if reason is None and name in ("student", "gan") and options.calibration:
                    log.say("calibrating: what its IDRs mean")
                    log.say(describe(_calibrated(path, name, session)))
            accelerator.wait_for_everyone()
            if reason is not None:
                log.say(f"{name} stopped at step {loop.step}: {reason}; run again to go on")
                break
            accelerator.free_memory()
    return 0


def _calibrated(path: Path, stage: str, session: Session) -> Calibration:
    options, data, known = session.options, session.data, None
    if options.for_stage(stage).estimator_lr == 0 and options.init is not None:
        known = inherit_calibration(path, find_file(options.init))
    return known or calibrate_file(path, data.photographs, data.held_out, options.calibration)


def device_of(options: TrainOptions) -> torch.device:
    """The device of the run, as accelerate will choose it."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda was asked for, but PyTorch finds no CUDA device here")
    if options.device != "auto":
        return torch.device(options.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def accelerator_of(options: TrainOptions) -> Accelerator:
    """Makes the Accelerator, which holds a run's device, precision and processes.

    Raises:
        TrainingError: If the batch cannot be divided equally among the processes.
    """
    accelerator = Accelerator(
        cpu=options.device == "cpu",
        mixed_precision="bf16" if options.precision == "bf16" else "no",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
    )
    parts = accelerator.num_processes * options.accumulate
    if options.batch % parts:
        raise TrainingError(
            f"--batch {options.batch} cannot be shared equally by {accelerator.num_processes} "
            f"processes with --accumulate {options.accumulate}; use a multiple of {parts}"
        )
    return accelerator


if __name__ == "__main__":
    sys.exit(main())
