import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kdsr import ConfigError
from kdsr.upscaling.sizes import LARGEST_SIDE, OutputSize, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x", (400, 800)),
        ("1.5x", (300, 600)),
        (".5x", (100, 200)),
        ("16X", (3200, 6400)),
        ("3840x", (1920, 3840)),
        ("x2160", (2160, 4320)),
        ("3840x2160", (1920, 3840)),
        ("3840x1000", (1000, 2000)),
        ("2MP", (1000, 2000)),
        ("x1", (1, 2)),
    ],
)
def test_sizes_keep_the_proportions(text: str, expected: tuple[int, int]) -> None:
    assert parse_size(text).resolve(200, 400) == expected


@pytest.mark.parametrize("text", ["", "x", "2", "axb", "-2x", "2x2x2", "0x", "x0", "0MP", "99999x"])
def test_what_is_no_size_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert str(caught.value)


@given(height=st.integers(1, 9000), width=st.integers(1, 9000), side=st.integers(17, 9000))
def test_a_width_is_met_exactly_and_no_side_vanishes(height: int, width: int, side: int) -> None:
    largest = min(16 * max(height, width), LARGEST_SIDE)
    assume(max(side, round(side * height / width)) <= largest)
    result = parse_size(f"{side}x").resolve(height, width)
    assert result[1] == side
    assert result[0] >= 1


def test_two_wishes_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="factor, a width and / or height, or megapixels"):
        OutputSize(factor=2, megapixels=3)


@pytest.mark.parametrize(
    ("size", "lq"),
    [
        (OutputSize(width=16384), (200, 200)),
        (OutputSize(height=3300), (200, 200)),
        (OutputSize(megapixels=30), (300, 300)),
        (OutputSize(factor=4), (8, 20_000)),
        (OutputSize(megapixels=4000), (200, 50_000)),
    ],
)
def test_one_cap_holds_however_the_size_is_stated(size: OutputSize, lq: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"at most 16 times .* 65536 px a side, that is \d+ px"):
        size.resolve(*lq)


@given(height=st.integers(1, 9000), width=st.integers(1, 9000), megapixels=st.floats(0.01, 4000))
def test_no_result_is_larger_than_the_cap(height: int, width: int, megapixels: float) -> None:
    try:
        result = OutputSize(megapixels=megapixels).resolve(height, width)
    except ConfigError:
        return
    assert max(result) <= min(16 * max(height, width), 65_536)


def test_megapixels_name_their_limits() -> None:
    with pytest.raises(ConfigError, match="above 0 and at most 4295, got 99999"):
        OutputSize(megapixels=99999)
