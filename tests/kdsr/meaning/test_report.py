import numpy as np
import pytest
import torch

from kdsr import IDR, KDSR, IDRError
from kdsr.estimation.maps import estimate_local
from kdsr.meaning.panel import draw_similarity
from kdsr.meaning.readings import ENGLISH
from kdsr.meaning.references import references
from kdsr.meaning.report import WIDTH, draw_report, report
from tests.conftest import make_calibrated, make_tiny
from tests.support.calibrated import calibration_for


def idrs(model, count: int = 1, seed: int = 0) -> IDR:
    generator = torch.Generator().manual_seed(seed)
    return model.estimate(torch.rand(count, 3, 32, 32, generator=generator), dtype="fp32")


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


def test_the_figure_is_about_as_wide_as_high(calibrated) -> None:
    lq = torch.rand(1, 3, 40, 60)
    cells = estimate_local(calibrated, lq)
    for count in (1, 12):
        for other in (None, idrs(calibrated, count)):
            figure = draw_report(idrs(calibrated, count), other, cells, lq, calibrated)
            assert 0.6 < figure.width / figure.height < 1.7


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


@pytest.fixture
def calibrated() -> KDSR:
    return make_calibrated()


def test_a_calibrated_model_says_what_it_reads(calibrated) -> None:
    one, two = idrs(calibrated), idrs(calibrated, 2, seed=1)
    words = "blur 2.0 x 1.0 px ± 0.6, noise 6/255 ± 2, JPEG 45 ± 5; inside the trained range"
    assert report(one, model=calibrated).startswith(f"{words}; most like '")
    nearest = references(calibrated).nearest(one)[0]
    assert f"most like {nearest!r}\n1 IDR of" in report(one, model=calibrated)
    text = report(two, one, model=calibrated)
    assert text.startswith(f"1: {words}")
    assert f"\n2: {words}" in text
    assert f"\nsecond:\n{words}" in text
    twelve = IDR.cat([one] * 12)
    assert "... and 4 more" in report(twelve, model=calibrated)


def test_readings_and_known_degradations_are_drawn(calibrated, tiny) -> None:
    one = idrs(calibrated)
    plain, read = draw_report(one), draw_report(one, model=calibrated)
    assert read.height > plain.height + 400
    assert draw_report(one, model=tiny).size == plain.size, "without a calibration, the rest"
    blue = np.array([92, 184, 255])
    assert (pixels(read) == blue).all(1).sum() > (pixels(plain) == blue).all(1).sum() + 1000


def test_every_image_of_a_batch_gets_a_line(calibrated) -> None:
    one, three, twenty = (
        draw_report(idrs(calibrated, n), model=calibrated).height for n in (1, 3, 20)
    )
    assert one < three < twenty
    assert draw_report(idrs(calibrated, 99), model=calibrated).height == twenty


def test_a_second_idr_has_numbers_of_its_own(calibrated) -> None:
    one, two = idrs(calibrated), idrs(calibrated, seed=1)
    flat = calibrated.estimate(torch.zeros(1, 3, 32, 32))
    numbers, none = (
        np.asarray(draw_report(one, other, model=calibrated))[200:560, 450:668]
        for other in (two, flat)
    )
    orange = np.array([255, 170, 64])
    assert (numbers == orange).all(-1).sum() > 100
    assert not (none == orange).all(-1).any()


def test_nothing_is_drawn_of_what_cannot_be_told(calibrated) -> None:
    flat, one = calibrated.estimate(torch.zeros(1, 3, 32, 32)), idrs(calibrated)
    text = report(IDR.cat([flat, one]), model=calibrated)
    assert text.startswith("1: nothing can be told: the image is too small or too flat\n2: blur 2")
    nothing, plain = draw_report(flat, model=calibrated), draw_report(flat)
    assert nothing.height < plain.height + 200, "a line, but no scales and no place"
    assert draw_report(IDR.cat([flat, one]), flat, model=calibrated).height > nothing.height + 400


def test_the_more_alike_the_brighter() -> None:
    cosine, angles = torch.tensor([[1.0, 0.5]]), torch.tensor([[0.0, 60.0]])
    drawn = np.asarray(draw_similarity(ENGLISH, "", cosine, angles).finished()).astype(int)
    alike, apart = drawn[90, 80].sum(), drawn[90, 600].sum()
    assert alike > 500 > 200 > apart


def test_what_was_read_decides_what_is_drawn(calibrated) -> None:
    one = idrs(calibrated)
    usual = np.asarray(draw_report(one, model=calibrated))
    far = torch.full((9,), 0.0)
    far[:4] = torch.tensor([19.0, 12.0, 200.0, 90.0])
    far[8] = 5.0
    calibrated.calibration = calibration_for(calibrated, out_bias=far)
    extreme = np.asarray(draw_report(one, model=calibrated))
    assert extreme.shape == usual.shape
    assert (extreme != usual).any()
    unreliable = torch.tensor([2.0, 1, 6, 45, 9, 9, 9, 9, -5])
    calibrated.calibration = calibration_for(
        calibrated, out_bias=unreliable, quantiles=torch.linspace(0, 1e-6, 101)
    )
    drawn = np.asarray(draw_report(one, model=calibrated))
    red = np.array([255, 128, 112])
    assert (drawn.reshape(-1, 3) == red).all(1).sum() > 100, "outside of the range"
    assert "nothing that can be told" not in report(one, model=calibrated)
    assert "no JPEG; outside of the trained range" in report(one, model=calibrated)


def test_every_reference_of_a_crowd_is_drawn_and_the_nearest_is_named(calibrated) -> None:
    crowd = calibration_for(calibrated)
    crowd = calibration_for(calibrated, means=crowd.means * 1e-3)
    calibrated.calibration = crowd
    assert draw_report(idrs(calibrated, 3), idrs(calibrated), model=calibrated).width == WIDTH


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
    with pytest.raises(IDRError, match="fingerprint"):
        draw_report(other, model=tiny)
