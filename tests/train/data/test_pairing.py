from pathlib import Path

import pytest

from train.data.pairing import find_pairs
from train.errors import DataError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_names_without_suffix_make_pairs_and_the_rest_is_told(tmp_path: Path) -> None:
    gt = touch(tmp_path / "GT", "b.png", "deep/a.png", "alone.png")
    lq = touch(tmp_path / "LQ", "b.jpg", "deep/a.webp", "a.png")
    found = find_pairs(gt, lq)
    assert [(pair.name, pair.gt, pair.lq) for pair in found.pairs] == [
        ("b.png", gt / "b.png", lq / "b.jpg"),
        ("deep/a.png", gt / "deep/a.png", lq / "deep/a.webp"),
    ]
    assert found.alone == (gt / "alone.png",)
    assert found.strays == (lq / "a.png",)


def test_a_list_names_pairs_relative_to_itself_and_a_gt_may_have_several(tmp_path: Path) -> None:
    touch(tmp_path, "gt/a b.png", "lq/1.jpg", "lq/2.jpg")
    listing = tmp_path / "pairs.txt"
    listing.write_text("# mine\ngt/a b.png\tlq/2.jpg\n\ngt/a b.png\tlq/1.jpg\n")
    found = find_pairs(None, listing)
    assert [(pair.name, pair.lq.name) for pair in found.pairs] == [
        ("gt/a b.png", "1.jpg"),
        ("gt/a b.png", "2.jpg"),
    ]


def test_all_that_is_wrong_with_a_list_is_one_message(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    listing = tmp_path / "pairs.txt"
    listing.write_text("a.png b.png\na.png\tb.png\n")
    with pytest.raises(
        DataError, match=r"GT, tab, LQ.*not found on line 1; missing files: .*b\.png"
    ):
        find_pairs(None, listing)
    listing.write_text("# nothing\n")
    with pytest.raises(DataError, match="it lists no pair"):
        find_pairs(None, listing)


def test_folders_without_a_common_name_are_refused(tmp_path: Path) -> None:
    gt, lq = touch(tmp_path / "GT", "a.png"), touch(tmp_path / "LQ", "ax4.png")
    with pytest.raises(DataError, match="expected names such as a, found ax4"):
        find_pairs(gt, lq)
    with pytest.raises(DataError, match="expected the ground truths"):
        find_pairs(None, lq)


def test_one_name_for_two_images_is_refused(tmp_path: Path) -> None:
    gt, lq = touch(tmp_path / "GT", "a.png", "a.jpg"), touch(tmp_path / "LQ", "a.png")
    with pytest.raises(DataError, match=r"one image per name.*a\.jpg and a\.png"):
        find_pairs(gt, lq)


def test_a_larger_models_pictures_come_by_name_or_as_a_third_one_on_each_line(
    tmp_path: Path,
) -> None:
    gt, lq = (
        touch(tmp_path / "GT", "b.png", "deep/a.png"),
        touch(tmp_path / "LQ", "b.jpg", "deep/a.webp"),
    )
    pictures = touch(tmp_path / "SR", "b.png", "deep/a.jpg", "more.png")
    assert [pair.teacher for pair in find_pairs(gt, lq, pictures).pairs] == [
        pictures / "b.png",
        pictures / "deep/a.jpg",
    ]
    (pictures / "b.png").unlink()
    with pytest.raises(DataError, match=r"a picture for every pair in .*SR.*missing are b;"):
        find_pairs(gt, lq, pictures)
    listing = tmp_path / "pairs.txt"
    listing.write_text("GT/b.png\tLQ/b.jpg\tSR/more.png\n")
    assert [pair.teacher for pair in find_pairs(None, listing).pairs] == [pictures / "more.png"]
    with pytest.raises(DataError, match="in its third column"):
        find_pairs(None, listing, pictures)
    listing.write_text("GT/b.png\tLQ/b.jpg\tSR/more.png\nGT/b.png\tLQ/b.jpg\n")
    with pytest.raises(DataError, match="not found on line 2"):
        find_pairs(None, listing)
