"""The degradation pipelines of recipes; a new one is a file beside this and a field here."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from kdsr.errors import ConfigError
from train.degradation.checks import outside, refuse
from train.degradation.classic import ClassicOptions
from train.degradation.draws import PIPELINE, generator
from train.degradation.general import GeneralOptions
from train.degradation.realworld import RealWorldOptions


class Degradation(Protocol):
    """A pipeline from GT to LQ images; its options are a dataclass with `build(scale)`."""

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> Any:
        """Draws the parameters of the given samples of a step."""
        ...

    def apply(self, gt: Tensor, parameters: Any) -> Tensor:
        """Degrades GT images (B, 3, sH, sW) in [0, 1] to LQ images (B, 3, H, W) in [0, 1]."""
        ...

    def describe(self, parameters: Any) -> list[str]:
        """Describes the degradation of each sample in words."""
        ...


@dataclass(frozen=True)
class DegradationOptions:
    """The pipeline that makes LQ images from photographs, and its ranges."""

    kind: str = "general"
    """Name of the pipeline: one of the fields below."""
    realworld_share: float = 0.0
    """Share of samples from the `realworld` pipeline instead of `kind`, for a network that handles
    heavily degraded images and stays good on others."""
    classic: ClassicOptions = field(default_factory=ClassicOptions)
    """Ranges of the classic pipeline."""
    general: GeneralOptions = field(default_factory=GeneralOptions)
    """Ranges of the general pipeline."""
    realworld: RealWorldOptions = field(default_factory=RealWorldOptions)
    """Ranges of Real-ESRGAN's second-order pipeline."""

    def __post_init__(self) -> None:
        if self.kind not in self.kinds():
            raise ConfigError(
                f"degradation.kind must be one of {', '.join(self.kinds())}, got {self.kind!r}"
            )
        refuse(self, outside(self, ["realworld_share"], 0, 1))
        if self.kind == "realworld" and self.realworld_share > 0:
            raise ConfigError(
                "degradation.realworld_share mixes realworld into another kind, but degradation."
                "kind is realworld; choose general or classic there, or leave the share out"
            )

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Names of the pipelines."""
        return tuple(f.name for f in fields(cls) if f.name not in ("kind", "realworld_share"))

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the pipelines in use: one, or the two of a mix."""
        return (self.kind, "realworld") if self.realworld_share > 0 else (self.kind,)

    def alone(self, kind: str) -> "DegradationOptions":
        """A copy that takes all samples from one pipeline."""
        return replace(self, kind=kind, realworld_share=0.0)

    def build(self, scale: int) -> Degradation:
        """Makes the chosen pipeline, or the mix of two, for a downscaling factor."""
        chosen: Degradation = getattr(self, self.kind).build(scale)
        if self.realworld_share == 0:
            return chosen
        return MixedDegradation(chosen, self.realworld.build(scale), self.realworld_share)


@dataclass(frozen=True)
class MixedParameters:
    """Parameters of a batch from a mix of two pipelines.

    Attributes:
        rows: Rows of the batch, by pipeline.
        drawn: Parameters of these rows, by pipeline.
    """

    rows: tuple[tuple[int, ...], ...]
    drawn: tuple[Any, ...]


class MixedDegradation:
    """Sends each sample through one of two pipelines, with the result of that pipeline alone.

    Args:
        first: First pipeline.
        second: Second pipeline.
        share: Share of samples for the second pipeline, 0 to 1.
    """

    def __init__(self, first: Degradation, second: Degradation, share: float) -> None:
        self.pipelines, self.share = (first, second), share

    def sample(self, seed: int, step: int, samples: Sequence[int]) -> MixedParameters:
        """Draws a pipeline for each of the given samples of a step, and its parameters."""
        second = [generator(seed, step, s, PIPELINE).random() < self.share for s in samples]
        rows = tuple(
            tuple(row for row, is_second in enumerate(second) if is_second == wanted)
            for wanted in (False, True)
        )
        drawn = tuple(
            pipeline.sample(seed, step, [samples[row] for row in chosen]) if chosen else None
            for pipeline, chosen in zip(self.pipelines, rows, strict=True)
        )
        return MixedParameters(rows, drawn)

    def apply(self, gt: Tensor, parameters: MixedParameters) -> Tensor:
        """Degrades (B, 3, sH, sW) in [0, 1] to (B, 3, H, W) in [0, 1]."""
        made: dict[int, Tensor] = {}
        for pipeline, rows, drawn in self._parts(parameters):
            made |= dict(zip(rows, pipeline.apply(gt[list(rows)], drawn), strict=True))
        return torch.stack([made[row] for row in range(len(gt))])

    def describe(self, parameters: MixedParameters) -> list[str]:
        """Describes the degradation of each sample in words."""
        words: dict[int, str] = {}
        for pipeline, rows, drawn in self._parts(parameters):
            words |= dict(zip(rows, pipeline.describe(drawn), strict=True))
        return [words[row] for row in sorted(words)]

    def _parts(self, p: MixedParameters) -> list[tuple[Degradation, tuple[int, ...], Any]]:
        """The pipelines that have rows, each with its rows and their parameters."""
        parts = zip(self.pipelines, p.rows, p.drawn, strict=True)
        return [part for part in parts if part[1]]
