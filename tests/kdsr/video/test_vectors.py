"""IDRs that are collected one by one are those that are joined at once."""

import torch

from kdsr import IDR
from kdsr.video.vectors import Vectors


def test_joined_they_are_what_cat_makes_of_them(tiny) -> None:
    found, vectors = [], Vectors()
    for _ in range(300):  # more than the first block holds
        found.append(tiny.estimate(torch.rand(1, 3, 8, 9), dtype="fp32"))
        vectors.append(found[-1])
    expected, joined = IDR.cat(found), vectors.joined()
    assert len(vectors) == 300
    for name in ("idr", "idr_full", "structure"):
        assert torch.equal(getattr(joined, name), getattr(expected, name)), name
    assert joined.fingerprint == expected.fingerprint
