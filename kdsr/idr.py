"""The IDR: one vector for how an image was degraded, tied to the model that made it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .atomic import read_safetensors, write_safetensors, writing
from .errors import IDRError, explaining_shortage, printable, reading
from .pixels import float_problem, is_finite

FORMAT = "kdsr-idr-1"
BLEND_RANGE = (-1.0, 2.0)
"""Weights that `IDR.blend` accepts: one whole difference beyond either end."""


def degrees_between(a: Tensor, b: Tensor) -> Tensor:
    """Computes angles between vectors: (N, D) and (M, D) -> (N, M) in degrees, float64.

    90 where one of them is zero, 0 where both are.
    """
    a, b = a.double(), b.double()
    cosine = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    degrees = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
    both_zero = ~a.any(1)[:, None] & ~b.any(1)
    return degrees.masked_fill(both_zero, 0.0)


_TENSORS = ("idr", "idr_full", "structure", "left_out")
"""Names of the tensors in a file."""


@dataclass(frozen=True, eq=False)
class IDR:
    """Implicit degradation representations of a batch of images (paper Sec. 3.1).

    Vectors of different models have nothing in common: every operation on two IDRs, and every
    use with a model, checks the fingerprint.

    Raises:
        IDRError: If it is no such pair of finite vectors, or holds none.
    """

    idr: Tensor
    """Vectors D that steer the convolutions, (B, C), B at least 1, float32 on the CPU."""
    idr_full: Tensor
    """Distilled vectors D', (B, 4C), float32 on the CPU."""
    fingerprint: str
    """Fingerprint of the model that estimated the IDR."""
    provenance: dict[str, str] = field(default_factory=dict)
    """Origin for people: image, model, operation; stored as printable text."""
    structure: Tensor = field(default_factory=lambda: torch.tensor(torch.inf))
    """How many LQ pixels with structure each is from, (B,) or one number for all; float32
    on the CPU; see `kdsr.estimation.features`. Infinite where nobody counted."""
    left_out: Tensor = field(default_factory=lambda: torch.tensor(0.0))
    """Share of each picture that had no vote, 0 to 1, (B,) or one number for all; float32 on the
    CPU. Of 1 nothing could be estimated, and the vectors are those of a clean image. See
    `kdsr.network.baked`."""

    def __post_init__(self) -> None:
        for name in ("idr", "idr_full"):
            if problem := float_problem(getattr(self, name)):
                raise IDRError(f"expected {name} as floating-point numbers, {problem}")
        idr, full = self.idr, self.idr_full
        if 0 in idr.shape or idr.ndim != 2 or full.shape != (idr.shape[0], 4 * idr.shape[1]):
            raise IDRError(
                "expected idr (B, C) and idr_full (B, 4C) of at least one vector, got "
                f"{tuple(idr.shape)} and {tuple(full.shape)}"
            )
        for name in ("idr", "idr_full"):
            values = getattr(self, name).detach().to("cpu", torch.float32)
            if not is_finite(values):  # asked of float32, which 1e300 is not
                raise IDRError(
                    f"{name} has NaN or infinite values; estimate the IDR anew, and check the "
                    "model if it happens again"
                )
            object.__setattr__(self, name, values)
        count = len(self)
        structure = _numbers(self.structure, count, f"structure as {count} counts of pixels")
        object.__setattr__(self, "structure", structure)
        left_out = _numbers(self.left_out, count, f"left_out as {count} shares", 1)
        object.__setattr__(self, "left_out", left_out)
        described = {printable(str(k)): printable(str(v)) for k, v in self.provenance.items()}
        object.__setattr__(self, "provenance", described)

    def __len__(self) -> int:
        return self.idr.shape[0]

    @property
    def n_feats(self) -> int:
        """Number of feature channels C of the model."""
        return self.idr.shape[1]

    def __getitem__(self, index: int | slice) -> "IDR":
        rows = slice(index, index + 1 or None) if isinstance(index, int) else index
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"IDR {index} of {len(self)}")
        return self._with(
            self.idr[rows], self.idr_full[rows], self.structure[rows], self.left_out[rows]
        )

    @classmethod
    def cat(cls, idrs: Sequence["IDR"]) -> "IDR":
        """Joins IDRs of one model along the batch."""
        if not idrs:
            raise IDRError("expected at least one IDR to join, got none")
        for other in idrs[1:]:
            idrs[0]._check_same_model(other)
        return idrs[0]._with(
            torch.cat([i.idr for i in idrs]),
            torch.cat([i.idr_full for i in idrs]),
            torch.cat([i.structure for i in idrs]),
            torch.cat([i.left_out for i in idrs]),
        )

    def mean(self) -> "IDR":
        """The average over the batch, as a batch of one: to the last bit the same in any order."""
        numbers = torch.cat([self.idr, self.idr_full, self.left_out[:, None]], 1)
        sums = [math.fsum(column.tolist()) for column in numbers.T]  # one by one: films are long
        means = torch.tensor([[total / len(self) for total in sums]])
        told = {key: value for key, value in self.provenance.items() if key != "image"}
        return IDR(
            means[:, : self.n_feats],
            means[:, self.n_feats : -1],
            self.fingerprint,
            {**told, "operation": "mean", "images": str(len(self))},
            self.structure.amin(0, keepdim=True),
            means[:, -1],
        )

    def blend(self, other: "IDR", weight: float) -> "IDR":
        """Moves from this IDR (weight 0) to `other` (weight 1), linearly in both vectors.

        Args:
            other: An IDR of the same model; either may be a batch of one.
            weight: -1 to 2; outside 0 to 1 it extrapolates.
        """
        self._check_same_model(other)
        low, high = BLEND_RANGE
        if not low <= weight <= high:
            raise IDRError(f"blend weight must be {low} to {high}, got {weight}")
        if len(self) != len(other) and 1 not in (len(self), len(other)):
            raise IDRError(
                f"cannot blend {len(self)} IDRs with {len(other)}; use equal batches or one"
            )
        return self._with(
            self.idr + weight * (other.idr - self.idr),
            self.idr_full + weight * (other.idr_full - self.idr_full),
            torch.minimum(self.structure, other.structure),
            torch.maximum(self.left_out, other.left_out),
            operation=f"blend {weight:g}",
        )

    def cosine(self, other: "IDR") -> Tensor:
        """Computes cosine similarities of `idr_full`, of all pairs from the two batches.

        Returns:
            (B, B_other) in [-1, 1].
        """
        self._check_same_model(other)
        return F.normalize(self.idr_full, dim=1) @ F.normalize(other.idr_full, dim=1).T

    def angles(self, other: "IDR") -> Tensor:
        """Computes angles between `idr_full` in degrees, of all pairs from the two batches.

        Returns:
            (B, B_other) in 0 to 180.
        """
        self._check_same_model(other)
        return degrees_between(self.idr_full, other.idr_full)

    def save(self, path: str | Path, *, overwrite: bool = True) -> None:
        """Writes the IDR as safetensors, whole or not at all; see `kdsr.atomic.writing`."""
        metadata = {f"provenance.{key}": value for key, value in self.provenance.items()}
        metadata |= {"format": FORMAT, "fingerprint": self.fingerprint}
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        with (
            explaining_shortage(f"to write {path}"),
            writing(Path(path), overwrite=overwrite) as temporary,
        ):
            write_safetensors(temporary, tensors, metadata)

    @classmethod
    def load(cls, path: str | Path) -> "IDR":
        """Reads an IDR that `save` wrote.

        Raises:
            IDRError: If the file is missing, broken or holds something else.
        """
        path, prefix = Path(path), "provenance."
        with reading(path, IDRError, "not a readable IDR file"):
            tensors, metadata = read_safetensors(path)
            if metadata.get("format") != FORMAT:
                raise IDRError(
                    f"not an IDR file (expected format {FORMAT!r} in its metadata, found "
                    f"{metadata.get('format')!r}); write one with `kdsr estimate`"
                )
            absent = {"idr", "idr_full"} - tensors.keys() | {"fingerprint"} - metadata.keys()
            if absent:
                raise IDRError(f"the IDR file has no {' and no '.join(sorted(absent))}")
            return cls(
                tensors["idr"],
                tensors["idr_full"],
                metadata["fingerprint"],
                {k[len(prefix) :]: v for k, v in metadata.items() if k.startswith(prefix)},
                tensors.get("structure", torch.tensor(torch.inf)),  # older files have none,
                tensors.get("left_out", torch.tensor(0.0)),  # such as samples/idr
            )

    def check_model(self, fingerprint: str, n_feats: int) -> None:
        """Raises an error if the IDR belongs to another model.

        Args:
            fingerprint: Fingerprint of the model in use.
            n_feats: Number of its feature channels C.

        Raises:
            IDRError: If either differs from this IDR's.
        """
        if self.fingerprint != fingerprint:
            made_by = self.provenance.get("model", "another model")
            raise IDRError(
                f"this IDR was estimated by {made_by} (fingerprint {self.fingerprint}), but the "
                f"model in use has fingerprint {fingerprint}; estimate it again with this model"
            )
        if self.n_feats != n_feats:
            raise IDRError(
                f"this IDR has vectors of {self.n_feats} numbers, but the model in use needs "
                f"{n_feats}; estimate it again with this model"
            )

    def _check_same_model(self, other: "IDR") -> None:
        if (self.fingerprint, self.n_feats) != (other.fingerprint, other.n_feats):
            raise IDRError(
                f"the two IDRs come from different models (fingerprints {self.fingerprint} and "
                f"{other.fingerprint}, {self.n_feats} and {other.n_feats} numbers); estimate both "
                "with one model"
            )

    def _with(
        self, idr: Tensor, full: Tensor, structure: Tensor, left_out: Tensor, **provenance: str
    ) -> "IDR":
        told = {**self.provenance, **provenance}
        return IDR(idr, full, self.fingerprint, told, structure, left_out)


def _numbers(values: object, count: int, what: str, most: float = torch.inf) -> Tensor:
    """A number of each of `count` vectors, (count,); a single one is for all of them."""
    if problem := float_problem(values):
        raise IDRError(f"expected {what} in floating-point numbers, {problem}")
    assert isinstance(values, Tensor)
    found = values.detach().to("cpu", torch.float32)
    if found.shape not in ((), (count,)) or not ((found >= 0) & (found <= most)).all():
        raise IDRError(
            f"expected {what}, 0 to {most:g}, got shape {tuple(found.shape)} and "
            f"values {found.flatten()[:4].tolist()}"
        )
    return found.expand(count)
