"""Builds stages with their starting weights."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from kdsr import KDSR, KDSRConfig, KDSRTeacher
from kdsr.files.catalog import find_file
from kdsr.files.weights import load_checkpoint
from kdsr.network.architecture import DegradationEstimator
from train.errors import TrainingError
from train.losses.discriminators import UNetDiscriminator, UnshuffledDiscriminator
from train.losses.dists import DISTS, load_dists
from train.losses.lpips import LPIPS, load_lpips
from train.losses.perceptual import PerceptualLoss, load_perceptual
from train.recipes.options import TrainOptions
from train.stages.distillation import Stage, StudentStage, TeacherStage, copy_fitting
from train.stages.gan import GANStage
from train.stages.growth import can_grow, grow
from train.stages.lower_scale import can_lower, lower_scale

_Trained = TypeVar("_Trained", KDSR, KDSRTeacher)
_DETAIL_GAIN = 4.0  # detail is about a quarter as strong as colour


def build_stage(name: str, options: TrainOptions, say: Callable[[str], None]) -> Stage:
    """Builds a stage with its starting weights.

    Args:
        name: "teacher", "student", "control" or "gan".
        options: Options of the run.
        say: Receives lines about the origin of the weights.

    Raises:
        CheckpointError: If a weights file cannot be read.
        TrainingError: If the required teacher or student is missing or of another network.
    """
    config, stage_options = options.network(), options.for_stage(name)
    composed = options.compose_tail
    if name == "teacher":
        stage = TeacherStage(name, KDSRTeacher(config), stage_options, composed)
        wake(stage.model.estimator)
        if options.init is not None:
            _start_from(_finished(options.init), stage, say)
        return stage
    from_teacher = options.from_teacher and options.init is None
    distilled = stage_options.distils
    needed = distilled if name == "gan" else from_teacher or distilled
    teacher = _teacher(options) if needed else None
    if name == "gan":
        distances, judge = _distances(options), _discriminator(options)
        stage = GANStage(name, KDSR(config), stage_options, composed, teacher, judge, distances)
        _start_from(_student(options), stage, say)
        for kind, distance in distances.items():
            say(f"{kind} loss: {distance.network}")
        return stage
    distilled_from = teacher if distilled else None
    stage = StudentStage(name, KDSR(config), stage_options, composed, distilled_from)
    wake(stage.model.estimator)
    if options.init is not None:
        _start_from(_finished(options.init), stage, say)
    elif from_teacher and teacher is not None:
        _start_from(teacher, stage, say)
    else:
        say(f"{name} starts with random weights")
    return stage


@torch.no_grad()
def wake(estimator: DegradationEstimator) -> None:
    """Initialises an estimator's first layer to respond to detail instead of colour.

    Deviation: the official code uses PyTorch's default. With it, or with Kaiming's, `idr_full`
    identifies the image rather than its degradation: it varies by 0.1 to 1% of its level over
    degradations of one image, and by 30% over images. The network then learns to ignore it, and
    short trainings give a plain SR network. Filters with zero mean ignore flat areas. Their
    averages over the image measure the strength of its detail, which degradations change. The
    teacher's 3 LQ channels get the same total weight as its many GT channels, which no degradation
    changes.
    """
    weight = estimator.head.weight
    weight -= weight.mean((2, 3), keepdim=True)
    weight *= _DETAIL_GAIN
    channels = weight.shape[1]
    if channels > 3:
        weight[:, :3] *= math.sqrt(channels / 6)
        weight[:, 3:] *= math.sqrt(channels / (2 * (channels - 3)))


@torch.no_grad()
def see_as(student: DegradationEstimator, teacher: DegradationEstimator) -> None:
    """Copies a student's first layer into a teacher's, with zero weights for the GT channels.

    With the student's other tensors, the teacher then computes exactly what the student does. It
    learns to use the GT from there, as the gradients of the zero weights are not zero.
    """
    teacher.head.weight.zero_()
    teacher.head.weight[:, :3] = student.head.weight
    assert teacher.head.bias is not None
    assert student.head.bias is not None
    teacher.head.bias.copy_(student.head.bias)


def _start_from(source: KDSR | KDSRTeacher, stage: Stage, say: Callable[[str], None]) -> None:
    scale = stage.model.config.scale
    if isinstance(source, KDSR) and can_lower(source.config, scale):
        before, source = source.config.scale, lower_scale(source, scale)
        say(f"{source.source} of x{before} starts x{scale} with nearly its result, shrunk")
    if can_grow(source.config, stage.model.config):
        before, source = source.config, _larger(source, stage.model.config)
        say(f"{source.source} grows to {source.config}")
        if source.config.n_resblocks < before.n_resblocks:
            kept = f"{source.config.n_resblocks} of its {before.n_resblocks}"
            say(f"its estimator keeps {kept} blocks and has to learn its IDR anew")
    copied, left = copy_fitting(source, stage.model)
    if len(copied) < len(left):
        raise TrainingError(
            f"{len(copied)} of {len(copied) + len(left)} tensors of {source.source}, which has "
            f"{source.config}, fit a {stage.name} with {stage.model.config}; start from weights of "
            "the same scale (or, for a student, a higher one), and the same or a smaller size"
        )
    if isinstance(source, KDSR) and isinstance(stage.model, KDSRTeacher):
        see_as(source.estimator, stage.model.estimator)
        say(f"{stage.name} starts as {source.source}, and ignores the ground truth at first")
        return
    fresh = f"; random, as they did not fit: {', '.join(left)}" if left else ""
    say(f"{stage.name} starts with {len(copied)} tensors of {source.source}{fresh}")


def _larger(source: KDSR | KDSRTeacher, config: KDSRConfig) -> KDSR | KDSRTeacher:
    larger = type(source)(config)
    wake(larger.estimator)
    grow(source, larger)
    larger.source = source.source
    return larger


def _discriminator(options: TrainOptions) -> UNetDiscriminator | UnshuffledDiscriminator:
    if options.discriminator == "unet":
        return UNetDiscriminator(options.discriminator_feats)
    return UnshuffledDiscriminator(options.scale, options.discriminator_feats)


def _distances(options: TrainOptions) -> dict[str, PerceptualLoss | LPIPS | DISTS]:
    """Loads the networks of the gan stage's losses that have a weight, by name."""
    gan, found = options.gan, {}
    if options.perceptual and gan.perceptual_weight > 0:
        found["perceptual"] = load_perceptual(options.perceptual)
    if options.lpips and gan.lpips_weight > 0:
        found["lpips"] = load_lpips(*options.lpips[:2])
    if options.dists and gan.dists_weight > 0:
        found["dists"] = load_dists(*options.dists)
    return found


