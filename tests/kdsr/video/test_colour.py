"""Colours lie where the brightness does, wherever a source keeps them and however large it gets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdsr.video.colour import Colour
from kdsr.video.film import Frame
from kdsr.video.reading import VideoFile
from tests.support.films import write_film

av = pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

HEIGHT, WIDTH = 32, 64


def edge(*, sited_left: bool) -> list[np.ndarray]:
    """Planes of 4:2:0 with a soft vertical edge at one place in luma and in chroma."""

    def rising(columns: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(columns - 31) / 1.5))

    chroma = rising(np.arange(0, WIDTH, 2) + (0 if sited_left else 0.5))
    lines = (90 + 50 * rising(np.arange(WIDTH)), 108 + 40 * chroma, 148 - 40 * chroma)
    return [
        np.tile(line, (rows, 1)).round().astype(np.uint8)
        for line, rows in zip(lines, (HEIGHT, HEIGHT // 2, HEIGHT // 2), strict=True)
    ]


def middle(line: np.ndarray) -> float:
    """Position of a step between two levels, by the area under it, which rounding cannot move."""
    way = (line - line[:4].mean()) / (line[-4:].mean() - line[:4].mean())
    return float((1 - way).sum()) - 0.5


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("sited_left", [True, False], ids=["left", "centre"])
def test_chroma_stays_at_the_edge_of_luma(tmp_path: Path, factor: int, *, sited_left: bool) -> None:
    if not sited_left and av.library_versions["libswscale"][0] < 9:
        pytest.skip("this FFmpeg does not say of frames where their chroma lies")
    path = tmp_path / "in.mp4"
    siting: dict[str, Any] = {"x264-params": f"chromaloc={0 if sited_left else 1}"}
    write_film(path, [edge(sited_left=sited_left)] * 2, **siting)
    film = VideoFile(str(path))
    with film.open() as reading:
        frame = next(item for item in reading if isinstance(item, Frame))
    large = F.interpolate(frame.lq, scale_factor=factor, mode="bicubic")
    coded = film.facts().colour.to_frame(large[0].movedim(0, -1).mul(255).round().byte())
    planes = [np.frombuffer(bytes(one), np.uint8).reshape(one.height, -1) for one in coded.planes]
    luma, blue, red = (middle(rows[8, : one.width] * 1.0)
                       for rows, one in zip(planes, coded.planes, strict=True))  # fmt: skip
    # Results have chroma sited at the left, the default of every codec.
    assert abs(2 * blue - luma) < 0.15
    assert abs(2 * red - luma) < 0.15


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p10le", "yuva444p10le"])
def test_white_of_a_deep_film_is_white_of_an_image(pixel_format: str) -> None:
    """FFmpeg's own white of 16 bits is 0.4% darker than 65535; of opacity it is not."""
    transparent = pixel_format.startswith("yuva")
    colour = Colour.of_images(deep=True, transparent=transparent)
    image = torch.linspace(0, 1, 64)[None, :, None].repeat(32, 1, 3 + transparent)
    frame = colour.to_frame(image, pixel_format)
    luma = np.frombuffer(bytes(frame.planes[0]), np.uint16).reshape(32, -1)[8, :64]
    assert np.abs(luma - np.linspace(64, 940, 64)).max() <= 1  # ITU-R BT.709, 10 bits
    frame.color_range, frame.colorspace = 1, 1
    read = colour.to_rgb(frame)[0].movedim(0, -1)
    assert float((read - image).abs().max()) < 0.0015
    assert float(read[:, -1, :3].min()) > 0.9995
