"""The average of the weights, which is validated and exported."""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Tensors = tuple[Tensor, ...] | list[Tensor]


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average that starts short.

    Step n keeps `min(decay, (1 + n) / (10 + n))` of the average. With a constant decay of 0.999 the
    average would still be a third of what a training started from after 1,000 steps: far behind
    where a part is new (the tail, where the start is a model of another factor), and in the
    result of a short finetuning.

    Args:
        model: Copied.
        decay: 0 (the weights themselves) up to but without 1.
    """

    def average(own: Tensors, others: Tensors, count: Tensor | int) -> None:
        n = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + n) / (10 + n)))(own, others, count)

    return AveragedModel(model, multi_avg_fn=average)
