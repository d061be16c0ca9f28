import numpy as np
import pytest
import torch

from kdsr import IDR, IDRError
from kdsr.inspect import WIDTH, draw_report, report
from kdsr.local import estimate_local

from .conftest import make_tiny


def idrs(model, count: int = 1, seed: int = 0) -> IDR:
    generator = torch.Generator().manual_seed(seed)
    return model.estimate(torch.rand(count, 3, 16, 16, generator=generator), dtype="fp32")


def pixels(figure) -> np.ndarray:
    return np.asarray(figure).reshape(-1, 3)


def test_the_report_names_model_count_and_similarity(tiny) -> None:
    three, one = idrs(tiny, 3), idrs(tiny, seed=1)
    text = report(three, one)
    assert text.startswith("3 IDRs of custom: 8 values each")
    assert tiny.fingerprint[:8] in text
    assert f"cosine similarity {three.cosine(one).mean():.4f}" in text
    assert "within the batch" in text


def test_the_report_says_where_local_estimates_differ_most(tiny) -> None:
    lq = torch.full((1, 3, 64, 64), 0.5)
    lq[..., 32:, 48:] = torch.rand(3, 32, 16)
    local = estimate_local(tiny, lq, cells=4)
    angles = local.angles(tiny.estimate(lq))
    row, column = divmod(int(angles.argmax()), 4)
    assert f"(row {row + 1}, column {column + 1})" in report(tiny.estimate(lq), None, local)


def test_the_figure_grows_with_what_it_shows(tiny) -> None:
    lq = torch.rand(1, 3, 40, 60)
    one = tiny.estimate(lq)
    plain = draw_report(one)
    compared = draw_report(one, idrs(tiny))
    mapped = draw_report(one, None, estimate_local(tiny, lq), lq)
    assert plain.width == compared.width == mapped.width == WIDTH
    assert plain.height < compared.height < mapped.height


def test_the_figure_brings_its_own_contrast(tiny) -> None:
    colours, counts = np.unique(pixels(draw_report(idrs(tiny))), axis=0, return_counts=True)
    luminance = colours @ np.array([0.2126, 0.7152, 0.0722])
    common = luminance[counts > counts.sum() * 0.1]
    assert common.max() < 50  # the card and its panels are dark ...
    assert luminance.max() > 230  # ... and the text is light, whatever surrounds them


def test_the_second_idr_is_drawn_over_the_bars(tiny) -> None:
    orange = np.array([255, 170, 64])
    alone, both = draw_report(idrs(tiny)), draw_report(idrs(tiny), idrs(tiny, seed=1))
    assert not (pixels(alone) == orange).all(1).any()
    assert (pixels(both) == orange).all(1).sum() > 1000


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_constant_vectors_can_be_drawn(value: float) -> None:
    flat = IDR(torch.full((1, 4), value), torch.full((1, 16), value), "m")
    assert draw_report(flat, flat).width == WIDTH


def test_idrs_of_different_models_are_refused(tiny) -> None:
    other = idrs(make_tiny(seed=1))
    with pytest.raises(IDRError, match="different models"):
        draw_report(idrs(tiny), other)
    with pytest.raises(IDRError, match="different models"):
        report(idrs(tiny), other)
