"""The shape of a KDSR network, as a value: chosen, or read off a model's tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor

SCALES = (1, 2, 3, 4)
"""Upscaling factors; 1 cleans a picture and leaves its size."""
LARGEST = {"n_feats": 1024, "n_blocks": 256, "n_resblocks": 256}
"""Several times of what anyone trains; beyond that a file is damaged or a number mistyped."""

_TAIL = "network.tail"

# name -> (n_feats, n_blocks, n_resblocks): the paper's M and L (Sec. 4.1), its real-world GAN
# network, a small one for CPUs, and one between: as many channels as M and a light estimator.
PRESETS: dict[str, tuple[int, int, int]] = {
    "s": (32, 16, 4),
    "b": (64, 16, 2),
    "m": (64, 53, 9),
    "l": (128, 28, 5),
    "gan": (128, 42, 6),
}


@dataclass(frozen=True)
class KDSRConfig:
    """Hyper-parameters that fix every tensor shape of a KDSR student or teacher.

    Raises:
        ConfigError: If any value is out of range; the message lists all of them.
    """

    scale: int = 4
    """Upscaling factor: 2, 3 or 4; 1 to clean without enlarging."""
    n_feats: int = 64
    """Feature channels C; the IDR has C entries, the distilled IDR 4C."""
    n_blocks: int = 53
    """IDR-DCRB blocks in the SR network."""
    n_resblocks: int = 9
    """Residual blocks in the degradation estimator."""

    def __post_init__(self) -> None:
        problems = []
        if self.scale not in SCALES:
            problems.append(f"scale must be one of {SCALES}, got {self.scale!r}")
        for name, largest in LARGEST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
                problems.append(f"{name} must be an integer from 1 to {largest}, got {value!r}")
        if problems:
            raise ConfigError("; ".join(problems))

    @classmethod
    def preset(cls, name: str, scale: int = 4) -> "KDSRConfig":
        """Returns the named size (`s`, `b`, `m`, `l` or `gan`) at `scale`."""
        if name not in PRESETS:
            raise ConfigError(f"unknown size {name!r}; choose one of {', '.join(PRESETS)}")
        return cls(scale, *PRESETS[name])

    @property
    def preset_name(self) -> str | None:
        """The preset this configuration equals, or None."""
        sizes = (self.n_feats, self.n_blocks, self.n_resblocks)
        return next((name for name, preset in PRESETS.items() if preset == sizes), None)


def infer_config(state: "Mapping[str, Tensor]") -> KDSRConfig:
    """Reads the configuration off the tensors' names and shapes.

    Raises:
        CheckpointError: If the tensors that tell are not there.
    """
    enlarges = any(key.startswith(f"{_TAIL}.up.") for key in state)
    head = state.get("network.head.weight")
    tail = state.get(f"{_TAIL}.up.0.weight" if enlarges else f"{_TAIL}.out.weight")
    if head is None or tail is None or 0 in head.shape or head.ndim != 4 or tail.ndim != 4:
        found = ", ".join(list(state)[:3]) or "no tensors"
        raise CheckpointError(f"this is not a KDSR model (its first tensors: {found})")
    n_feats = head.shape[0]
    step = round((tail.shape[0] / n_feats) ** 0.5) if enlarges else 1
    return KDSRConfig(
        scale=4 if f"{_TAIL}.up.1.weight" in state else step,
        n_feats=n_feats,
        n_blocks=_count_blocks(state, "network.blocks."),
        n_resblocks=_count_blocks(state, "estimator.blocks."),
    )


def infer_role(state: "Mapping[str, Tensor]") -> str:
    """Says "student" if the estimator sees the LQ image alone, else "teacher"."""
    head = state.get("estimator.head.weight")
    return "student" if head is None or head.ndim != 4 or head.shape[1] == 3 else "teacher"


def _count_blocks(state: "Mapping[str, Tensor]", prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})
