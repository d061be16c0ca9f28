"""Describes drawn parameters in words, for people who look at pairs."""

import math

from torch import Tensor


def blur_words(sigma_long: float, sigma_short: float, angle: float) -> str:
    """Describes a Gaussian blur; sigmas in GT pixels, the angle in radians."""
    if sigma_long == 0:
        return "no blur"
    if sigma_long == sigma_short:
        return f"blur {sigma_long:.1f} px"
    # The draws do not order the two axes; people want the longer one and its direction.
    wide, narrow = max(sigma_long, sigma_short), min(sigma_long, sigma_short)
    turned = angle if sigma_long >= sigma_short else angle + math.pi / 2
    return f"blur {wide:.1f} x {narrow:.1f} px at {math.degrees(turned) % 180:.0f} degrees"


def kernel_words(kernel: Tensor) -> str:
    """Describes any blur kernel (k, k) by its width, or by its ringing."""
    half = kernel.shape[0] // 2
    if float(kernel[half, half]) > 0.999:
        return "no blur"
    if float(kernel.min()) < -1e-3:
        return "ringing (sinc)"
    place = kernel.new_tensor(range(-half, half + 1))
    rows, columns = (kernel.sum(axis) @ place.square() for axis in (1, 0))
    slant = place @ kernel @ place
    # Variances along the axes of the ellipse are the eigenvalues of the second moments.
    middle, spread = (rows + columns) / 2, ((rows - columns).square() / 4 + slant.square()).sqrt()
    wide, narrow = (float(v.clamp(min=0).sqrt()) for v in (middle + spread, middle - spread))
    if wide - narrow < 0.05:
        return f"blur {wide:.1f} px"
    return f"blur {wide:.1f} x {narrow:.1f} px"


def noise_words(sigma: float, *, grey: bool, kind: str = "noise") -> str:
    """Describes noise; its standard deviation is in 0-255."""
    if sigma == 0:
        return f"no {kind}"
    return f"{'grey ' if grey else ''}{kind} {sigma:.1f}"


def jpeg_words(quality: float) -> str:
    """Describes a JPEG quality, 1 to 100; 0 is none."""
    return f"JPEG {quality:.0f}" if quality else "no JPEG"
