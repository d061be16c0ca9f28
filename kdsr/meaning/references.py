"""Reference IDRs of known degradations, and the strength of restoration."""

from dataclasses import dataclass, replace
from typing import overload

import torch

from ..errors import IDRError
from ..estimation.regions import Regions
from ..idr import IDR
from ..network.models import Calibration, Student, calibration_of
from ..options import check_strength

NAMES = (
    "clean", "light", "medium", "heavy",
    "light blur", "medium blur", "heavy blur", "light noise", "medium noise", "heavy noise",
    "light JPEG", "medium JPEG", "heavy JPEG",
)  # fmt: skip
"""Names of the references that `train/calibrate.py` makes; a model may have others."""
CLEAN = NAMES[0]
"""Name of the reference that is only downscaled."""


@dataclass(frozen=True)
class References:
    """Named IDRs of one model."""

    names: tuple[str, ...]
    """Names in the order of `idrs`."""
    idrs: IDR
    """IDRs, one row per name, averaged over many photographs."""
    calibration: Calibration
    """Calibration that the references come from."""

    def __getitem__(self, name: str) -> IDR:
        """The IDR of a name.

        Raises:
            IDRError: If the name is unknown.
        """
        if name not in self.names:
            raise IDRError(f"no reference {name!r}; choose one of {', '.join(self.names)}")
        return self.idrs[self.names.index(name)]

    def nearest(self, idr: IDR) -> list[str]:
        """The nearest reference of each vector in a batch.

        Distances are taken along the discriminants, as vectors also depend on image content.
        """
        idr.check_model(self.idrs.fingerprint, self.idrs.n_feats)
        places, known = map(self.calibration.discriminants, (idr.idr_full, self.idrs.idr_full))
        return [self.names[i] for i in torch.cdist(places, known).argmin(1).tolist()]


def references(model: Student) -> References:
    """Reads the references of a model.

    Raises:
        IDRError: If the model has none.
    """
    calibration = calibration_of(model)
    means = calibration.means
    idr = model.estimator.compress_stored(means).detach()
    provenance = {"model": model.metadata.get("name", "custom"), "operation": "reference"}
    idrs = IDR(idr, means, model.fingerprint, provenance)
    return References(calibration.names, idrs, calibration)


@overload
def with_strength(model: Student, idr: IDR, strength: float) -> IDR: ...
@overload
def with_strength(model: Student, idr: IDR | Regions, strength: float) -> IDR | Regions: ...
def with_strength(model: Student, idr: IDR | Regions, strength: float) -> IDR | Regions:
    """Moves an IDR towards the model's clean reference, or away from it.

    Args:
        model: Model of the IDR.
        idr: Estimated IDR; of regions, every IDR is moved.
        strength: 0 only enlarges, 1 is as estimated, above 1 removes more; see `STRENGTHS`.

    Raises:
        ConfigError: If the strength is out of range.
        IDRError: If the IDR belongs to another model, or the model has no references.
    """
    check_strength(strength)
    if isinstance(idr, Regions):
        return replace(idr, idr=with_strength(model, idr.idr, strength))
    idr.check_model(model.fingerprint, model.config.n_feats)
    if strength == 1:
        return idr
    return references(model)[CLEAN].blend(idr, strength)
