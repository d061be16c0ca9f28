import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kdsr import IDR, KDSR, IDRError
from kdsr.atomic import read_safetensors
from tests.conftest import ROOT, make_tiny


@pytest.fixture
def pair(tiny: KDSR) -> IDR:
    torch.manual_seed(0)
    idr = tiny.estimate(torch.rand(2, 3, 16, 16), provenance={"image": "noise.png"})
    return replace(idr, structure=torch.tensor([70.0, 50.0]), left_out=torch.tensor([0.25, 0.5]))


def test_saving_and_loading_keeps_everything(pair: IDR, tmp_path: Path) -> None:
    pair.save(tmp_path / "a.safetensors")
    loaded = IDR.load(tmp_path / "a.safetensors")
    assert torch.equal(loaded.idr, pair.idr)
    assert torch.equal(loaded.idr_full, pair.idr_full)
    assert loaded.fingerprint == pair.fingerprint
    assert loaded.provenance == pair.provenance
    assert loaded.provenance["image"] == "noise.png"
    assert torch.equal(loaded.structure, pair.structure)
    assert torch.equal(loaded.left_out, pair.left_out)


@pytest.mark.parametrize(("missing", "taken"), [("structure", torch.inf), ("left_out", 0.0)])
def test_files_that_lack_a_number_still_load(
    pair: IDR, tmp_path: Path, missing: str, taken: float
) -> None:
    pair.save(tmp_path / "a.safetensors")
    tensors, metadata = read_safetensors(tmp_path / "a.safetensors")
    del tensors[missing]
    save_file(tensors, tmp_path / "b.safetensors", metadata)
    assert getattr(IDR.load(tmp_path / "b.safetensors"), missing).tolist() == [taken, taken]


@pytest.mark.parametrize("path", sorted((ROOT / "samples/idr").iterdir()), ids=lambda p: p.stem)
def test_the_samples_have_idrs_that_load(path: Path) -> None:
    assert len(IDR.load(path)) >= 1


def test_the_short_vector_follows_from_the_full_one(pair: IDR, tiny: KDSR) -> None:
    torch.testing.assert_close(tiny.estimator.compress_idr(pair.idr_full), pair.idr)


def test_another_models_idr_is_refused(pair: IDR) -> None:
    other = make_tiny(seed=1)
    for idr, maker in ((pair, pair.provenance["model"]), (replace(pair, provenance={}), "another")):
        with pytest.raises(IDRError, match=f"by {maker}.* estimate it again with this model"):
            idr.check_model(other.fingerprint, other.config.n_feats)
    foreign = other.estimate(torch.rand(1, 3, 8, 8))
    for operation in (lambda: pair.blend(foreign, 0.5), lambda: IDR.cat([pair, foreign])):
        with pytest.raises(IDRError, match="different models"):
            operation()


def test_an_idr_serves_all_models_with_its_estimator(pair: IDR, tiny: KDSR) -> None:
    trained_on = copy.deepcopy(tiny)
    for parameter in trained_on.network.parameters():
        parameter.mul_(1.5)
    trained_on.freeze()
    assert trained_on.weights_hash() != tiny.weights_hash()
    pair.check_model(trained_on.fingerprint, trained_on.config.n_feats)
    trained_on.estimator.compress.weight.mul_(1.5)
    assert trained_on.freeze().fingerprint != pair.fingerprint


def test_blending_is_linear_and_reaches_both_ends(pair: IDR) -> None:
    a, b = pair[0], pair[1]
    torch.testing.assert_close(a.blend(b, 0).idr, a.idr)
    torch.testing.assert_close(a.blend(b, 1).idr_full, b.idr_full)
    torch.testing.assert_close(a.blend(b, 2).idr, 2 * b.idr - a.idr)
    torch.testing.assert_close(a.blend(pair, 0.5).idr[1], (a.idr[0] + b.idr[0]) / 2)
    doubtful = a.blend(pair, 0.5)
    assert (doubtful.structure.tolist(), doubtful.left_out.tolist()) == ([70, 50], [0.25, 0.5])


@pytest.mark.parametrize("weight", [-1.01, 2.01, float("nan")])
def test_a_blend_weight_out_of_range_is_refused(pair: IDR, weight: float) -> None:
    with pytest.raises(IDRError, match=r"-1\.0 to 2\.0"):
        pair[0].blend(pair[1], weight)


def test_joining_indexing_and_averaging(pair: IDR) -> None:
    joined = IDR.cat([pair, pair[1]])
    assert torch.equal(joined.idr_full, pair.idr_full[[0, 1, 1]])
    assert (joined.structure.tolist(), joined.left_out.tolist()) == ([70, 50, 50], [0.25, 0.5, 0.5])
    assert torch.equal(pair[-1].idr, pair[1].idr)
    assert torch.equal(pair[0:2].idr, pair.idr)
    mean = pair.mean()
    torch.testing.assert_close(mean.idr[0], pair.idr.mean(0))
    assert (mean.structure.tolist(), mean.left_out.tolist()) == ([50], [0.375])
    told = {key: value for key, value in pair.provenance.items() if key != "image"}
    assert mean.provenance == {**told, "operation": "mean", "images": "2"}
    with pytest.raises(IndexError):
        pair[2]


def test_the_average_is_the_same_to_the_last_bit_in_any_order_and_of_any_size() -> None:
    generator = torch.Generator().manual_seed(0)
    scales = 10.0 ** torch.randint(-38, 30, (50, 40), generator=generator)
    values = (torch.randn(50, 40, generator=generator) * scales).float()
    members = IDR(values[:, :8], values[:, 8:], "f")
    expected, naive = members.mean(), set()
    for seed in range(8):
        order = torch.randperm(50, generator=generator.manual_seed(seed)).tolist()
        shuffled = IDR.cat([members[i] for i in order])
        assert torch.equal(shuffled.mean().idr, expected.idr)
        assert torch.equal(shuffled.mean().idr_full, expected.idr_full)
        naive.add(tuple(shuffled.idr.mean(0).tolist()))
    assert len(naive) > 1  # what it would be otherwise
    tiny = IDR(torch.full((1, 1), 2.0**-149), torch.full((1, 4), -(2.0**-149)), "f")
    for one in (tiny, *(members[i] for i in range(20))):
        assert torch.equal(one.mean().idr, one.idr)
        assert torch.equal(one.mean().idr_full, one.idr_full)


def test_cosine_compares_every_pair(pair: IDR) -> None:
    similarity = pair.cosine(pair)
    assert similarity.shape == (2, 2)
    torch.testing.assert_close(similarity.diagonal(), torch.ones(2))
    torch.testing.assert_close(similarity, similarity.T)


def test_shapes_and_values_are_checked() -> None:
    with pytest.raises(IDRError, match="expected idr"):
        IDR(torch.zeros(1, 8), torch.zeros(1, 8), "f")
    with pytest.raises(IDRError, match="NaN"):
        IDR(torch.full((1, 8), torch.nan), torch.zeros(1, 32), "f")


def test_files_that_are_not_idrs_are_named(tmp_path: Path) -> None:
    with pytest.raises(IDRError, match="no such file"):
        IDR.load(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(IDRError, match="not a readable IDR file"):
        IDR.load(tmp_path / "text.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(IDRError, match="not an IDR file"):
        IDR.load(tmp_path / "other.safetensors")
