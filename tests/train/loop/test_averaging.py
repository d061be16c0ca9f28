"""The average starts short, and keeps its decay from there on."""

import pytest
import torch
from torch import nn

from train.loop.learner import averaged


def followed(decay: float, steps: int) -> float:
    """What is left of a start at 1 after `steps` at 0, the first of which is copied."""
    model = nn.Linear(1, 1, bias=False)
    ema = averaged(model, decay)
    for value in [1.0, *[0.0] * steps]:
        with torch.no_grad():
            model.weight.fill_(value)
        ema.update_parameters(model)
    return ema.module.get_parameter("weight").item()


def test_a_short_training_forgets_where_it_started() -> None:
    assert followed(0.999, 200) < 1e-3 < 0.8 < 0.999**200


def test_later_the_decay_is_what_was_asked_for() -> None:
    assert followed(0.5, 10) / followed(0.5, 9) == pytest.approx(0.5)
    assert followed(0.5, 1) == pytest.approx(2 / 11)


def test_without_decay_it_is_the_weights_themselves() -> None:
    assert followed(0.0, 1) == 0.0
