import pytest
import torch

from kdsr import Cancelled, OutOfMemoryError
from kdsr.options import UNWATCHED, Job, Size
from kdsr.tiles import plan_tiles
from kdsr.tiles.work import SMALLEST_TILE, Tile, TileWork

CPU = torch.device("cpu")


def work_on(
    size: Size,
    tile: int | None,
    batch: int = 1,
    images: int = 1,
    job: Job = UNWATCHED,
    remedy: str = "",
) -> TileWork:
    lq = torch.rand(images, 3, *size.shape)
    return TileWork(lq, plan_tiles(size, tile, 2), CPU, batch=batch, job=job, remedy=remedy)


def attempts(work: TileWork, shortages: int) -> tuple[list[tuple[int, int]], list[Tile]]:
    """(tiles at a time, longest side) of every step, the first so many of which run out of memory.

    Also the tiles of those that do not.
    """
    seen, done = [], []
    for step in work.steps():
        with step:
            seen.append((len(step.tiles), max(tile.side for tile in step.tiles)))
            if len(seen) <= shortages:
                raise MemoryError
            done += step.tiles
    return seen, done


def pixels(tiles: list[Tile]) -> list[tuple[int, int, int]]:
    return sorted(
        (tile.image, row, column)
        for tile in tiles
        for row in range(tile.row.start, tile.row.stop)
        for column in range(tile.column.start, tile.column.stop)
    )


@pytest.mark.parametrize(
    ("tile", "batch", "shortages"),
    [(None, 1, 0), (None, 1, 1), (None, 1, 2), (32, 3, 2), (20, 4, 2), (16, 2, 1), (9, 5, 1)],
)
def test_every_pixel_is_done_once_however_often_memory_runs_out(
    tile: int | None, batch: int, shortages: int
) -> None:
    _, done = attempts(work_on(Size(61, 50), tile, batch, images=2), shortages)
    assert pixels(done) == [(i, y, x) for i in range(2) for y in range(50) for x in range(61)]


def test_a_shortage_ends_batches_first_and_then_halves_the_tile_for_good() -> None:
    work = work_on(Size(200, 64), 64, batch=4)
    seen, _ = attempts(work, 3)
    assert seen[:3] == [(4, 64), (1, 64), (1, 32)]
    assert {count for count, _ in seen[1:]} == {1}
    assert max(side for _, side in seen[3:]) == SMALLEST_TILE
    again, _ = attempts(work, 0)
    assert max(again) == (1, SMALLEST_TILE), "never more again"


def test_what_was_done_before_a_shortage_is_not_done_again() -> None:
    work, done = work_on(Size(96, 32), 28), []
    for index, step in enumerate(work.steps()):
        with step:
            if index == 1:
                raise MemoryError
            done += step.tiles
    assert len(pixels(done)) == 96 * 32 == len(set(pixels(done)))


@pytest.mark.parametrize("tile", [SMALLEST_TILE, 8, None])
def test_where_nothing_is_left_to_shrink_the_shortage_is_an_error(tile: int | None) -> None:
    work = work_on(Size(16, 16), tile, batch=2, remedy="do this")
    with pytest.raises(OutOfMemoryError, match=r"single tiles of \d+ px .* do this"):
        attempts(work, 99)


@pytest.mark.parametrize("error", [RuntimeError("shapes"), OutOfMemoryError("known"), OSError()])
def test_other_errors_are_not_taken_for_a_shortage(error: Exception) -> None:
    (first, *_) = work_on(Size(200, 200), 64).steps()
    with pytest.raises(type(error)), first:
        raise error
    assert not first.short


def test_windows_hold_the_pixels_that_the_plan_says_and_wrap() -> None:
    lq = torch.rand(1, 3, 10, 12)
    plan = plan_tiles(Size(12, 10), 5, 2, wrap=(True, True))
    work = TileWork(lq, plan, CPU, dtype=torch.float64)
    for step in work.steps():
        (tile,) = step.tiles
        windows = step.windows()
        assert windows.dtype == torch.float64
        assert windows.is_contiguous(memory_format=torch.channels_last)
        rolled = lq.roll((-tile.row.window, -tile.column.window), (2, 3)).double()
        tiled = rolled.repeat(1, 1, 2, 2)[..., : tile.row.size, : tile.column.size]
        assert torch.equal(windows, tiled)


def test_progress_reaches_the_end_however_the_tiles_are_cut() -> None:
    seen: list[tuple[int, int]] = []
    work = work_on(Size(64, 64), None, job=Job(lambda *steps: seen.append(steps)))
    attempts(work, 2)
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_a_job_is_asked_before_each_step() -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) == 3

    work = work_on(Size(64, 64), 16, job=Job(cancelled=cancelled))
    with pytest.raises(Cancelled):
        attempts(work, 0)
    assert len(asked) == 3
