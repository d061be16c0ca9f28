"""What an IDR says, as text and as a figure drawn with Pillow alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .idr import IDR
from .local import LocalIDRs

WIDTH = 960
"""Pixels; text stays legible when a node shows the figure at a third of this."""

# An opaque card with its own contrast reads the same on dark and on light surroundings.
_CARD, _PANEL, _GRID = (24, 27, 34), (34, 38, 48), (70, 76, 90)
_TEXT, _DIM = (236, 239, 244), (168, 176, 190)
_FIRST, _SECOND = (92, 184, 255), (255, 170, 64)  # told apart by the colour-blind too
_MARGIN, _GAP, _TITLE, _LABEL = 28, 20, 34, 26
_SHOWN_NAMES = 8  # rows of the similarity table
_HEAT = np.array([(12, 16, 60), (52, 40, 140), (170, 50, 120), (240, 110, 50), (255, 225, 110)])
_LEAST_HEAT = 5.0  # degrees: smaller differences are not blown up to full colour


@dataclass(frozen=True)
class Similarity:
    """How alike the vectors of two batches are."""

    cosine: Tensor
    """(B, B_other) in [-1, 1]."""

    @property
    def angles(self) -> Tensor:
        """Degrees, (B, B_other)."""
        return torch.rad2deg(torch.arccos(self.cosine.clamp(-1, 1)))

    @classmethod
    def between(cls, idr: IDR, other: IDR) -> "Similarity":
        """Compares every vector of one batch with every one of the other."""
        return cls(idr.cosine(other))


def report(idr: IDR, other: IDR | None = None, local: LocalIDRs | None = None) -> str:
    """Describes IDRs in words.

    Args:
        idr: One or more.
        other: A second batch of the same model to compare with.
        local: Estimates over the cells of one image, compared with the first of `idr`.

    Raises:
        IDRError: If they come from different models.
    """
    lines = [f"{_count(idr)} of {_model(idr)}: {idr.idr.shape[1]} values each (model {_id(idr)})"]
    lines += [f"  {key}: {value}" for key, value in idr.provenance.items() if key != "model"]
    lengths = _range(idr.idr.norm(dim=1)), _range(idr.idr_full.norm(dim=1))
    lines.append(f"length of idr {lengths[0]}, of idr_full {lengths[1]}")
    if len(idr) > 1:
        angles = Similarity.between(idr, idr).angles
        upper = angles[torch.triu(torch.ones_like(angles), 1) > 0]
        lines.append(
            f"within the batch: {upper.mean():.2f} degrees apart on average, "
            f"{upper.max():.2f} at most"
        )
    if other is not None:
        similarity = Similarity.between(idr, other)
        lines.append(
            f"against the second ({_count(other)}): cosine similarity "
            f"{similarity.cosine.mean():.4f}, {similarity.angles.mean():.2f} degrees apart"
        )
        for a, row in enumerate(similarity.cosine[:_SHOWN_NAMES]):
            values = " ".join(f"{value:.4f}" for value in row[:_SHOWN_NAMES])
            lines.append(f"  {a + 1}: {values}")
    if local is not None:
        angles = local.angles(idr[0])
        row, column = divmod(int(angles.argmax()), local.columns)
        lines.append(
            f"over the image ({local.rows} x {local.columns} cells): local estimates turn by "
            f"{angles.mean():.2f} degrees on average, {angles.max():.2f} at most "
            f"(row {row + 1}, column {column + 1})"
        )
    return "\n".join(lines)


def draw_report(
    idr: IDR,
    other: IDR | None = None,
    local: LocalIDRs | None = None,
    image: Tensor | None = None,
) -> Image.Image:
    """Draws IDRs: the vectors, how alike they are, and where in the image estimates differ.

    Args:
        idr: One or more; bars show the mean, whiskers the spread.
        other: A second batch of the same model, laid over the bars.
        local: Estimates over the cells of `image`, compared with the first of `idr`.
        image: RGB in [0, 1], (1, 3, H, W), under the heat map.

    Returns:
        RGB, 960 px wide, as high as it needs to be.

    Raises:
        IDRError: If they come from different models.
    """
    panels = [_header(idr, other)]
    for title, name in (("idr: steers the network", "idr"), ("idr_full: distilled", "idr_full")):
        second = None if other is None else getattr(other, name)
        panels.append(_bars(title, getattr(idr, name), second))
    if other is not None:
        panels.append(_table("cosine similarity", Similarity.between(idr, other)))
    elif len(idr) > 1:
        panels.append(_table("cosine similarity within the batch", Similarity.between(idr, idr)))
    if local is not None and image is not None:
        panels.append(_heat_map(local.angles(idr[0]).numpy(), image))
    height = sum(p.height for p in panels) + _GAP * (len(panels) - 1) + 2 * _MARGIN
    figure = Image.new("RGB", (WIDTH, height), _CARD)
    top = _MARGIN
    for panel in panels:
        figure.paste(panel, (_MARGIN, top))
        top += panel.height + _GAP
    return figure


def _panel(height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    panel = Image.new("RGB", (WIDTH - 2 * _MARGIN, height), _PANEL)
    draw = ImageDraw.Draw(panel)
    draw.text((16, 10), title, _TEXT, font=_font(_LABEL))
    return panel, draw


def _header(idr: IDR, other: IDR | None) -> Image.Image:
    panel = Image.new("RGB", (WIDTH - 2 * _MARGIN, 82), _CARD)
    draw = ImageDraw.Draw(panel)
    draw.text((0, 0), f"{_count(idr)} of {_model(idr)}", _TEXT, font=_font(_TITLE))
    notes = [("first", _FIRST)] + ([("second", _SECOND)] if other is not None else [])
    left = 0
    for text, colour in notes:
        draw.rectangle((left, 56, left + 20, 76), colour)
        draw.text((left + 30, 50), text, _DIM, font=_font(_LABEL))
        left += 150
    right = f"model {_id(idr)}"
    draw.text((panel.width, 50), right, _DIM, font=_font(_LABEL), anchor="ra")
    return panel


def _bars(title: str, values: Tensor, other: Tensor | None) -> Image.Image:
    """Bars of the batch's mean with whiskers from least to most; the second as a stepped line."""
    panel, draw = _panel(230, title)
    top, bottom, left, right = 56, 214, 84, panel.width - 16
    means, least, most = values.mean(0), values.amin(0), values.amax(0)
    seconds = other.mean(0) if other is not None else means
    low = min(0.0, float(torch.minimum(least, seconds).min()))
    high = max(0.0, float(torch.maximum(most, seconds).max()))
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return bottom - (value - low) / span * (bottom - top)

    for mark in {low, 0.0, high}:
        draw.line((left, y(mark), right, y(mark)), _GRID, 1)
    draw.text((left - 10, y(high)), f"{high:.2g}", _DIM, font=_font(22), anchor="rm")
    draw.text((left - 10, y(0)), "0", _DIM, font=_font(22), anchor="rm")
    step = (right - left) / len(means)
    for i, (mean, a, b) in enumerate(
        zip(means.tolist(), least.tolist(), most.tolist(), strict=True)
    ):
        x0, x1 = left + i * step, left + (i + 1) * step - max(1.0, step * 0.2)
        draw.rectangle((x0, min(y(mean), y(0)), max(x0, x1), max(y(mean), y(0))), _FIRST)
        if len(values) > 1:
            draw.line(((x0 + x1) / 2, y(a), (x0 + x1) / 2, y(b)), _TEXT, 2)
    if other is not None:
        points = [
            (left + (i + side) * step, y(value))
            for i, value in enumerate(seconds.tolist())
            for side in (0, 1)
        ]
        draw.line(points, _SECOND, 4)
    return panel


