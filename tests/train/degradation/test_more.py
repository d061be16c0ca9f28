"""Each degradation against its definition or the real codec."""

import functools
import io
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from kdsr.errors import ConfigError
from tests.support.pairs import photo
from train.degradation.banding import Banded, Banding
from train.degradation.chroma import ChromaSubsampling, Subsampled
from train.degradation.codecs import Codecs, Encoded
from train.degradation.general import GeneralOptions
from train.degradation.grain import Grain, Grained
from train.degradation.interlacing import Interlaced, Interlacing
from train.degradation.more import MoreOptions, apply_more
from train.degradation.pipelines import DegradationOptions
from train.degradation.realworld import RealWorldOptions
from train.degradation.resampling import Resampled, Resampling
from train.degradation.resize import resize_bicubic, resize_by
from train.degradation.sharpening import Sharpened, Sharpening

SAMPLES = list(range(8))


def pixels(side: int = 96) -> Tensor:
    """A photograph, (1, 3, side, side) in [0, 1]."""
    image = photo(2).crop((40, 40, 40 + side, 40 + side))
    return torch.tensor(np.asarray(image)).permute(2, 0, 1)[None].float() / 255


def as_image(images: Tensor) -> Image.Image:
    return Image.fromarray((images[0] * 255).round().byte().permute(1, 2, 0).numpy())


def from_image(image: Image.Image) -> Tensor:
    return torch.tensor(np.asarray(image)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(
    ("kernel", "filter_"),
    [
        ("area", Image.Resampling.BOX), ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS),
    ],
)  # fmt: skip
def test_antialiased_kernels_are_those_of_pillow_within_borders(
    kernel: str, filter_: Image.Resampling
) -> None:
    ours = resize_by(pixels(), (24, 24), kernel).clamp(0, 1)
    theirs = from_image(as_image(pixels()).resize((24, 24), filter_))
    inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    assert (ours - theirs)[inner].abs().max() < 1.6 / 255


def test_aliased_kernels_are_those_that_read_few_pixels() -> None:
    image = pixels()
    nearest = Resampled("area", antialias=False).resize(image, (24, 24))
    assert torch.equal(
        nearest, from_image(as_image(image).resize((24, 24), Image.Resampling.NEAREST))
    )
    linear = Resampled("bilinear", antialias=False).resize(image, (24, 24))
    expected = F.interpolate(image, size=(24, 24), mode="bilinear", align_corners=False)
    assert torch.allclose(linear, expected, atol=1e-5)
    assert torch.equal(resize_by(image, (24, 24), "bicubic"), resize_bicubic(image, (24, 24)))


def test_a_sharpened_edge_has_halos_and_flat_areas_have_none() -> None:
    edge = torch.full((1, 3, 24, 24), 0.3)
    edge[..., 12:] = 0.7
    made = Sharpened(1.0, 1.0).apply(edge)
    assert made[0, 0, 12, 11] < 0.3 - 0.05
    assert made[0, 0, 12, 12] > 0.7 + 0.05
    assert (made - edge)[..., :6].abs().max() < 1e-3
    # An unsharp mask is linear: twice the amount, twice the halo.
    twice = Sharpened(2.0, 1.0).apply(edge * 0.1 + 0.45)
    once = Sharpened(1.0, 1.0).apply(edge * 0.1 + 0.45)
    plain = edge * 0.1 + 0.45
    assert torch.allclose(twice - plain, 2 * (once - plain), atol=1e-6)


def test_subsampled_chroma_keeps_luma_and_matches_libjpeg() -> None:
    image = pixels()
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    for replicated in (False, True):
        made = Subsampled(replicated).apply(image)
        inside = ((made > 0) & (made < 1)).all(1, keepdim=True)
        assert ((made - image) * luma).sum(1, keepdim=True)[inside].abs().max() < 1e-5
        assert (made - image).abs().max() > 0.02
    blocks = Subsampled(replicated=True).apply(image) - (image * luma).sum(1, keepdim=True)
    assert torch.allclose(blocks[..., ::2, ::2], blocks[..., 1::2, 1::2], atol=0.3)
    buffer = io.BytesIO()
    as_image(image).save(buffer, "JPEG", quality=100, subsampling=2)
    coded = from_image(Image.open(buffer).convert("RGB"))
    assert (Subsampled(replicated=False).apply(image) - coded).abs().mean() < 1.5 / 255
    odd = image[..., :31, :29]
    assert Subsampled(replicated=True).apply(odd).shape == odd.shape


