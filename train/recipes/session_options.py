"""Options that may differ between the sessions of a run, as they do not decide the result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from train.data.pairing import Pairing, find_pairs
from train.data.teaching import is_import_path
from train.degradation.checks import outside
from train.errors import DataError

StageName = Literal["teacher", "student", "control", "gan"]
OWN, PAIRS = "own", "pairs"
MeasuredOn = Literal["own", "pairs", "classic", "general", "realworld"]


@dataclass(frozen=True)
class SessionOptions:
    """Paths, intervals of logs and checkpoints, and when to stop."""

    data: Path | None = None
    """Training photographs: a folder, or a .txt list of paths. With `lq` they are also its ground
    truths."""
    lq: Path | None = None
    """Your own LQ images: a folder with the file names of `data`, or a .txt list with a pair on
    each line (GT, tab, LQ). With a list, `data` is optional. See `lq_share`."""
    teacher_images: str | None = None
    """A larger model's results for the LQ images, as targets: a folder of pictures with the file
    names of `lq`, or a function `package.module:function` that upscales (B, 3, H, W) in [0, 1]. A
    list of pairs may also name a picture on each line. See `teacher_blur`, and `teacher_start` of
    the stages."""
    out: Path = Path("runs/kdsr")
    """Folder of the run: checkpoints, logs, previews, the exported model."""
    stage: Literal["all", StageName] = "all"
    """The stage to run; "all" runs `stages` one after the other."""
    stages: tuple[StageName, ...] = ("teacher", "student")
    """The stages of "all". The control is the student trained without distillation."""
    name: str | None = None
    """Name of the exported model; by default kdsr-SIZE-xSCALE[-VARIANT]."""
    variant: str = ""
    """Suffix of the model's name that distinguishes it from others of its size."""
    licence: str = "Apache-2.0"
    """Licence of the exported model."""
    teacher_checkpoint: Path | None = None
    """Weights of the teacher to distil from; by default those in `out`."""
    init: str | None = None
    """A finished model to start from: a name from `kdsr models`, a file, or an address on the
    Hub. It serves the first stage, and every stage that would start from its teacher. By default a
    teacher starts with random weights, a student with every fitting tensor of its teacher, and the
    gan stage with the student in `out`. A smaller model of the same scale grows: the larger network
    starts with the same output."""
    perceptual: Path | None = None
    """Weights for the perceptual loss: torchvision's VGG19 or VGG16 (.pth or .safetensors), or
    SqueezeNet v1.1 (.npz). If given, validations of every stage also measure this distance."""
    lpips: tuple[Path, ...] = ()
    """Weights for LPIPS: torchvision's alexnet or vgg16 and the LPIPS authors' heads, two files; or
    four files for both networks. Validations measure each; `gan.lpips_weight` uses the first."""
    dists: tuple[Path, ...] = ()
    """Weights for DISTS: torchvision's vgg16, and the DISTS authors' alpha and beta. If given,
    validations also measure it."""
    accumulate: int = 1
    """Number of parts that each process splits its samples into, to save memory."""
    channels_last: bool | None = None
    """Use the channels-last memory format; by default on GPUs and in bf16. Discriminator and
    perceptual networks always use it."""
    compile: bool = False
    """Use torch.compile, which speeds up training on GPUs."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device of the training."""
    threads: int = 0
    """CPU threads; 0 for OMP_NUM_THREADS, or one per core if that is not set."""
    cache: Path = Path("~/.cache/kdsr/data")
    """Folder of decoded photographs."""
    log_every: int = 50
    """Steps between log lines."""
    validate: tuple[Path, ...] = ()
    """Folders of GT images, such as Set5; never trained on."""
    validate_on: MeasuredOn | tuple[MeasuredOn, ...] | None = None
    """Degradations of held-out images for validation, one or several: the run's `own` pipeline,
    another pipeline, or the held-out `pairs`. By default `own`, and `pairs` if given (see
    `hold_out`)."""
    validate_every: int = 2000
    """Steps between validations."""
    preview_every: int = 2000
    """Steps between preview grids."""
    save_every: int = 500
    """Steps between checkpoints."""
    keep: int = 2
    """Number of checkpoints kept per stage."""
    shard_mib: int = 0
    """Split checkpoints into files of at most this many MiB; 0 for one file."""
    time_limit: float = 0.0
    """Stop cleanly, with a checkpoint, after this many minutes; 0 for no limit."""
    resume: bool = True
    """Continue from the newest checkpoint in `out`."""
    storage: Literal["fp32", "fp16", "int8"] = "fp32"
    """Precision of the exported weights: fp16 halves the file; int8 rounds the network's blocks to
    8 bits per weight, which makes a large model a third as big (see `kdsr.files.weights`)."""
    calibration: int = 4000
    """Number of degraded crops to calibrate the finished model on (see `train/calibrate.py`); 0
    for no calibration."""
    allow_changes: bool = False
    """Resume although options that decide the result have changed."""
    min_spread: float = 1e-3
    """Smallest variation of `idr_full` over degradations, as a share of its magnitude. The run
    stops below it, as the IDR then carries no information."""

    def session_problems(self) -> list[str]:
        """Problems of these options, one sentence each."""
        at_least_1 = (
            "accumulate", "log_every", "validate_every", "preview_every", "save_every", "keep"
        )  # fmt: skip
        not_negative = ("shard_mib", "time_limit", "threads", "calibration", "min_spread")
        found = outside(self, at_least_1, 1) + outside(self, not_negative, 0)
        for name, counts in (("lpips", (0, 2, 4)), ("dists", (0, 2))):
            if len(files := getattr(self, name)) not in counts:
                found.append(
                    f"{name} takes pairs of files, a network's weights and the authors' weights "
                    f"for it, got {len(files)} files: --{name} '[NETWORK.pth,WEIGHTS.pth]'"
                )
        if self.teacher_images and not is_import_path(self.teacher_images) and self.lq is None:
            found.append(
                f"teacher_images {self.teacher_images} is a folder of pictures, which needs the LQ "
                "images: name them with --lq, or give a function, package.module:function"
            )
        return found

    def source(self) -> Path:
        """The training photographs.

        Raises:
            DataError: If `data` is not set.
        """
        if self.data is None:
            raise DataError("no training images: name a folder or a list file with --data")
        return self.data.expanduser()

    def pairing(self) -> Pairing | None:
        """The pairs of image files; None without `lq`.

        Raises:
            DataError: If no file has a partner.
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
        """Path of a stage's weights for the stages that build on it: OUT/STAGE.safetensors."""
        return self.out / f"{stage}.safetensors"
