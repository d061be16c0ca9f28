"""Makes all pictures anew that show ComfyUI or results of the bundled models.

    python -m tools.comfy_pictures

These are the thumbnails of the templates and the pictures of the help pages and the README. Run it
after changing a bundled model, and look at every picture. It needs ComfyUI and Chromium, like the
tests marked `comfy`, and takes half an hour on one core.
"""

from pathlib import Path

import kdsr
from tools import help_pictures, workflow_pictures
from train.cards.showing import SamplePair

ROOT = Path(__file__).parents[1]


def before_after() -> None:
    """Draws the README's picture: the example image, and its result from `kdsr upscale`."""
    pair = SamplePair.make(kdsr.load(), ROOT / "samples" / "example.png")
    (ROOT / "docs" / "images" / "before-after.jpg").write_bytes(pair.thumbnail())


if __name__ == "__main__":
    before_after()
    workflow_pictures.main()
    help_pictures.main()
