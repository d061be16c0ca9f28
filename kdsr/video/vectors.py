"""The IDRs of a film while it is read: one block of memory, whatever their number."""

import torch
from torch import Tensor

from ..idr import IDR


class Vectors:
    """Copies IDRs of one model into a buffer that doubles when it is full.

    A list of them would pin what lay around each in memory: measured on glibc, 35 KB for each frame
    that is read, to keep 640 bytes.
    """

    def __init__(self) -> None:
        self._first: IDR | None = None
        self._rows = torch.empty(0, 0)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, idr: IDR) -> None:
        """Takes the IDR of one frame."""
        told = torch.stack((idr.structure, idr.left_out), dim=1)
        row = torch.cat((idr.idr, idr.idr_full, told), dim=1)
        if self._first is None:
            self._first = idr
        if self._count == len(self._rows):
            self._rows = _grown(self._rows, row.shape[1])
        self._rows[self._count] = row[0]
        self._count += 1

    def joined(self) -> IDR:
        """All of them; there must be one at least."""
        assert self._first is not None
        rows, split = self._rows[: self._count], self._first.n_feats
        return IDR(
            rows[:, :split],
            rows[:, split:-2],
            self._first.fingerprint,
            self._first.provenance,
            rows[:, -2],
            rows[:, -1],
        )


def _grown(rows: Tensor, width: int) -> Tensor:
    larger = torch.empty(max(256, 2 * len(rows)), width)
    if len(rows):
        larger[: len(rows)] = rows
    return larger
