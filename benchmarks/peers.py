"""Compares other upscalers with ours: time, memory and multiply-adds on the same pictures.

    python -m benchmarks.peers --ncnn realesrgan-x4plus RealESRGAN_General_x4_v3 4xLSDIRCompactC3
        [--models kdsr-s-x4-photo] [--sizes b] [--lq 256x256 512x512 1024x1024] [--dtype bf16]

`--ncnn` takes paths of `.param` and `.bin` files, without the suffix. Their networks run in PyTorch
on the whole picture, in the channels-last format. `--models` are models of ours, with estimating
and upscaling tile by tile, and with upscaling alone for a given IDR. `--sizes` are the same with
random weights. All rows use the same dtype, threads and machine, and are measured in turn. With
one thread, times are CPU times. Memory is the addition by one call, on a CPU in a new process.
"""

import functools
import math
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import kdsr
from benchmarks.inference import describe
from benchmarks.ncnn import NcnnNetwork
from benchmarks.timing import default_device, measure, resident_peak
from kdsr import KDSR, PRESETS, KDSRConfig
from kdsr.tiles.work import DTYPES
from tools.arguments import parser_of
from train.data.image_files import load_image

_SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "photos"
_PROBE = 64  # side in pixels of the picture for counting multiply-adds


def main() -> None:
    """Prints one Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--ncnn", nargs="*", type=Path, default=[], help="ncnn files of other networks"
    )
    parser.add_argument("--models", nargs="*", default=["kdsr-s-x4-photo"], help="models of ours")
    parser.add_argument("--sizes", nargs="*", default=[], choices=list(PRESETS))
    parser.add_argument("--lq", nargs="+", default=["256x256", "512x512", "1024x1024"])
    parser.add_argument("--dtype", default="bf16", choices=list(DTYPES))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default=None, help="cpu or cuda")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    device = torch.device(args.device) if args.device else default_device()
    torch.set_num_threads(args.threads)
    names = [f"ncnn {stem}" for stem in args.ncnn]
    names += [f"model {name}" for name in args.models] + [f"size {name}" for name in args.sizes]
    said = f"{args.dtype}, torch {torch.__version__}"
    said += ", CPU time" if _by_cpu_time(device) else ""
    print(f"device: {describe(device)}, {said}\n")
    print("| LQ | network | parameters | G multiply-adds | ms | against the first | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    for shape in args.lq:
        height, width = (int(number) for number in shape.split("x"))
        table(names, (height, width), args.dtype, device, args.rounds)


def table(
    names: list[str], shape: tuple[int, int], dtype: str, device: torch.device, rounds: int
) -> None:
    """Prints the rows of one picture size."""
    networks = {name: _network(name, device) for name in names}
    jobs = {
        label: job
        for name, network in networks.items()
        for label, job in _jobs(name, network, shape, dtype, device).items()
    }
    clock = time.process_time if _by_cpu_time(device) else time.perf_counter
    rows = measure(jobs, device, rounds, clock=clock)
    work = {name: _multiply_adds(network) * math.prod(shape) for name, network in networks.items()}
    base = next(iter(rows.values())).seconds
    for label, row in rows.items():
        name = label.removesuffix(_GIVEN)
        peak = row.peak_mib
        if device.type == "cpu" and sys.platform.startswith("linux"):
            peak = _peak_in_child(label, name, shape, dtype)
        parameters = sum(p.numel() for p in _tensors(networks[name])) / 1e6
        counted = f"{work[name] / 1e9:.0f}" if label == name else ""
        print(
            f"| {shape[0]}x{shape[1]} | {_title(label)} | {parameters:.2f} M | {counted} | "
            f"{row.seconds * 1e3:.0f} | {base / row.seconds:.2f}x | "
            f"{'' if math.isnan(peak) else f'{peak:.0f}'} |",
            flush=True,
        )


_GIVEN = ", IDR given"


def _by_cpu_time(device: torch.device) -> bool:
    """Whether to measure CPU time, which other programs hardly affect: with one CPU thread."""
    return device.type == "cpu" and torch.get_num_threads() == 1


def _title(label: str) -> str:
    """Name of a network for the table."""
    kind, _, name = label.partition(" ")
    return Path(name).name if kind == "ncnn" else label.removeprefix("model ")


def _network(name: str, device: torch.device) -> nn.Module:
    """Loads the network for `ncnn PATH`, `model NAME` or `size NAME`."""
    kind, _, what = name.partition(" ")
    if kind == "ncnn":
        return NcnnNetwork(Path(what)).eval().to(device)
    if kind == "model":
        return kdsr.load(what).to(device)
    torch.manual_seed(0)
    return KDSR(KDSRConfig.preset(what)).freeze().to(device)


def _jobs(
    name: str, network: nn.Module, shape: tuple[int, int], dtype: str, device: torch.device
) -> dict[str, Callable[[], object]]:
    """Makes the timed jobs of a network, by label."""
    lq = _photographs(*shape)
    if isinstance(network, KDSR):
        idr = network.estimate(lq, dtype=dtype)
        return {
            name: lambda: network.upscale(lq, network.estimate(lq, dtype=dtype), dtype=dtype),
            name + _GIVEN: lambda: network.upscale(lq, idr, dtype=dtype),
        }
    network.to(DTYPES[dtype])
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return {name: functools.partial(_whole, network, lq, DTYPES[dtype], device)}


def _photographs(height: int, width: int) -> Tensor:
    """The samples beside and below each other, (1, 3, height, width): noise would be mended."""
    photos = [load_image(path) for path in sorted(_SAMPLES.glob("*.jpg"))]
    side = photos[0].shape[-1]
    down, across = -(-height // side), -(-width // side)
    tiles = [photos[i % len(photos)] for i in range(down * across)]
    rows = [torch.cat(tiles[i * across : (i + 1) * across], dim=3) for i in range(down)]
    return torch.cat(rows, dim=2)[..., :height, :width]


@torch.inference_mode()
def _whole(network: nn.Module, lq: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    image = lq.to(device, dtype).contiguous(memory_format=torch.channels_last)
    return network(image).float().clamp_(0, 1).cpu()


def _multiply_adds(network: nn.Module) -> float:
    """Counts multiply-adds per LQ pixel."""
    tensor = next(_tensors(network))
    lq = torch.rand(1, 3, _PROBE, _PROBE, device=tensor.device, dtype=tensor.dtype)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(lq, compose_tail=True) if isinstance(network, KDSR) else network(lq)
    return counter.get_total_flops() / 2 / _PROBE**2


def _tensors(network: nn.Module):
    """The weights of a network, which are buffers for ncnn files."""
    return network.buffers() if isinstance(network, NcnnNetwork) else network.parameters()


def _peak_in_child(label: str, name: str, shape: tuple[int, int], dtype: str) -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (label, name, shape, dtype, torch.get_num_threads()))


def _peak(label: str, name: str, shape: tuple[int, int], dtype: str, threads: int) -> float:
    torch.set_num_threads(threads)
    cpu = torch.device("cpu")
    jobs = _jobs(name, _network(name, cpu), shape, dtype, cpu)
    return resident_peak(jobs[label])


if __name__ == "__main__":
    main()
