"""The YUV of a video and the RGB of the network: matrix, range and depth stay what they were."""

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from ..errors import VideoError
from ..pixels import to_words
from .pyav import load_av

if TYPE_CHECKING:
    import av
    from av.filter import Graph

# Numbers of ISO/IEC 23091-2, as FFmpeg uses them.
_BT709, _UNSPECIFIED, _SMPTE170M, _BT2020 = 1, 2, 6, 9
_HDR_CURVES = (16, 18)  # PQ and HLG
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
_UNKNOWN = {
    8: "YCgCo", 10: "BT.2020 of constant luminance", 11: "YDzDx", 12: "derived from primaries",
    13: "derived from primaries", 14: "ICtCp", 15: "IPT", 16: "YCgCo", 17: "YCgCo",
}  # fmt: skip
"""Matrices that swscale does not know: it would take another one without a word."""
_NAMES = {1: "bt709", 4: "fcc", 5: "bt470bg", 7: "smpte240m", 9: "bt2020"}
_RGB = {
    (False, False): "rgb24",
    (False, True): "rgba",
    (True, False): "rgb48le",
    (True, True): "rgba64le",
}
"""Pixel formats by (deep, transparent)."""
_ITU709, _ITU601 = 1, 5
_LIMITED, _FULL = 1, 2
_HD_HEIGHT = 720
# Bicubic with full-resolution chroma and accurate rounding: swscale's default repeats each chroma
# sample over 2 x 2 pixels, and the network would take the steps for detail.
_SCALING = 0x4 | 0x2000 | 0x4000 | 0x40000
_FLAGS = "bicubic+full_chroma_int+full_chroma_inp+accurate_rnd"
# swscale takes 255 * 256 of 16 bits for the white of a film, where RGB has 65535.
_DEEP_WHITE = 255 * 256 / 65535
# Chroma of 4:2:0 lies at every second pixel of a row and between two rows, in all codecs that are
# written here. swscale would put it between the pixels of a row, too: half a pixel aside.
_LEFT = "out_h_chr_pos=0:out_v_chr_pos=128"
_READS_SITING = 9  # of swscale: earlier ones take every source for one of chroma in the middle
_CENTRED = ("mjpeg", "mpeg1video")


