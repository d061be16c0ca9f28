"""Time stamps: kept where the source is exact, put right where it rounds, never back."""

from fractions import Fraction

import pytest

from kdsr.video.clock import Clock
from kdsr.video.colour import Colour
from kdsr.video.film import Facts, Frame

RATE = Fraction(24000, 1001)
MILLISECOND = Fraction(1, 1000)


def facts(tick: Fraction, precision: Fraction) -> Facts:
    return Facts(8, 8, 9, RATE, tick, precision, Fraction(1), Colour.of_images(), {})


def stamps(clock: Clock, times: list[Fraction]) -> list[Fraction]:
    frames = [Frame(lambda: pytest.fail("not looked at"), time, 1 / RATE) for time in times]
    return [clock.stamp(frame)[0] * clock.tick for frame in frames]


def test_what_is_exact_is_kept() -> None:
    times = [Fraction(n, 15360) for n in (0, 640, 641, 2000, 9999)]
    assert stamps(Clock(facts(Fraction(1, 15360), Fraction(0))), times) == times


def test_a_rate_in_rounded_milliseconds_is_put_right() -> None:
    rounded = [Fraction(round(n / RATE * 1000), 1000) for n in range(100)]
    clock = Clock(facts(MILLISECOND, MILLISECOND))
    assert stamps(clock, rounded) == [n / RATE for n in range(100)]


def test_what_fits_no_rate_is_left_as_it_is() -> None:
    times = [Fraction(n, 1000) for n in (0, 42, 60, 200)]
    clock = Clock(facts(MILLISECOND, MILLISECOND))
    found = stamps(clock, times)
    assert found[1] == 1 / RATE
    assert all(abs(a - b) <= clock.tick / 2 for a, b in zip(found[2:], times[2:], strict=True))


def test_into_a_file_of_milliseconds_they_are_copied() -> None:
    rounded = [Fraction(round(n / RATE * 1000), 1000) for n in range(100)]
    clock = Clock(facts(MILLISECOND, MILLISECOND), milliseconds=True)
    assert stamps(clock, rounded) == rounded


def test_times_that_repeat_or_step_back_go_up_by_a_tick() -> None:
    tick = Fraction(1, 100)
    found = stamps(Clock(facts(tick, Fraction(0))), [0 * tick, 3 * tick, 3 * tick, 2 * tick])
    assert found == [0, 3 * tick, 4 * tick, 5 * tick]
