"""Any input gives a finite result in [0, 1], or an error of one line."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from kdsr import IDR, KDSR, IDRError, ImageError, KDSRError
from kdsr.estimation.regions import Region, Regions
from kdsr.options import Size
from kdsr.pixels import (
    OVERSHOOT,
    check_alpha,
    check_computed,
    check_images,
    check_out,
    check_weights,
)
from kdsr.upscaling.upscaler import Upscaler
from tests.support.refusal import outcome

NAN, INF = float("nan"), float("inf")


def spoilt(images: Tensor, value: float) -> Tensor:
    images = images.clone()
    images.view(-1)[-1] = value
    return images


GOOD = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(0))

IMAGES: dict[str, Any] = {
    "none": None,
    "a number": 0.5,
    "a list": [[1.0]],
    "an array": GOOD.numpy(),
    "bytes": (GOOD * 255).byte(),
    "integers": GOOD.long(),
    "booleans": GOOD > 0.5,
    "complex": GOOD + 0j,
    "float8": GOOD.to(torch.float8_e4m3fn),
    "sparse": GOOD.to_sparse(),
    "meta": GOOD.to("meta"),
    "nested": torch.nested.nested_tensor([GOOD[0], GOOD[0]], layout=torch.jagged),
    "three dimensions": GOOD[0],
    "five dimensions": GOOD[None],
    "channels last": GOOD.permute(0, 2, 3, 1),
    "four channels": torch.cat((GOOD, GOOD[:, :1]), 1),
    "no images": GOOD[:0],
    "no rows": GOOD[:, :, :0],
    "no columns": GOOD[..., :0],
    "nan": spoilt(GOOD, NAN),
    "infinity": spoilt(GOOD, INF),
    "minus infinity": spoilt(GOOD, -INF),
    "0 to 255": GOOD * 255,
    "-1 to 1": GOOD * 2 - 1,
    "one pixel of 500": spoilt(GOOD, 500.0),
    "one pixel of -500": spoilt(GOOD, -500.0),
    "just above": spoilt(GOOD, 1 + OVERSHOOT + 1e-4),
    "just below": spoilt(GOOD, -OVERSHOOT - 1e-4),
    "huge halves": spoilt(GOOD.half(), 60000.0),
}
USES: dict[str, Callable[[KDSR, Any], Tensor]] = {
    "estimate": lambda model, image: model.estimate(image).idr,
    "upscale": lambda model, image: model.upscale(image),
    "regions": lambda model, image: model.upscale(image, regions(model)),
    "upscale to a size": lambda model, image: Upscaler(model).upscale(image, size=Size(5, 5)),
}


def regions(model: KDSR) -> Regions:
    c = model.config.n_feats
    idr = IDR(torch.zeros(2, c), torch.zeros(2, 4 * c), model.fingerprint)
    weights = torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(1))
    return Regions.of_weights(idr, weights)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", IMAGES)
def test_what_is_no_image_in_range_is_refused_in_one_line(tiny: KDSR, use: str, name: str) -> None:
    message = outcome(lambda: USES[use](tiny, IMAGES[name]))
    assert isinstance(message, str)
    assert "image" in message


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_any_format_of_floats_is_an_image(tiny: KDSR, use: str, dtype: torch.dtype) -> None:
    expected = USES[use](tiny, GOOD.to(dtype).float())
    torch.testing.assert_close(USES[use](tiny, GOOD.to(dtype)), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("value", [-OVERSHOOT, -0.2, 0.0, 1.0, 1.3, 1 + OVERSHOOT])
def test_what_resamplers_overshoot_is_taken(tiny: KDSR, value: float) -> None:
    result = tiny.upscale(spoilt(GOOD, value))
    assert 0 <= result.min() <= result.max() <= 1


def strange(rng: random.Random) -> Tensor:
    """A tensor of few pixels: often an image, with odd shapes, formats, layouts and values."""
    shape = [rng.choice((1, 1, 2)), rng.choice((3, 3, 3, 3, 1, 4)), *rng.choices(range(1, 9), k=2)]
    if rng.random() < 0.15:
        shape[rng.randrange(4)] = 0
    if rng.random() < 0.1:
        shape = shape[: rng.randrange(4)]
    values = torch.rand(shape, generator=torch.Generator().manual_seed(rng.randrange(1000)))
    if rng.random() < 0.5 and values.numel():
        odd = rng.choice((NAN, INF, -INF, 1e30, -1e30, 255.0, -1.0, 1.4, -0.4, 1e-40, -0.0))
        values.view(-1)[rng.randrange(values.numel())] = odd
    others = (torch.float16, torch.bfloat16, torch.float64, torch.int32)
    values = values.to(rng.choice((torch.float32,) * 6 + others))
    if rng.random() < 0.2 and values.ndim == 4:
        values = values.transpose(2, 3)
    if rng.random() < 0.1 and values.ndim == 4 and len(values) == 1:
        values = values.expand(2, -1, -1, -1)  # one memory for both
    return values


@pytest.mark.parametrize(
    "seeds",
    [range(150), pytest.param(range(150, 3000), marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_strange_tensors_give_pictures_in_range_or_one_line(tiny: KDSR, seeds: range) -> None:
    ends = set()
    for seed in seeds:
        rng = random.Random(seed)
        image, weights = strange(rng), strange(rng)
        use = rng.choice(("upscale", "estimate", "mask", "regions", "size", "alpha"))
        found = outcome(lambda: _attempt(tiny, use, image, weights))  # noqa: B023 - used at once
        ends.add((use, isinstance(found, str)))
        if isinstance(found, Tensor):
            assert torch.isfinite(found).all(), seed
            assert use in ("estimate", "mask") or 0 <= found.min() <= found.max() <= 1, seed
    assert len(ends) == 12, "every use must succeed at times and be refused at times"


def _attempt(model: KDSR, use: str, image: Tensor, weights: Tensor) -> Tensor:
    if use == "upscale":
        return model.upscale(image, tile=4)
    if use == "estimate":
        return model.estimate(image).idr
    height, width = (image.shape[-2], image.shape[-1]) if image.ndim >= 2 else (3, 3)
    if weights.ndim == 4 and weights.numel():  # of the right shape for once, the values stay odd
        weights = weights.flatten()[:1].abs().expand(1, 1, height, width).clone()
    if use == "mask":
        return model.estimate(image, mask=weights).idr
    if use == "alpha":
        return Upscaler(model).upscale(image, alpha=weights)
    if use == "size":
        return Upscaler(model).upscale(image, size=Size(width, height + 1))
    c = model.config.n_feats
    idr = IDR(torch.zeros(1, c), torch.zeros(1, 4 * c), model.fingerprint)
    return model.upscale(image, Regions.of_weights(idr, weights))


def test_regions_never_leave_the_range(tiny: KDSR) -> None:
    c = tiny.config.n_feats
    white = torch.ones(1, 3, 12, 12)
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        idr = IDR(
            20 * torch.randn(5, c, generator=generator), torch.zeros(5, 4 * c), tiny.fingerprint
        )
        weights = torch.rand(5, 1, 12, 12, generator=generator) ** 4
        result = tiny.upscale(white, Regions.of_weights(idr, weights))
        assert 0 <= result.min() <= result.max() <= 1


def test_a_result_that_is_not_finite_is_refused_rather_than_written(tiny: KDSR) -> None:
    idr = IDR(
        torch.full((1, tiny.config.n_feats), 3e38),
        torch.zeros(1, 4 * tiny.config.n_feats),
        tiny.fingerprint,
    )
    with pytest.raises(ImageError, match="result is not finite although the image is"):
        tiny.upscale(GOOD, idr)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_computed_value_that_is_not_finite_is_found(value: float) -> None:
    check_computed(GOOD)
    check_computed(torch.full((1, 3, 300, 300), 1e4).half())  # its sum exceeds float16
    with pytest.raises(ImageError, match="not finite"):
        check_computed(spoilt(GOOD, value))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.tensor([-0.1]), "finite weights of 0 or more, got -0.1 to -0.1"),
        (torch.tensor([NAN, 1]), "got nan to nan"),
        (torch.tensor([0, INF]), "got 0 to inf"),
        (torch.tensor([1 + 0j]), "got torch.complex64"),
        (torch.tensor([1], dtype=torch.int16), "got torch.int16"),
        ([1.0], "got list"),
    ],
)
def test_weights_are_finite_and_not_negative(weights: Any, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        check_weights(weights, "the mask")
    assert str(caught.value).startswith("the mask must hold ")
    assert message in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16], ids=str)
def test_weights_of_other_kinds_become_float32(dtype: torch.dtype) -> None:
    found = check_weights(torch.tensor([0, 1, 1]).to(dtype), "the mask")
    assert found.dtype == torch.float32
    assert found.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("alpha", "message"),
    [
        (torch.rand(1, 1, 7, 6), r"alpha of shape \(1, 1, 6, 7\), got \(1, 1, 7, 6\)"),
        (torch.rand(1, 3, 6, 7), "alpha of shape"),
        (torch.rand(6, 7), "alpha of shape"),
        (torch.ones(1, 1, 6, 7, dtype=torch.uint8), "got torch.uint8"),
        (torch.full((1, 1, 6, 7), 255.0), "alpha has values from 255 to 255"),
        (torch.full((1, 1, 6, 7), NAN), "alpha has NaN or infinite"),
    ],
)
def test_alpha_must_fit_the_image(alpha: Tensor, message: str) -> None:
    check_alpha(torch.rand(1, 1, 6, 7), GOOD)
    with pytest.raises(ImageError, match=message):
        check_alpha(alpha, GOOD)


@pytest.mark.parametrize(
    "out",
    [
        torch.empty(1, 3, 4, 4).byte()[:, :, :2],
        torch.empty(1, 3, 4, 4, dtype=torch.int32),
        torch.empty(1, 3, 4, 4, device="meta"),
        torch.empty(1, 1, 4, 4).expand(1, 3, 4, 4),
        torch.empty(1, 3, 4, 4).to_sparse(),
    ],
    ids=["shape", "integers", "meta", "one value for three", "sparse"],
)
def test_a_buffer_that_cannot_hold_the_result_is_refused(out: Tensor) -> None:
    with pytest.raises(ImageError, match=r"out must be a float or uint8 tensor of shape \(1, 3, 4"):
        check_out(out, (1, 3, 4, 4))


def test_a_buffer_that_fits_is_used_as_it_is() -> None:
    for dtype in (torch.uint8, torch.float32, torch.float16):
        out = torch.empty(1, 4, 4, 3, dtype=dtype).permute(0, 3, 1, 2)
        assert check_out(out, (1, 3, 4, 4)) is out
    fresh = check_out(None, (1, 3, 4, 4))
    assert fresh.shape == (1, 3, 4, 4)
    assert fresh.dtype == torch.float32


def test_messages_say_what_came() -> None:
    for image, message in (
        (spoilt(GOOD, 1.51), "to 1.51, expected 0 to 1"),
        (spoilt(GOOD, -0.51), "from -0.51 to"),
        (spoilt(GOOD, INF), "the image has NaN or infinite values"),
        (spoilt(GOOD, -INF), "the image has NaN or infinite values"),
        (GOOD * 255, "values from "),
        ((GOOD * 255).byte(), "got torch.uint8; divide by 255 first"),
        (GOOD[0], "expected RGB images"),
        (GOOD[0], "got shape (3, 6, 7)"),
        (GOOD[..., :0], "the image is empty: shape (1, 3, 6, 0)"),
    ):
        with pytest.raises(ImageError) as caught:
            check_images(image)
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("top", "left", "weights"),
    [
        (-1, 0, torch.ones(2, 2)),
        (0, -1, torch.ones(2, 2)),
        (0, 0, torch.ones(2)),
        (0, 0, torch.ones(0, 2)),
        (0, 0, -torch.ones(2, 2)),
        (0, 0, torch.full((2, 2), NAN)),
    ],
)
def test_a_region_is_a_box_inside_the_image(top: int, left: int, weights: Tensor) -> None:
    with pytest.raises(ImageError):
        Region(top, left, weights)


def test_regions_fit_their_image_and_their_idrs(tiny: KDSR) -> None:
    idr = IDR(torch.zeros(1, 8), torch.zeros(1, 32), tiny.fingerprint)
    part = Region(1, 1, torch.ones(3, 3))
    assert Regions(idr, (part,), Size(4, 4)).size == Size(4, 4)
    for size in (Size(4, 3), Size(3, 4)):
        with pytest.raises(ImageError, match="a region reaches beyond the image"):
            Regions(idr, (part,), size)
    with pytest.raises(IDRError, match="got 1 IDRs for 2 regions"):
        Regions(idr, (part, part), Size(4, 4))
    with pytest.raises(KDSRError, match=r"the regions are for an image of 4 x 4 px, got 7 x 6"):
        tiny.upscale(GOOD, Regions(idr, (part,), Size(4, 4)))
