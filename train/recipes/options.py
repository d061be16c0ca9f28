"""Options of a training run: frozen, self-checking, read from YAML and the command line."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kdsr.errors import ConfigError
from kdsr.network.config import PRESETS, KDSRConfig
from train.degradation.pipelines import DegradationOptions

STAGES = ("teacher", "student", "control", "gan")


@dataclass(frozen=True)
class StageOptions:
    """One stage of the distillation."""

    steps: int = 10_000
    """Optimiser steps."""
    lr: float = 1e-3
    """Peak learning rate of Adam."""
    estimator_lr: float = 0.2
    """The estimator's share of the learning rate. At high rates its vector is noise to the network,
    which then learns to ignore it."""
    final_lr: float = 1e-6
    """Learning rate at the end of the cosine."""
    warmup: int = 500
    """Steps of linear warm-up."""
    l1_weight: float = 1.0
    """Weight of the mean absolute error."""
    kd_weight: float = 0.0
    """Weight of the distillation loss (student and gan); the control is trained without it."""
    kd_only: int = 0
    """First steps in which the student's estimator alone is trained, on the distillation loss."""
    perceptual_weight: float = 0.0
    """Weight of the perceptual loss (gan)."""
    gan_weight: float = 0.0
    """Weight of the adversarial loss (gan)."""

    def problems(self, stage: str) -> list[str]:
        """What is wrong with these options, in words."""
        found = [
            f"{stage}.{name} must be 0 or more, got {getattr(self, name)}"
            for name in (*(f"{w}_weight" for w in ("l1", "kd", "perceptual", "gan")), "kd_only")
            if getattr(self, name) < 0
        ]
        if not 0 < self.estimator_lr <= 1:
            found.append(
                f"{stage}.estimator_lr must be more than 0, at most 1, got {self.estimator_lr}"
            )
        if self.steps < 1:
            found.append(f"{stage}.steps must be at least 1, got {self.steps}")
        if self.warmup < 0:
            found.append(f"{stage}.warmup must be 0 or more, got {self.warmup}")
        if not 0 <= self.final_lr <= self.lr:
            found.append(
                f"{stage}: expected 0 <= final_lr <= lr, got {self.final_lr} and {self.lr}"
            )
        return found


