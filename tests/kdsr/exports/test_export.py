import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from kdsr import KDSR, ConfigError, read, with_strength
from kdsr.estimation.features import BUDGET, sample_windows
from kdsr.exports.export import StreamedEstimator, export_blind, export_pair, pair_paths
from kdsr.exports.onnx_file import seen_size
from kdsr.network.baked import drawn_back
from kdsr.network.models import calibration_of
from tests.conftest import make_tiny
from tests.support.calibrated import small_calibrated
from tests.support.onnx_files import (
    Session,
    need_onnx,
    picture,
    with_checkerboard,
)

SIDES = [
    (5, 5), (5, 61), (61, 5), (7, 13), (17, 9), (31, 33), (64, 47), (97, 101), (1, 1), (23, 129)
]  # fmt: skip
LEAST = 5


@pytest.fixture(scope="module")
def whole(files: Path) -> Session:
    return Session(files / "tiny.onnx")


@pytest.fixture(scope="module")
def estimator(files: Path) -> Session:
    return Session(files / "tiny.estimator.onnx")


@pytest.fixture(scope="module")
def network(files: Path) -> Session:
    return Session(files / "tiny.network.onnx")


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def nothing(model: KDSR) -> Tensor:
    return torch.zeros(1, seen_size(model))


@pytest.mark.parametrize("sides", [s for s in SIDES if min(s) >= LEAST])
def test_the_whole_student_in_one_file_equals_pytorch(
    model: KDSR, whole: Session, sides: tuple[int, int]
) -> None:
    lq = picture(*sides)
    close(whole(lq=lq)["sr"], model(lq)[0])


def test_a_student_that_leaves_the_size_equals_pytorch_too(tmp_path: Path) -> None:
    need_onnx()
    model = small_calibrated(scale=1)
    export_blind(model, tmp_path / "alone.onnx")
    session = Session(tmp_path / "alone.onnx")
    assert (session.facts["scale"], session.facts["smallest_side"]) == ("1", "3")
    for sides in ((3, 3), (17, 9)):
        lq = picture(*sides)
        close(session(lq=lq)["sr"], model(lq)[0])


@pytest.mark.slow
def test_the_network_alone_of_one_that_leaves_the_size_equals_pytorch(tmp_path: Path) -> None:
    need_onnx()
    model = small_calibrated(scale=1)
    export_pair(model, tmp_path / "alone.onnx")
    network = Session(tmp_path / "alone.network.onnx")
    for sides in ((3, 3), (17, 9)):
        lq = picture(*sides)
        sr, idr, _ = model(lq)
        close(network(lq=lq, idr=idr)["sr"], sr)


@pytest.mark.parametrize("sides", SIDES)
def test_the_two_files_equal_pytorch(
    model: KDSR, estimator: Session, network: Session, sides: tuple[int, int]
) -> None:
    lq = picture(*sides)
    found = estimator(lq=lq, weights=torch.ones_like(lq[:, :1]), before=nothing(model))
    sr, idr, idr_full = model(lq)
    close(found["idr"], idr)
    close(found["idr_full"], idr_full)
    if min(sides) >= LEAST:
        close(network(lq=lq, idr=found["idr"])["sr"], sr)


def test_the_estimator_fed_tile_by_tile_sees_the_whole_picture(
    model: KDSR, estimator: Session
) -> None:
    lq, halo, seen = picture(60, 90), int(estimator.facts["halo"]), nothing(model)
    found = {}
    for start in (0, 30, 60):
        left = max(0, start - halo)
        window = lq[..., left : start + 30 + halo].contiguous()
        weights = torch.zeros_like(window[:, :1])
        weights[..., start - left : start - left + 30] = 1
        found = estimator(lq=window, weights=weights, before=seen)
        seen = found["seen"]
    close(found["idr"], model(lq)[1])
    assert seen[0, -2] == 60 * 90
    assert seen[0, -1] == model.estimate(lq).structure


DITHERED = [(49, 150, 50), (72, 120, 60), (130, 97, 97), (168, 200, 90), (383, 385, 200)]
"""Rows, columns, and how many of the latter are a checkerboard."""


