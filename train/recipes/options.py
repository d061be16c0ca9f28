"""Options of a training run: frozen, self-checking, read from YAML and the command line."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import torch

from kdsr.errors import ConfigError
from kdsr.network.architecture import PRESETS, KDSRConfig
from kdsr.tiles.work import multiplies_bf16
from train.data.teaching import is_import_path
from train.degradation.checks import outside
from train.degradation.pipelines import DegradationOptions
from train.recipes.session_options import PAIRS, SessionOptions
from train.recipes.stages import MEASURES, StageOptions, is_number


@dataclass(frozen=True)
class TrainOptions(SessionOptions):
    """A training run. Every field can be set in YAML or as `--field value`.

    These fields decide the result; those of `SessionOptions` do not.
    """

    size: Literal["s", "b", "m", "l", "gan"] = "s"
    """Preset of the network."""
    scale: int = 4
    """Upscaling factor: 2, 3 or 4; 1 for a model that cleans without enlarging."""
    n_feats: int | None = None
    """Feature channels; by default the preset's."""
    n_blocks: int | None = None
    """Blocks of the SR network; by default the preset's."""
    n_resblocks: int | None = None
    """Residual blocks of the estimator; by default the preset's."""
    degradation: DegradationOptions = field(default_factory=DegradationOptions)
    """Degradations that make the LQ images."""
    teacher: StageOptions = field(default_factory=StageOptions)
    """Options of stage 1, the teacher."""
    student: StageOptions = field(default_factory=lambda: StageOptions(kd_weight=0.05))
    """Options of stage 2, the student, and of the control."""
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
    """Options of stage 3, the adversarial training."""
    from_teacher: bool = True
    """Start student and control with the teacher's weights, otherwise with random ones. A control
    with random weights needs no teacher: it is the network trained without distillation."""
    discriminator: Literal["unet", "unshuffled"] = "unet"
    """Network of the adversarial loss: `unet` as published, or `unshuffled`, which works on
    pixel-unshuffled images and costs a thirtieth, for adversarial training on a CPU."""
    discriminator_feats: int = 64
    """Channels of the discriminator."""
    seed: int = 0
    """Seed of every random draw."""
    batch: int = 16
    """Samples per optimiser step, over all processes."""
    patch: int = 32
    """Side of LQ patches in pixels; GT patches are `scale` times larger."""
    final_patch: int | None = None
    """Side of LQ patches in the last part of each stage; by default `patch`."""
    final_share: float = 0.2
    """Share of a stage's steps that use `final_patch`."""
    patterns: float = 0.0
    """Share of crops with drawn text, line art, panels, dither and the like, on the photograph or
    instead of it. `python -m tools.drawing_sheet` shows all kinds."""
    lq_share: float = 0.5
    """Share of samples cut from the pairs of `lq`, if given; the other samples are synthetic."""
    teacher_blur: float = 6.0
    """Standard deviation of a Gaussian in GT pixels. `teacher_images` keep detail finer than it,
    and get everything coarser, colours too, from the ground truth. 0 changes nothing."""
    pair_uses: int = 1
    """Average number of steps that use a degraded pair; more than 1 saves costly degradations."""
    pool_size: int = 180
    """Degraded pairs kept for `pair_uses`, over all processes."""
    hold_out: int = 0
    """Number of images kept out of training, for validation; chosen by the hash of their names."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Autocast; parameters and the optimiser stay in float32. `auto` is bf16 on devices with bf16
    instructions. On a CPU without them a bf16 step took twenty times as long."""
    compose_tail: bool = True
    """Run the tail as one convolution composed inside the graph: same parameters, faster steps."""
    clip: float = 1.0
    """Largest gradient norm."""
    ema: float = 0.999
    """Decay of the averaged weights, which are validated and exported."""
    best: str | None = None
    """Validation measure that selects the exported weights: psnr_y, l1, squeezenet, vgg19, vgg16,
    lpips, dists, grid, haarpsi or mdsi. It is taken from the pairs if given, otherwise from
    held-out images, or from a named set: `psnr_y_Set5`. By default the last weights are
    exported."""
    patience: int = 0
    """Validations without a better `best` that end a stage; 0 for no early end."""

    def __post_init__(self) -> None:
        problems = []
        try:
            self.network()
        except ConfigError as error:
            problems.append(str(error))
        problems += self.session_problems()
        problems += outside(self, ("batch", "discriminator_feats", "pair_uses", "pool_size"), 1)
        # Degradations mirror GT patches by half of a kernel of 21 pixels.
        problems += outside(self, ("patch", "final_patch"), 16 if self.scale == 1 else 8)
        problems += outside(self, ("final_share", "patterns", "lq_share"), 0, 1)
        problems += outside(self, ("hold_out", "patience", "teacher_blur"), 0)
        if not 0 <= self.ema < 1:
            problems.append(f"ema must be at least 0 and less than 1, got {self.ema}")
        if self.clip <= 0:
            problems.append(f"clip must be more than 0, got {self.clip}")
        problems += self._problems_of_best()
        if PAIRS in (self.validate_on or ()) and (self.lq is None or not self.hold_out):
            problems.append(
                "validate_on pairs needs held-out pairs: name pairs with --lq, and set --hold_out"
            )
        if self.patience and self.best is None:
            problems.append("patience needs a measure: set best, for example to psnr_y")
        if self.batch % self.accumulate:
            problems.append(
                f"batch must be a multiple of accumulate, got {self.batch} and {self.accumulate}"
            )
        for name in ("teacher", "student", "gan"):
            problems += getattr(self, name).problems(name)
        problems += self._problems_of_files()
        if problems:
            raise ConfigError("; ".join(problems))

    def _problems_of_files(self) -> list[str]:
        """Problems of losses and measures whose files are not named."""
        problems = []
        if "gan" in self.chain() and self.gan.perceptual_weight > 0 and self.perceptual is None:
            problems.append(
                "the gan stage needs weights for its perceptual loss: name them with --perceptual "
                "FILE, or switch the loss off with --gan.perceptual_weight 0"
            )
        if "gan" in self.chain() and self.gan.gan_real == "teacher" and not self.teacher_images:
            problems.append("gan.gan_real teacher needs pictures: name them with --teacher_images")
        for name in ("lpips", "dists"):
            if getattr(self, name):
                continue
            if "gan" in self.chain() and getattr(self.gan, f"{name}_weight") > 0:
                problems.append(f"gan.{name}_weight needs weights: name the files with --{name}")
            if self.best is not None and self.best.startswith(name):
                problems.append(f"best {self.best} needs weights: name the files with --{name}")
        return problems

    def _problems_of_best(self) -> list[str]:
        if self.best is None:
            return []
        if not is_number(self.best):
            allowed = f"one of {', '.join(MEASURES)}, or a measure of one set, such as psnr_y_Set5"
            return [f"best must be {allowed}, got {self.best!r}"]
        problems = []
        if not self.hold_out and not self.validate:
            problems.append(
                f"best {self.best} needs validation images: hold some out with --hold_out, or name "
                "sets with --validate"
            )
        if self.best.startswith(("squeezenet", "vgg")) and self.perceptual is None:
            problems.append(
                f"best {self.best} needs the weights of that network: name them with --perceptual"
            )
        return problems

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

    def resolved(self, device: torch.device) -> "TrainOptions":
        """Replaces `auto` by the choice for a device.

        The choice belongs to the run: resuming it with another one needs `allow_changes`.
        """
        if self.precision != "auto":
            return self
        precision = "bf16" if multiplies_bf16(device) else "fp32"
        return dataclasses.replace(self, precision=precision)

    def for_stage(self, stage: str) -> StageOptions:
        """The options of a stage; the control's are the student's without distillation."""
        if stage == "control":
            return dataclasses.replace(self.student, kd_weight=0.0, kd_l1_weight=0.0, kd_only=0)
        return getattr(self, stage)

    def patch_at(self, stage: str, step: int) -> int:
        """Side of the LQ patches at a step of a stage."""
        if self.final_patch is None:
            return self.patch
        first = (1 - self.final_share) * self.for_stage(stage).steps
        return self.patch if step < first else self.final_patch

    @property
    def largest_crop(self) -> int:
        """Side of the largest GT patches in pixels."""
        return max(self.patch, self.final_patch or 0) * self.scale

    @property
    def model_name(self) -> str:
        """File name of the exported model, without suffix."""
        parts = ["kdsr", self.size, f"x{self.scale}", *([self.variant] if self.variant else [])]
        return self.name or "-".join(parts)

    def decisive(self, stage: str) -> dict[str, object]:
        """The options that decide the result of a stage, flat: {"student.lr": 0.001, ...}.

        A resumed run must have the same values.
        """
        apart = {f.name for f in dataclasses.fields(SessionOptions)}
        apart |= {"teacher", "student", "gan", "degradation"}
        kept = {key: value for key, value in dataclasses.asdict(self).items() if key not in apart}
        made = self.degradation
        kept["degradation"] = {
            "kind": made.kind,
            "realworld_share": made.realworld_share,
            **{kind: dataclasses.asdict(getattr(made, kind)) for kind in made.used},
        }
        if self.teacher_images is not None and is_import_path(self.teacher_images):
            kept["teacher_images"] = self.teacher_images
        if self.best is not None:  # another interval would select other weights
            kept["validate_every"] = self.validate_every
        kept["student" if stage == "control" else stage] = dataclasses.asdict(self.for_stage(stage))
        return flatten(kept)


def flatten(nested: dict, prefix: str = "") -> dict[str, object]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
