"""The model that people load: the student, and everything that can be done with it."""

from typing import TYPE_CHECKING

from torch import Tensor

from .estimation.regions import Regions
from .estimation.whole import EstimateKeywords, estimate
from .idr import IDR
from .network.baked import BakedKDSR
from .network.models import Student
from .upscaling.blended import upscale
from .upscaling.tiled import UpscaleKeywords

if TYPE_CHECKING:
    from typing_extensions import Unpack


class KDSR(Student):
    """The student: image -> `estimate` -> IDR -> `upscale` -> image.

    Args:
        config: The network's shape. Weights are random until loaded; see `kdsr.load`.
    """

    def estimate(self, lq: Tensor, **options: "Unpack[EstimateKeywords]") -> IDR:
        """Estimates the IDR of each image; see `kdsr.estimation.whole` for the options."""
        return estimate(self, lq, **options)

    def upscale(
        self, lq: Tensor, idr: IDR | Regions | None = None, **options: "Unpack[UpscaleKeywords]"
    ) -> Tensor:
        """Upscales images of any size; see `kdsr.upscaling.tiled` for the options.

        With `Regions` each part of the image has an IDR of its own; see `kdsr.estimation.regions`.
        """
        return upscale(self, lq, idr, **options)

    def bake(self, idr: IDR) -> BakedKDSR:
        """Returns a plain module (B, 3, H, W) -> (B, 3, sH, sW) with this IDR built in."""
        return BakedKDSR.from_model(self, idr)
