"""Options that may differ between the sessions of a run: they do not decide the result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from train.data.pairing import Pairing, find_pairs
from train.data.teaching import is_import_path
from train.errors import DataError
from train.recipes.stages import outside

StageName = Literal["teacher", "student", "control", "gan"]
OWN, PAIRS = "own", "pairs"
MeasuredOn = Literal["own", "pairs", "classic", "general", "realworld"]


@dataclass(frozen=True)
class SessionOptions:
    """Where things lie, how often something is shown or saved, when to stop."""

    data: Path | None = None
    """Training photographs: a folder, or a .txt list of paths. With `lq` they are the ground truths
    of its images."""
    lq: Path | None = None
    """Low-quality images of your own: a folder with the names of `data`, or a .txt list with a pair
    a line (GT, tabulator, LQ), for which `data` may be left out. See `lq_share`."""
    teacher_images: str | None = None
    """What a larger model makes of LQ images, as targets that can be learnt: a folder of pictures
    with the names of `lq`, or a function that makes them of (B, 3, H, W) in [0, 1] as it goes,
    `package.module:function`. A list of pairs may name a picture on each line, too. See
    `teacher_blur`, and `teacher_start` of the stages."""
    out: Path = Path("runs/kdsr")
    """Folder of the run: checkpoints, logs, previews, the exported model."""
    stage: Literal["all", StageName] = "all"
    """Which stage to run; "all" runs those of `stages` one after the other."""
    stages: tuple[StageName, ...] = ("teacher", "student")
    """What "all" means. The control is the student trained without distillation."""
    name: str | None = None
    """Name of the exported model; by default kdsr-SIZE-xSCALE[-VARIANT]."""
    variant: str = ""
    """What sets the model apart from others of its size, for its name."""
    licence: str = "Apache-2.0"
    """Licence of the exported model."""
    teacher_checkpoint: Path | None = None
    """A teacher to distil from; by default the one in `out`."""
    init: str | None = None
    """A finished model to go on with, for the first stage and those that would start from its
    teacher: a name from `kdsr models`, a file, or an address on the Hub. By default a teacher
    starts from nothing, a student from every tensor of its teacher that fits, and the gan stage
    from the student in `out`. A smaller one of the same scale grows: the network starts by giving
    the same pictures."""
    perceptual: Path | None = None
    """Weights for the perceptual loss: torchvision's VGG19 or VGG16 (.pth or .safetensors), or
    SqueezeNet v1.1 (.npz). Where they are named, every stage is also measured by that distance."""
    lpips: tuple[Path, ...] = ()
    """Weights for LPIPS: torchvision's alexnet or vgg16 and the authors' heads for it; or those of
    both, four files. Every stage is also measured by each; `gan.lpips_weight` takes the first."""
    dists: tuple[Path, ...] = ()
    """Weights for DISTS: torchvision's vgg16, and the authors' alpha and beta. Every stage is also
    measured by it."""
    accumulate: int = 1
    """Parts that each process splits its samples into, to save memory."""
    channels_last: bool | None = None
    """Memory format of the network's images and weights; by default on GPUs and in bf16. What a
    gan stage looks with has it always."""
    compile: bool = False
    """Use torch.compile; pays on GPUs."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train."""
    threads: int = 0
    """CPU threads; 0 for OMP_NUM_THREADS, or one for each core where that is not set."""
    cache: Path = Path("~/.cache/kdsr/data")
    """Where decoded photographs are kept."""
    log_every: int = 50
    """Steps between log lines."""
    validate: tuple[Path, ...] = ()
    """Folders of GT images, such as Set5; never trained on."""
    validate_on: MeasuredOn | tuple[MeasuredOn, ...] | None = None
    """What held-out images are measured on, one or several: draws of the run's `own` pipeline or of
    another, or the held-out `pairs`. By default its own draws, and pairs where there are some (see
    `hold_out`)."""
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
    storage: Literal["fp32", "fp16", "int8"] = "fp32"
    """How weights for people are stored: fp16 halves a file; int8 rounds the network's blocks to 8
    bits a weight, for a third of the size of a large model (see `kdsr.files.tensors`)."""
    calibration: int = 4000
    """Degraded crops to calibrate a finished model with (see `train/calibrate.py`); 0 for none."""
    allow_changes: bool = False
    """Go on although options that decide the result differ from the run's."""
    min_spread: float = 1e-3
    """An IDR is dead when `idr_full` varies over degradations by less than this share of its
    magnitude: the run stops."""

    def session_problems(self) -> list[str]:
        """What is wrong with these options, in words."""
        at_least_1 = (
            "accumulate", "log_every", "validate_every", "preview_every", "save_every", "keep"
        )  # fmt: skip
        not_negative = ("shard_mib", "time_limit", "threads", "calibration", "min_spread")
        found = outside(self, at_least_1, 1) + outside(self, not_negative, 0)
        for name, counts in (("lpips", (0, 2, 4)), ("dists", (0, 2))):
            if len(files := getattr(self, name)) not in counts:
                found.append(
                    f"{name} takes pairs of files, those of a network and what the authors put on "
                    f"top of it, got {len(files)}: --{name} '[NETWORK.pth,WEIGHTS.pth]'"
                )
        if self.teacher_images and not is_import_path(self.teacher_images) and self.lq is None:
            found.append(
                f"teacher_images {self.teacher_images} is a folder of pictures, which belong to "
                "the images of --lq: name these, or a function, package.module:function"
            )
        return found

    def source(self) -> Path:
        """The training photographs.

        Raises:
            DataError: If none were named.
        """
        if self.data is None:
            raise DataError("no training images: name a folder or a list file with --data")
        return self.data.expanduser()

    def pairing(self) -> Pairing | None:
        """The pairs that were named, as files; None without `lq`.

        Raises:
            DataError: If there is none among the files.
        """
        if self.lq is None:
            return None
        gt = self.data.expanduser() if self.data is not None else None
        name = self.teacher_images
        folder = Path(name).expanduser() if name and not is_import_path(name) else None
        return find_pairs(gt, self.lq.expanduser(), folder)

    def chain(self) -> tuple[StageName, ...]:
        """The stages to run, in order."""
        return self.stages if self.stage == "all" else (self.stage,)

    def weights_of(self, stage: str) -> Path:
        """Where a stage's weights lie for the stages that build on it: OUT/STAGE.safetensors."""
        return self.out / f"{stage}.safetensors"
