"""The folder of what is done: whole files, of one wish, and nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdsr.errors import VideoError
from kdsr.video.encoding import Coded
from kdsr.video.segments import SUFFIX, Segments
from tests.support.places import ROOT

CODED = [Coded(0, 5, True, b"abc"), Coded(5, 7, False, b""), Coded(12, 1, False, b"x" * 999)]


def test_what_is_kept_is_found_by_the_next_with_the_same_wish(tmp_path: Path) -> None:
    first = Segments(tmp_path / "a.mp4", {"crf": 1})
    assert not first.resumed
    with first.claimed():
        first.keep(0, iter(CODED))
        first.keep(1, iter(CODED[:1]))
    second = Segments(tmp_path / "a.mp4", {"crf": 1})
    assert second.resumed
    with second.claimed():
        assert list(second.frames()) == CODED + CODED[:1]
        second.remove()
    assert list(tmp_path.iterdir()) == []


def test_another_wish_starts_anew(tmp_path: Path) -> None:
    one, other = (Segments(tmp_path / "a.mp4", {"crf": crf}) for crf in (1, 2))
    with one.claimed():
        one.keep(0, iter(CODED))
    assert not other.resumed
    with other.claimed():
        assert not other.has(0)


def test_a_segment_that_is_not_finished_is_not_there(tmp_path: Path) -> None:
    store = Segments(tmp_path / "a.mp4", {})

    def broken():
        yield CODED[0]
        raise RuntimeError

    with pytest.raises(RuntimeError), store.claimed():
        store.keep(0, broken())
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_segment_is_named(tmp_path: Path) -> None:
    store = Segments(tmp_path / "a.mp4", {})
    with store.claimed():
        store.keep(0, iter(CODED))
    path = tmp_path / f"a.mp4{SUFFIX}" / "00000.segment"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VideoError, match=r"00000\.segment is damaged; remove it"):
        list(store.frames())


def test_a_second_run_into_the_same_result_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    first, second = (Segments(tmp_path / "a.mp4", {"crf": crf}) for crf in (1, 2))
    with first.claimed():
        first.keep(0, iter(CODED))
        with pytest.raises(VideoError, match="another run writes"), second.claimed():
            pytest.fail("it was let in")
        assert list(first.frames()) == CODED
    with second.claimed():
        assert not second.has(0)


def test_who_was_killed_holds_nothing(tmp_path: Path) -> None:
    store = Segments(tmp_path / "a.mp4", {"crf": 1})
    code = (
        "import os, sys; from pathlib import Path; from kdsr.video.segments import Segments\n"
        "with Segments(Path(sys.argv[1]), {'crf': 1}).claimed():\n    os._exit(3)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.mp4")], env=environment, check=False
    )
    assert killed.returncode == 3
    assert (store.folder / "lock").exists()
    with store.claimed():
        store.keep(0, iter(CODED))
    assert store.has(0)


@pytest.mark.parametrize("make", [Path.touch, lambda path: (path / "photos").mkdir(parents=True)])
def test_what_is_not_its_own_is_in_the_way_and_stays(tmp_path: Path, make) -> None:
    make(tmp_path / f"a.mp4{SUFFIX}")
    with pytest.raises(VideoError, match="is in the way"):
        Segments(tmp_path / "a.mp4", {})
    assert len(list(tmp_path.iterdir())) == 1
