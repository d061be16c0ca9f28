"""A vector that lies outside of a model's range never steers it."""

import logging
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsr import IDR, KDSR, CheckpointError
from kdsr.estimation import explained
from kdsr.network import baked
from kdsr.network.models import Calibration
from tests.support.calibrated import calibration_for, small_calibrated


@pytest.fixture(scope="module")
def model() -> KDSR:
    """Its range is a ball of radius 2 around zero."""
    made = small_calibrated()
    made.calibration = calibration_for(made, cell_distance=torch.tensor([2.0]))
    return made


def calibration_of(model: KDSR) -> Calibration:
    assert model.calibration is not None
    return model.calibration


def idr_at(model: KDSR, *distances: float) -> IDR:
    """IDRs so far from the middle."""
    full = torch.zeros(len(distances), 4 * model.config.n_feats)
    full[:, 1] = torch.tensor(distances)
    return IDR(model.estimator.compress_idr(full), full, model.fingerprint)


@pytest.mark.parametrize(
    ("distance", "vote"), [(0, 1), (2, 1), (2.1, 0.75), (2.2, 0.5), (2.4, 0), (9, 0)]
)
def test_votes_fade_where_photographs_end(model: KDSR, distance: float, vote: float) -> None:
    found = baked.votes(calibration_of(model), idr_at(model, distance).idr_full)
    assert found.item() == pytest.approx(vote, abs=1e-5)


@settings(deadline=None)
@given(distance=st.floats(0, 1000, width=32))
def test_what_lies_outside_moves_onto_the_edge_and_nothing_else_moves(
    model: KDSR, distance: float
) -> None:
    before = idr_at(model, distance)
    after = baked.drawn_back(model, before)
    expected = min(distance, 2 * baked.FARTHEST)
    assert calibration_of(model).distance(after.idr_full).item() == pytest.approx(expected, 1e-5)
    assert (after is before) == (not baked.lies_outside(model, before))
    torch.testing.assert_close(after.idr, model.estimator.compress_idr(after.idr_full))


def test_of_a_batch_only_those_outside_move(model: KDSR) -> None:
    idr = idr_at(model, 1, 50)
    after = baked.drawn_back(model, idr)
    assert torch.equal(after.idr[0], idr.idr[0])
    assert not torch.equal(after.idr[1], idr.idr[1])


def test_a_picture_made_with_an_idr_from_outside_is_made_with_the_edge(model: KDSR) -> None:
    lq = torch.rand(1, 3, 16, 16)
    far, edge = (idr_at(model, distance) for distance in (500, 2 * baked.FARTHEST))
    torch.testing.assert_close(model.upscale(lq, far), model.upscale(lq, edge))
    torch.testing.assert_close(model.bake(far)(lq), model.bake(edge)(lq))


def test_a_model_without_a_range_trusts_everything_and_says_so_once(
    model: KDSR, caplog: pytest.LogCaptureFixture
) -> None:
    baked._say_without.cache_clear()
    bare = small_calibrated()
    bare.calibration = replace(calibration_of(model), cell_distance=None)
    far = idr_at(bare, 500)
    with caplog.at_level(logging.WARNING):
        assert baked.drawn_back(bare, far) is far
        assert not baked.lies_outside(bare, far)
    assert [record.getMessage()[:22] for record in caplog.records] == ["the model has no range"]


@pytest.mark.parametrize(
    ("left_out", "distance", "words"),
    [
        (0.0, 1, ""),
        (0.004, 1, ""),
        (0.12, 1, "12% of the picture looks like dither or hatching and was left out"),
        (1.0, 1, "looks like dither or hatching all over and is taken for clean"),
        (0.0, 9, "drawn back into it"),
    ],
)
def test_a_line_says_what_was_done(
    model: KDSR, left_out: float, distance: float, words: str
) -> None:
    idr = replace(idr_at(model, distance), left_out=torch.tensor(left_out))
    line = explained(model, idr)
    assert line.endswith(words)
    assert bool(line) == bool(words)


@pytest.mark.parametrize("distance", [[0.0], [-1.0], [torch.nan], [1.0, 2.0]])
def test_a_range_that_cannot_be_is_refused(model: KDSR, distance: list[float]) -> None:
    with pytest.raises(CheckpointError, match="cell_distance"):
        replace(calibration_of(model), cell_distance=torch.tensor(distance))