@dataclass(frozen=True)
class TrainOptions:
    """A training run. Every field can be set in YAML or as `--field value`."""

    data: Path | None = None
    """Training photographs: a folder, or a .txt list of paths."""
    out: Path = Path("runs/kdsr")
    """Folder of the run: checkpoints, logs, previews, the exported model."""
    stage: Literal["all", "teacher", "student", "control", "gan"] = "all"
    """Which stage to run; "all" runs those of `stages` one after the other."""
    stages: tuple[Literal["teacher", "student", "control", "gan"], ...] = ("teacher", "student")
    """What "all" means. The control is the student trained without distillation."""
    name: str | None = None
    """Name of the exported model; by default kdsr-SIZE-xSCALE[-VARIANT]."""
    variant: str = ""
    """What sets the model apart from others of its size, for its name."""
    licence: str = "Apache-2.0"
    """Licence of the exported model."""
    size: Literal["s", "m", "l", "gan"] = "s"
    """Preset of the network."""
    scale: int = 4
    """Upscaling factor: 2, 3 or 4."""
    n_feats: int | None = None
    """Feature channels, where the preset's do not fit."""
    n_blocks: int | None = None
    """Blocks of the SR network, where the preset's do not fit."""
    n_resblocks: int | None = None
    """Residual blocks of the estimator, where the preset's do not fit."""
    degradation: DegradationOptions = field(default_factory=DegradationOptions)
    """How LQ images are made."""
    teacher: StageOptions = field(default_factory=StageOptions)
    """Stage 1."""
    student: StageOptions = field(default_factory=lambda: StageOptions(kd_weight=0.05))
    """Stage 2, and the control."""
    gan: StageOptions = field(
        default_factory=lambda: StageOptions(
            lr=1e-4,
            estimator_lr=1.0,
            warmup=0,
            kd_weight=1.0,
            perceptual_weight=1.0,
            gan_weight=1.0,
        )
    )
    """Stage 3."""
    teacher_checkpoint: Path | None = None
    """A teacher to distil from; by default the one in `out`."""
    init: Path | None = None
    """Weights to start from: a finished model to go on with. By default a student starts from every
    tensor of its teacher that fits, and the gan stage from the student in `out`."""
    from_teacher: bool = True
    """Start student and control with the teacher's weights; otherwise from nothing. A control from
    nothing needs no teacher: it is the network trained without any of the distillation."""
    perceptual: Path | None = None
    """Weights for the perceptual loss: torchvision's VGG19 (.pth or .safetensors), or SqueezeNet
    v1.1 (.npz)."""
    discriminator: Literal["unet", "unshuffled"] = "unet"
    """Network of the adversarial loss: as published, or one that looks at pixel-unshuffled images,
    for a thirtieth of the work: adversarial training on a CPU."""
    discriminator_feats: int = 64
    """Channels of the discriminator."""
    seed: int = 0
    """Of everything that is random."""
    batch: int = 16
    """Samples per optimiser step, over all processes."""
    accumulate: int = 1
    """Parts that each process splits its samples into, to save memory."""
    patch: int = 32
    """Side of LQ patches in pixels; GT patches are `scale` times larger."""
    final_patch: int | None = None
    """Side of LQ patches in the last part of each stage."""
    final_share: float = 0.2
    """How much of a stage `final_patch` is for."""
    patterns: float = 0.0
    """Share of crops that text or line art is drawn into."""
    pair_uses: int = 1
    """Steps that a degraded pair is used in, on average: saves work where degrading is dear."""
    pool_size: int = 180
    """Degraded pairs that are kept for that, over all processes."""
    hold_out: int = 0
    """Images kept out of training, to measure with; chosen by the hash of their names."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Autocast; parameters and the optimiser stay in float32."""
    channels_last: bool | None = None
    """Memory format of images and weights; by default only on GPUs: on CPUs it costs time here."""
    compose_tail: bool = True
    """Run the tail as one convolution composed inside the graph: same parameters, less work."""
    compile: bool = False
    """Use torch.compile; pays on GPUs."""
    clip: float = 1.0
    """Largest gradient norm."""
    ema: float = 0.999
    """Decay of the averaged weights, which are what is validated and exported."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    threads: int = 0
    """CPU threads; 0 leaves PyTorch's choice."""
    cache: Path = Path("~/.cache/kdsr/data")
    """Where decoded photographs are kept."""
    log_every: int = 50
    """Steps between log lines."""
    validate: tuple[Path, ...] = ()
    """Folders of GT images, such as Set5; never trained on."""
    validate_every: int = 2000
    """Steps between validations."""
    preview_every: int = 2000
    """Steps between preview grids."""
    save_every: int = 500
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints that are kept per stage."""
    shard_mib: int = 0
    """Split checkpoints into files of at most this size, to carry a run in pieces; 0 for one."""
    time_limit: float = 0.0
    """Stop cleanly, with a checkpoint, after this many minutes; 0 for no limit."""
    resume: bool = True
    """Go on from the newest checkpoint in `out`."""
    half: bool = False
    """Store the weights for people in float16: half the size."""
    calibration: int = 4000
    """Degraded crops to calibrate a finished model with (see `train.calibrate`); 0 for none."""
    allow_changes: bool = False
    """Go on although options that decide the result differ from the run's."""
    min_spread: float = 1e-3
    """An IDR is dead when `idr_full` varies over degradations by less than this share of its
    magnitude: the run stops."""

    def __post_init__(self) -> None:
        problems = []
        try:
            self.network()
        except ConfigError as error:
            problems.append(str(error))
        at_least_1 = (
            "batch", "accumulate", "log_every", "validate_every", "preview_every", "save_every",
            "keep", "discriminator_feats", "pair_uses", "pool_size",
        )  # fmt: skip
        problems += self._outside(at_least_1, 1, math.inf)
        problems += self._outside(("patch", "final_patch"), 8, math.inf)
        problems += self._outside(("final_share", "patterns"), 0, 1)
        not_negative = (
            "shard_mib", "time_limit", "threads", "hold_out", "calibration", "min_spread"
        )  # fmt: skip
        problems += self._outside(not_negative, 0, math.inf)
        if not 0 <= self.ema < 1:
            problems.append(f"ema must be at least 0 and less than 1, got {self.ema}")
        if self.clip <= 0:
            problems.append(f"clip must be more than 0, got {self.clip}")
        if self.batch % self.accumulate:
            problems.append(
                f"batch must be a multiple of accumulate, got {self.batch} and {self.accumulate}"
            )
        for name in ("teacher", "student", "gan"):
            problems += getattr(self, name).problems(name)
        if "gan" in self.chain() and self.gan.perceptual_weight > 0 and self.perceptual is None:
            problems.append(
                "the gan stage needs weights for its perceptual loss: name them with --perceptual "
                "FILE, or switch it off with --gan.perceptual_weight 0"
            )
        if problems:
            raise ConfigError("; ".join(problems))

    def _outside(self, names: tuple[str, ...], low: float, high: float) -> list[str]:
        allowed = f"at least {low}" if high == math.inf else f"{low} to {high}"
        return [
            f"{name} must be {allowed}, got {value}"
            for name in names
            if (value := getattr(self, name)) is not None and not low <= value <= high
        ]

    def network(self) -> KDSRConfig:
        """The network that is trained."""
        if self.size not in PRESETS:
            raise ConfigError(f"size must be one of {', '.join(PRESETS)}, got {self.size!r}")
        wanted = {
            name: value
            for name in ("n_feats", "n_blocks", "n_resblocks")
            if (value := getattr(self, name)) is not None
        }
        return dataclasses.replace(KDSRConfig.preset(self.size, self.scale), **wanted)

    def chain(self) -> tuple[str, ...]:
        """The stages to run, in order."""
        return self.stages if self.stage == "all" else (self.stage,)

    def for_stage(self, stage: str) -> StageOptions:
        """The options of a stage; the control's are the student's without distillation."""
        if stage == "control":
            return dataclasses.replace(self.student, kd_weight=0.0, kd_only=0)
        return getattr(self, stage)

    def patch_at(self, stage: str, step: int) -> int:
        """Side of the LQ patches at a step of a stage."""
        if self.final_patch is None:
            return self.patch
        first = (1 - self.final_share) * self.for_stage(stage).steps
        return self.patch if step < first else self.final_patch

    def weights_of(self, stage: str) -> Path:
        """Where a stage's weights lie for the stages that build on it: OUT/STAGE.safetensors."""
        return self.out / f"{stage}.safetensors"

    @property
    def model_name(self) -> str:
        """Name of the exported model."""
        parts = ["kdsr", self.size, f"x{self.scale}", *([self.variant] if self.variant else [])]
        return self.name or "-".join(parts)

    def decisive(self, stage: str) -> dict[str, object]:
        """What decides the result of a stage, flat: {"student.lr": 0.001, ...}.

        A run that goes on with other values would not be the run that was started.
        """
        kept = {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key not in _FREE and key not in ("teacher", "student", "gan", "degradation")
        }
        used = getattr(self.degradation, self.degradation.kind)
        kept["degradation"] = {
            "kind": self.degradation.kind,
            self.degradation.kind: dataclasses.asdict(used),
        }
        kept["student" if stage == "control" else stage] = dataclasses.asdict(self.for_stage(stage))
        return flatten(kept)


# May differ between the sittings of a run: where things lie, how often something is shown, when
# to stop. All other fields change what comes out.
_FREE = {
    "data", "out", "stage", "stages", "name", "variant", "licence", "teacher_checkpoint", "init",
    "perceptual", "accumulate", "device", "threads", "cache", "compile", "channels_last",
    "log_every", "validate", "validate_every", "preview_every", "save_every", "keep", "shard_mib",
    "time_limit", "resume", "half", "calibration", "allow_changes", "min_spread",
}  # fmt: skip


def flatten(nested: dict, prefix: str = "") -> dict[str, object]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
