"""The shape of a KDSR network, as a value."""

from dataclasses import dataclass

from .errors import ConfigError

SCALES = (2, 3, 4)

# name -> (n_feats, n_blocks, n_resblocks): the paper's M and L (Sec. 4.1), its real-world GAN
# network, and a small one for CPUs.
PRESETS: dict[str, tuple[int, int, int]] = {
    "s": (32, 16, 4),
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
    """Upscaling factor: 2, 3 or 4."""
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
        for name in ("n_feats", "n_blocks", "n_resblocks"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                problems.append(f"{name} must be a positive integer, got {value!r}")
        if problems:
            raise ConfigError("; ".join(problems))

    @classmethod
    def preset(cls, name: str, scale: int = 4) -> "KDSRConfig":
        """Returns the named size (`s`, `m`, `l` or `gan`) at `scale`."""
        if name not in PRESETS:
            raise ConfigError(f"unknown size {name!r}; choose one of {', '.join(PRESETS)}")
        return cls(scale, *PRESETS[name])

    @property
    def preset_name(self) -> str | None:
        """The preset this configuration equals, or None."""
        sizes = (self.n_feats, self.n_blocks, self.n_resblocks)
        return next((name for name, preset in PRESETS.items() if preset == sizes), None)

    @property
    def estimator_halo(self) -> int:
        """LQ pixels of context that one estimator feature sees on each side."""
        return 2 * self.n_resblocks + 4

    @property
    def network_halo(self) -> int:
        """LQ pixels of context that one output pixel sees on each side, given the IDR.

        Head 1, two 3x3 convolutions a block, the body's closing convolution 1, and 2 for the
        tail (two convolutions at LQ and 2x LQ and one at 4x LQ reach less than 2 LQ pixels).
        """
        return 1 + 2 * self.n_blocks + 1 + 2
