"""Reads networks of other projects from ncnn files: `NAME.param` (text) and `NAME.bin`.

It supports the layers of upscalers in the Real-ESRGAN family.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HALF = 0x01306B47
"""Tag of float16 weights; the tag of float32 is 0."""
_OWN = ("Input", "Split", "Convolution", "PReLU")
"""Kinds of layers that `NcnnNetwork` runs itself; `_RUN` holds the others."""
_PADDING, _BIAS, _ACTIVATION, _SLOPES, _COEFFICIENTS = 4, 5, 9, -23310, -23301
"""Option numbers in ncnn's documentation."""


@dataclass(frozen=True)
class Layer:
    """One line of a `.param` file.

    Attributes:
        kind: Kind of the layer.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        options: Option values by number.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: Mapping[int, str]

    @classmethod
    def read(cls, line: str) -> "Layer":
        """Reads `KIND NAME INPUTS OUTPUTS input ... output ... key=value ...`."""
        kind, _, count_in, count_out, *words = line.split()
        first, second = int(count_in), int(count_in) + int(count_out)
        pairs = (word.partition("=") for word in words[second:])
        options = {int(key): value for key, _, value in pairs}
        return cls(kind, tuple(words[:first]), tuple(words[first:second]), options)

    def number(self, key: int, default: float = 0) -> float:
        """An option as a number."""
        return float(self.options.get(key, default))

    def numbers(self, key: int) -> list[float]:
        """An option as a list of numbers; its text begins with the length."""
        return [float(word) for word in self.options.get(key, "0").split(",")[1:]]


class NcnnNetwork(nn.Module):
    """A network that maps RGB (B, 3, H, W) in [0, 1] to (B, 3, sH, sW).

    Args:
        stem: Path of both files without their suffixes.

    Raises:
        ValueError: If a layer's kind is not supported, or the files do not belong together.
    """

    def __init__(self, stem: Path) -> None:
        super().__init__()
        lines = Path(f"{stem}.param").read_text(encoding="ascii").splitlines()[2:]
        self.layers = [Layer.read(line) for line in lines]
        if unknown := {layer.kind for layer in self.layers} - {*_RUN, *_OWN}:
            listed = ", ".join(sorted(unknown))
            raise ValueError(f"{stem}.param has layers of kinds that are not known here: {listed}")
        reader = _Weights(Path(f"{stem}.bin").read_bytes())
        for index, layer in enumerate(self.layers):
            if layer.kind == "Convolution":
                channels, side = int(layer.number(0)), int(layer.number(1))
                weight = reader.tagged(int(layer.number(6))).view(channels, -1, side, side)
                self.register_buffer(f"weight{index}", weight)
                if layer.number(_BIAS):
                    self.register_buffer(f"bias{index}", reader.floats(channels))
            elif layer.kind == "PReLU":
                self.register_buffer(f"weight{index}", reader.floats(int(layer.number(0))))
        if reader.rest:
            raise ValueError(f"{stem}.bin has {reader.rest} bytes more than {stem}.param asks for")

    def forward(self, lq: Tensor) -> Tensor:
        """Runs the layers in order; drops results that no later layer needs."""
        uses = Counter(name for layer in self.layers for name in layer.inputs)
        kept: dict[str, Tensor] = {}
        made = lq
        for index, layer in enumerate(self.layers):
            inputs = [kept[name] for name in layer.inputs]
            for name in layer.inputs:
                uses[name] -= 1
                if not uses[name]:
                    del kept[name]
            made = lq if layer.kind == "Input" else self._run(index, layer, inputs)
            kept |= dict.fromkeys(layer.outputs, made)
        return made

    def _run(self, index: int, layer: Layer, inputs: list[Tensor]) -> Tensor:
        if layer.kind == "Split":
            return inputs[0]
        if layer.kind == "PReLU":
            return F.prelu(inputs[0], self.get_buffer(f"weight{index}"))
        if layer.kind != "Convolution":
            return _RUN[layer.kind](layer, inputs)
        bias = self.get_buffer(f"bias{index}") if layer.number(_BIAS) else None
        weight = self.get_buffer(f"weight{index}")
        y = F.conv2d(inputs[0], weight, bias, padding=int(layer.number(_PADDING)))
        activation = int(layer.number(_ACTIVATION))
        slope = layer.numbers(_SLOPES)[0] if activation == 2 else 0.0
        return F.leaky_relu_(y, slope) if activation else y


def _sum(layer: Layer, inputs: list[Tensor]) -> Tensor:
    shares = layer.numbers(_COEFFICIENTS) or [1.0] * len(inputs)
    found = inputs[0] * shares[0]
    for x, share in zip(inputs[1:], shares[1:], strict=True):
        found = found.add_(x, alpha=share)
    return found


def _binary(layer: Layer, inputs: list[Tensor]) -> Tensor:
    other = inputs[1] if len(inputs) > 1 else layer.number(2)
    return inputs[0] + other if layer.number(0) == 0 else inputs[0] * other


def _enlarge(layer: Layer, inputs: list[Tensor]) -> Tensor:
    mode = {1: "nearest", 2: "bilinear"}[int(layer.number(0))]
    return F.interpolate(inputs[0], scale_factor=layer.number(1), mode=mode)


_RUN: dict[str, Callable[[Layer, list[Tensor]], Tensor]] = {
    "ReLU": lambda layer, inputs: F.leaky_relu(inputs[0], layer.number(0)),
    "Concat": lambda _, inputs: torch.cat(inputs, 1),
    "Eltwise": _sum,
    "BinaryOp": _binary,
    "Interp": _enlarge,
    "PixelShuffle": lambda layer, inputs: F.pixel_shuffle(inputs[0], int(layer.number(0))),
}


class _Weights:
    """Reads the numbers of a `.bin` file in order."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    @property
    def rest(self) -> int:
        """Number of unread bytes."""
        return len(self.raw) - self.at

    def tagged(self, count: int) -> Tensor:
        """Reads numbers whose format is named by the four bytes before them."""
        tag = int.from_bytes(self.raw[self.at : self.at + 4], "little")
        if tag not in (0, _HALF):
            raise ValueError(f"expected weights in float32 or float16, found the tag {tag:#x}")
        self.at += 4
        return self._read(count, np.float16 if tag == _HALF else np.float32)

    def floats(self, count: int) -> Tensor:
        """Reads numbers in float32."""
        return self._read(count, np.float32)

    def _read(self, count: int, kind: type[np.floating]) -> Tensor:
        size = count * np.dtype(kind).itemsize
        values = np.frombuffer(self.raw, kind, count, self.at)
        self.at += -(-size // 4) * 4
        return torch.from_numpy(values.astype(np.float32))
