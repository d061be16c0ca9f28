"""Models between two of one descent: from faithful to crisp, or what both have learnt."""

import torch

from .errors import ConfigError
from .model import KDSR
from .options import CRISPNESSES


@torch.no_grad()
def blend_models(faithful: KDSR, crisp: KDSR, weight: float, *, estimators: bool = False) -> KDSR:
    """Mixes the super-resolution networks of two models, weight by weight.

    A network that was trained on from another (adversarially, from one trained on L1) stays close
    enough to it that the networks between them work too ("Deep Network Interpolation", Wang et
    al., CVPR 2019). The estimator has to be the same, as `--gan.estimator_lr 0` keeps it: then the
    result's IDRs mean what they mean to both, and readings and references hold.

    With `estimators`, two models that were trained on from one, each on its own degradations,
    become one that serves both ("Model soups", Wortsman et al., ICML 2022). Its IDRs mean nothing
    to either, so that it has no calibration: `train/calibrate.py` makes one.

    Args:
        faithful: Weight 0.
        crisp: Weight 1; of the same size, with the same estimator unless `estimators`.
        weight: One of `CRISPNESSES`; above 1 it goes beyond `crisp`.
        estimators: Whether the estimators may differ, and are mixed too.

    Returns:
        A new model, on the CPU, with a fingerprint of its own.

    Raises:
        ConfigError: If the weight is out of range or the models do not belong together.
    """
    least, most = CRISPNESSES
    if not least <= weight <= most:
        raise ConfigError(f"expected a weight of {least:g} (faithful) to {most}, got {weight}")
    if faithful.config != crisp.config:
        raise ConfigError(
            f"models of different size cannot be blended: {faithful.config} and {crisp.config}"
        )
    own, others = faithful.state_dict(), crisp.state_dict()
    differing = [
        key
        for key in own
        if key.startswith("estimator.") and not torch.equal(own[key].cpu(), others[key].cpu())
    ]
    if differing and not estimators:
        raise ConfigError(
            f"the models estimate differently ({len(differing)} tensors of their estimators "
            "differ), so that an IDR of one means nothing to the other; blend a model with one "
            "that was trained on from it with a frozen estimator (--gan.estimator_lr 0), or mix "
            "the estimators, too (--estimators)"
        )
    blended = KDSR(faithful.config)
    blended.load_state_dict(
        {key: own[key].cpu().lerp(others[key].cpu().float(), weight) for key in own}
    )
    blended.calibration = None if differing else faithful.calibration
    blended.metadata = {**faithful.metadata, "blend": f"{weight:g}"}
    blended.freeze()
    return blended
