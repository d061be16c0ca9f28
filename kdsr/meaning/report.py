"""What an IDR says, as text and as a figure drawn with Pillow alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ..estimation.grid import LocalIDRs
from ..idr import IDR
from ..network.models import Student
from .figure.heat import draw_heat
from .figure.panel import CARD, DIM, FIRST, GAP, MARGIN, SECOND, SMALL, TEXT, WIDTH, Panel
from .figure.places import draw_places
from .figure.quantities import draw_readings
from .figure.similarity import draw_similarity
from .figure.vectors import draw_vectors
from .readings import Reading, read
from .references import references

_SHOWN = 8  # rows of a batch in the report


@dataclass(frozen=True)
class Similarity:
    """How alike the vectors of two batches are."""

    cosine: Tensor
    """(B, B_other) in [-1, 1]."""

    angles: Tensor
    """Degrees, (B, B_other)."""

    @classmethod
    def between(cls, idr: IDR, other: IDR) -> "Similarity":
        """Compares every vector of one batch with every one of the other."""
        return cls(idr.cosine(other), idr.angles(other))


def report(
    idr: IDR,
    other: IDR | None = None,
    local: LocalIDRs | None = None,
    model: Student | None = None,
) -> str:
    """Describes IDRs in words.

    Args:
        idr: One or more.
        other: A second batch of the same model to compare with.
        local: Estimates over the cells of one image, compared with the first of `idr`.
        model: Theirs; if it is calibrated, the report begins with what it reads off them.

    Raises:
        IDRError: If they come from different models.
    """
    lines = _reading_lines(model, idr, other)
    lines += [f"{_count(idr)} of {_model(idr)}: {idr.idr.shape[1]} values each (model {_id(idr)})"]
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
        for a, row in enumerate(similarity.cosine[:_SHOWN]):
            values = " ".join(f"{value:.4f}" for value in row[:_SHOWN])
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
    model: Student | None = None,
) -> Image.Image:
    """Draws IDRs: what can be read off them, the vectors, and where in the image they differ.

    Args:
        idr: One or more; the first is read, bars show the mean and whiskers the spread.
        other: A second batch of the same model, drawn in another colour.
        local: Estimates over the cells of `image`, compared with the first of `idr`.
        image: RGB in [0, 1], (1, 3, H, W), under the heat map.
        model: Theirs; if it is calibrated, readings with their errors and the place among known
            degradations are drawn.

    Returns:
        RGB, 960 px wide, as high as it needs to be.

    Raises:
        IDRError: If they come from different models.
    """
    panels = [_header(idr, other), *_calibrated_panels(model, idr, other)]
    for title, name in (("idr: steers the network", "idr"), ("idr_full: distilled", "idr_full")):
        second = None if other is None else getattr(other, name)
        panels.append(draw_vectors(title, getattr(idr, name), second))
    if other is not None:
        panels.append(draw_similarity("cosine similarity", idr.cosine(other), idr.angles(other)))
    elif len(idr) > 1:
        panels.append(
            draw_similarity("cosine similarity within the batch", idr.cosine(idr), idr.angles(idr))
        )
    if local is not None and image is not None:
        panels.append(draw_heat(local.angles(idr[0]), image))
    height = sum(p.height for p in panels) + GAP * (len(panels) - 1) + 2 * MARGIN
    figure = Image.new("RGB", (WIDTH, height), CARD)
    top = MARGIN
    for panel in panels:
        figure.paste(panel.finished(), (MARGIN, top))
        top += panel.height + GAP
    return figure


def _header(idr: IDR, other: IDR | None) -> Panel:
    panel = Panel(78 if other is not None else 40, colour=CARD)
    panel.text((0, 18), f"{_count(idr)} of {_model(idr)}", size=TEXT + 4)
    panel.text((panel.width, 18), f"model {_id(idr)}", DIM, SMALL, "rm")
    if other is not None:
        for left, name, colour in ((0, "first", FIRST), (140, "second", SECOND)):
            panel.box((left, 52, left + 20, 72), colour, 4)
            panel.text((left + 30, 62), name, DIM, SMALL)
    return panel


def _calibrated_panels(model: Student | None, idr: IDR, other: IDR | None) -> list[Panel]:
    if model is None:
        return []
    idr.check_model(model.fingerprint, model.config.n_feats)
    if other is not None:
        other.check_model(model.fingerprint, model.config.n_feats)
    if model.calibration is None:
        return []
    known = references(model)
    place = model.calibration.place
    second = None if other is None else place(other.idr_full)
    return [
        draw_readings(read(model, idr), [] if other is None else read(model, other)),
        draw_places(
            known.names,
            place(known.idrs.idr_full),
            place(idr.idr_full),
            second,
            known.nearest(idr[0])[0],
        ),
    ]


def _reading_lines(model: Student | None, idr: IDR, other: IDR | None) -> list[str]:
    if model is None or model.calibration is None:
        return []
    lines = _numbered(read(model, idr), references(model).nearest(idr))
    if other is not None:
        lines += ["second:", *_numbered(read(model, other), references(model).nearest(other))]
    return lines


def _numbered(readings: Sequence[Reading], nearest: Sequence[str]) -> list[str]:
    lines = [f"{r.words}; most like {n!r}" for r, n in zip(readings, nearest, strict=True)]
    if len(lines) == 1:
        return lines
    shown = [f"{i + 1}: {line}" for i, line in enumerate(lines[:_SHOWN])]
    left = len(lines) - len(shown)
    return shown + ([f"... and {left} more"] if left else [])


def _count(idr: IDR) -> str:
    return "1 IDR" if len(idr) == 1 else f"{len(idr)} IDRs"


def _model(idr: IDR) -> str:
    return idr.provenance.get("model", "an unnamed model")


def _id(idr: IDR) -> str:
    return idr.fingerprint[:8]


def _range(values: Sequence[float] | Tensor) -> str:
    low, high = float(min(values)), float(max(values))
    return f"{low:.3f}" if len(values) == 1 else f"{low:.3f} to {high:.3f}"
