"""The degradations that a recipe can name. Another one is a file beside this and a field here."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from kdsr.errors import ConfigError
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
        """(B, 3, sH, sW) in [0, 1] -> (B, 3, H, W) in [0, 1]."""
        ...

    def describe(self, parameters: Any) -> list[str]:
        """What was drawn for each sample, in words."""
        ...


@dataclass(frozen=True)
class DegradationOptions:
    """How LQ images are made from photographs."""

    kind: str = "general"
    """The pipeline: the name of one of the pipelines below."""
    realworld_share: float = 0.0
    """Share of samples that `realworld` makes instead of `kind`: for a network that meets badly
    treated images and keeps what it can on others."""
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
        if not 0 <= self.realworld_share <= 1:
            raise ConfigError(
                f"degradation.realworld_share is a share, 0 to 1, got {self.realworld_share}"
            )
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
        """Names of the pipelines that samples come from: one, or two that are mixed."""
        return (self.kind, "realworld") if self.realworld_share > 0 else (self.kind,)

    def alone(self, kind: str) -> "DegradationOptions":
        """The same ranges, all samples from one pipeline."""
        return replace(self, kind=kind, realworld_share=0.0)

    def build(self, scale: int) -> Degradation:
        """The pipeline that was chosen, or the mix, for a downscaling factor."""
        chosen: Degradation = getattr(self, self.kind).build(scale)
        if self.realworld_share == 0:
            return chosen
        return MixedDegradation(chosen, self.realworld.build(scale), self.realworld_share)


@dataclass(frozen=True)
class MixedParameters:
    """What was drawn for a batch of a mix.

    Attributes:
        rows: Those of each pipeline in the batch.
        drawn: Its parameters for them.
    """

    rows: tuple[tuple[int, ...], ...]
    drawn: tuple[Any, ...]


class MixedDegradation:
    """Each sample goes through one of two pipelines, as if the other were not there.

    Args:
        first: A pipeline.
        second: Another.
        share: Of samples that the second makes, 0 to 1.
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
        """What was drawn for each sample, in words."""
        words: dict[int, str] = {}
        for pipeline, rows, drawn in self._parts(parameters):
            words |= dict(zip(rows, pipeline.describe(drawn), strict=True))
        return [words[row] for row in sorted(words)]

    def _parts(self, p: MixedParameters) -> list[tuple[Degradation, tuple[int, ...], Any]]:
        """Each pipeline with its rows and what was drawn for them, where it has any."""
        parts = zip(self.pipelines, p.rows, p.drawn, strict=True)
        return [part for part in parts if part[1]]
