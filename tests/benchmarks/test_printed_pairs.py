"""The degradation that nobody told the trainer about: photographs compressed, printed, scanned."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.printed_pairs import printed, write_pair
from tests.support.places import PHOTOS
from train.data.pair_check import check_pairs
from train.data.pairing import find_pairs


def test_a_print_is_made_of_dots_that_keep_the_tones() -> None:
    for tone in (60, 128, 200):
        scan = np.asarray(printed(Image.new("RGB", (64, 64), (tone, tone, tone))), dtype=float)
        assert np.abs(scan.mean((0, 1)) - tone).max() < 4
        assert scan.std() > 40, "dots, not grey"
        red, blue = scan[..., 0].flatten(), scan[..., 2].flatten()
        assert abs(np.corrcoef(red, blue)[0, 1]) < 0.3, "each colour has its own screen"


def test_prints_lie_on_their_photographs(tmp_path: Path) -> None:
    for path in sorted(PHOTOS.glob("*.jpg"))[:3]:
        write_pair(path, tmp_path, 4)
    found = find_pairs(tmp_path / "GT", tmp_path / "LQ")
    assert len(found.pairs) == 3
    assert check_pairs(found, 4) == []
