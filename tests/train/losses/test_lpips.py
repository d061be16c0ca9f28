from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kdsr.errors import CheckpointError
from tests.support.vgg import plain_vgg, vgg_state
from train.losses.lpips import LPIPS, load_lpips
from train.measuring.perceptual import perceptual_measures


def alexnet_features() -> nn.Sequential:
    """torchvision's `alexnet().features`, written down layer by layer, with random weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    ).requires_grad_(False)  # fmt: skip


def alexnet_state() -> dict[str, Tensor]:
    state = {f"features.{key}": value for key, value in alexnet_features().state_dict().items()}
    return {**state, "classifier.1.weight": torch.zeros(1)}


def heads_state(channels: tuple[int, ...] = (64, 192, 384, 256, 256)) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {
        f"lin{i}.model.1.weight": torch.rand(1, n, 1, 1, generator=rng)
        for i, n in enumerate(channels)
    }


def lpips_of(network: str) -> tuple[LPIPS, nn.Sequential, dict[str, Tensor], tuple[int, ...]]:
    """LPIPS with its network layer by layer, its heads, and the places of the ReLUs used."""
    if network == "alexnet":
        heads = heads_state()
        return LPIPS(alexnet_state(), heads), alexnet_features(), heads, (1, 4, 7, 9, 11)
    heads, state = heads_state((64, 128, 256, 512, 512)), vgg_state("vgg16")
    plain = plain_vgg(state).append(nn.ReLU())
    return LPIPS(state, heads), plain, heads, (3, 8, 15, 22, 29)


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_lpips_is_the_weighted_distance_of_unit_features_after_each_relu(network: str) -> None:
    lpips, plain, heads, places = lpips_of(network)
    sr, gt = torch.rand(2, 2, 3, 70, 64, generator=torch.Generator().manual_seed(2))
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    a, b = ((2 * images - 1 - shift) / scale for images in (sr, gt))
    expected, weights = torch.zeros(2), list(heads.values())
    for index, layer in enumerate(plain):
        a, b = layer(a), layer(b)
        if index in places:
            difference = nn.functional.normalize(a, dim=1) - nn.functional.normalize(b, dim=1)
            expected += (difference**2 * weights.pop(0)).sum(1).mean((1, 2))
    torch.testing.assert_close(lpips(sr, gt), expected, rtol=1e-4, atol=1e-6)


def test_lpips_teaches_the_image_alone_and_equal_images_nothing() -> None:
    lpips, gt = LPIPS(alexnet_state(), heads_state()), torch.rand(1, 3, 64, 64)
    for sr in (gt * 0.7, gt, torch.zeros_like(gt)):
        seen = sr.clone().requires_grad_()
        lpips(seen, gt).sum().backward()
        assert seen.grad is not None
        assert seen.grad.isfinite().all()
        assert bool(seen.grad.abs().max() > 1e-6) is not sr.equal(gt)
    assert all(parameter.grad is None for parameter in lpips.parameters())


def test_equal_images_have_no_distance_and_worse_ones_more() -> None:
    lpips = LPIPS(alexnet_state(), heads_state())
    gt = torch.rand(1, 3, 64, 64)
    noise = torch.randn(gt.shape)
    assert lpips(gt, gt) == 0
    assert lpips(gt + 0.02 * noise, gt) < lpips(gt + 0.2 * noise, gt)


def test_lpips_is_read_from_two_files_and_wrong_ones_are_named(tmp_path: Path) -> None:
    alexnet, heads = tmp_path / "alexnet.pth", tmp_path / "alex.pth"
    torch.save(alexnet_state(), alexnet)
    torch.save(heads_state(), heads)
    assert load_lpips(alexnet, heads)(torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)) > 0
    with pytest.raises(CheckpointError, match=r"features.0.weight \(conv1\) is missing"):
        load_lpips(heads, alexnet)
    with pytest.raises(CheckpointError, match="no such file"):
        load_lpips(alexnet, tmp_path / "vgg.pth")
    heads.write_bytes(b"not a file of weights")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_lpips(alexnet, heads)


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(ValueError, match="40x30 px are too small"):
        LPIPS(alexnet_state(), heads_state())(torch.zeros(1, 3, 30, 40), torch.zeros(1, 3, 30, 40))
    LPIPS(alexnet_state(), heads_state())(torch.zeros(1, 3, 31, 31), torch.zeros(1, 3, 31, 31))


def test_numbers_measured_beside_each_other_are_those_measured_alone(tmp_path: Path) -> None:
    features, files = tmp_path / "vgg16.pth", (tmp_path / "alexnet.pth", tmp_path / "alex.pth")
    for path, state in zip(
        (features, *files), (vgg_state("vgg16"), alexnet_state(), heads_state()), strict=True
    ):
        torch.save(state, path)
    cpu, gt = torch.device("cpu"), torch.rand(1, 3, 64, 64)
    sr = (gt * 0.9 * 255).round() / 255
    together = perceptual_measures(features, cpu, files)
    alone = {**perceptual_measures(features, cpu), **perceptual_measures(None, cpu, files)}
    assert {"vgg16", "lpips"} <= together.keys() == alone.keys()
    assert {name: run(sr, gt) for name, run in together.items()} == {
        name: run(sr, gt) for name, run in alone.items()
    }
