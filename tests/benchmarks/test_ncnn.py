"""Networks of others are read from ncnn's files as PyTorch's own layers compute them."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.ncnn import NcnnNetwork

PARAM = """7767517
11 13
Input       data   0 1 data
Split       split  1 2 data a b
Convolution conv1  1 1 a c 0=8 1=3 4=1 5=1 6=216 9=2 -23310=1,2.000000e-01
PReLU       prelu  1 1 c d 0=8
Convolution conv2  1 1 d e 0=12 1=3 4=1 5=0 6=864
PixelShuffle up    1 1 e f 0=2
Interp      near   1 1 b g 0=1 1=2.000000e+00 2=2.000000e+00
BinaryOp    mul    1 1 f h 0=2 1=1 2=2.000000e-01
Eltwise     sum    2 1 h g i 0=1 -23301=2,5.000000e-01,1.000000e+00
Split       twice  1 2 i j k
BinaryOp    add    2 1 j k out 0=0
"""


def write(folder: Path, half: bool) -> tuple[Path, list[torch.Tensor]]:
    """The network above with random weights: its stem, and they."""
    rng = np.random.default_rng(0)
    kind = np.float16 if half else np.float32
    tag = (0x01306B47 if half else 0).to_bytes(4, "little")
    first, bias, slopes, second = (
        rng.normal(0, 0.2, shape) for shape in ((8, 3, 3, 3), 8, 8, (12, 8, 3, 3))
    )
    raw = tag + first.astype(kind).tobytes() + bias.astype(np.float32).tobytes()
    raw += slopes.astype(np.float32).tobytes() + tag + second.astype(kind).tobytes()
    (folder / "net.param").write_text(PARAM)
    (folder / "net.bin").write_bytes(raw)
    values = (first.astype(kind), bias, slopes, second.astype(kind))
    return folder / "net", [torch.from_numpy(np.asarray(v, np.float32)) for v in values]


@pytest.mark.parametrize("half", [False, True])
def test_a_network_is_what_its_files_say(tmp_path: Path, half: bool) -> None:
    stem, (first, bias, slopes, second) = write(tmp_path, half)
    lq = torch.rand(2, 3, 6, 9)
    y = F.leaky_relu(F.conv2d(lq, first, bias, padding=1), 0.2)
    y = F.pixel_shuffle(F.conv2d(F.prelu(y, slopes), second, padding=1), 2)
    y = 0.5 * (0.2 * y) + F.interpolate(lq, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(NcnnNetwork(stem)(lq), 2 * y, rtol=1e-4, atol=1e-5)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    stem, _ = write(tmp_path, half=False)
    raw = stem.with_suffix(".bin").read_bytes()
    stem.with_suffix(".bin").write_bytes(raw + b"1234")
    with pytest.raises(ValueError, match="has 4 bytes more"):
        NcnnNetwork(stem)
    stem.with_suffix(".param").write_text(PARAM.replace("PixelShuffle", "Softmax     "))
    with pytest.raises(ValueError, match="not known here: Softmax"):
        NcnnNetwork(stem)
