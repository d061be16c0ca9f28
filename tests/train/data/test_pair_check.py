from pathlib import Path

import pytest

from tests.support.pairs import make_pairs, photo, shrunk
from train.data.pair_check import check_pairs, refuse_serious
from train.data.pairing import find_pairs
from train.errors import DataError


def test_good_pairs_have_no_problem(tmp_path: Path) -> None:
    assert check_pairs(find_pairs(*make_pairs(tmp_path)), 4) == []


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    gt, lq = make_pairs(tmp_path, count=1)
    photo(1).save(gt / "broken.png")
    (lq / "broken.png").write_bytes(b"no image")
    photo(2).save(gt / "size.png")
    shrunk(photo(2), 2).save(lq / "size.png")
    photo(3).save(gt / "shifted.png")
    image = photo(3)
    shrunk(image.crop((12, 0, image.width + 12, image.height)), 4).save(lq / "shifted.png")
    photo(4).save(gt / "different.png")
    shrunk(photo(5).resize(photo(4).size), 4).save(lq / "different.png")
    photo(0).save(gt / "twice.png")
    shrunk(photo(0), 4).save(lq / "twice.png")
    photo(6).save(gt / "alone.png")
    shrunk(photo(6), 4).save(lq / "stray.png")
    problems = check_pairs(find_pairs(gt, lq), 4)
    assert {(problem.kind, problem.path.stem, problem.serious) for problem in problems} == {
        ("broken", "broken", True), ("size", "size", True), ("shifted", "shifted", True),
        ("different", "different", True), ("duplicate", "twice", False), ("alone", "alone", False),
        ("stray", "stray", True),
    }  # fmt: skip
    words = {problem.kind: problem.words for problem in problems}
    width, height = photo(2).size
    assert (
        f"expected {width // 2 * 4}x{height // 2 * 4} px, 4 times as many per side" in words["size"]
    )
    assert "-3.0 px right" in words["shifted"]
    with pytest.raises(DataError, match="5 problems of the pairs") as caught:
        refuse_serious(problems)
    for name in ("broken", "size", "shifted", "different", "stray"):
        assert f"{name}: " in str(caught.value)


def test_a_pair_that_is_listed_twice_is_told(tmp_path: Path) -> None:
    gt, lq = make_pairs(tmp_path, count=1)
    listing = tmp_path / "pairs.txt"
    line = f"{next(gt.iterdir())}\t{next(lq.iterdir())}\n"
    listing.write_text(2 * line)
    (problem,) = check_pairs(find_pairs(None, listing), 4)
    assert (problem.kind, problem.words, problem.serious) == ("duplicate", "is listed twice", False)
