import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdsr.options import Size
from kdsr.tiles import AxisPlan, Span, plan_axis, plan_tiles

lengths = st.integers(1, 300)
tiles = st.one_of(st.none(), st.integers(1, 120))
halos = st.integers(0, 40)
multiples = st.integers(1, 16)


@given(length=lengths, tile=tiles, halo=halos, wrap=st.booleans(), multiple=multiples)
def test_tiles_cover_the_axis_once_and_in_order(
    length: int, tile: int | None, halo: int, wrap: bool, multiple: int
) -> None:
    plan = plan_axis(length, tile, halo, wrap=wrap, multiple=multiple)
    covered = [pixel for span in plan.spans for pixel in range(span.start, span.stop)]
    assert covered == list(range(length))


@given(length=lengths, tile=tiles, halo=halos, multiple=multiples)
def test_windows_hold_the_halo_or_end_at_the_border(
    length: int, tile: int | None, halo: int, multiple: int
) -> None:
    plan = plan_axis(length, tile, halo, multiple=multiple)
    for span in plan.spans:
        window_end = span.window + plan.size
        assert span.window >= 0
        assert window_end <= length
        assert span.window == 0 or span.start - span.window >= halo
        assert window_end == length or window_end - span.stop >= halo


@given(length=lengths, tile=tiles, halo=halos, multiple=multiples)
def test_wrapped_windows_always_hold_the_whole_halo(
    length: int, tile: int | None, halo: int, multiple: int
) -> None:
    plan = plan_axis(length, tile, halo, wrap=True, multiple=multiple)
    for span in plan.spans:
        assert span.offset == halo
        assert span.window + plan.size - span.stop >= halo
        assert plan.source(span) == [(span.window + i) % length for i in range(plan.size)]


@given(length=lengths, tile=st.integers(1, 120), halo=halos, wrap=st.booleans(), multiple=multiples)
def test_no_window_is_larger_than_the_tile_and_its_halos(
    length: int, tile: int, halo: int, wrap: bool, multiple: int
) -> None:
    plan = plan_axis(length, tile, halo, wrap=wrap, multiple=multiple)
    assert plan.size <= tile + 2 * halo
    assert all(len(plan.source(span)) == plan.size for span in plan.spans)


@given(length=lengths, tile=st.integers(16, 120), halo=halos, wrap=st.booleans())
def test_windows_are_a_multiple_unless_they_are_alone_or_the_tile_forbids_it(
    length: int, tile: int, halo: int, wrap: bool
) -> None:
    plan = plan_axis(length, tile, halo, wrap=wrap, multiple=16)
    if len(plan.spans) > 1:
        assert plan.size % 16 == 0 or plan.size == tile + 2 * halo


def test_only_the_widths_of_windows_are_multiples() -> None:
    plan = plan_tiles(Size(100, 100), 30, 5, multiple=16)
    assert (plan.columns.size, plan.rows.size) == (40, 40)  # 30 px forbid 48
    plan = plan_tiles(Size(100, 100), 40, 5, multiple=16)
    assert (plan.columns.size, plan.rows.size) == (48, 40)


def test_exact_rectangles_of_a_row_of_three() -> None:
    plan = plan_axis(100, 30, 5)
    assert plan == AxisPlan(
        100, 5, (Span(0, 35, 0, 40), Span(35, 65, 30, 40), Span(65, 100, 60, 40)), wrap=False
    )


def test_exact_rectangles_of_a_wrapped_axis() -> None:
    plan = plan_axis(10, 4, 3, wrap=True)
    assert plan == AxisPlan(
        10, 3, (Span(0, 4, -3, 10), Span(4, 8, 1, 10), Span(8, 10, 5, 10)), wrap=True
    )
    assert plan.source(plan.spans[0]) == [7, 8, 9, 0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("wrap", [(True, False), (False, True)])
def test_wrap_names_the_width_first(wrap: tuple[bool, bool]) -> None:
    plan = plan_tiles(Size(30, 20), None, 4, wrap=wrap)
    assert (plan.columns.wrap, plan.rows.wrap) == wrap


def test_both_axes_are_cut_and_paired_row_by_row() -> None:
    plan = plan_tiles(Size(100, 60), 30, 5)
    assert (plan.columns, plan.rows) == (plan_axis(100, 30, 5), plan_axis(60, 30, 5))
    assert plan.tiles == [(row, column) for row in plan.rows.spans for column in plan.columns.spans]
    assert plan.window_pixels == plan.rows.size * plan.columns.size


@given(length=lengths, tile=tiles, halo=halos, wrap=st.booleans(), most=st.integers(1, 60))
def test_a_split_tile_is_the_same_pixels_with_all_that_they_depend_on(
    length: int, tile: int | None, halo: int, wrap: bool, most: int
) -> None:
    plan = plan_axis(length, tile, halo, wrap=wrap)
    for span in plan.spans:
        parts = plan.split(span, most)
        own = [pixel for part in parts for pixel in range(part.start, part.stop)]
        assert own == list(range(span.start, span.stop))
        for part in parts:
            assert part.length <= most
            needed = range(part.start - halo, part.stop + halo)
            seen = range(part.window, part.window + part.size)
            if not wrap:
                needed = [pixel for pixel in needed if 0 <= pixel < length]
            assert list(seen) == list(needed)
