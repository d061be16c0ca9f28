"""Trains KDSR: `python train/run.py RECIPE [--key value ...]`.

RECIPE is a name from `train/recipes/` or a YAML file. Everything in it can be overridden:

    python train/run.py general --data photos --out runs/mine --student.steps 20000

`accelerate launch train/run.py ...` runs it on several GPUs or machines.
"""

import math
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from jsonargparse import ArgumentParser

from kdsr import KDSRConfig, KDSRError, KDSRTeacher
from kdsr.checkpoint import load_checkpoint
from train.checkpoints import Checkpoints
from train.config import StageOptions, TrainOptions
from train.data import CropSampler, DataError, open_cache
from train.degradation import build_degradation
from train.export import export_model
from train.log import RunLog
from train.loop import Loop, TrainingError
from train.stages import Stage, StudentStage, TeacherStage, copy_fitting

RECIPES = Path(__file__).parent / "recipes"


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    try:
        options = read_options(sys.argv[1:] if argv is None else argv)
        train(options)
    except (KDSRError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("stopped; the last checkpoint is kept", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def make_parser() -> ArgumentParser:
    """The command line: a recipe and every field of `TrainOptions`."""
    parser = ArgumentParser(prog="train/run.py", description=__doc__, exit_on_error=True)
    parser.add_argument("recipe", help=f"a YAML file, or one of {', '.join(recipe_names())}")
    parser.add_class_arguments(TrainOptions, as_group=False)
    return parser


def recipe_names() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_options(argv: list[str]) -> TrainOptions:
    """Recipe, then command line; unknown keys are refused."""
    parser = make_parser()
    if argv and not argv[0].startswith("-"):
        path = RECIPES / f"{argv[0]}.yaml" if argv[0] in recipe_names() else Path(argv[0])
        if not path.is_file():
            raise DataError(
                f"no recipe {argv[0]!r}; choose one of {', '.join(recipe_names())} or a YAML file"
            )
        parser.default_config_files = [str(path)]
    parsed = parser.parse_args(argv)
    parsed.pop("recipe")
    config = parser.instantiate_classes(parsed)
    config.pop("__default_config__", None)
    return TrainOptions(**{key: value for key, value in config.items()})


def train(options: TrainOptions) -> None:
    """Runs the stages that the options ask for."""
    if options.data is None:
        raise DataError("no training photographs: pass --data FOLDER")
    if options.threads:
        torch.set_num_threads(options.threads)
    deadline = time.monotonic() + options.time_limit * 60 if options.time_limit else math.inf
    cpu = options.device == "cpu" or not torch.cuda.is_available()
    accelerator = Accelerator(
        cpu=cpu, mixed_precision="no" if options.precision == "fp32" else options.precision
    )
    config = KDSRConfig.preset(options.size, options.scale)
    patch = options.patch * options.scale
    with accelerator.main_process_first():
        cache = open_cache(options.data, options.cache.expanduser(), patch)
    crops = CropSampler(cache, patch, options.seed)
    with RunLog(
        options.out,
        active=accelerator.is_main_process,
        validate=options.validate,
        scale=options.scale,
    ) as log:
        log.say(f"{len(cache)} images, cache {cache.fingerprint}, on {accelerator.device}")
        for name in ("teacher", "student") if options.stage == "all" else (options.stage,):
            stage_options: StageOptions = getattr(options, name)
            checkpoints = Checkpoints(
                options.out / "checkpoints", name, options.keep, options.shard_mib << 20
            )
            set_seed(options.seed)
            stage = build_stage(name, options, config, log, accelerator.device, checkpoints)
            loop = Loop(
                options,
                stage_options,
                stage,
                crops,
                build_degradation(options.degradation, options.scale),
                accelerator,
                checkpoints,
                log,
                deadline,
            )
            finished = loop.run()
            if accelerator.is_main_process:
                export_model(loop, cache.fingerprint)
            if not finished:
                log.say(f"time limit: {name} stopped at step {loop.step}; run again to go on")
                return


def build_stage(
    name: str,
    options: TrainOptions,
    config: KDSRConfig,
    log: RunLog,
    device: torch.device,
    checkpoints: Checkpoints,
) -> Stage:
    """Makes a stage with its starting weights."""
    if name == "teacher":
        return TeacherStage(config, composed=options.compose_tail)
    path = options.teacher_checkpoint or options.out / "teacher.safetensors"
    teacher = None
    if options.student.kd_weight > 0 or (options.init is None and path.is_file()):
        teacher = load_checkpoint(path)
        if not isinstance(teacher, KDSRTeacher) or teacher.config != config:
            raise TrainingError(
                f"{path} is not a teacher of this size and scale; train one with --stage teacher"
            )
    stage = StudentStage(
        config,
        teacher if options.student.kd_weight > 0 else None,
        options.student.kd_weight,
        composed=options.compose_tail,
    )
    source = load_checkpoint(options.init) if options.init else teacher
    if source is not None and not checkpoints.manifests():
        copied, left = copy_fitting(source, stage.model)
        log.say(
            f"student starts with {len(copied)} tensors of {source.source}: {', '.join(copied)}"
        )
        log.say(f"and with fresh ones: {', '.join(left) or 'none'}")
    if stage.teacher is not None:
        stage.teacher.to(device)
    return stage


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
