"""Losses of the three stages (paper Sec. 3.3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.15
"""Temperature of the distillation softmax, as published."""


def l1_loss(sr: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute error of images (B, 3, H, W) in [0, 1] (Eq. 3)."""
    return F.l1_loss(sr.float(), gt)


def colour_loss(sr: Tensor, gt: Tensor, scale: int, side: int = 8) -> Tensor:
    """Mean absolute error of mean colours of images (B, 3, H, W) in [0, 1].

    Means are over squares of `side` LQ pixels, apart for each of the scale**2 places that a pixel
    can have within an LQ pixel. Perceptual and adversarial losses forgive a colour that is off by a
    little everywhere, and a faint grid of the period of the pixel shuffle; people see both at once.
    Deviation: not published; weight 0 by default.

    Args:
        sr: At least `side * scale` px a side.
        gt: The same shape.
        scale: Of the network.
        side: Of the squares, LQ px; what is left over at right and bottom does not count.
    """
    ours, true = (F.avg_pool2d(F.pixel_unshuffle(x.float(), scale), side) for x in (sr, gt))
    return F.l1_loss(ours, true)


def shifted(images: Tensor, step: int, most: int) -> Tensor:
    """Images (B, 3, H, W) moved round by 0 to `most` - 1 px down and right, by step.

    Networks that look at an image with a stride have gradients with its period: where it always
    meets the same pixels, what is trained with them grows a faint grid. Moving what they see from
    step to step spreads that evenly. All most**2 shifts come once in so many steps.

    Args:
        images: What leaves at one side comes back at the other.
        step: Counted from 0.
        most: A power of two, for the order of the shifts; 0 leaves images alone.
    """
    if most < 2:
        return images
    down, right = divmod(step * 101 % most**2, most)  # 101 is odd: every shift, near ones apart
    return images.roll((down, right), (2, 3))


def kd_loss(student: Tensor, teacher: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """KL divergence of the softmax of two `idr_full` (B, 4C), averaged over the batch (Eq. 5).

    As published there is no factor of temperature**2, and a constant offset of all entries goes
    unpunished. Computed in float32. Gradients reach the student only.

    Args:
        student: D'_S, (B, 4C).
        teacher: D'_T, (B, 4C).
        temperature: Divides both before the softmax.
    """
    target = F.softmax(teacher.detach().float() / temperature, dim=1)
    log_probability = F.log_softmax(student.float() / temperature, dim=1)
    return F.kl_div(log_probability, target, reduction="batchmean")


def kd_l1_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean absolute difference of two `idr_full` (B, 4C), as a part of the teacher's magnitude.

    Unlike `kd_loss` it also minds an offset and the level of all entries. Computed in float32.
    Gradients reach the student only.

    Args:
        student: D'_S, (B, 4C).
        teacher: D'_T, (B, 4C).
    """
    target = teacher.detach().float()
    return F.l1_loss(student.float(), target) / target.abs().mean().clamp_min(1e-6)


def vanilla_gan_loss(logits: Tensor, *, real: bool) -> Tensor:
    """Cross entropy of the discriminator's logits (any shape) with "all real" or "all fake".

    The generator calls it with `real=True` on its own images: it wants to be believed.
    """
    logits = logits.float()
    target = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits, target)