def _table(title: str, similarity: Similarity) -> Image.Image:
    """One pair as a sentence, several as a table; its colours are angles, which spread better."""
    cosine, angles = similarity.cosine[:_SHOWN_NAMES, :_SHOWN_NAMES], similarity.angles
    rows, columns = cosine.shape
    if rows == columns == 1:
        panel, draw = _panel(64, f"{title}  {cosine.item():.4f}")
        text = f"{angles.item():.1f} degrees apart"
        draw.text((panel.width - 16, 14), text, _DIM, font=_font(_LABEL), anchor="ra")
        return panel
    panel, draw = _panel(64 + 40 * rows, title)
    if similarity.cosine.shape != cosine.shape:
        shown = f"first {rows} x {columns} of {len(similarity.cosine)} x {len(angles[0])}"
        draw.text((panel.width - 16, 14), shown, _DIM, font=_font(22), anchor="ra")
    width = (panel.width - 80) / columns
    hottest = max(_LEAST_HEAT, float(angles.max()))
    for a in range(rows):
        y = 56 + 40 * a
        draw.text((50, y + 19), str(a + 1), _DIM, font=_font(22), anchor="rm")
        for b in range(columns):
            x = 64 + b * width
            heat = float(angles[a, b]) / hottest
            red, green, blue = (int(v) for v in _colours(np.array(heat)))
            draw.rectangle((x, y, x + width - 4, y + 36), (red, green, blue))
            ink = _CARD if heat > 0.7 else _TEXT
            value = f"{cosine[a, b]:.3f}"
            draw.text((x + width / 2, y + 19), value, ink, font=_font(24), anchor="mm")
    return panel


