"""Describes IDRs in words and in a figure, in the reader's language."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ..estimation import explained
from ..estimation.maps import LocalIDRs
from ..idr import IDR
from ..network.models import Student
from .figure import LISTED, draw_readings, draw_vectors, draw_words
from .panel import CARD, GAP, INNER, MARGIN, WIDTH, Panel, draw_heat, draw_places, draw_similarity
from .readings import Reading, Wording, read, wording
from .references import references

_SHOWN = 8  # largest number of rows and columns of similarities


@dataclass(frozen=True)
class Similarity:
    """Similarity of the vectors of two batches."""

    cosine: Tensor
    """Cosine similarities (B, B_other) in [-1, 1]."""

    angles: Tensor
    """Angles (B, B_other) in degrees."""

    @classmethod
    def between(cls, idr: IDR, other: IDR) -> "Similarity":
        """Compares every vector of one batch with every one of the other."""
        return cls(idr.cosine(other), idr.angles(other))


def report(
    idr: IDR,
    other: IDR | None = None,
    local: LocalIDRs | None = None,
    model: Student | None = None,
    language: str = "en",
) -> str:
    """Describes IDRs in words.

    Args:
        idr: One or more IDRs.
        other: A second batch of the same model to compare with.
        local: Estimates over the cells of one image, compared with the first of `idr`.
        model: Model of the IDRs; if it is calibrated, the report begins with readings.
        language: One of `kdsr.meaning.readings.LANGUAGES`; otherwise English is used.

    Raises:
        IDRError: If they come from different models.
    """
    say = wording(language)
    lines = _reading_lines(say, model, idr, other)
    size = idr.idr.shape[1]
    lines.append(
        say(
            "{idrs}: {size} values each (model {id})", idrs=_whose(say, idr), size=size, id=_id(idr)
        )
    )
    lines += [f"  {key}: {value}" for key, value in idr.provenance.items() if key != "model"]
    lengths = {name: _range(say, getattr(idr, name).norm(dim=1)) for name in ("idr", "idr_full")}
    lines.append(say("length of idr {idr}, of idr_full {idr_full}", **lengths))
    if len(idr) > 1:
        angles = Similarity.between(idr, idr).angles
        upper = angles[torch.triu(torch.ones_like(angles), 1) > 0]
        apart = _two_digits(mean=upper.mean(), most=upper.max())
        lines.append(
            say("within the batch: {mean} degrees apart on average, {most} at most", **apart)
        )
    if other is not None:
        lines += _similarity_lines(say, Similarity.between(idr, other), other)
    if local is not None:
        lines.append(_local_line(say, local, idr[0]))
    return "\n".join(lines)


def draw_report(
    idr: IDR,
    other: IDR | None = None,
    local: LocalIDRs | None = None,
    image: Tensor | None = None,
    model: Student | None = None,
    language: str = "en",
) -> Image.Image:
    """Draws IDRs: readings, vectors, and a map of local differences.

    Args:
        idr: One or more IDRs; readings are of the first, bars show the mean, whiskers the spread.
        other: A second batch of the same model, drawn in another colour.
        local: Estimates over the cells of `image`, compared with the first of `idr`.
        image: RGB image (1, 3, H, W) in [0, 1], under the heat map.
        model: Model of the IDRs; if it is calibrated, the figure shows readings with their errors,
            and the place among known degradations.
        language: One of `kdsr.meaning.readings.LANGUAGES`; otherwise English is used.

    Returns:
        RGB figure with two columns, 1356 px wide.

    Raises:
        IDRError: If they come from different models.
    """
    say = wording(language)
    first, second = (_readings(model, each) for each in (idr, other))
    note = say("model {id}", id=_id(idr))
    header = draw_words(say, _whose(say, idr), note, first, second, two=other is not None)
    panels = _calibrated_panels(say, model, idr, other, first, second)
    if local is not None and image is not None:
        panels.append(draw_heat(say, local.angles(idr[0]), image))
    if other is not None or len(idr) > 1:
        note, compared = ("within the batch", idr) if other is None else ("first, second", other)
        panels.append(draw_similarity(say, note, idr.cosine(compared), idr.angles(compared)))
    # Raw values last: to most people they mean nothing.
    for title, name in (("idr: steers the network", "idr"), ("idr_full: distilled", "idr_full")):
        others = None if other is None else getattr(other, name)
        panels.append(draw_vectors(say, title, getattr(idr, name), others))
    return _in_columns(header, panels)


def _in_columns(header: Panel, panels: Sequence[Panel]) -> Image.Image:
    """Arranges the header over both columns, then every panel below the shorter column."""
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
    """Reads IDRs; returns nothing without a calibration."""
    if model is None or idr is None:
        return []
    idr.check_model(model.fingerprint, model.config.n_feats)
    return [] if model.calibration is None else read(model, idr)


def _calibrated_panels(
    say: Wording,
    model: Student | None,
    idr: IDR,
    other: IDR | None,
    first: Sequence[Reading],
    second: Sequence[Reading],
) -> list[Panel]:
    """Panels with readings and places of the IDRs that can be read."""
    told = [i for i, reading in enumerate(first) if reading.enough]
    if model is None or model.calibration is None or not told:
        return []
    known, place = references(model), model.calibration.place
    shown = idr.idr_full[told]
    compared = other is not None and second[0].enough
    return [
        draw_readings(say, [first[i] for i in told], second),
        draw_places(
            say,
            known.names,
            place(known.idrs.idr_full),
            place(shown),
            place(other.idr_full) if compared and other is not None else None,
            known.nearest(idr[told[0]])[0],
        ),
    ]


def _reading_lines(say: Wording, model: Student | None, idr: IDR, other: IDR | None) -> list[str]:
    if model is None or model.calibration is None:
        return []
    known = references(model)
    lines = _numbered(say, read(model, idr), known.nearest(idr))
    if line := explained(model, idr, say):
        lines.append(line)
    if other is not None:
        lines += [say("second:"), *_numbered(say, read(model, other), known.nearest(other))]
    return lines


def _numbered(say: Wording, readings: Sequence[Reading], nearest: Sequence[str]) -> list[str]:
    lines = [
        say("{reading}; most like '{name}'", reading=reading.said(say), name=say(name))
        if reading.enough
        else reading.said(say)
        for reading, name in zip(readings, nearest, strict=True)
    ]
    if len(lines) == 1:
        return lines
    shown = [f"{i + 1}: {line}" for i, line in enumerate(lines[:LISTED])]
    left = len(lines) - len(shown)
    return shown + ([say("... and {left} more", left=left)] if left else [])


def _similarity_lines(say: Wording, similarity: Similarity, other: IDR) -> list[str]:
    cosine, degrees = f"{similarity.cosine.mean():.4f}", f"{similarity.angles.mean():.2f}"
    first = say(
        "against the second ({idrs}): cosine similarity {cosine}, {degrees} degrees apart",
        idrs=_count(say, other), cosine=cosine, degrees=degrees,
    )  # fmt: skip
    rows = (" ".join(f"{v:.4f}" for v in row[:_SHOWN]) for row in similarity.cosine[:_SHOWN])
    return [first, *(f"  {a + 1}: {values}" for a, values in enumerate(rows))]


def _local_line(say: Wording, local: LocalIDRs, whole: IDR) -> str:
    angles = local.angles(whole)
    row, column = divmod(int(angles.argmax()), local.columns)
    return say(
        "over the image ({rows} x {columns} cells): local estimates turn by {mean} degrees on "
        "average, {most} at most (row {row}, column {column})",
        rows=local.rows, columns=local.columns, row=row + 1, column=column + 1,
        **_two_digits(mean=angles.mean(), most=angles.max()),
    )  # fmt: skip


def _whose(say: Wording, idr: IDR) -> str:
    model = idr.provenance.get("model") or say("an unnamed model")
    return say("{idrs} of {model}", idrs=_count(say, idr), model=model)


def _count(say: Wording, idr: IDR) -> str:
    return say("1 IDR") if len(idr) == 1 else say("{count} IDRs", count=len(idr))


def _id(idr: IDR) -> str:
    return idr.fingerprint[:8]


def _range(say: Wording, values: Tensor) -> str:
    low, high = f"{values.min():.3f}", f"{values.max():.3f}"
    return low if len(values) == 1 else say("{low} to {high}", low=low, high=high)


def _two_digits(**numbers: Tensor) -> dict[str, str]:
    return {name: f"{number:.2f}" for name, number in numbers.items()}
