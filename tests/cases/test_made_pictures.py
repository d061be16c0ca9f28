"""What is no photograph comes out as it went in, by every bundled model; see `made_pictures`."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import kdsr
from kdsr import KDSR
from kdsr.files.catalog import list_models
from kdsr.meaning.references import with_strength
from tests.cases.made_pictures import KINDS, MadePicture, all_pictures

BLOCK = 32
"""LQ pixels."""
MOST = 8 / 255
"""How far the mean of a block may be off; beyond it what bicubic upscaling is off, too."""
CLOSE = 30.0
"""dB: from here on what is missing is noise or blur that was taken away."""
WORSE = 1.0
"""dB that a result, shrunk back, may be further from its input than bicubic upscaling is."""
REMOVED = "noise"
"""The kind that holds nothing but what the models are there to take away."""
SAMPLE = 30


def shrunk(sr: Tensor, lq: Tensor) -> Tensor:
    """A result at its input's size."""
    return F.interpolate(sr, lq.shape[-2:], mode="bicubic", antialias=True).clamp(0, 1)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * ((a - b) ** 2).mean().clamp(min=1e-10).log10())


def furthest(sr: Tensor, lq: Tensor) -> float:
    """The largest difference of a block's mean."""
    off = F.avg_pool2d(sr, sr.shape[-1] // lq.shape[-1]) - lq
    return float(F.avg_pool2d(off, BLOCK).abs().max())


def shade_off(picture: MadePicture, lq: Tensor, sr: Tensor, plain: Tensor) -> str:
    """Which block has another mean than its input; empty if none."""
    off, most = furthest(sr, lq), max(MOST, furthest(plain, lq)) + 0.5 / 255
    if off <= most:
        return ""
    return f"{picture}: a block is off by {off * 255:.1f}/255, at most {most * 255:.1f}"


def too_far(picture: MadePicture, lq: Tensor, sr: Tensor, plain: Tensor) -> str:
    """How far a picture is from its input; empty if it is no further than bicubic upscaling is."""
    if picture.kind == REMOVED:
        return ""
    least = min(CLOSE, psnr(shrunk(plain, lq), lq) - WORSE)
    if (found := psnr(shrunk(sr, lq), lq)) >= least:
        return ""
    return f"{picture}: {found:.1f} dB from its input, at least {least:.1f}"


def problems(model: KDSR, picture: MadePicture) -> tuple[str, str]:
    """What `shade_off` and `too_far` say of what a model makes of a picture."""
    lq, scale = picture.lq(), model.config.scale
    sr = model.upscale(lq, dtype="fp32")
    plain = F.interpolate(lq, scale_factor=float(scale), mode="bicubic").clamp(0, 1)
    # All that a model of factor 1 does is to take something away: nothing to compare with.
    far = "" if scale == 1 else too_far(picture, lq, sr, plain)
    return shade_off(picture, lq, sr, plain), far


def test_pictures_are_many_and_the_same_every_time() -> None:
    pictures = all_pictures()
    assert len(pictures) >= 300
    assert len(KINDS) >= 18
    assert len({str(picture) for picture in pictures}) == len(pictures)
    assert torch.equal(pictures[40].lq(), pictures[40].lq())


@pytest.mark.parametrize("picture", all_pictures()[:SAMPLE], ids=str)
def test_no_picture_is_ruined(bundled: KDSR, picture: MadePicture) -> None:
    assert problems(bundled, picture) == ("", "")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [entry.name for entry in list_models() if entry.bundled])
def test_no_model_ruins_a_picture(name: str) -> None:
    model = kdsr.load(name)
    found = [problems(model, picture) for picture in all_pictures()]
    assert [shade for shade, _ in found if shade] == []
    assert [far for _, far in found if far] == []


def untrusted() -> list[MadePicture]:
    found = (("checkerboard", 2), ("engraving", 0), ("ruled_paper", 0))
    return [MadePicture(kind, number) for kind, number in found]


def test_where_nothing_can_be_trusted_a_picture_is_taken_for_clean(bundled: KDSR) -> None:
    for picture in untrusted():
        lq = picture.lq()
        idr = bundled.estimate(lq)
        assert idr.left_out.item() == 1, picture
        clean = with_strength(bundled, idr, 0)
        torch.testing.assert_close(idr.idr, clean.idr, rtol=0, atol=1e-6)


def test_hatching_in_a_third_of_a_drawing_leaves_the_other_lines_as_they_are(bundled: KDSR) -> None:
    drawing = torch.ones(1, 3, 120, 160)
    y, x = torch.meshgrid(torch.arange(120), torch.arange(160), indexing="ij")
    radius = ((x - 80) ** 2 + (y - 60) ** 2).sqrt()
    drawing[..., (radius < 60) & ((radius - 10) % 8 < 1)] = 0
    hatched = drawing.clone()
    hatched[..., ((x + y) % 4 == 0) & (x > 110)] = 0
    plain, beside = (bundled.upscale(lq, dtype="fp32")[..., :380] for lq in (drawing, hatched))
    assert (plain - beside).abs().mean() < 3 / 255
