"""Pictures that a larger model made of LQ images: targets that a small network can learn.

Deviation: not in the paper. As in ECO (arXiv 2312.17526) what a stage compares with goes from such
a picture to the ground truth; here it keeps the low frequencies of that, so that colours stay true.
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
    """Where a model's pictures come from, and what they keep of the ground truth.

    Attributes:
        upscale: Makes them; None where they came with the pairs.
        sigma: Of the Gaussian whose low-pass is the ground truth's, GT pixels; 0 for none.
    """

    upscale: Upscaler | None = None
    sigma: float = 6.0

    @torch.no_grad()
    def pictures(self, lq: Tensor, gt: Tensor, given: Tensor | None = None) -> Tensor:
        """The targets of a batch, (B, 3, sH, sW) in [0, 1].

        Args:
            lq: (B, 3, H, W) in [0, 1].
            gt: (B, 3, sH, sW) in [0, 1].
            given: What came with the pairs; the ground truth itself where nothing did.

        Raises:
            DataError: If the model gives pictures of another size.
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
    """Whether a name is that of a function, `package.module:function`, rather than a folder."""
    module, colon, function = name.partition(":")
    return (
        bool(colon) and function.isidentifier() and all(p.isidentifier() for p in module.split("."))
    )


def load_upscaler(name: str) -> Upscaler:
    """Imports a function, `package.module:function`.

    Raises:
        DataError: If there is none.
    """
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"--teacher_images {name} cannot be imported: {error}; expected "
            "package.module:function, of a module that Python finds (PYTHONPATH)"
        ) from None
    if not callable(found):
        raise DataError(f"--teacher_images {name} is no function, but {type(found).__name__}")
    return cast("Upscaler", found)