def _teacher(options: TrainOptions) -> KDSRTeacher:
    path: Path = options.teacher_checkpoint or options.weights_of("teacher")
    return _trained(path, KDSRTeacher, "--teacher_checkpoint", options)


def _student(options: TrainOptions) -> KDSR:
    if options.init is not None and "student" not in options.chain():
        path = find_file(options.init)
    else:
        path = options.weights_of("student")
    return _trained(path, KDSR, "--init", options, grows=options.init is not None)


def _finished(source: str) -> KDSR | KDSRTeacher:
    path = find_file(source)
    if not path.is_file():
        raise TrainingError(f"expected the weights to start from (--init) at {path}: no such file")
    return load_checkpoint(path)


def _trained(
    path: Path, kind: type[_Trained], option: str, options: TrainOptions, *, grows: bool = False
) -> _Trained:
    """Loads a trained model of the run's kind and size, or one that can grow to it."""
    role = kind.role
    if not path.is_file():
        raise TrainingError(
            f"expected a trained {role} at {path}: train one with --stage {role}, or name one with "
            f"{option}"
        )
    model = load_checkpoint(path)
    wanted = options.network()
    shape = model.config
    if grows and can_lower(shape, wanted.scale):
        shape = replace(shape, scale=wanted.scale)
    fits = shape == wanted or (grows and can_grow(shape, wanted))
    if not isinstance(model, kind) or not fits:
        raise TrainingError(
            f"{path} is a {model.role} with {model.config}; expected a {role} with "
            f"{wanted}: all stages use the same size and scale"
        )
    return model
