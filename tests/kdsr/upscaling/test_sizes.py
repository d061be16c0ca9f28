import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdsr import ConfigError
from kdsr.upscaling.sizes import OutputSize, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x", (200, 400)),
        ("1.5x", (150, 300)),
        (".5x", (50, 100)),
        ("16X", (1600, 3200)),
        ("3840x", (1920, 3840)),
        ("x2160", (2160, 4320)),
        ("3840x2160", (1920, 3840)),
        ("3840x1000", (1000, 2000)),
        ("2MP", (1000, 2000)),
    ],
)
def test_sizes_keep_the_proportions(text: str, expected: tuple[int, int]) -> None:
    assert parse_size(text).resolve(100, 200) == expected


@pytest.mark.parametrize("text", ["", "x", "2", "axb", "-2x", "2x2x2", "0x", "x0", "0MP", "99999x"])
def test_what_is_no_size_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert str(caught.value)


@given(height=st.integers(1, 9000), width=st.integers(1, 9000), side=st.integers(17, 9000))
def test_a_width_is_met_exactly_and_no_side_vanishes(height: int, width: int, side: int) -> None:
    result = parse_size(f"{side}x").resolve(height, width)
    assert result[1] == side
    assert result[0] >= 1


def test_two_wishes_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="factor, a width and / or height, or megapixels"):
        OutputSize(factor=2, megapixels=3)
