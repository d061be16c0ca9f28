"""One slider from leaving an image as it is to restoring more than was estimated."""

from dataclasses import replace
from typing import overload

from ..estimation.regions import Regions
from ..idr import IDR
from ..network.models import Student
from ..options import check_strength
from .references import CLEAN, references


@overload
def with_strength(model: Student, idr: IDR, strength: float) -> IDR: ...
@overload
def with_strength(model: Student, idr: IDR | Regions, strength: float) -> IDR | Regions: ...
def with_strength(model: Student, idr: IDR | Regions, strength: float) -> IDR | Regions:
    """Moves an IDR towards the model's clean reference, or away from it.

    Args:
        model: The one that made the IDR.
        idr: As estimated; of regions, every IDR is moved.
        strength: 0 takes the image for clean, 1 leaves the estimate, above 1 exaggerates it; see
            `STRENGTHS`.

    Raises:
        ConfigError: If the strength is out of range.
        IDRError: If the IDR is of another model, or the model has no references.
    """
    check_strength(strength)
    if isinstance(idr, Regions):
        return replace(idr, idr=with_strength(model, idr.idr, strength))
    idr.check_model(model.fingerprint, model.config.n_feats)
    if strength == 1:
        return idr
    return references(model)[CLEAN].blend(idr, strength)