@pytest.mark.parametrize("case", DITHERED)
def test_cells_without_a_vote_are_those_of_the_library(
    model: KDSR, estimator: Session, case: tuple[int, int, int]
) -> None:
    rows, columns, checkerboard = case
    lq = with_checkerboard(picture(rows, columns), checkerboard)
    found = estimator(lq=lq, weights=torch.ones_like(lq[:, :1]), before=nothing(model))
    expected = model.estimate(lq, dtype="fp32")
    close(found["idr"], expected.idr)
    close(found["idr_full"], expected.idr_full)
    counted, pixels = found["seen"][0, -3:-1]
    assert 1 - counted / pixels == pytest.approx(expected.left_out.item(), abs=1e-4)
    assert expected.left_out > 0.3
    assert found["readings"][0, -1] == pytest.approx(expected.structure.item(), rel=1e-4)
    if checkerboard == columns:
        close(found["idr_full"], calibration_of(model).clean[None])
    elif rows > 60:
        mean = model(lq)[1]
        assert (found["idr"] - mean).abs().max() > 10 * (found["idr"] - expected.idr).abs().max()


def test_a_checkerboard_does_not_change_what_the_whole_student_makes_of_the_rest(
    model: KDSR, whole: Session
) -> None:
    lq = with_checkerboard(picture(60, 150), 100)
    expected = model.bake(model.estimate(lq, dtype="fp32"))(lq)
    close(whole(lq=lq)["sr"], expected)
    assert (model(lq)[0] - expected).abs().max() > 1e-3


def test_windows_of_a_large_picture_are_seen_as_the_library_samples_them(
    model: KDSR, estimator: Session
) -> None:
    lq = with_checkerboard(picture(400, 500), 200)
    assert lq[0, 0].numel() > BUDGET
    windows, weights = [], []
    halo = int(estimator.facts["halo"])
    for row, column in sample_windows(400, 500, halo).tiles:
        window = lq[:, :, row.window : row.window + row.size]
        windows.append(window[..., column.window : column.window + column.size])
        weights.append(torch.zeros_like(windows[-1][:, :1]))
        weights[-1][:, :, row.inner, column.inner] = 1
    expected, seen = model.estimate(lq, dtype="fp32"), nothing(model)
    assert 0.2 < expected.left_out < 0.6
    found = {}
    for part in (slice(0, 1), slice(1, 20), slice(20, None)):
        images, own = torch.cat(windows[part]), torch.cat(weights[part])
        found = estimator(lq=images, weights=own, before=seen)
        seen = found["seen"]
    close(found["idr"], expected.idr)


def test_a_vector_on_the_verge_is_drawn_back_as_for_upscaling(model: KDSR) -> None:
    lq = picture(20, 20)
    distance = calibration_of(model).distance(model(lq)[2])
    verge = small_calibrated(cell_distance=distance / 1.15)
    idr, full, *_ = StreamedEstimator(verge)(lq, torch.ones_like(lq[:, :1]), nothing(model))
    expected = drawn_back(verge, verge.estimate(lq, dtype="fp32"))
    assert "drawn back" in expected.provenance
    close(idr, expected.idr)
    close(full, expected.idr_full)


def test_images_of_one_batch_are_estimated_as_one_and_share_an_idr(
    model: KDSR, estimator: Session, network: Session
) -> None:
    lq = torch.cat((picture(20, 24), picture(20, 24).flip(3)))
    found = estimator(lq=lq, weights=torch.ones_like(lq[:, :1]), before=nothing(model))
    pooled = model.estimator.features(lq).mean((0, 2, 3))[None]
    close(found["idr"], model.estimator.from_pooled(pooled)[0])
    close(network(lq=lq, idr=found["idr"])["sr"], model(lq, found["idr"])[0])


