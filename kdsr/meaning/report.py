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
from .figure.panel import CARD, GAP, INNER, MARGIN, WIDTH, Panel
from .figure.places import draw_places
from .figure.quantities import draw_readings
from .figure.similarity import draw_similarity
from .figure.vectors import draw_vectors
from .figure.words import LISTED, draw_words
from .readings import Reading, read
from .references import references

_SHOWN = 8  # rows and columns of similarities


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
        RGB, two columns, 1356 px wide, as high as it needs to be.

    Raises:
        IDRError: If they come from different models.
    """
    first, second = (_readings(model, each) for each in (idr, other))
    header = draw_words(
        f"{_count(idr)} of {_model(idr)}", f"model {_id(idr)}", first, second, two=other is not None
    )
    panels = _calibrated_panels(model, idr, other, first, second)
    if local is not None and image is not None:
        panels.append(draw_heat(local.angles(idr[0]), image))
    if other is not None or len(idr) > 1:
        note, compared = ("within the batch", idr) if other is None else ("first, second", other)
        panels.append(draw_similarity(note, idr.cosine(compared), idr.angles(compared)))
    # Raw values last: to most people they mean nothing.
    for title, name in (("idr: steers the network", "idr"), ("idr_full: distilled", "idr_full")):
        others = None if other is None else getattr(other, name)
        panels.append(draw_vectors(title, getattr(idr, name), others))
    return _in_columns(header, panels)


def _in_columns(header: Panel, panels: Sequence[Panel]) -> Image.Image:
    """The header over both columns, then every panel at the end of the shorter one."""
    ends, places = [MARGIN + header.height + GAP] * 2, []
    for panel in panels:
        column = int(ends[1] < ends[0])
        places.append((MARGIN + column * (INNER + GAP), ends[column]))
        ends[column] += panel.height + GAP
    figure = Image.new("RGB", (WIDTH, max(ends) - GAP + MARGIN), CARD)
    figure.paste(header.finished(), (MARGIN, MARGIN))
    for panel, place in zip(panels, places, strict=True):
        figure.paste(panel.finished(), place)
    return figure


def _readings(model: Student | None, idr: IDR | None) -> list[Reading]:
    """None without a calibration."""
    if model is None or idr is None:
        return []
    idr.check_model(model.fingerprint, model.config.n_feats)
    return [] if model.calibration is None else read(model, idr)


def _calibrated_panels(
    model: Student | None,
    idr: IDR,
    other: IDR | None,
    first: Sequence[Reading],
    second: Sequence[Reading],
) -> list[Panel]:
    """What was read, and where those of which anything can be told lie."""
    told = [i for i, reading in enumerate(first) if reading.enough]
    if model is None or model.calibration is None or not told:
        return []
    known, place = references(model), model.calibration.place
    shown = idr.idr_full[told]
    compared = other is not None and second[0].enough
    return [
        draw_readings([first[i] for i in told], second),
        draw_places(
            known.names,
            place(known.idrs.idr_full),
            place(shown),
            place(other.idr_full) if compared and other is not None else None,
            known.nearest(idr[told[0]])[0],
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
    lines = [
        f"{r.words}; most like {name!r}" if r.enough else r.words
        for r, name in zip(readings, nearest, strict=True)
    ]
    if len(lines) == 1:
        return lines
    shown = [f"{i + 1}: {line}" for i, line in enumerate(lines[:LISTED])]
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
