import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdsr import ConfigError
from kdsr.upscaling.passes import Pass, plan_passes

SOURCE = (60, 80)


def by_factor(factor: float, factors: list[int]) -> tuple[int, ...]:
    target = (round(60 * factor), round(80 * factor))
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
    assert plan_passes(SOURCE, (480, 640), [4, 2]) == (Pass(4, (240, 320)), Pass(2, (480, 640)))
    assert plan_passes(SOURCE, (480, 640), [4]) == (Pass(4, (120, 160)), Pass(4, (480, 640)))
    assert plan_passes((3, 5), (23, 39), [4, 2]) == (Pass(4, (12, 20)), Pass(2, (23, 39)))


@given(
    source=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    target=st.tuples(st.integers(1, 800), st.integers(1, 800)),
    factors=st.sets(st.sampled_from([1, 2, 3, 4]), min_size=1),
)
def test_no_pass_makes_less_than_is_asked_of_it(
    source: tuple[int, int], target: tuple[int, int], factors: set[int]
) -> None:
    reach = max(factors) ** 2
    if any(t > reach * s for s, t in zip(source, target, strict=True)):
        with pytest.raises(ConfigError, match=rf"{max(factors)}: expected at most x{reach}"):
            plan_passes(source, target, factors)
        return
    before = source
    passes = plan_passes(source, target, factors)
    for one in passes:
        assert one.factor in factors
        assert all(one.factor * b >= s for b, s in zip(before, one.size, strict=True))
        before = one.size
    assert before == target
    reached = all(t <= max(factors) * s for s, t in zip(source, target, strict=True))
    assert len(passes) == (1 if reached else 2)


def test_what_no_two_passes_make_is_refused_with_the_factors_there_are() -> None:
    with pytest.raises(ConfigError, match=r"5 times the input of 80 x 60 px .* by x1, x2: .*x4"):
        by_factor(5, [2, 1])
    with pytest.raises(ConfigError, match="by x1: expected at most x1, for that model cleans"):
        by_factor(2, [1])
