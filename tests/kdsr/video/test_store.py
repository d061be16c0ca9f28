"""The folder of what is done: whole files, of one wish, and nobody else's."""

from pathlib import Path

import pytest

from kdsr.errors import VideoError
from kdsr.video.encoding import Coded
from kdsr.video.store import SUFFIX, Store

CODED = [Coded(0, 5, True, b"abc"), Coded(5, 7, False, b""), Coded(12, 1, False, b"x" * 999)]


def test_what_is_kept_is_found_by_the_next_with_the_same_wish(tmp_path: Path) -> None:
    first = Store(tmp_path / "a.mp4", {"crf": 1})
    assert not first.resumed
    first.keep(0, iter(CODED))
    first.keep(1, iter(CODED[:1]))
    second = Store(tmp_path / "a.mp4", {"crf": 1})
    assert second.resumed
    assert list(second.all_frames()) == CODED + CODED[:1]
    second.remove()
    assert list(tmp_path.iterdir()) == []


def test_another_wish_starts_anew(tmp_path: Path) -> None:
    Store(tmp_path / "a.mp4", {"crf": 1}).keep(0, iter(CODED))
    other = Store(tmp_path / "a.mp4", {"crf": 2})
    assert not other.resumed
    assert not other.has(0)


def test_a_segment_that_is_not_finished_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.mp4", {})

    def broken():
        yield CODED[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.keep(0, broken())
    assert not store.has(0)


def test_a_damaged_segment_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.mp4", {})
    store.keep(0, iter(CODED))
    path = tmp_path / f"a.mp4{SUFFIX}" / "00000.frames"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VideoError, match=r"00000\.frames is damaged; remove it"):
        list(store.all_frames())


@pytest.mark.parametrize("make", [Path.touch, lambda path: (path / "photos").mkdir(parents=True)])
def test_what_is_not_its_own_is_in_the_way_and_stays(tmp_path: Path, make) -> None:
    make(tmp_path / f"a.mp4{SUFFIX}")
    with pytest.raises(VideoError, match="is in the way"):
        Store(tmp_path / "a.mp4", {})
    assert len(list(tmp_path.iterdir())) == 1
