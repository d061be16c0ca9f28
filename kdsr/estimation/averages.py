"""One IDR for many images, estimated wherever and in whatever order."""

import torch
from torch import Tensor

from ..errors import IDRError
from ..idr import IDR

_UNIT = 149  # 2**-149 divides every number of float32


class Average:
    """The average of IDRs of one model: to the last bit the same for every order of them.

    Sums of integers have no rounding, so that nothing depends on which machine was first.
    """

    def __init__(self) -> None:
        self._first: IDR | None = None
        self._sums: list[int] = []
        self._structure = torch.inf
        self._left_out = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, idr: IDR) -> None:
        """Takes one more.

        Raises:
            IDRError: If it is of another model, or several.
        """
        if len(idr) != 1:
            raise IDRError(f"expected one IDR at a time, got {len(idr)}")
        if self._first is None:
            self._first = idr
            self._sums = [0] * (5 * idr.n_feats)
        idr.check_model(self._first.fingerprint, self._first.n_feats)
        numbers = _integers(torch.cat([idr.idr[0], idr.idr_full[0]]))
        self._sums = [total + number for total, number in zip(self._sums, numbers, strict=True)]
        self._structure = min(self._structure, idr.structure.item())
        self._left_out += _integers(idr.left_out)[0]
        self._count += 1

    def result(self) -> IDR:
        """The average, as a batch of one; what `IDR.mean` gives, to float32 rounding.

        Raises:
            IDRError: If there is nothing to average.
        """
        if self._first is None:
            raise IDRError("expected at least one IDR to average, got none")
        # One rounding: Python divides integers exactly, and a power of two changes no digit.
        means = [total / self._count * 2.0**-_UNIT for total in (*self._sums, self._left_out)]
        vectors = torch.tensor([means], dtype=torch.float64).float()
        split = self._first.n_feats
        said = {key: value for key, value in self._first.provenance.items() if key != "image"}
        return IDR(
            vectors[:, :split],
            vectors[:, split:-1],
            self._first.fingerprint,
            {**said, "operation": "mean", "images": str(self._count)},
            torch.tensor([self._structure]),
            vectors[:, -1],
        )


def _integers(values: Tensor) -> list[int]:
    """Numbers of float32 in units of the smallest there is."""
    return [int(value) for value in (values.double() * 2.0**_UNIT).tolist()]
