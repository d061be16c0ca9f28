"""The table of finetuning: whom its runs may see, and that LQ and GT are cut alike."""

import argparse
from pathlib import Path

import torch

from benchmarks.finetuning import _middle, _prepare
from kdsr.files.images import read_image
from tests.support.places import PHOTOS


def test_no_run_sees_what_is_measured_and_fewer_pictures_are_some_of_the_more(
    tmp_path: Path,
) -> None:
    test = _prepare(argparse.Namespace(photos=PHOTOS, out=tmp_path, pictures=[1, 3], measured_on=2))
    held, one, three = ({p.name for p in (d / "LQ").iterdir()} for d in
                        (test, tmp_path / "1", tmp_path / "3"))  # fmt: skip
    assert (len(held), len(one), len(three)) == (2, 1, 3)
    assert one < three
    assert not held & three
    written = (test / "LQ" / min(held)).stat().st_mtime_ns
    again = _prepare(argparse.Namespace(photos=PHOTOS, out=tmp_path, pictures=[1], measured_on=2))
    assert (again / "LQ" / min(held)).stat().st_mtime_ns == written, "made once"
    name = min(held)
    lq, gt = (read_image(test / part / name).rgb for part in ("LQ", "GT"))
    assert [4 * n for n in lq.shape[2:]] == list(gt.shape[2:])


def test_the_middles_show_the_same_place() -> None:
    for height, width in ((131, 150), (130, 129), (128, 128)):
        lq = torch.arange(float(height * width)).reshape(1, 1, height, width)
        gt = lq.repeat_interleave(4, 2).repeat_interleave(4, 3)
        small, large = _middle(lq, 128), _middle(gt, 512)
        assert small.shape[2:] == (128, 128)
        assert torch.equal(small.repeat_interleave(4, 2).repeat_interleave(4, 3), large)
