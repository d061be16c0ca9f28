"""IDRs of known degradations, to start from, to compare with and to blend with."""

from dataclasses import dataclass

import torch

from ..errors import IDRError
from ..idr import IDR
from ..network.calibration import Calibration
from ..network.models import Student, calibration_of

NAMES = (
    "clean", "light", "medium", "heavy",
    "light blur", "medium blur", "heavy blur", "light noise", "medium noise", "heavy noise",
    "light JPEG", "medium JPEG", "heavy JPEG",
)  # fmt: skip
"""The references that `train/calibrate.py` makes; a model may have others."""
CLEAN = NAMES[0]
"""The reference without degradation but for the downscaling."""


@dataclass(frozen=True)
class References:
    """Named IDRs of one model."""

    names: tuple[str, ...]
    """As in `idrs`."""
    idrs: IDR
    """One row for each name: averages over many photographs."""
    calibration: Calibration
    """Where they come from."""

    def __getitem__(self, name: str) -> IDR:
        """The IDR of a name.

        Raises:
            IDRError: If there is no such name.
        """
        if name not in self.names:
            raise IDRError(f"no reference {name!r}; choose one of {', '.join(self.names)}")
        return self.idrs[self.names.index(name)]

    def nearest(self, idr: IDR) -> list[str]:
        """The name that each vector of a batch is most like.

        By the distance in the directions that tell degradations apart: vectors also differ by what
        a photograph shows.
        """
        idr.check_model(self.idrs.fingerprint, self.idrs.n_feats)
        places, known = map(self.calibration.discriminants, (idr.idr_full, self.idrs.idr_full))
        return [self.names[i] for i in torch.cdist(places, known).argmin(1).tolist()]


def references(model: Student) -> References:
    """The references in a model's file.

    Raises:
        IDRError: If it has none.
    """
    calibration = calibration_of(model)
    head = model.estimator.compress.weight
    means = calibration.means
    idr = model.estimator.compress_idr(means.to(head)).detach()
    provenance = {"model": model.metadata.get("name", "custom"), "operation": "reference"}
    idrs = IDR(idr, means, model.fingerprint, provenance)
    return References(calibration.names, idrs, calibration)