@dataclass(frozen=True)
class Colour:
    """Colour coding of a video's pixels."""

    matrix: int
    """Between YUV and RGB, as FFmpeg numbers them."""
    primaries: int
    transfer: int
    deep: bool
    """More than 8 bits a channel; kept as 10."""
    transparent: bool = False
    """There is opacity beside the colours."""
    very_deep: bool = False
    """More than 10 bits a channel."""
    left_sited: bool = True
    """Chroma lies at every second pixel, not between two; asked of older FFmpeg only, as newer ones
    know it of each frame."""

    @property
    def pale_as_srgb(self) -> bool:
        """Whether it looks pale where it is shown as sRGB: PQ, HLG or BT.2020."""
        return self.transfer in _HDR_CURVES or self.primaries == _BT2020

    @classmethod
    def of(cls, frame: "av.VideoFrame", context: "av.VideoCodecContext") -> "Colour":
        """Reads the coding of a decoded frame.

        An unnamed matrix is the one that players assume at this height. The result names it, as
        players might assume another at the result's height.
        """
        matrix = frame.colorspace
        if matrix in _UNKNOWN and not frame.format.is_rgb:
            raise VideoError(
                f"its colours ({_UNKNOWN[matrix]}) cannot be converted here; convert it to BT.709 "
                "first, for instance with ffmpeg -i in.mkv -vf zscale=matrix=709 out.mkv"
            )
        if matrix not in _SWSCALE_MATRIX:
            matrix = _BT709 if frame.format.is_rgb or frame.height >= _HD_HEIGHT else _SMPTE170M
        parts = frame.format.components
        return cls(
            matrix,
            context.color_primaries,
            context.color_trc,
            deep=max(part.bits for part in parts) > 8,
            very_deep=max(part.bits for part in parts) > 10,
            transparent=any(part.is_alpha for part in parts),
            left_sited=context.name not in _CENTRED,
        )

    @classmethod
    def of_images(cls, *, deep: bool = False, transparent: bool = False) -> "Colour":
        """Coding for a video made from RGB images."""
        return cls(_BT709, _BT709, _BT709, deep, transparent)

    def to_rgb(self, frame: "av.VideoFrame") -> Tensor:
        """Decodes a frame to (1, 3, H, W), with opacity (1, 4, H, W), in [0, 1]."""
        full = frame.format.is_rgb or frame.color_range == _FULL or "yuvj" in frame.format.name
        source = _SWSCALE_MATRIX[self.matrix]
        pixels = self._centred(frame).to_ndarray(
            format=_RGB[self.deep, self.transparent],
            src_colorspace=source,
            # RGB has no matrix; but PyAV 14 to 16 forgets the source's where both seem the same.
            dst_colorspace=_ITU709 if source == _ITU601 else _ITU601,
            src_color_range=_FULL if full else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_SCALING,
        )
        values = torch.from_numpy(pixels.astype(np.float32)).div_(65535 if self.deep else 255)
        grey = frame.format.name.startswith(("gray", "ya"))  # swscale takes them for full range
        if self.deep and not (frame.format.is_rgb or full or grey):
            values[..., :3].div_(_DEEP_WHITE).clamp_(max=1)
        return values.permute(2, 0, 1)[None]

    def to_frame(self, rgb: Tensor, pixel_format: str | None = None) -> "av.VideoFrame":
        """Codes an image for the encoder.

        Args:
            rgb: (H, W, 3), with opacity (H, W, 4); float in [0, 1] if deep, else uint8.
            pixel_format: FFmpeg's name of what the encoder takes; `pixel_format` if left out.
        """
        wanted = pixel_format or self.pixel_format
        if self.deep and wanted.startswith("yuv"):
            rgb = torch.cat((rgb[..., :3] * _DEEP_WHITE, rgb[..., 3:]), dim=-1)
        pixels = to_words(rgb) if self.deep else rgb.numpy()
        given = _RGB[self.deep, pixels.shape[2] == 4]
        frame = load_av().VideoFrame.from_ndarray(np.ascontiguousarray(pixels), given)
        return self._coded(frame, wanted)

    def _coded(self, frame: "av.VideoFrame", wanted: str) -> "av.VideoFrame":
        matrix = _NAMES[_SWSCALE_MATRIX[self.matrix]]
        options = f"flags={_FLAGS}:out_color_matrix={matrix}:out_range=tv"
        if "420" in wanted:
            options = f"{options}:{_LEFT}"
        graph = _graph(
            threading.get_ident(), frame.width, frame.height, frame.format.name, wanted, options
        )
        frame.pts = 0
        graph.push(frame)
        return cast("av.VideoFrame", graph.pull())

    def _centred(self, frame: "av.VideoFrame") -> "av.VideoFrame":
        """Converts to chroma at full size for FFmpeg versions that misplace left-sited chroma."""
        if (
            not self.left_sited
            or "420" not in frame.format.name
            or load_av().library_versions["libswscale"][0] >= _READS_SITING
        ):
            return frame
        wanted = frame.format.name.replace("420", "444").replace("yuvj", "yuv")
        levels = "pc" if frame.color_range == _FULL or "yuvj" in frame.format.name else "tv"
        options = (
            f"flags={_FLAGS}:in_h_chr_pos=0:in_v_chr_pos=128:in_range={levels}:out_range={levels}"
        )
        graph = _graph(
            threading.get_ident(), frame.width, frame.height, frame.format.name, wanted, options
        )
        graph.push(frame)
        return cast("av.VideoFrame", graph.pull())

    @property
    def pixel_format(self) -> str:
        """Pixel format of the encoded video: 4:2:0, which every player supports."""
        return "yuv420p10le" if self.deep else "yuv420p"

    def tag(self, context: "av.VideoCodecContext") -> None:
        """Tells players what the encoded numbers mean."""
        context.colorspace = self.matrix
        context.color_range = _LIMITED
        context.color_primaries = self.primaries
        context.color_trc = self.transfer


@lru_cache(maxsize=8)
def _graph(_thread: int, width: int, height: int, given: str, wanted: str, options: str) -> "Graph":
    """A converter for frames of one size; each thread has its own."""
    graph = load_av().filter.Graph()
    buffer = f"video_size={width}x{height}:pix_fmt={given}:time_base=1/1:pixel_aspect=1/1"
    graph.link_nodes(
        graph.add("buffer", buffer),
        graph.add("scale", options),
        graph.add("format", wanted),
        graph.add("buffersink"),
    ).configure()
    return graph
