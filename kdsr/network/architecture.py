"""The parts of KDSR: configuration, layers, IDR estimator and SR network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..errors import CheckpointError, ConfigError
from .tail import Tail, compose, run_composed

SCALES = (1, 2, 3, 4)
"""Upscaling factors; 1 cleans a picture and leaves its size."""
LARGEST = {"n_feats": 1024, "n_blocks": 256, "n_resblocks": 256}
"""Largest accepted sizes, several times those of any model: more means damage or a typo."""

_TAIL = "network.tail"

# name -> (n_feats, n_blocks, n_resblocks): the paper's M and L (Sec. 4.1), its real-world GAN
# network, a small one for CPUs, and one between: as many channels as M and a light estimator.
PRESETS: dict[str, tuple[int, int, int]] = {
    "s": (32, 16, 4),
    "b": (64, 16, 2),
    "m": (64, 53, 9),
    "l": (128, 28, 5),
    "gan": (128, 42, 6),
}


@dataclass(frozen=True)
class KDSRConfig:
    """Hyper-parameters that fix every tensor shape of a KDSR student or teacher.

    Raises:
        ConfigError: If any value is out of range; the message lists all of them.
    """

    scale: int = 4
    """Upscaling factor: 2, 3 or 4; 1 to clean without enlarging."""
    n_feats: int = 64
    """Feature channels C; the IDR has C entries, the distilled IDR 4C."""
    n_blocks: int = 53
    """IDR-DCRB blocks in the SR network."""
    n_resblocks: int = 9
    """Residual blocks in the degradation estimator."""

    def __post_init__(self) -> None:
        problems = []
        if self.scale not in SCALES:
            problems.append(f"scale must be one of {SCALES}, got {self.scale!r}")
        for name, largest in LARGEST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
                problems.append(f"{name} must be an integer from 1 to {largest}, got {value!r}")
        if problems:
            raise ConfigError("; ".join(problems))

    @classmethod
    def preset(cls, name: str, scale: int = 4) -> "KDSRConfig":
        """Returns the named size (`s`, `b`, `m`, `l` or `gan`) at `scale`."""
        if name not in PRESETS:
            raise ConfigError(f"unknown size {name!r}; choose one of {', '.join(PRESETS)}")
        return cls(scale, *PRESETS[name])

    @property
    def preset_name(self) -> str | None:
        """The preset this configuration equals, or None."""
        sizes = (self.n_feats, self.n_blocks, self.n_resblocks)
        return next((name for name, preset in PRESETS.items() if preset == sizes), None)


def infer_config(state: "Mapping[str, Tensor]") -> KDSRConfig:
    """Reads the configuration off the tensors' names and shapes.

    Raises:
        CheckpointError: If the tensors that state the configuration are missing.
    """
    enlarges = any(key.startswith(f"{_TAIL}.up.") for key in state)
    head = state.get("network.head.weight")
    tail = state.get(f"{_TAIL}.up.0.weight" if enlarges else f"{_TAIL}.out.weight")
    if head is None or tail is None or 0 in head.shape or head.ndim != 4 or tail.ndim != 4:
        found = ", ".join(list(state)[:3]) or "no tensors"
        raise CheckpointError(f"this is not a KDSR model (its first tensors: {found})")
    n_feats = head.shape[0]
    step = round((tail.shape[0] / n_feats) ** 0.5) if enlarges else 1
    return KDSRConfig(
        scale=4 if f"{_TAIL}.up.1.weight" in state else step,
        n_feats=n_feats,
        n_blocks=_count_blocks(state, "network.blocks."),
        n_resblocks=_count_blocks(state, "estimator.blocks."),
    )


def infer_role(state: "Mapping[str, Tensor]") -> str:
    """Infers the role: "student" if the estimator sees the LQ image alone, else "teacher"."""
    head = state.get("estimator.head.weight")
    return "student" if head is None or head.ndim != 4 or head.shape[1] == 3 else "teacher"


def _count_blocks(state: "Mapping[str, Tensor]", prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


LEAK = 0.1
"""Negative slope of every LeakyReLU in KDSR."""


def depthwise_conv(x: Tensor, kernels: Tensor) -> Tensor:
    """Convolves every channel with its own 3x3 kernel, zero-padded.

    Args:
        x: Features, (B, C, H, W).
        kernels: (1, C, 3, 3) for kernels that all samples share, or (B, C, 3, 3).

    Returns:
        Features, (B, C, H, W).
    """
    b, c = x.shape[:2]
    filters = rearrange(kernels, "b c kh kw -> (b c) 1 kh kw")
    if len(kernels) == 1:
        return F.conv2d(x, filters, padding=1, groups=c)
    y = F.conv2d(rearrange(x, "b c h w -> 1 (b c) h w"), filters, padding=1, groups=b * c)
    return rearrange(y, "1 (b c) h w -> b c h w", c=c)


class KernelPredictor(nn.Module):
    """Turns an IDR into one 3x3 depthwise kernel per sample and channel (IDR-DDC, Eq. 1)."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(n_feats, n_feats, bias=False)
        self.out = nn.Linear(n_feats, 9 * n_feats, bias=False)
        init_alive(self)
        with torch.no_grad():
            self.out.weight.mul_(1 / 3)

    def forward(self, idr: Tensor) -> Tensor:
        """Maps an IDR (B, C) to kernels (B, C, 3, 3)."""
        kernels = self.out(F.leaky_relu(self.hidden(idr), LEAK))
        return rearrange(kernels, "b (c kh kw) -> b c kh kw", kh=3, kw=3)


