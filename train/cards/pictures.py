"""What a model does, in pictures: pairs of input and result, and a thumbnail."""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from kdsr import KDSR
from kdsr.files.images import read_image
from kdsr.pixels import to_bytes

_GAP = 8  # px between the two pictures of a thumbnail


@dataclass(frozen=True)
class SamplePair:
    """An image and what the model makes of it."""

    name: str
    """The name of the file that was upscaled, without its suffix."""
    lq: Image.Image
    """The input, RGB."""
    sr: Image.Image
    """The result, RGB, `scale` times as large."""

    @classmethod
    def make(cls, model: KDSR, path: Path) -> "SamplePair":
        """Upscales an image file.

        Raises:
            ImageError: If it cannot be read.
        """
        lq = read_image(path).rgb
        return cls(path.stem, _picture(lq), _picture(model.upscale(lq, dtype="fp32")))

    def files(self) -> dict[str, bytes]:
        """PNG files by name: `NAME-lq.png` and `NAME-sr.png`."""
        return {f"{self.name}-{end}.png": _png(getattr(self, end)) for end in ("lq", "sr")}

    def thumbnail(self) -> bytes:
        """JPEG: the input enlarged plainly, and the result beside it."""
        width, height = self.sr.size
        sheet = Image.new("RGB", (2 * width + _GAP, height), "white")
        sheet.paste(self.lq.resize((width, height), Image.Resampling.NEAREST), (0, 0))
        sheet.paste(self.sr, (width + _GAP, 0))
        content = io.BytesIO()
        sheet.save(content, "JPEG", quality=90)
        return content.getvalue()


def _picture(image: Tensor) -> Image.Image:
    pixels = to_bytes(image[0])
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()
