"""Targets made by a larger model from LQ images, which a small network can learn.

Deviation: not in the paper. As in ECO (arXiv 2312.17526), the target of a stage moves from such a
picture to the ground truth. Here the picture keeps the ground truth's low frequencies, so that
colours stay true.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from train.degradation.blur import gaussian_blur
from train.errors import DataError

Upscaler = Callable[[Tensor], Tensor]
"""Maps LQ (B, 3, H, W) in [0, 1] to RGB (B, 3, sH, sW) around [0, 1]."""


@dataclass(frozen=True)
class Teaching:
    """Makes targets from a larger model's pictures and the ground truth.

    Attributes:
        upscale: The larger model; None if its pictures come with the pairs.
        sigma: Standard deviation in GT pixels of the low-pass that is taken from the ground truth;
            0 for none.
    """

    upscale: Upscaler | None = None
    sigma: float = 6.0

    @torch.no_grad()
    def pictures(self, lq: Tensor, gt: Tensor, given: Tensor | None = None) -> Tensor:
        """The targets of a batch, (B, 3, sH, sW) in [0, 1].

        Args:
            lq: LQ images, (B, 3, H, W) in [0, 1].
            gt: Ground truths, (B, 3, sH, sW) in [0, 1].
            given: Pictures that came with the pairs, like `gt`, or None.

        Raises:
            DataError: If the model makes pictures of another size.
        """
        if self.upscale is not None:
            given = self.upscale(lq).float()
            if given.shape != gt.shape:
                raise DataError(
                    f"--teacher_images made {tuple(given.shape)} of {tuple(lq.shape)}, expected "
                    f"{tuple(gt.shape)}: name a model of the run's scale"
                )
        if given is None:
            return gt
        if self.sigma > 0:
            given = given + gaussian_blur(gt - given, self.sigma)
        return given.clamp(0, 1)


def is_import_path(name: str) -> bool:
    """Whether a name is a function, `package.module:function`, and not a folder."""
    module, colon, function = name.partition(":")
    return (
        bool(colon) and function.isidentifier() and all(p.isidentifier() for p in module.split("."))
    )


def load_upscaler(name: str) -> Upscaler:
    """Imports a function by its name, `package.module:function`.

    Raises:
        DataError: If it does not exist or is not callable.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"--teacher_images {name} cannot be imported: {error}; expected "
            "package.module:function, with a module on Python's path (PYTHONPATH)"
        ) from None
    if not callable(found):
        raise DataError(f"--teacher_images {name} is not a function but {type(found).__name__}")
    return cast("Upscaler", found)
