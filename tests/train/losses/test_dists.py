from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr.errors import CheckpointError
from tests.support.vgg import plain_vgg, vgg_state
from train.losses.dists import DISTS, load_dists

CHANNELS = (3, 64, 128, 256, 512, 512)


def weights() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(3)
    shape = (1, sum(CHANNELS), 1, 1)
    return {name: torch.rand(shape, generator=rng) for name in ("alpha", "beta")}


def by_the_paper(sr: Tensor, gt: Tensor, state: dict[str, Tensor]) -> Tensor:
    """The formula written down, over features that are halved by roots of blurred squares."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    window = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    both = torch.cat((sr, gt))
    maps, x = [both], (both - mean) / std
    for layer in plain_vgg(state).append(nn.ReLU()):
        if isinstance(layer, nn.MaxPool2d):
            maps.append(x)
            blurred = F.conv2d(
                x.square().flatten(0, 1)[:, None], window[None, None], stride=2, padding=1
            )
            x = blurred.sqrt()[:, 0].unflatten(0, x.shape[:2])
        else:
            x = layer(x)
    maps.append(x)
    total = sum(w.sum() for w in weights().values())
    found = torch.zeros(len(sr))
    parts = zip(*(w.flatten().split(CHANNELS) for w in weights().values()), strict=True)
    for features, (alpha, beta) in zip(maps, parts, strict=True):
        a, b = features.chunk(2)
        ma, mb = a.mean((2, 3)), b.mean((2, 3))
        va, vb = a.var((2, 3), correction=0), b.var((2, 3), correction=0)
        cov = (a * b).mean((2, 3)) - ma * mb
        found += ((2 * ma * mb + 1e-6) / (ma**2 + mb**2 + 1e-6) * alpha).sum(1)
        found += ((2 * cov + 1e-6) / (va + vb + 1e-6) * beta).sum(1)
    return 1 - found / total


def test_dists_is_the_formula_of_the_paper_with_gradients_for_the_image_alone() -> None:
    state = vgg_state("vgg16")
    dists = DISTS(state, weights())
    sr, gt = torch.rand(2, 2, 3, 40, 33, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(dists(sr, gt), by_the_paper(sr, gt, state), rtol=1e-3, atol=1e-5)
    assert dists(gt, gt).abs().max() < 1e-5
    for start in (sr, torch.zeros_like(sr)):
        seen = start.clone().requires_grad_()
        dists(seen, gt).sum().backward()
        assert seen.grad is not None
        assert seen.grad.isfinite().all()
        assert seen.grad.abs().max() > 1e-6
    assert all(parameter.grad is None for parameter in dists.parameters())


def test_dists_minds_another_texture_less_than_no_texture() -> None:
    dists = DISTS(vgg_state("vgg16"), weights())
    rng = torch.Generator().manual_seed(5)
    gt, other = (0.5 + 0.1 * torch.randn(2, 1, 3, 64, 64, generator=rng)).clamp(0, 1)
    flat = torch.full_like(gt, 0.5)
    assert dists(other, gt) < dists(flat, gt)
    assert (other - gt).abs().mean() > (flat - gt).abs().mean()


def test_wrong_files_are_named(tmp_path: Path) -> None:
    vgg16, own = tmp_path / "vgg16.pth", tmp_path / "dists.pth"
    torch.save(vgg_state("vgg16"), vgg16)
    torch.save(weights(), own)
    assert load_dists(vgg16, own)(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)) > 0
    with pytest.raises(CheckpointError, match="missing or of another size: alpha and beta"):
        load_dists(vgg16, vgg16)
    with pytest.raises(CheckpointError, match="VGG16"):
        load_dists(own, own)
    with pytest.raises(ValueError, match="20x15 px are too small"):
        load_dists(vgg16, own)(torch.zeros(1, 3, 15, 20), torch.zeros(1, 3, 15, 20))