def _heat_map(angles: np.ndarray, image: Tensor) -> Image.Image:
    """The angles over the grey image, and the scale beside it."""
    width = WIDTH - 2 * _MARGIN - 32
    rows, columns = image.shape[-2:]
    shown = min(width / columns, 720 / rows)
    size = (max(1, round(columns * shown)), max(1, round(rows * shown)))
    panel, draw = _panel(size[1] + 140, "where local estimates differ from the first")
    pixels = (image[0].float().clamp(0, 1).mean(0) * 255).round().to(torch.uint8).cpu().numpy()
    grey = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).convert("RGB")
    hottest = max(_LEAST_HEAT, float(angles.max()))
    heat = Image.fromarray((angles / hottest * 255).astype(np.uint8))
    heat = heat.resize(size, Image.Resampling.BICUBIC)
    coloured = Image.fromarray(_colours(np.asarray(heat) / 255).astype(np.uint8))
    panel.paste(Image.blend(grey, coloured, 0.6), (16, 56))
    top = size[1] + 72
    scale = _colours(np.linspace(0, 1, 400)).astype(np.uint8)[None].repeat(18, axis=0)
    panel.paste(Image.fromarray(scale), (16, top))
    draw.text((16, top + 24), "0", _DIM, font=_font(_LABEL))
    text = f"{hottest:.1f} degrees"
    draw.text((416, top + 24), text, _DIM, font=_font(_LABEL), anchor="ra")
    mean = f"mean {angles.mean():.1f}"
    draw.text((panel.width - 16, top + 4), mean, _TEXT, font=_font(_LABEL), anchor="ra")
    return panel


def _colours(heat: np.ndarray) -> np.ndarray:
    """Maps 0 to 1 onto the heat colours, (..., 3) in 0-255."""
    places = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(heat, places, _HEAT[:, c]) for c in range(3)], axis=-1)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _count(idr: IDR) -> str:
    return "1 IDR" if len(idr) == 1 else f"{len(idr)} IDRs"


def _model(idr: IDR) -> str:
    return idr.provenance.get("model", "an unnamed model")


def _id(idr: IDR) -> str:
    return idr.fingerprint[:8]


def _range(values: Sequence[float] | Tensor) -> str:
    low, high = float(min(values)), float(max(values))
    return f"{low:.3f}" if len(values) == 1 else f"{low:.3f} to {high:.3f}"
