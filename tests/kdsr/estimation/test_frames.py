import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdsr import IDR, ConfigError
from kdsr.estimation.maps import scene_starts, smooth


def frames(full: torch.Tensor) -> IDR:
    return IDR(full[:, : full.shape[1] // 4], full, "model", {"model": "m"})


def noisy_scene(count: int, seed: int = 0) -> torch.Tensor:
    noise = torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))
    return torch.linspace(1, 2, 8) + 0.01 * noise


@given(st.integers(1, 9) | st.sampled_from([127, 128, 129, 300]), st.floats(0, 0.98))
@settings(max_examples=30, deadline=None)
def test_each_frame_is_the_average_with_weights_falling_geometrically(
    count: int, factor: float
) -> None:
    full = noisy_scene(count)
    distance = (torch.arange(count)[:, None] - torch.arange(count)).abs()
    weights = torch.tensor(factor, dtype=torch.float64) ** distance
    expected = (weights / weights.sum(1, keepdim=True)) @ full.double()
    result = smooth(frames(full), factor, 180)
    torch.testing.assert_close(result.idr_full, expected.float(), rtol=0, atol=1e-6)
    torch.testing.assert_close(result.idr, expected[:, :2].float(), rtol=0, atol=1e-6)


def test_factor_zero_changes_nothing() -> None:
    full = noisy_scene(5)
    assert torch.equal(smooth(frames(full), 0.0).idr_full, full)


def test_flicker_falls_and_the_mean_stays() -> None:
    full = noisy_scene(60)
    result = smooth(frames(full), 0.9).idr_full
    assert result.diff(dim=0).abs().mean() < 0.1 * full.diff(dim=0).abs().mean()
    torch.testing.assert_close(result.mean(0), full.mean(0), rtol=0, atol=3e-3)


def test_a_slow_drift_is_followed_without_lag() -> None:
    drift = torch.linspace(0, 1, 41)[:, None] * torch.ones(1, 8) + torch.linspace(1, 2, 8)
    result = smooth(frames(drift), 0.8, 180).idr_full
    torch.testing.assert_close(result[20], drift[20], rtol=0, atol=1e-5)


def test_scenes_do_not_mix() -> None:
    first, second = noisy_scene(6), noisy_scene(4, seed=1).flip(1)
    both = torch.cat((first, second))
    assert scene_starts(frames(both), 0.8) == [0, 6]
    result = smooth(frames(both), 0.8).idr_full
    torch.testing.assert_close(result[:6], smooth(frames(first), 0.8).idr_full)
    torch.testing.assert_close(result[6:], smooth(frames(second), 0.8).idr_full)


def test_a_cut_angle_of_180_never_cuts() -> None:
    both = torch.cat((noisy_scene(3), -noisy_scene(3)))
    assert scene_starts(frames(both), 0.5, 180) == [0]


def test_a_zero_vector_is_another_scene() -> None:
    both = torch.cat((noisy_scene(2), torch.zeros(2, 8)))
    assert scene_starts(frames(both), 0.5) == [0, 2]


def test_real_noise_in_one_scene_is_no_cut_but_another_photograph_is(bundled, photo) -> None:
    generator = torch.Generator().manual_seed(0)
    scene = photo[..., :96, :96]
    noise = torch.randn(4, *scene.shape[1:], generator=generator) * 5 / 255
    blurred = torch.nn.functional.avg_pool2d(scene, 5, 1, 2, count_include_pad=False)
    idr = bundled.estimate(torch.cat(((scene + noise).clamp(0, 1), blurred)))
    assert scene_starts(idr, 0.8) == [0, 4]


def test_provenance_tells_of_the_smoothing() -> None:
    result = smooth(frames(noisy_scene(2)), 0.25)
    assert result.provenance == {"model": "m", "operation": "smoothed 0.25"}


@pytest.mark.parametrize(("factor", "cut"), [(1.0, 5), (-0.1, 5), (0.5, -1), (0.5, 181)])
def test_arguments_out_of_range_are_refused(factor: float, cut: float) -> None:
    with pytest.raises(ConfigError, match="must be 0 to"):
        smooth(frames(noisy_scene(2)), factor, cut)
