"""Options of a training run: frozen, self-checking, read from YAML and the command line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kdsr.config import PRESETS, SCALES
from kdsr.errors import ConfigError
from train.degradation.classic import ClassicOptions
from train.degradation.general import GeneralOptions


@dataclass(frozen=True)
class DegradationOptions:
    """How LQ images are made from photographs."""

    kind: Literal["classic", "general"] = "general"
    """The pipeline."""
    classic: ClassicOptions = field(default_factory=ClassicOptions)
    """Ranges of the classic pipeline."""
    general: GeneralOptions = field(default_factory=GeneralOptions)
    """Ranges of the general pipeline."""


@dataclass(frozen=True)
class StageOptions:
    """One stage of the distillation."""

    steps: int = 10_000
    """Optimiser steps."""
    lr: float = 1e-3
    """Peak learning rate of Adam."""
    final_lr: float = 1e-6
    """Learning rate at the end of the cosine."""
    warmup: int = 500
    """Steps of linear warm-up."""
    kd_weight: float = 0.0
    """Weight of the distillation loss (student); 0 trains on L1 alone."""

    def problems(self, stage: str) -> list[str]:
        """What is wrong with these options, in words."""
        found = []
        for name in ("steps", "warmup"):
            if getattr(self, name) < 0:
                found.append(f"{stage}.{name} must be 0 or more, got {getattr(self, name)}")
        if not 0 <= self.final_lr <= self.lr:
            found.append(
                f"{stage}: expected 0 <= final_lr <= lr, got {self.final_lr} and {self.lr}"
            )
        if self.kd_weight < 0:
            found.append(f"{stage}.kd_weight must be 0 or more, got {self.kd_weight}")
        return found


@dataclass(frozen=True)
class TrainOptions:
    """A training run. Every field can be set in YAML or as `--field value`."""

    data: Path | None = None
    """Training photographs: a folder, or a .txt list of paths."""
    out: Path = Path("runs/kdsr")
    """Folder of the run: checkpoints, logs, previews, the exported model."""
    stage: Literal["all", "teacher", "student"] = "all"
    """Which stage to run; "all" runs the teacher, then the student."""
    name: str | None = None
    """Name of the exported model; by default kdsr-SIZE-xSCALE."""
    size: Literal["s", "m", "l", "gan"] = "s"
    """Preset of the network."""
    scale: int = 4
    """Upscaling factor: 2, 3 or 4."""
    degradation: DegradationOptions = field(default_factory=DegradationOptions)
    """How LQ images are made."""
    teacher: StageOptions = field(default_factory=StageOptions)
    """Stage 1."""
    student: StageOptions = field(default_factory=lambda: StageOptions(kd_weight=0.05))
    """Stage 2."""
    teacher_checkpoint: Path | None = None
    """A teacher to distil from; by default the one in `out`."""
    init: Path | None = None
    """A student to start from instead of the teacher's weights, to go on with finished weights."""
    seed: int = 0
    """Of everything that is random."""
    batch: int = 16
    """Samples per optimiser step, over all processes."""
    accumulate: int = 1
    """Parts that each process splits its samples into, to save memory."""
    patch: int = 32
    """Side of LQ patches in pixels; GT patches are `scale` times larger."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Autocast; parameters and the optimiser stay in float32."""
    channels_last: bool = True
    """Memory format of images and weights."""
    compose_tail: bool = True
    """Run the tail as one convolution composed inside the graph: same parameters, less work."""
    compile: bool = False
    """Use torch.compile; pays on GPUs."""
    clip: float = 1.0
    """Largest gradient norm."""
    ema: float = 0.999
    """Decay of the averaged weights, which are what is validated and exported."""
    device: str = "auto"
    """cpu, cuda or auto."""
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
    min_spread: float = 1e-5
    """A teacher whose `idr_full` varies less than this over degradations has a dead IDR: stop."""

    def __post_init__(self) -> None:
        problems = []
        if self.size not in PRESETS:
            problems.append(f"size must be one of {', '.join(PRESETS)}, got {self.size!r}")
        if self.scale not in SCALES:
            problems.append(f"scale must be one of {SCALES}, got {self.scale}")
        for name in ("batch", "accumulate", "log_every", "validate_every", "preview_every"):
            if getattr(self, name) < 1:
                problems.append(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("save_every", "keep"):
            if getattr(self, name) < 1:
                problems.append(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.patch < 8:
            problems.append(f"patch must be at least 8 LQ pixels, got {self.patch}")
        if not 0 <= self.ema < 1:
            problems.append(f"ema must be at least 0 and less than 1, got {self.ema}")
        if self.clip <= 0:
            problems.append(f"clip must be more than 0, got {self.clip}")
        for name in ("shard_mib", "time_limit", "threads"):
            if getattr(self, name) < 0:
                problems.append(f"{name} must be 0 or more, got {getattr(self, name)}")
        problems += self.teacher.problems("teacher") + self.student.problems("student")
        if problems:
            raise ConfigError("; ".join(problems))

    @property
    def model_name(self) -> str:
        """Name of the exported model."""
        return self.name or f"kdsr-{self.size}-x{self.scale}"