@pytest.mark.parametrize("levels", [2, 9, 256])
def test_banding_leaves_so_many_levels_each_the_nearest(levels: int) -> None:
    made = Banded(levels).apply(pixels())
    assert made.unique().numel() <= levels
    assert (made - pixels()).abs().max() <= 0.5 / (levels - 1) + 1e-6


def test_grain_is_strong_in_middle_tones_and_correlated_by_its_size() -> None:
    grain = Grained(20.0, 0.8, coloured=False, seed=5)
    middle = torch.full((1, 3, 30, 40), 0.5)
    torch.testing.assert_close(grain.apply(middle), middle + 20 / 255 * grain.field(30, 40))
    spread = {}
    for tone in (0.0, 0.1, 0.5, 1.0):
        made = grain.apply(torch.full((1, 3, 200, 200), tone)) - tone
        assert torch.equal(made[:, 0], made[:, 2])
        spread[tone] = made.std().item() * 255
    assert spread[0.5] == pytest.approx(20, rel=0.05)
    assert spread[0.1] == pytest.approx(20 * 0.6, rel=0.05)
    assert spread[0.0] == spread[1.0] == 0
    field = grain.field(400, 400)[0, 0]
    neighbours = (field[:, 1:] * field[:, :-1]).mean() / field.square().mean()
    assert neighbours.item() == pytest.approx(np.exp(-1 / (4 * 0.8**2)), abs=0.03)
    coloured = Grained(20.0, 0.8, coloured=True, seed=5).field(100, 100)[0]
    assert abs(torch.corrcoef(coloured.flatten(1))[0, 1].item()) < 0.1


def test_lines_are_doubled_and_fields_combed() -> None:
    image = pixels(16)
    for first in (0, 1):
        doubled = Interlaced(0, first).apply(image)
        kept = range(first, 16, 2)
        for row in kept:
            assert torch.equal(doubled[:, :, row], image[:, :, row])
            assert row + 1 >= 16 or torch.equal(doubled[:, :, row + 1], image[:, :, row])
        combed = Interlaced(3, first).apply(image)
        assert torch.equal(combed[:, :, first::2], image[:, :, first::2])
        other = slice(1 - first, None, 2)
        assert torch.equal(combed[:, :, other, 3:], image[:, :, other, :-3])
    assert torch.equal(Interlaced(0, 1).apply(image)[:, :, 0], image[:, :, 1])
    back = Interlaced(-2, 0).apply(image)
    assert torch.equal(back[:, :, 1::2, :-2], image[:, :, 1::2, 2:])


@pytest.mark.parametrize(
    ("kind", "saved"),
    [
        ("webp", {"format": "WEBP", "method": 4}),
        ("avif", {"format": "AVIF", "speed": 8, "max_threads": 1}),
        ("jpeg444", {"format": "JPEG", "subsampling": 0}),
    ],
)
def test_codecs_are_the_real_ones(kind: str, saved: dict[str, object]) -> None:
    image, losses = pixels(48), []
    for quality in (90, 20):
        made = Encoded(kind, quality).apply(torch.cat((image, image.flip(3))))  # pyright: ignore[reportArgumentType]
        buffer = io.BytesIO()
        as_image(image).save(buffer, quality=quality, **saved)  # pyright: ignore[reportArgumentType]
        assert torch.equal(made[:1], from_image(Image.open(buffer).convert("RGB")))
        losses.append((made[:1] - image).abs().mean().item())
    assert losses[1] > 1.5 * losses[0] > 0


def test_both_ends_of_a_range_of_qualities_are_drawn_and_nothing_beyond() -> None:
    codecs, rng = Codecs(min_quality=40, max_quality=41), np.random.default_rng(0)
    assert {codecs.sample(rng).quality for _ in range(60)} == {40, 41}


def test_a_pillow_without_a_codec_is_told_before_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.degradation.codecs.features.check", lambda name: name != "avif")
    Codecs()
    with pytest.raises(ConfigError, match="this Pillow has no avif: install pillow"):
        Codecs(share=0.1)
    Codecs(share=0.1, formats=("webp",))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Sharpening(share=2), lambda: Grain(min_size=0), lambda: Banding(max_levels=300),
        lambda: Interlacing(combed=-1), lambda: ChromaSubsampling(replicated=2),
        lambda: Codecs(min_quality=95), lambda: Codecs(formats=()), lambda: Resampling(kernels=()),
        lambda: MoreOptions(order=("grain", "grain")), lambda: GeneralOptions(min_sigma=0),
        lambda: GeneralOptions(max_noise=256),
    ],
)  # fmt: skip
def test_ranges_that_are_none_are_refused(wrong: object) -> None:
    with pytest.raises(ConfigError):
        wrong()  # pyright: ignore[reportCallIssue]
    GeneralOptions(max_noise=255)