class IDRBlock(nn.Module):
    """IDR-DCRB: x + conv3x3(LReLU(depthwise(x, kernels(IDR)))) (paper Fig. 2)."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.predictor = KernelPredictor(n_feats)
        self.conv = nn.Conv2d(n_feats, n_feats, 3, padding=1)

    def forward(self, x: Tensor, kernels: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to features, by kernels (1 or B, C, 3, 3) of `predictor`."""
        return x + self.conv(F.leaky_relu_(depthwise_conv(x, kernels), LEAK))


class ResBlock(nn.Module):
    """Residual block of the estimator: conv3x3 - LReLU - conv3x3 with a skip."""

    def __init__(self, n_feats: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_feats, n_feats, 3, padding=1)
        self.conv2 = nn.Conv2d(n_feats, n_feats, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps features (B, C, H, W) to features (B, C, H, W)."""
        return x + self.conv2(F.leaky_relu_(self.conv1(x), LEAK))


def init_alive(module: nn.Module) -> None:
    """Initialises an estimator or kernel predictor so that the IDR carries signal at once.

    Deviation: the official code keeps PyTorch's default, under which the estimator's output fades
    to a constant in short trainings. Kaiming (a = 0.1, zero biases) keeps the vector alive. Not
    for the SR network's residual convolutions, whose sum would explode.
    """
    for child in module.modules():
        # Tensors on `meta` hold no values, and filling them would trigger a slow import.
        if isinstance(child, (nn.Conv2d, nn.Linear)) and not child.weight.is_meta:
            nn.init.kaiming_normal_(child.weight, a=LEAK)
            if child.bias is not None:
                nn.init.zeros_(child.bias)


class DegradationEstimator(nn.Module):
    """Estimates one vector for how an image was degraded.

    The features are averaged over the image before the MLP, so the estimate of a large image can
    be streamed: sum `features` over tiles, divide by the pixel count, then `from_pooled`.

    Args:
        in_channels: 3 for the student (LQ alone); 3 + 3 * scale**2 for the teacher, which also
            sees the ground truth through a pixel-unshuffle.
        n_feats: Feature channels C.
        n_resblocks: Residual blocks.
    """

    def __init__(self, in_channels: int, n_feats: int, n_resblocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(in_channels, n_feats, 3, padding=1)
        self.blocks = nn.Sequential(*(ResBlock(n_feats) for _ in range(n_resblocks)))
        self.widen = nn.ModuleList(
            nn.Conv2d(n_feats * c_in, n_feats * c_out, 3, padding=1)
            for c_in, c_out in ((1, 2), (2, 2), (2, 4))
        )
        self.mlp = nn.ModuleList(nn.Linear(4 * n_feats, 4 * n_feats) for _ in range(2))
        self.compress = nn.Linear(4 * n_feats, n_feats)
        init_alive(self)
        with torch.no_grad():
            for block in self.blocks:  # otherwise the sum over the blocks grows exponentially
                block.get_submodule("conv2").get_parameter("weight").mul_(0.1)

    @property
    def halo(self) -> int:
        """Context of a feature on each side in LQ pixels: one for every convolution."""
        return 1 + 2 * len(self.blocks) + len(self.widen)

    def features(self, x: Tensor) -> Tensor:
        """Computes features before pooling: (B, in_channels, H, W) -> (B, 4C, H, W)."""
        x = self.blocks(F.leaky_relu_(self.head(x), LEAK))
        for conv in self.widen:
            x = F.leaky_relu_(conv(x), LEAK)
        return x

    def from_pooled(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Maps features averaged over the image (B, 4C) to (idr (B, C), idr_full (B, 4C))."""
        idr_full = pooled
        for linear in self.mlp:
            idr_full = F.leaky_relu(linear(idr_full), LEAK)
        return self.compress_idr(idr_full), idr_full

    def compress_idr(self, idr_full: Tensor) -> Tensor:
        """Applies the last layer: `idr_full` (D' in the paper), (B, 4C) -> `idr` (D), (B, C)."""
        return F.leaky_relu(self.compress(idr_full), LEAK)

    def compress_stored(self, idr_full: Tensor) -> Tensor:
        """Applies `compress_idr` to vectors of any dtype and device, such as those from a file."""
        return self.compress_idr(idr_full.to(self.compress.weight))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps images (B, in_channels, H, W) to (idr (B, C), idr_full (B, 4C))."""
        return self.from_pooled(self.features(x).mean((2, 3)))


RGB_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean colour of DIV2K, subtracted from the input and added to the output; std is 1."""


def halo(n_blocks: int, tail: Tail) -> int:
    """Context of an output pixel on each side in LQ pixels: one for every 3x3 convolution.

    The convolutions are the head, two per block, and the body's last one; the tail's reach is
    added.
    """
    return 1 + 2 * n_blocks + 1 + tail.reach


class SRNetwork(nn.Module):
    """Maps an LQ image and its IDR to the SR image.

    `forward` is the official computation, layer by layer; `kdsr.network.baked` holds the fast path.
    """

    mean: Tensor

    def __init__(self, config: KDSRConfig) -> None:
        super().__init__()
        c = config.n_feats
        self.head = nn.Conv2d(3, c, 3, padding=1)
        self.blocks = nn.ModuleList(IDRBlock(c) for _ in range(config.n_blocks))
        self.fuse = nn.Conv2d(c, c, 3, padding=1)
        self.tail = Tail(c, config.scale)
        # The mean is in memory even if the weights are on `meta`, as no file holds it. It has three
        # dimensions: several processes cannot share a (1, 3, 1, 1) buffer that is channels-last.
        mean = torch.tensor(RGB_MEAN, device="cpu").reshape(3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    @property
    def halo(self) -> int:
        """Context of an output pixel on each side in LQ pixels, given the IDR."""
        return halo(len(self.blocks), self.tail)

    def predict_kernels(self, idr: Tensor) -> list[Tensor]:
        """Predicts all blocks' depthwise kernels, (B, C, 3, 3) each, from an IDR (B, C)."""
        return [block.predictor(idr) for block in self.blocks]  # pyright: ignore[reportCallIssue]

    def trunk(self, lq: Tensor, kernels: Sequence[Tensor]) -> Tensor:
        """Runs all layers before the tail: LQ (B, 3, H, W) in [0, 1] -> features (B, C, H, W)."""
        head = self.head(lq - self.mean)
        x = head
        for block, kernel in zip(self.blocks, kernels, strict=True):
            x = block(x, kernel)
        return self.fuse(x) + head

    def forward(self, lq: Tensor, idr: Tensor, *, compose_tail: bool = False) -> Tensor:
        """Super-resolves images.

        Args:
            lq: RGB images (B, 3, H, W) in [0, 1].
            idr: IDRs (B, C), or (1, C) for a common one.
            compose_tail: Run the tail as one convolution composed inside the graph, for training.
                Parameters, gradients and results (up to rounding) are the same; steps are faster.

        Returns:
            RGB images (B, 3, sH, sW) around [0, 1], not clamped.
        """
        features = self.trunk(lq, self.predict_kernels(idr))
        if not compose_tail:
            return self.tail(features) + self.mean
        # Composed weights are differences of products, which need full precision.
        with torch.autocast(lq.device.type, enabled=False):
            composed = compose(self.tail)
        return run_composed(self.tail, composed, features) + self.mean
