import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kdsr import ConfigError
from kdsr.options import Size
from kdsr.upscaling.sizes import LARGEST_SIDE, OutputSize, Pass, parse_size, plan_passes

SOURCE = Size(80, 60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x", (800, 400)),
        ("1.5x", (600, 300)),
        (".5x", (200, 100)),
        ("16X", (6400, 3200)),
        ("3840w", (3840, 1920)),
        ("2160h", (4320, 2160)),
        ("3840x2160", (3840, 1920)),
        ("3840x1000", (2000, 1000)),
        ("2MP", (2000, 1000)),
        ("1h", (2, 1)),
    ],
)
def test_sizes_keep_the_proportions(text: str, expected: tuple[int, int]) -> None:
    assert parse_size(text).resolve(Size(400, 200)) == Size(*expected)


@pytest.mark.parametrize(
    "text", ["", "x", "2", "axb", "-2x", "2x2x2", "0x", "0h", "0w", "0MP", "99999w"]
)
def test_what_is_no_size_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert str(caught.value)


@pytest.mark.parametrize(
    ("text", "remedies"),
    [("17x", ("17w", "16x")), ("3840x", ("3840w", "16x")), ("x2160", ("2160h", "2x"))],
)
def test_what_could_be_two_things_is_refused_with_both_spellings(
    text: str, remedies: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(text)
    assert all(remedy in str(caught.value) for remedy in remedies)


@given(height=st.integers(1, 9000), width=st.integers(1, 9000), side=st.integers(17, 9000))
def test_a_width_is_met_exactly_and_no_side_vanishes(height: int, width: int, side: int) -> None:
    largest = min(16 * max(height, width), LARGEST_SIDE)
    assume(max(side, round(side * height / width)) <= largest)
    result = parse_size(f"{side}w").resolve(Size(width, height))
    assert result.width == side
    assert result.height >= 1


def test_two_wishes_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="factor, a width and / or height, or megapixels"):
        OutputSize(factor=2, megapixels=3)


@pytest.mark.parametrize(
    ("size", "lq"),
    [
        (OutputSize(width=16384), (200, 200)),
        (OutputSize(height=3300), (200, 200)),
        (OutputSize(megapixels=30), (300, 300)),
        (OutputSize(factor=4), (20_000, 8)),
        (OutputSize(megapixels=4000), (50_000, 200)),
    ],
)
def test_one_cap_holds_however_the_size_is_stated(size: OutputSize, lq: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"at most 16 times .* 65536 px a side, that is \d+ px"):
        size.resolve(Size(*lq))


@given(height=st.integers(1, 9000), width=st.integers(1, 9000), megapixels=st.floats(0.01, 4000))
def test_no_result_is_larger_than_the_cap(height: int, width: int, megapixels: float) -> None:
    try:
        result = OutputSize(megapixels=megapixels).resolve(Size(width, height))
    except ConfigError:
        return
    assert result.longest <= min(16 * max(height, width), 65_536)


def test_megapixels_name_their_limits() -> None:
    with pytest.raises(ConfigError, match="above 0 and at most 4295, got 99999"):
        OutputSize(megapixels=99999)


def by_factor(factor: float, factors: list[int]) -> tuple[int, ...]:
    target = Size(round(80 * factor), round(60 * factor))
    return tuple(one.factor for one in plan_passes(SOURCE, target, factors))


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (0.5, (1,)), (1, (1,)), (1.1, (2,)), (2, (2,)), (2.1, (4,)), (4, (4,)),
        (4.2, (4, 2)), (6, (4, 2)), (8, (4, 2)), (9, (4, 4)), (16, (4, 4)),
    ],
)  # fmt: skip
def test_the_smallest_factor_that_suffices_is_taken_and_beyond_the_largest_two(
    factor: float, expected: tuple[int, ...]
) -> None:
    assert by_factor(factor, [4, 1, 2]) == expected


@pytest.mark.parametrize(
    ("factors", "expected"),
    [([2, 3, 4], (3, 2)), ([2, 3], (3, 2)), ([3], (3, 3)), ([4], (4, 4)), ([1, 2, 4], (4, 2))],
)
def test_the_second_pass_is_the_smallest_that_will_do(
    factors: list[int], expected: tuple[int, ...]
) -> None:
    assert by_factor(5, factors) == expected


def test_between_two_passes_an_image_has_just_the_size_that_the_second_needs() -> None:
    large, odd = Size(640, 480), Size(39, 23)
    assert plan_passes(SOURCE, large, [4, 2]) == (Pass(4, Size(320, 240)), Pass(2, large))
    assert plan_passes(SOURCE, large, [4]) == (Pass(4, Size(160, 120)), Pass(4, large))
    assert plan_passes(Size(5, 3), odd, [4, 2]) == (Pass(4, Size(20, 12)), Pass(2, odd))


@given(
    source=st.builds(Size, st.integers(1, 50), st.integers(1, 50)),
    target=st.builds(Size, st.integers(1, 800), st.integers(1, 800)),
    factors=st.sets(st.sampled_from([1, 2, 3, 4]), min_size=1),
)
def test_no_pass_makes_less_than_is_asked_of_it(
    source: Size, target: Size, factors: set[int]
) -> None:
    reach = max(factors) ** 2
    if not source.scaled(reach).covers(target):
        with pytest.raises(ConfigError, match=rf"{max(factors)}: expected at most x{reach}"):
            plan_passes(source, target, factors)
        return
    before = source
    passes = plan_passes(source, target, factors)
    for one in passes:
        assert one.factor in factors
        assert before.scaled(one.factor).covers(one.size)
        before = one.size
    assert before == target
    assert len(passes) == (1 if source.scaled(max(factors)).covers(target) else 2)


def test_what_no_two_passes_make_is_refused_with_the_factors_there_are() -> None:
    with pytest.raises(ConfigError, match=r"5 times the input of 80 x 60 px .* by x1, x2: .*x4"):
        by_factor(5, [2, 1])
    with pytest.raises(ConfigError, match="by x1: expected at most x1, for that model cleans"):
        by_factor(2, [1])
