"""The README's picture: the example image as it is, and after `kdsr upscale`.

python -m tools.before_after
"""

from pathlib import Path

import numpy as np
from PIL import Image

import kdsr
from kdsr.files.images import read_image
from kdsr.pixels import to_bytes

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Writes docs/images/before-after.jpg."""
    lq = read_image(ROOT / "samples" / "example.png").rgb
    sr = kdsr.load().upscale(lq)
    before, after = (Image.fromarray(to_bytes(x[0]).permute(1, 2, 0).numpy()) for x in (lq, sr))
    sheet = Image.new("RGB", (2 * after.width + 8, after.height), "white")
    sheet.paste(before.resize(after.size, Image.Resampling.NEAREST), (0, 0))
    sheet.paste(after, (after.width + 8, 0))
    path = ROOT / "docs" / "images" / "before-after.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=88)
    print(path.relative_to(ROOT), np.asarray(sheet).shape)


if __name__ == "__main__":
    main()
