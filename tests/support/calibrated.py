"""A calibration to test with: shaped like a real one, simple enough to say what must come out."""

import torch

from kdsr import KDSR, KDSRConfig
from kdsr.meaning.references import NAMES
from kdsr.network.models import Calibration


def calibration_for(model: KDSR, **changes: object) -> Calibration:
    """A calibration that always reads blur 2 x 1 px, noise 6 and JPEG quality 45, surely.

    References: "clean" is all zeros, every other one has ones added in one place. It has
    no range.
    """
    size = 4 * model.config.n_feats
    means = torch.zeros(len(NAMES), size)
    means[range(1, len(NAMES)), range(len(NAMES) - 1)] = 1
    values: dict = {
        "names": NAMES,
        "means": means,
        "centre": torch.zeros(size),
        "scale": torch.ones(size),
        "axes": torch.eye(size)[: len(NAMES) - 1],
        "hidden_weight": torch.zeros(4, size),
        "hidden_bias": torch.zeros(4),
        "out_weight": torch.zeros(9, 4),
        "out_bias": torch.tensor([2.0, 1.0, 6.0, 45.0, -1.0, -1.0, 0.0, 1.0, 5.0]),
        "typical": torch.tensor([0.3, 0.3, 1.0, 5.0]),
        "naive": torch.tensor([1.0, 1.0, 5.0, 15.0]),
        "jpeg_accuracy": torch.tensor([0.95]),
        "whitening": torch.eye(size)[:3],
        "quantiles": torch.linspace(0, 10, 101),
    }
    return Calibration(**{**values, **changes})


def small_calibrated(scale: int = 4, **changes: object) -> KDSR:
    """Random weights, calibrated with changes; small because every layer takes time to export."""
    torch.manual_seed(3)
    model = KDSR(KDSRConfig(scale, n_feats=8, n_blocks=2, n_resblocks=1)).freeze()
    model.calibration = calibration_for(model, **changes)
    return model
