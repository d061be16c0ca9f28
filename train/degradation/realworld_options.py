"""The published parameters of the second-order pipeline of Real-ESRGAN (paper Sec. 4.3)."""

from dataclasses import dataclass

from kdsr.errors import ConfigError


@dataclass(frozen=True)
class OrderOptions:
    """One of the two rounds."""

    blur_probability: float = 1.0
    """Share of samples that are blurred."""
    min_sigma: float = 0.2
    """Narrowest blur, pixels."""
    max_sigma: float = 3.0
    """Widest blur, pixels."""
    max_beta: float = 4.0
    """Shape of generalised Gaussians, 0.5 to this."""
    max_plateau_beta: float = 2.0
    """Shape of plateau kernels, 1 to this."""
    sinc_probability: float = 0.1
    """Share of sinc filters among the kernels."""
    resize_probability: tuple[float, float, float] = (0.2, 0.7, 0.1)
    """Shares of enlarging, shrinking and keeping the size."""
    min_resize: float = 0.15
    """Smallest factor."""
    max_resize: float = 1.5
    """Largest factor."""
    gaussian_probability: float = 0.5
    """Share of Gaussian noise; the others get Poisson noise."""
    min_noise: float = 1.0
    """Weakest Gaussian noise, 0-255."""
    max_noise: float = 30.0
    """Strongest Gaussian noise, 0-255."""
    min_poisson: float = 0.05
    """Weakest Poisson noise."""
    max_poisson: float = 3.0
    """Strongest Poisson noise."""
    grey_probability: float = 0.4
    """Share of noise that is the same in all colours."""
    min_quality: float = 30.0
    """Lowest JPEG quality."""
    max_quality: float = 95.0
    """Highest JPEG quality."""

    def problems(self, name: str) -> list[str]:
        """What is wrong with these options, in words."""
        found = []
        for pair in ("sigma", "resize", "noise", "poisson", "quality"):
            low, high = getattr(self, f"min_{pair}"), getattr(self, f"max_{pair}")
            if not 0 < low <= high:
                found.append(f"{name}: expected 0 < min_{pair} <= max_{pair}, got {low} and {high}")
        if abs(sum(self.resize_probability) - 1) > 1e-6:
            found.append(f"{name}.resize_probability must sum to 1, got {self.resize_probability}")
        return found


_SECOND = OrderOptions(
    blur_probability=0.8,
    max_sigma=1.5,
    resize_probability=(0.3, 0.4, 0.3),
    min_resize=0.3,
    max_resize=1.2,
    max_noise=25.0,
    max_poisson=2.5,
)


@dataclass(frozen=True)
class RealWorldOptions:
    """Both rounds and what follows."""

    first: OrderOptions = OrderOptions()
    """First round."""
    second: OrderOptions = _SECOND
    """Second round."""
    final_sinc_probability: float = 0.8
    """Share of samples with a last sinc filter."""
    transposed_luma: bool = False
    """Use the transposed luminance table of the official JPEG, to compare with its models."""

    def __post_init__(self) -> None:
        problems = self.first.problems("first") + self.second.problems("second")
        if not 0 <= self.final_sinc_probability <= 1:
            problems.append("final_sinc_probability is a share, 0 to 1")
        if problems:
            raise ConfigError("; ".join(problems))
