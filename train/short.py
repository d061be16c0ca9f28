"""Trains a model within a given number of minutes, for a rented GPU.

    python train/pack.py PHOTOS pack                       # at home: crops, at most 40 MiB
    python train/short.py pack runs/short --minutes 9 --perceptual vgg16.pth

The command measures a few steps of each stage and plans as many steps as fit into the time.
Learning rates therefore end at their final value. It trains with checkpoints in shards, and
exports. Further options are those of `train/run.py`; the recipe is `short`. The same command
resumes a stopped run by its saved plan (OUT/plan.json).
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Set before PyTorch is imported, as the import takes several of the planned seconds.
os.environ["KDSR_BEGUN"] = repr(time.monotonic())

import torch
from accelerate import Accelerator

from kdsr import KDSR, KDSRError
from kdsr.atomic import writing
from kdsr.errors import ConfigError
from kdsr.files.weights import save_checkpoint
from train.loop.log import RunLog
from train.loop.loop import make_loop
from train.loop.machine import keep_freed_memory, use_threads
from train.loop.session import open_session
from train.recipes.options import TrainOptions
from train.recipes.reading import read_options
from train.run import accelerator_of, device_of, train

_WARMING, _MOST = 3, 60
"""Warm-up steps of a measurement, and the largest number of measured steps."""
_SPARE = 0.06
"""Share of the time kept for exports, checkpoints and the last validation."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code: 0, or 2 after a reported error."""
    parser = argparse.ArgumentParser(
        prog="train/short.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pack", type=Path, help="folder of crops, or of any photographs")
    parser.add_argument("out", type=Path, help="folder of the run")
    parser.add_argument("--minutes", type=float, required=True, help="time from start to export")
    parser.add_argument("--recipe", default="short")
    arguments, rest = parser.parse_known_args(argv)
    begun = float(os.environ["KDSR_BEGUN"]) if argv is None else time.monotonic()
    try:
        given = ["--data", str(arguments.pack), "--out", str(arguments.out), *rest]
        options = read_options([arguments.recipe, *given])
        return run(options, arguments.minutes * 60, begun)
    except (KDSRError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2


def run(options: TrainOptions, seconds: float, begun: float) -> int:
    """Plans the steps, trains and exports.

    Args:
        options: Options of the run; its steps and time limit are replaced.
        seconds: Time limit, counted from `begun`.
        begun: Start time by `time.monotonic`.

    Raises:
        ConfigError: If the options ask for a teacher, or the time is too short for one step.
    """
    stages = options.chain()
    if "teacher" in stages or any(options.for_stage(name).distils for name in stages):
        raise ConfigError("a short run has no teacher: choose stages without, and kd_weight 0")
    use_threads(options.threads)
    keep_freed_memory()
    options = options.resolved(device_of(options))
    path = options.out / "plan.json"
    spare = _SPARE * seconds
    if path.is_file() and options.resume:
        steps = json.loads(path.read_text(encoding="utf-8"))
    else:
        costs = step_costs(options, seconds)
        left = seconds - spare - (time.monotonic() - begun)
        steps = shared_out(left, costs)
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path) as temporary:
            temporary.write_text(json.dumps(steps), encoding="utf-8")
    planned = with_steps(options, steps)
    limit = (seconds - spare / 2 - (time.monotonic() - begun)) / 60
    code = train(dataclasses.replace(planned, time_limit=max(limit, 1e-3)))
    took = time.monotonic() - begun
    print(f"{took / 60:.2f} of {seconds / 60:.2f} minutes")  # noqa: T201
    return code


def step_costs(options: TrainOptions, seconds: float) -> dict[str, float]:
    """Measures the seconds per step of each stage on this machine."""
    costs = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = options.init
        if start is None:
            save_checkpoint(KDSR(options.network()), folder / "start.safetensors")
            start = str(folder / "start.safetensors")
        for stage in options.chain():
            alone = dataclasses.replace(
                options, out=folder / stage, stages=(stage,), stage="all", init=start, resume=False
            )
            costs[stage] = _cost(alone, accelerator_of(alone), stage, seconds / 40)
    return costs


def _cost(options: TrainOptions, accelerator: Accelerator, stage: str, budget: float) -> float:
    session = open_session(options, accelerator)
    session.log.__exit__(None, None, None)
    session = dataclasses.replace(session, log=RunLog(options.out, active=False))
    loop = make_loop(session, stage)
    begun, started, count = time.monotonic(), 0.0, 0
    for step in range(_WARMING + _MOST):
        if step == _WARMING:
            _wait(accelerator.device)
            started = time.monotonic()
        if count and time.monotonic() - begun > budget:
            break
        loop.learn()
        loop.step += 1
        count += step >= _WARMING
    _wait(accelerator.device)
    accelerator.free_memory()
    return (time.monotonic() - started) / count


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def shared_out(seconds: float, costs: Mapping[str, float]) -> dict[str, int]:
    """Plans the steps of each stage, with an equal share of the time for each.

    Args:
        seconds: Time for all stages.
        costs: Seconds per step, by stage.

    Raises:
        ConfigError: If the time is too short for one step of a stage.
    """
    steps = {name: int(seconds / len(costs) / cost) for name, cost in costs.items()}
    if none := [name for name, count in steps.items() if count < 1]:
        raise ConfigError(
            f"no time is left for a step of {' and '.join(none)} after starting up and measuring; "
            "allow more --minutes"
        )
    return steps


def with_steps(options: TrainOptions, steps: Mapping[str, int]) -> TrainOptions:
    """Copies the options with the planned steps, and a warm-up of at most a tenth of them."""
    changes = {}
    for name, count in steps.items():
        key = "student" if name == "control" else name
        stage = getattr(options, key)
        warmup = min(stage.warmup, count // 10)
        changes[key] = dataclasses.replace(stage, steps=count, warmup=warmup)
    return dataclasses.replace(options, **changes)


if __name__ == "__main__":
    sys.exit(main())
