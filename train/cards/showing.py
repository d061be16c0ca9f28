"""Sample pictures of a model, and its entry for OpenModelDB (openmodeldb.info).

The schema of the entry: https://github.com/OpenModelDB/open-model-database, src/lib/schema.ts.
"""

import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from kdsr import KDSR
from kdsr.errors import HubError
from kdsr.files.images import read_image
from kdsr.pixels import to_bytes

from .facts import PAPER, ModelFacts

_GAP = 8  # px between the two pictures of a thumbnail


@dataclass(frozen=True)
class SamplePair:
    """An image and its upscaled version."""

    name: str
    """Name of the image file, without its suffix."""
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
        """A JPEG file: the input in nearest-neighbour enlargement, and the result beside it."""
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


_ID = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*")
_TAGS = {
    "classic": ("deblur",),
    "general": ("deblur", "denoise", "jpeg", "restoration"),
    "realworld": ("deblur", "denoise", "jpeg", "restoration"),
}
"""OpenModelDB tags of each degradation pipeline."""


def listing(
    facts: ModelFacts, author: str, url: str, pairs: Sequence[tuple[str, str]], date: dt.date
) -> tuple[str, dict[str, Any]]:
    """File name and content of a model's OpenModelDB entry.

    Args:
        facts: Facts about the model.
        author: The author's OpenModelDB id.
        url: Download address of the weights.
        pairs: Addresses of (LQ, SR) pictures.
        date: Date of publication.

    Raises:
        HubError: If the author or the model's name is not a valid OpenModelDB id.
    """
    scale = facts.config.scale
    name = facts.name.replace(f"-x{scale}", "")  # the index has a field of its own for the scale
    for what, value in (("author", author), ("name of the model", name)):
        if not _ID.fullmatch(value):
            raise HubError(
                f"the {what} {value!r} is not a valid OpenModelDB id: expected letters and digits, "
                "joined by single hyphens"
            )
    recipe, config = facts.recipe, facts.config
    removed = [tag for kind in facts.metadata["degradation"].split(" and ") for tag in _TAGS[kind]]
    words = (
        f"[KDSR]({PAPER}), size {config.preset_name or 'custom'}: estimates how an image was "
        f"degraded, then restores it accordingly. Trained on {facts.trained_on}. Give it whole "
        "images: tiles with estimates of their own differ from each other."
    )
    entry = {
        "name": name,
        "author": author,
        "license": facts.metadata["licence"],
        "tags": [*dict.fromkeys(removed), "photo", "research"],
        "description": words,
        "date": date.isoformat(),
        "architecture": "kdsr",
        "size": [f"{config.n_feats}nf", f"{config.n_blocks}nb", f"{config.n_resblocks}rb"],
        "scale": scale,
        "inputChannels": 3,
        "outputChannels": 3,
        "resources": [
            {
                "platform": "pytorch",
                "type": "safetensors",
                "size": facts.size,
                "sha256": facts.sha256,
                "urls": [url],
            }
        ],
        "trainingIterations": facts.steps,
        "trainingBatchSize": recipe["batch"],
        "trainingHRSize": recipe["patch"] * scale,
        "trainingOTF": "pairs" not in facts.metadata or recipe["lq_share"] < 1,
        "images": [{"type": "paired", "LR": lq, "SR": sr} for lq, sr in pairs],
    }
    return f"{scale}x-{name}.json", entry
