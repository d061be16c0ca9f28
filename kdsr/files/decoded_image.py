"""What was in an image file."""

from dataclasses import dataclass, field

from torch import Tensor

from ..estimation.whole import visible
from .colour_space import Chunks
from .metadata import Metadata


@dataclass(frozen=True)
class DecodedImage:
    """What was in an image file.

    Attributes:
        rgb: (1, 3, H, W), float32 in [0, 1], or uint8 where that was asked for. Colours that
            are hidden (alpha 0) are replaced by those of visible neighbours, so that they steer
            nothing.
        alpha: (1, 1, H, W) in [0, 1], or None.
        grey: Whether the file was grey; it is then written so.
        deep: Whether it had more than 8 bits a channel; it is then written with 16 where the
            format can.
        icc: Its colour profile, kept as it is.
        colours: Chunks of PNG that say what its colours mean; see `kdsr.files.colour_space`.
        lossless: Whether a WebP was without loss; it is then written so.
        floats: "float16" or "float32" if the file held linear light as floats, else None. Then
            `rgb` is coded by `kdsr.pixels`; where the format can, it is written back as floats.
        span: Of that coding; above 1 where something is brighter than white.
        pages: Numbers of the pages of a TIFF, without its thumbnails and smaller copies; (0,) for
            all other files.
        metadata: What else the file says: EXIF, XMP, IPTC, dots per inch, texts, comments.
    """

    rgb: Tensor
    alpha: Tensor | None = None
    grey: bool = False
    deep: bool = False
    icc: bytes | None = None
    colours: Chunks = ()
    lossless: bool = False
    floats: str | None = None
    span: float = 1.0
    pages: tuple[int, ...] = (0,)
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def weights(self) -> Tensor | None:
        """How much each pixel counts in an estimate, as `mask`; None if all count the same."""
        return visible(self.alpha)

    @property
    def transparent(self) -> bool:
        """Whether any pixel lets something through."""
        return self.alpha is not None and bool((self.alpha < 1).any())
