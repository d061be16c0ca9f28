"""One IDR for many images: the same to the last bit, in whatever order they come."""

import random

import pytest
import torch

from kdsr import IDR, IDRError
from kdsr.estimation.whole import Average


def idrs(count: int, seed: int = 0) -> list[IDR]:
    generator = torch.Generator().manual_seed(seed)
    scales = 10.0 ** torch.randint(-38, 30, (count, 40), generator=generator)
    values = torch.randn(count, 40, generator=generator) * scales
    return [
        IDR(row[None, :8], row[None, 8:], "f", {"model": "m", "image": f"{i}"}, torch.tensor(i / 1))
        for i, row in enumerate(values.float())
    ]


def average(members: list[IDR]) -> IDR:
    gathered = Average()
    for member in members:
        gathered.add(member)
    assert len(gathered) == len(members)
    return gathered.result()


def same(a: IDR, b: IDR) -> bool:
    return torch.equal(a.idr, b.idr) and torch.equal(a.idr_full, b.idr_full)


def test_the_order_changes_no_bit() -> None:
    members = idrs(50)
    expected = average(members)
    shuffled = list(members)
    naive = set()
    for seed in range(8):
        random.Random(seed).shuffle(shuffled)
        assert same(average(shuffled), expected)
        naive.add(tuple(IDR.cat(shuffled).mean().idr[0].tolist()))
    assert len(naive) > 1  # what it would be otherwise


def test_it_is_the_mean_to_float_rounding() -> None:
    torch.manual_seed(1)
    members = [IDR(torch.rand(1, 8), torch.rand(1, 32), "f") for _ in range(30)]
    expected = IDR.cat(members).mean()
    torch.testing.assert_close(average(members).idr, expected.idr, rtol=1e-6, atol=0)
    torch.testing.assert_close(average(members).idr_full, expected.idr_full, rtol=1e-6, atol=0)


def test_one_idr_is_its_own_average_whatever_its_size() -> None:
    for member in idrs(20):
        assert same(average([member]), member)
    tiny = IDR(torch.full((1, 1), 2.0**-149), torch.full((1, 4), -(2.0**-149)), "f")
    assert same(average([tiny]), tiny)


def test_it_knows_how_many_images_it_is_from_and_the_least_structure() -> None:
    result = average(idrs(3)[1:])
    assert result.provenance == {"model": "m", "operation": "mean", "images": "2"}
    assert result.structure.tolist() == [1.0]


def test_other_models_and_several_at_a_time_are_refused() -> None:
    gathered = Average()
    gathered.add(idrs(1)[0])
    with pytest.raises(IDRError, match="fingerprint"):
        gathered.add(IDR(torch.zeros(1, 8), torch.zeros(1, 32), "other"))
    with pytest.raises(IDRError, match="one IDR at a time"):
        gathered.add(IDR.cat(idrs(2)))
    with pytest.raises(IDRError, match="at least one"):
        Average().result()
