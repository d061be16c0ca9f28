"""Makes all pictures anew that show ComfyUI or results of the bundled models.

    python -m tools.comfy_pictures

These are the thumbnails of the templates and the pictures of the help pages and the README. Run it
after changing a bundled model, and look at every picture. It needs ComfyUI and Chromium, like the
tests marked `comfy`, and takes half an hour on one core.
"""

from pathlib import Path

from PIL import Image

import kdsr
from kdsr.files.images import read_image
from kdsr.pixels import to_bytes
from tools import help_pictures, workflow_pictures

ROOT = Path(__file__).parents[1]


def before_after() -> None:
    """Draws the README's picture: the example image, and its result from `kdsr upscale`."""
    lq = read_image(ROOT / "samples" / "example.png").rgb
    sr = kdsr.load().upscale(lq)
    before, after = (Image.fromarray(to_bytes(x[0]).permute(1, 2, 0).numpy()) for x in (lq, sr))
    sheet = Image.new("RGB", (2 * after.width + 8, after.height), "white")
    sheet.paste(before.resize(after.size, Image.Resampling.NEAREST), (0, 0))
    sheet.paste(after, (after.width + 8, 0))
    sheet.save(ROOT / "docs" / "images" / "before-after.jpg", quality=88)


if __name__ == "__main__":
    before_after()
    workflow_pictures.main()
    help_pictures.main()
