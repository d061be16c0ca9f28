"""The weights that a stage starts from."""

from collections.abc import Callable
from pathlib import Path

from kdsr import KDSR, KDSRTeacher
from kdsr.checkpoint import load_checkpoint
from train.config import TrainOptions
from train.export import export_path
from train.loop import TrainingError
from train.stages import Stage, StudentStage, TeacherStage, copy_fitting


def build_stage(name: str, options: TrainOptions, say: Callable[[str], None]) -> Stage:
    """Makes a stage with its starting weights.

    Args:
        name: One of `train.config.STAGES`.
        options: Of the run.
        say: Told which tensors come from where.

    Raises:
        CheckpointError: If a weights file cannot be read.
        TrainingError: If the teacher or student it builds on is missing or of another network.
    """
    config, stage_options = options.network(), options.for_stage(name)
    composed = options.compose_tail
    if name == "teacher":
        stage = TeacherStage(config, stage_options, composed=composed)
        if options.init is not None and options.stage == "teacher":
            _start_from(load_checkpoint(options.init), stage, say)
        return stage
    teacher = _teacher(options)
    if name == "gan":
        raise NotImplementedError
    stage = StudentStage(
        config,
        stage_options,
        composed=composed,
        teacher=teacher if stage_options.kd_weight > 0 else None,
        name=name,
    )
    source = load_checkpoint(options.init) if options.init is not None else teacher
    _start_from(source, stage, say)
    return stage


def _start_from(source: KDSR | KDSRTeacher, stage: Stage, say: Callable[[str], None]) -> None:
    copied, left = copy_fitting(source, stage.model)
    if not copied:
        raise TrainingError(
            f"no tensor of {source.source} fits a {stage.name} with {stage.model.config}; start "
            "from weights of the same size and scale"
        )
    say(f"{stage.name} starts with {len(copied)} tensors of {source.source}: {', '.join(copied)}")
    say(f"and with fresh ones: {', '.join(left) or 'none'}")


def _teacher(options: TrainOptions) -> KDSRTeacher:
    path: Path = options.teacher_checkpoint or export_path(options, "teacher")
    if not path.is_file():
        raise TrainingError(
            f"expected a trained teacher at {path}: train one with --stage teacher, or name one "
            "with --teacher_checkpoint"
        )
    teacher = load_checkpoint(path)
    if not isinstance(teacher, KDSRTeacher):
        raise TrainingError(f"{path} is a student; expected a teacher")
    if teacher.config != options.network():
        raise TrainingError(
            f"{path} is a teacher with {teacher.config}, expected {options.network()}; use the "
            "same size and scale for both stages"
        )
    return teacher