def test_readings_are_those_of_read(model: KDSR, estimator: Session) -> None:
    lq = picture(30, 31)
    found = estimator(lq=lq, weights=torch.ones_like(lq[:, :1]), before=nothing(model))
    names = json.loads(estimator.facts["readings"])
    told: dict[str, Any] = dict(zip(names, found["readings"][0].tolist(), strict=True))
    reading = read(model, model.estimate(lq, dtype="fp32"))[0]
    assert reading.blur_long is not None
    assert reading.noise is not None
    assert told["blur_long"] == pytest.approx(reading.blur_long.value)
    assert told["blur_long_error"] == pytest.approx(reading.blur_long.error)
    assert told["noise"] == pytest.approx(reading.noise.value)
    assert told["compressed"] == pytest.approx(reading.compressed)
    assert told["structure"] == model.estimate(lq).structure
    assert told["excess"] == pytest.approx(reading.excess, rel=1e-4)


def test_the_facts_are_enough_for_strength(model: KDSR, network: Session) -> None:
    lq = picture(12, 15)
    idr = model.estimate(lq, dtype="fp32")
    clean = torch.tensor(json.loads(network.facts["clean_idr"]))
    close(clean + 0.4 * (idr.idr - clean), with_strength(model, idr, 0.4).idr)
    assert json.loads(network.facts["strengths"]) == [0, 1.25]


def test_the_metadata_says_what_goes_in_and_out_and_the_json_file_says_it_too(
    model: KDSR, whole: Session, estimator: Session, network: Session, files: Path
) -> None:
    for session in (whole, estimator, network):
        assert set(json.loads(session.facts["inputs"])) == set(session.inputs)
        assert set(json.loads(session.facts["outputs"])) == set(session.outputs)
        assert session.facts["fingerprint"] == model.fingerprint
        assert session.facts["range"].startswith("RGB in [0, 1]")
        assert session.facts["padding"].startswith("none")
    assert (network.facts["scale"], network.facts["halo"]) == ("4", str(model.network.halo))
    assert estimator.facts["halo"] == str(model.estimator.halo)
    beside = json.loads((files / "tiny.json").read_text())
    for name, session in (("estimator", estimator), ("network", network)):
        facts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in beside[name].items()}
        assert facts.pop("file") == f"tiny.{name}.onnx"
        assert facts == session.facts


def test_tiles_that_overlap_by_less_than_the_halo_show(model: KDSR, network: Session) -> None:
    lq = picture(16, 40)
    idr, halo = model(lq)[1], int(network.facts["halo"])
    expected = model(lq, idr)[0][..., : 20 * 4]
    close(network(lq=lq[..., : 20 + halo].contiguous(), idr=idr)["sr"][..., : 20 * 4], expected)
    less = network(lq=lq[..., :22].contiguous(), idr=idr)["sr"][..., : 20 * 4]
    assert (less - expected).abs().max() > 1e-3


@pytest.mark.slow
def test_half_precision_halves_the_files_and_hardly_shows(
    model: KDSR, files: Path, tmp_path: Path
) -> None:
    paths = export_pair(model, tmp_path / "tiny.onnx", dtype=torch.float16)
    lq = picture(40, 31)
    found = Session(paths[0])(lq=lq, weights=torch.ones_like(lq[:, :1]), before=nothing(model))
    sr = Session(paths[1])(lq=lq, idr=found["idr"])["sr"]
    difference = (sr - model(lq)[0]).abs().max()
    assert 1e-6 < difference < 4e-3
    held = [_weight_bytes(path) for path in paths[:2]]
    full = [_weight_bytes(path) for path in pair_paths(files / "tiny.onnx")[:2]]
    assert [half / whole < 0.62 for half, whole in zip(held, full, strict=True)] == [True, True]


def _weight_bytes(path: Path) -> int:
    import onnx

    weights = onnx.load(path).graph.initializer
    return sum(onnx.numpy_helper.to_array(weight).nbytes for weight in weights)


def test_a_model_without_calibration_has_no_readings() -> None:
    model = make_tiny()
    lq = picture(9, 9)
    assert len(StreamedEstimator(model)(lq, torch.ones_like(lq[:, :1]), nothing(model))) == 3


def test_a_missing_package_is_named(
    model: KDSR, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match="pip install onnx onnxscript"):
        export_blind(model, tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []
