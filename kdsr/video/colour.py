"""The YUV of a video and the RGB of the network: matrix, range and depth stay what they were."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..pixels import to_words
from .pyav import load_av

if TYPE_CHECKING:
    import av

# Numbers of ISO/IEC 23091-2, as FFmpeg uses them.
_BT709, _UNSPECIFIED, _SMPTE170M = 1, 2, 6
_SWSCALE_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_ITU709, _ITU601 = 1, 5
_LIMITED, _FULL = 1, 2
_HD_HEIGHT = 720
# Bicubic with full-resolution chroma and accurate rounding: swscale's default repeats each chroma
# sample over 2 x 2 pixels, and the network would take the steps for detail.
_SCALING = 0x4 | 0x2000 | 0x4000 | 0x40000


@dataclass(frozen=True)
class Colour:
    """How the pixels of a video are coded."""

    matrix: int
    """Between YUV and RGB, as FFmpeg numbers them."""
    primaries: int
    transfer: int
    deep: bool
    """More than 8 bits a channel; kept as 10."""

    @classmethod
    def of(cls, frame: "av.VideoFrame", context: "av.VideoCodecContext") -> "Colour":
        """That of a decoded frame.

        A matrix that is not named is the one that players assume at this height. It is named in
        the result: at the result's height they might assume another.
        """
        matrix = frame.colorspace
        if matrix not in _SWSCALE_MATRIX:
            matrix = _BT709 if frame.format.is_rgb or frame.height >= _HD_HEIGHT else _SMPTE170M
        deep = max(component.bits for component in frame.format.components) > 8
        return cls(matrix, context.color_primaries, context.color_trc, deep)

    @classmethod
    def of_images(cls, *, deep: bool = False) -> "Colour":
        """For a video made of RGB images."""
        return cls(_BT709, _BT709, _BT709, deep)

    def to_rgb(self, frame: "av.VideoFrame") -> Tensor:
        """Decodes a frame to (1, 3, H, W) in [0, 1], turned upright."""
        full = frame.format.is_rgb or frame.color_range == _FULL or "yuvj" in frame.format.name
        source = _SWSCALE_MATRIX[self.matrix]
        pixels = frame.to_ndarray(
            format="rgb48le" if self.deep else "rgb24",
            src_colorspace=source,
            # RGB has no matrix; but PyAV 14 to 16 forgets the source's where both seem the same.
            dst_colorspace=_ITU709 if source == _ITU601 else _ITU601,
            src_color_range=_FULL if full else _LIMITED,
            dst_color_range=_FULL,
            interpolation=_SCALING,
        )
        pixels = np.rot90(pixels, frame.rotation // 90)
        values = torch.from_numpy(pixels.astype(np.float32)).div_(65535 if self.deep else 255)
        return values.permute(2, 0, 1)[None]

    def to_frame(self, rgb: Tensor) -> "av.VideoFrame":
        """Codes an image, (H, W, 3), float in [0, 1] if deep, else uint8, for the encoder."""
        pixels = to_words(rgb) if self.deep else rgb.numpy()
        frame = load_av().VideoFrame.from_ndarray(pixels, "rgb48le" if self.deep else "rgb24")
        return frame.reformat(
            format=self.pixel_format,
            src_color_range=_FULL,
            dst_colorspace=_SWSCALE_MATRIX[self.matrix],
            dst_color_range=_LIMITED,
            interpolation=_SCALING,
        )

    @property
    def pixel_format(self) -> str:
        """That of the encoded video; 4:2:0, which every player shows."""
        return "yuv420p10le" if self.deep else "yuv420p"

    def tag(self, context: "av.VideoCodecContext") -> None:
        """Tells players what the encoded numbers mean."""
        context.colorspace = self.matrix
        context.color_range = _LIMITED
        context.color_primaries = self.primaries
        context.color_trc = self.transfer
