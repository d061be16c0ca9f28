"""Pixel, distillation and adversarial losses of the stages (paper Sec. 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.15
"""Temperature of the distillation softmax, as published."""


def l1_loss(sr: Tensor, gt: Tensor) -> Tensor:
    """Computes the mean absolute error of images (B, 3, H, W) in [0, 1] (Eq. 3)."""
    return F.l1_loss(sr.float(), gt)


def colour_loss(sr: Tensor, gt: Tensor, scale: int, side: int = 8) -> Tensor:
    """Computes the mean absolute error of local mean colours.

    Means are taken over squares of `side` LQ pixels, separately for each of the scale**2 positions
    within an LQ pixel. Perceptual and adversarial losses tolerate a slight overall shift of colour
    and a faint grid with the period of the pixel shuffle, which people notice. Deviation: not
    published; weight 0 by default.

    Args:
        sr: RGB images (B, 3, sH, sW) in [0, 1], at least `side * scale` px per side.
        gt: Ground truths of the same shape.
        scale: The network's upscaling factor.
        side: Side of the squares in LQ pixels; incomplete squares at right and bottom are ignored.
    """
    ours, true = (F.avg_pool2d(F.pixel_unshuffle(x.float(), scale), side) for x in (sr, gt))
    return F.l1_loss(ours, true)


def noisier(images: Tensor, step: int, most: float = 10 / 255) -> Tensor:
    """Adds Gaussian noise, the same at every call with the same step.

    Args:
        images: Images (B, 3, H, W) in [0, 1].
        step: Number of the step, from 0; seeds the noise.
        most: Largest standard deviation; each image has its own, uniform from 0.

    Returns:
        The noisy images, clamped to [0, 1].
    """
    generator = torch.Generator().manual_seed(step)
    sigma = most * torch.rand(len(images), 1, 1, 1, generator=generator)
    noise = sigma * torch.randn(images.shape, generator=generator)
    return (images + noise.to(images)).clamp(0, 1)


def shifted(images: Tensor, step: int, most: int) -> Tensor:
    """Shifts images cyclically by 0 to `most` - 1 px down and right, depending on the step.

    Gradients of a network with strides have the period of its strides. If the strides always meet
    the same pixels, the trained network produces a faint grid; shifts spread the effect evenly.
    Each of the most**2 shifts occurs once in as many steps.

    Args:
        images: Images (B, 3, H, W).
        step: Number of the step, from 0.
        most: Number of shifts per axis, a power of two; 0 for none.
    """
    if most < 2:
        return images
    down, right = divmod(step * 101 % most**2, most)  # 101 is odd, so that every shift occurs
    return images.roll((down, right), (2, 3))


def kd_loss(student: Tensor, teacher: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Computes the KL divergence between the softmax of two `idr_full`, batch mean (Eq. 5).

    As published, it has no factor of temperature**2, and ignores a constant offset of all entries.
    It is computed in float32, and its gradients reach the student only.

    Args:
        student: The student's `idr_full` (D'_S in the paper), (B, 4C).
        teacher: The teacher's `idr_full` (D'_T), (B, 4C).
        temperature: Divisor of both before the softmax.
    """
    target = F.softmax(teacher.detach().float() / temperature, dim=1)
    log_probability = F.log_softmax(student.float() / temperature, dim=1)
    return F.kl_div(log_probability, target, reduction="batchmean")


def kd_l1_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Computes the mean absolute difference of two `idr_full`, relative to the teacher's magnitude.

    Unlike `kd_loss`, it penalises offsets and levels. It is computed in float32, and its gradients
    reach the student only.

    Args:
        student: The student's `idr_full` (D'_S in the paper), (B, 4C).
        teacher: The teacher's `idr_full` (D'_T), (B, 4C).
    """
    target = teacher.detach().float()
    return F.l1_loss(student.float(), target) / target.abs().mean().clamp_min(1e-6)


def vanilla_gan_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Computes the cross entropy of a discriminator's logits with "all real" or "all fake".

    The generator's own loss uses `real=True` on its images.

    Args:
        logits: Logits of any shape.
        real: Whether the target is "real".
    """
    logits = logits.float()
    target = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits, target)
