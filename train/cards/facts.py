"""Facts that a weights file states about itself, the source of cards, listings and uploads."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdsr import KDSR
from kdsr.errors import CheckpointError
from kdsr.files.weights import load_checkpoint
from kdsr.network.architecture import KDSRConfig

PAPER = "https://arxiv.org/abs/2211.16928"
"""The paper; the Hub links models to it by this address."""
_NEEDED = {
    "name", "licence", "stage", "degradation", "steps", "hours", "data_fingerprint", "recipe",
}  # fmt: skip


def plain_name(scale: int) -> str:
    """Name of the baseline: bicubic interpolation, which at x1 equals the input."""
    return "input" if scale == 1 else "bicubic"


@dataclass(frozen=True)
class Score:
    """One measurement during training, on inputs degraded like the training data."""

    images: str
    """Name of the set."""
    psnr: float
    """PSNR of the model on luma, in dB."""
    plain: float
    """PSNR of the method that `plain_name` names, on the same inputs, in dB."""


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a student that `train.loop.export` wrote."""

    path: Path
    """Path of the weights file."""
    model: KDSR
    """The student in the file."""
    size: int
    """Size of the file in bytes."""
    sha256: str
    """SHA-256 of the file, hexadecimal."""
    metadata: dict[str, str]
    """Metadata of the file."""

    @classmethod
    def read(cls, path: Path) -> "ModelFacts":
        """Reads an exported student.

        Raises:
            CheckpointError: If the file cannot be read, is a teacher, or was not exported by
                `train/run.py`.
        """
        model = load_checkpoint(path)
        if not isinstance(model, KDSR):
            raise CheckpointError(f"{path} is a teacher; people can only use students")
        missing = _NEEDED - model.metadata.keys()
        if missing:
            raise CheckpointError(
                f"{path} does not say how it was made ({', '.join(sorted(missing))} is missing); "
                "expected a file that train/run.py exported"
            )
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return cls(path, model, len(content), digest, model.metadata)

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.metadata["name"]

    @property
    def config(self) -> KDSRConfig:
        """The configuration of the network."""
        return self.model.config

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(p.numel() for p in self.model.parameters())

    @property
    def recipe(self) -> dict[str, Any]:
        """The training options that have a value, flat: {"student.lr": 0.001, ...}."""
        recipe = json.loads(self.metadata["recipe"])
        return {key: value for key, value in recipe.items() if value is not None}

    @property
    def trained_on(self) -> str:
        """The degradations of its training images, in words."""
        made, pairs = f"{self.metadata['degradation']} degradations", self.metadata.get("pairs")
        if pairs is None:
            return made
        if self.recipe["lq_share"] == 1:
            return f"the degradations of {pairs} pairs"
        return f"{made} and those of {pairs} pairs"

    @property
    def steps(self) -> int:
        """Number of optimiser steps of the exported stage."""
        return int(self.metadata["steps"])

    @property
    def finished(self) -> bool:
        """Whether the stage ran to its end, or the best of its weights were chosen."""
        if "chosen_by" in self.metadata:
            return True
        return self.steps == self.recipe.get(f"{self.metadata['stage']}.steps", self.steps)

    @property
    def scores(self) -> list[Score]:
        """The validation results of the training, one for each set."""
        metrics = json.loads(self.metadata.get("metrics", "{}"))
        sets = sorted(key.removeprefix("psnr_y_") for key in metrics if key.startswith("psnr_y_"))
        plain = f"{plain_name(self.config.scale)}_psnr_y"
        return [Score(n, metrics[f"psnr_y_{n}"], metrics[f"{plain}_{n}"]) for n in sets]