ALL = MoreOptions(
    Interlacing(1.0), Sharpening(1.0), Grain(1.0), ChromaSubsampling(1.0), Banding(1.0), Codecs(1.0)
)


@pytest.mark.parametrize("kind", ["general", "realworld"])
def test_without_shares_pipelines_are_what_they_were(kind: str) -> None:
    gt = pixels(64).expand(8, -1, -1, -1)
    plain = DegradationOptions(kind=kind).build(4)
    extended = DegradationOptions(
        kind=kind, general=GeneralOptions(more=ALL), realworld=RealWorldOptions(more=ALL)
    ).build(4)
    drawn, more = plain.sample(0, 3, SAMPLES), extended.sample(0, 3, SAMPLES)
    assert drawn.more == ()
    assert apply_more(gt, drawn.more) is gt
    lq, changed = plain.apply(gt, drawn), extended.apply(gt, more)
    assert not torch.equal(lq, changed)
    words = zip(plain.describe(drawn), extended.describe(more), strict=True)
    assert all(len(long) > len(short) for short, long in words)
    alone = extended.sample(0, 3, [5])
    assert alone.more == more.more[5:6]
    assert torch.equal(extended.apply(gt[5:6], alone), changed[5:6])
    assert torch.equal((changed * 255).round() / 255, changed)


def test_a_share_changes_nothing_of_the_other_kinds_and_the_order_is_kept() -> None:
    alone = MoreOptions(grain=Grain(0.5)).sample(0, 0, range(40))
    both = MoreOptions(grain=Grain(0.5), banding=Banding(0.5)).sample(0, 0, range(40))
    for one, two in zip(alone, both, strict=True):
        assert one == tuple(step for step in two if isinstance(step, Grained))
    assert 10 < sum(map(len, alone)) < 30
    turned = MoreOptions(banding=Banding(1.0), grain=Grain(1.0), order=("banding", "grain"))
    assert [type(step) for step in turned.sample(0, 0, [0])[0]] == [Banded, Grained]
    only = MoreOptions(banding=Banding(1.0), grain=Grain(1.0), order=("grain",))
    assert [type(step) for step in only.sample(0, 0, [0])[0]] == [Grained]


def test_steps_are_done_one_after_the_other() -> None:
    image, steps = pixels(32), (Banded(5), Interlaced(2, 0))
    made = apply_more(torch.cat((image, image)), ((), steps))
    assert torch.equal(made[:1], image)
    expected = steps[1].apply(steps[0].apply(image))
    assert torch.equal(made[1:], (expected * 255).round() / 255)


def test_general_downscales_by_other_kernels_where_it_is_asked_to() -> None:
    gt = pixels(64).expand(12, -1, -1, -1)
    still = functools.partial(GeneralOptions, noisy=0.0, compressed=0.0)
    plain = still().build(4)
    resampling = Resampling(0.5, ("area", "lanczos"))
    other = still(resampling=resampling).build(4)
    drawn = other.sample(1, 0, range(12))
    lq, usual = other.apply(gt, drawn), plain.apply(gt, plain.sample(1, 0, range(12)))
    same = [torch.equal(*each) for each in zip(lq, usual, strict=True)]
    assert {*same} == {True, False}
    assert same == [way is None for way in drawn.resampled]
    assert same == ["downscale" not in words for words in other.describe(drawn)]
    nearest = still(sharp=1.0, resampling=Resampling(1.0, ("area",), aliased=1.0)).build(4)
    made = nearest.apply(gt, nearest.sample(1, 0, range(12)))
    assert torch.equal(made, gt[..., 2::4, 2::4])


def test_drawn_words_are_different_for_different_draws() -> None:
    drawings = ALL.sample(0, 0, range(30))
    for kind in range(6):
        assert len({steps[kind].describe() for steps in drawings}) >= 2, kind
    assert all(a != b for a, b in itertools.pairwise(drawings))
