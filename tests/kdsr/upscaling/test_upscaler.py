import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import kdsr.upscaling.upscaler
from kdsr import (
    IDR,
    KDSR,
    Cancelled,
    ConfigError,
    IDRError,
    ImageError,
    KDSRConfig,
    OutOfMemoryError,
)
from kdsr.network.architecture import SCALES
from kdsr.network.baked import BakedKDSR, bytes_per_pixel
from tests.conftest import make_tiny
from tests.support.limits import run_out_of_memory

Reference = tuple[torch.Tensor, IDR, torch.Tensor]
"""Images, their IDRs and the results of the plain network."""


@pytest.fixture(scope="module")
def reference(either: KDSR) -> Reference:
    torch.manual_seed(0)
    lq = torch.rand(2, 3, 45, 38)
    idr = either.estimate(lq, dtype="fp32")
    return lq, idr, either(lq, idr.idr)[0].clamp(0, 1)


@settings(max_examples=20, deadline=None)
@given(tile=st.integers(1, 60), batch=st.integers(1, 5))
def test_tiling_matches_whole_image_when_idr_is_fixed(
    either: KDSR, reference: Reference, tile: int, batch: int
) -> None:
    lq, idr, expected = reference
    sr = either.upscale(lq, idr, tile=tile, batch=batch, dtype="fp32")
    assert (sr - expected).abs().max() <= 1e-5


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 20), scale=st.sampled_from(SCALES))
def test_any_image_size_matches_the_plain_path(height: int, width: int, scale: int) -> None:
    model = make_tiny(scale)
    lq = torch.rand(1, 3, height, width)
    expected = model(lq)[0].clamp(0, 1)
    assert (model.upscale(lq, tile=6, dtype="fp32") - expected).abs().max() <= 1e-5


def test_progress_shows_within_a_photo_on_a_cpu(tiny: KDSR) -> None:
    steps = []
    lq = torch.rand(1, 3, 420, 830)
    idr = tiny.estimate(lq[..., :20, :20])
    tiny.upscale(lq, idr, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(step, 6) for step in range(1, 7)]


def test_tiled_equals_untiled_within_one_grey_level_in_bf16(
    bundled: KDSR, photo: torch.Tensor
) -> None:
    lq = photo[..., :100, :130]  # without bf16 instructions it takes twenty times as long
    idr = bundled.estimate(lq)
    whole, tiled = (bundled.upscale(lq, idr, tile=tile, dtype="bf16") for tile in (None, 40))
    assert (whole - tiled).abs().max() <= 1 / 255


def test_bf16_stays_within_one_grey_level_of_fp32_for_999_values_in_1000(
    bundled: KDSR, photo: torch.Tensor
) -> None:
    lq = photo[..., :100, :130]
    exact, fast = (bundled.upscale(lq, dtype=dtype) for dtype in ("fp32", "bf16"))
    assert ((exact - fast).abs() <= 1 / 255).double().mean() >= 0.999


def test_reestimating_each_tile_makes_the_seams_that_one_idr_avoids(either: KDSR) -> None:
    torch.manual_seed(4)
    lq = torch.rand(1, 3, 24, 48) * torch.linspace(0, 1, 48)
    whole = either.upscale(lq, dtype="fp32")
    halves = torch.cat([either.upscale(half, dtype="fp32") for half in lq.split(24, 3)], 3)
    assert (whole - halves).abs().max() > 1e-2


def test_one_idr_serves_every_frame(either: KDSR, reference: Reference) -> None:
    lq, idr, _ = reference
    together = either.upscale(lq, idr[0], tile=16, dtype="fp32")
    alone = [either.upscale(frame[None], idr[0], dtype="fp32") for frame in lq]
    assert (together - torch.cat(alone)).abs().max() <= 1e-5


