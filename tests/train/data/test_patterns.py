import numpy as np
import pytest
import torch
from torch import Tensor

from train.data.patterns import KINDS, draw_kind, draw_pattern


def photo(side: int = 96, seed: int = 0) -> Tensor:
    """Smooth hills of colour with some noise."""
    rng = np.random.default_rng(seed)
    across = np.linspace(0, 1, side)
    hills = 0.5 + 0.4 * np.sin(6 * across[:, None, None] + np.arange(3)) * across[None, :, None]
    noisy = hills * 255 + rng.normal(0, 4, hills.shape)
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_draws_something_that_its_numbers_alone_decide(kind: str) -> None:
    crop, changed, pictures = photo(), 0, set()
    before = crop.clone()
    for seed in range(6):
        made = draw_kind(crop, kind, np.random.default_rng(seed))
        again = draw_kind(crop, kind, np.random.default_rng(seed))
        assert made.shape == crop.shape
        assert made.dtype == torch.uint8
        assert torch.equal(made, again)
        changed += int(((made != crop).any(2).float().mean() > 0.02).item())
        pictures.add(made.numpy().tobytes())
    assert torch.equal(crop, before), "the crop itself is left alone"
    assert changed >= 4
    assert len(pictures) == 6


@pytest.mark.parametrize("shape", [(32, 32), (33, 70), (8, 8), (256, 256)])
def test_every_kind_fits_every_size(shape: tuple[int, int]) -> None:
    crop = photo(256)[: shape[0], : shape[1]].contiguous()
    for kind in KINDS:
        assert draw_kind(crop, kind, np.random.default_rng(1)).shape == (*shape, 3)


def test_a_quarter_leaves_a_part_of_the_photograph_beside_the_drawing() -> None:
    crop = photo()
    kept = [
        (draw_kind(crop, "printed", np.random.default_rng(seed)) == crop).all(2).float().mean()
        for seed in range(80)
    ]
    assert 8 <= sum(float(share) > 0.05 for share in kept) <= 32
    assert max(kept) < 1


def test_all_kinds_come_and_text_more_often() -> None:
    crop, chosen = photo(16), []
    names = {draw: name for name, draw in KINDS.items()}
    try:
        for name in KINDS:
            KINDS[name] = lambda image, _, name=name: chosen.append(name) or image
        for seed in range(900):
            draw_pattern(crop, np.random.default_rng(seed))
    finally:
        KINDS.update({name: draw for draw, name in names.items()})
    assert set(chosen) == set(KINDS)
    assert chosen.count("printed") > chosen.count("music")
