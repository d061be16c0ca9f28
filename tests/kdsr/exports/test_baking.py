from pathlib import Path

import pytest
import torch

from kdsr.exports.export import example, export_onnx
from kdsr.network.baked import BakedKDSR
from tests.conftest import make_tiny


@pytest.fixture(scope="module", params=[4, pytest.param(1, marks=pytest.mark.slow)])
def baked(request: pytest.FixtureRequest) -> BakedKDSR:
    """A baked network; x1 is slow, as test_export.py covers the whole x1 student."""
    model = make_tiny(request.param)
    return model.bake(model.estimate(torch.rand(1, 3, 16, 16)))


SIZES = [(1, 5, 5), (1, 6, 9), (3, 40, 33)]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_torch_export_keeps_batch_height_and_width_free(baked: BakedKDSR) -> None:
    arguments, free = example(baked)
    program = torch.export.export(baked, arguments, dynamic_shapes=free)
    for b, h, w in SIZES:
        lq = torch.rand(b, 3, h, w)
        torch.testing.assert_close(program.module()(lq), baked(lq))


def test_the_onnx_file_equals_the_baked_network(
    baked: BakedKDSR, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "m.onnx"
    path.write_bytes(b"what was here before is replaced")
    export_onnx(baked, path)
    assert capsys.readouterr().out == ""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["halo"] == str(baked.halo)
    for b, h, w in SIZES:
        lq = torch.rand(b, 3, h, w)
        (sr,) = session.run(None, {"lq": lq.numpy()})
        torch.testing.assert_close(torch.from_numpy(sr), baked(lq), rtol=1e-4, atol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