def test_each_frame_gets_its_own_idr(either: KDSR, reference: Reference) -> None:
    lq, idr, expected = reference
    swapped = IDR.cat([idr[1], idr[0]])
    assert (either.upscale(lq, swapped, dtype="fp32") - expected).abs().max() > 1e-4
    for index in range(2):
        alone = either.upscale(lq[index][None], swapped[index], dtype="fp32")
        together = either.upscale(lq, swapped, dtype="fp32")[index]
        assert (alone[0] - together).abs().max() <= 1e-5


@pytest.mark.parametrize("wrap", [(True, True), (True, False), (False, True)])
def test_a_seamless_texture_stays_seamless(either: KDSR, wrap: tuple[bool, bool]) -> None:
    torch.manual_seed(5)
    lq = torch.rand(1, 3, 19, 23)
    s, shift = either.config.scale, (7 * wrap[1], 11 * wrap[0])
    sr = either.upscale(lq, wrap=wrap, dtype="fp32")
    rolled = either.upscale(lq.roll(shift, (2, 3)), wrap=wrap, tile=8, dtype="fp32")
    back = rolled.roll((-s * shift[0], -s * shift[1]), (2, 3))
    assert (back - sr).abs().max() <= 1e-5


def test_the_result_goes_into_the_callers_buffer_of_any_layout(
    either: KDSR, reference: Reference
) -> None:
    lq, idr, expected = reference
    buffer = torch.zeros(2, *expected.shape[2:], 3)
    out = either.upscale(lq, idr, out=buffer.permute(0, 3, 1, 2), dtype="fp32", tile=20)
    assert out.data_ptr() == buffer.data_ptr()
    assert (buffer.permute(0, 3, 1, 2) - expected).abs().max() <= 1e-5


def test_an_8_bit_buffer_gets_rounded_values(either: KDSR, reference: Reference) -> None:
    lq, idr, expected = reference
    out = torch.empty(expected.shape, dtype=torch.uint8)
    either.upscale(lq, idr, out=out, dtype="fp32", tile=20)
    difference = (out.float() - (expected * 255).round()).abs()
    assert difference.max() <= 1  # a value on the edge of rounding may fall either way
    assert (difference > 0).double().mean() < 1e-3


def test_a_buffer_of_the_wrong_size_is_refused(tiny: KDSR) -> None:
    with pytest.raises(ImageError, match=r"out must be .* \(1, 3, 32, 32\)"):
        tiny.upscale(torch.rand(1, 3, 8, 8), out=torch.empty(1, 3, 8, 8))


def test_progress_counts_every_tile_once(tiny: KDSR) -> None:
    lq = torch.rand(3, 3, 40, 40)
    seen: list[tuple[int, int]] = []
    tiny.upscale(lq, tile=10, batch=4, progress=lambda done, total: seen.append((done, total)))
    totals = {total for _, total in seen}
    assert len(totals) == 1
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1][0] == totals.pop()


def test_cancelling_stops_within_one_step(tiny: KDSR) -> None:
    flag, steps = threading.Event(), []

    def progress(done: int, _total: int) -> None:
        steps.append(done)
        if len(steps) == 3:
            flag.set()

    with pytest.raises(Cancelled):
        tiny.upscale(
            torch.rand(1, 3, 64, 64), tile=8, batch=1, progress=progress, cancelled=flag.is_set
        )
    assert len(steps) == 3


SHORTAGE = torch.cuda.OutOfMemoryError("CUDA out of memory")


def test_running_out_of_memory_halves_the_tile_and_keeps_the_result(
    either: KDSR,
    reference: Reference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lq, idr, expected = reference
    asked = run_out_of_memory(monkeypatch, BakedKDSR, "forward", 40 * 40, SHORTAGE)
    for tile in ("auto", None, 40):
        asked.clear()
        sr = either.upscale(lq, idr, tile=tile, batch=2, dtype="fp32")
        assert max(asked) > 40 * 40 >= asked[-1]
        assert (sr - expected).abs().max() <= 1e-5


def test_running_out_of_memory_for_good_is_reported(
    tiny: KDSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_out_of_memory(monkeypatch, BakedKDSR, "forward", 1, SHORTAGE)
    with pytest.raises(OutOfMemoryError, match="even for single tiles of 16 px"):
        tiny.upscale(torch.rand(1, 3, 64, 64), dtype="fp32")


def test_other_errors_are_not_taken_for_missing_memory(
    tiny: KDSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def forward(_module: BakedKDSR, lq: torch.Tensor) -> torch.Tensor:
        calls.append(lq.shape)
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(BakedKDSR, "forward", forward)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        tiny.upscale(torch.rand(1, 3, 16, 16))
    assert len(calls) == 1


def test_all_wrong_options_are_reported_at_once(tiny: KDSR) -> None:
    with pytest.raises(ConfigError) as caught:
        tiny.upscale(torch.rand(1, 3, 8, 8), tile=-64, overlap=-1, batch=0)
    assert all(word in str(caught.value) for word in ("tile", "-64", "overlap", "-1", "batch"))


def test_an_unknown_or_unfit_dtype_is_refused(tiny: KDSR) -> None:
    with pytest.raises(ConfigError, match="choose one of auto"):
        tiny.upscale(torch.rand(1, 3, 8, 8), dtype="int8")
    with pytest.raises(ConfigError, match="fp16 needs a CUDA device"):
        tiny.upscale(torch.rand(1, 3, 8, 8), dtype="fp16")


def test_an_idr_of_another_model_or_batch_is_refused(tiny: KDSR) -> None:
    lq = torch.rand(2, 3, 8, 8)
    with pytest.raises(IDRError, match="estimate it again"):
        tiny.upscale(lq, make_tiny(seed=1).estimate(lq))
    with pytest.raises(IDRError, match="3 IDRs for 2 images"):
        tiny.upscale(lq, IDR.cat([tiny.estimate(lq), tiny.estimate(lq[:1])]))


def test_the_automatic_tile_follows_the_free_memory(
    tiny: KDSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = _window_shapes(monkeypatch)
    lq = torch.rand(1, 3, 4, 3000)
    for free in (1 << 34, 20 << 20):
        monkeypatch.setattr(kdsr.upscaling.upscaler, "free_memory", lambda _device, free=free: free)
        tiny.upscale(lq, batch=1, dtype="fp32")
    widths = [shape[-1] for shape in shapes]
    assert max(widths) == widths[0] <= 1024 + 2 * tiny.network.halo
    # A square window takes half of what is free; evening out takes a pixel or two of a tile.
    fits = int((10 * 2**20 / bytes_per_pixel(tiny.config, 4)) ** 0.5)
    assert fits - 2 <= widths[-1] <= fits


@pytest.mark.parametrize(("features", "largest"), [(32, 320), (64, 176)])
def test_networks_with_many_features_get_smaller_tiles(
    features: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, shapes = KDSR(KDSRConfig(4, features, 1, 1)).eval(), _window_shapes(monkeypatch)
    model.upscale(torch.rand(1, 3, 4, 1000), batch=1, dtype="fp32")
    tile = shapes[0][-1] - 2 * model.network.halo
    # Even tiles, each of the largest size or smaller by less than one tile's share.
    assert largest * 0.75 < tile <= largest + 16


def test_windows_go_through_the_network_together_up_to_a_number_of_pixels(
    tiny: KDSR, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = _window_shapes(monkeypatch)
    lq = torch.rand(1, 3, 128, 192)
    tiny.upscale(lq, tile=64, overlap=0, dtype="fp32")
    tiny.upscale(lq[..., :48, :48], tile=4, overlap=0, dtype="fp32")
    assert [tuple(shape) for shape in shapes] == [
        (4, 3, 64, 64), (2, 3, 64, 64),  # 128 x 128 pixels
        *[(32, 3, 4, 4)] * 4, (16, 3, 4, 4),  # but never more than 32
    ]  # fmt: skip


def _window_shapes(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Shapes of all that goes through the network from now on."""
    shapes: list[torch.Size] = []
    real = BakedKDSR.forward
    monkeypatch.setattr(
        BakedKDSR, "forward", lambda m, lq: (shapes.append(lq.shape), real(m, lq))[1]
    )
    return shapes
