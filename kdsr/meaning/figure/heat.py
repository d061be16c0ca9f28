"""Where in the image the local estimates differ."""

import numpy as np
from PIL import Image
from torch import Tensor

from ...pixels import to_bytes
from ..wording import Wording
from .panel import DIM, INK, INNER, PAD, SMALL, Panel, colours, fine_size
from .similarity import LEAST_HEAT

_HIGHEST = 560


def draw_heat(say: Wording, angles: Tensor, image: Tensor) -> Panel:
    """Draws the angles over the grey image, and their scale below.

    Args:
        say: The language.
        angles: Degrees, (rows, columns).
        image: RGB in [0, 1], (1, 3, H, W).
    """
    columns, rows = image.shape[-1], image.shape[-2]
    room = INNER - 2 * PAD
    zoom = min(room / columns, _HIGHEST / rows)
    width, height = columns * zoom, rows * zoom
    panel = Panel(say, height + 150, say("where in the image estimates differ"))
    size = fine_size(width, height)
    pixels = to_bytes(image[0].float().clamp(0, 1).mean(0)).cpu().numpy()
    grey = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    hottest = max(LEAST_HEAT, float(angles.max()))
    heat = Image.fromarray(to_bytes(angles / hottest).numpy())
    heat = heat.resize(size, Image.Resampling.BICUBIC)
    coloured = Image.fromarray(colours(np.asarray(heat) / 255).astype(np.uint8))
    panel.picture(Image.blend(grey, coloured, 0.6), (PAD, 62))
    top = 62 + height + 16
    scale = colours(np.linspace(0, 1, fine_size(400, 1)[0])).astype(np.uint8)[None]
    panel.picture(Image.fromarray(scale.repeat(fine_size(1, 18)[1], axis=0)), (PAD, top))
    panel.text((PAD, top + 40), "0", DIM, SMALL)
    panel.text(
        (PAD + 400, top + 40), say("{degrees} degrees", degrees=f"{hottest:.1f}"), DIM, SMALL, "rm"
    )
    mean = say("mean {degrees}", degrees=f"{angles.mean():.1f}")
    panel.text((panel.width - PAD, top + 10), mean, INK, SMALL, "rm")
    return panel
