"""Times the official computation against ours, on one machine in one run.

    python -m benchmarks.inference [--sizes s m l gan] [--lq 180x320] [--device cpu]
    python -m benchmarks.inference --against v0.1.0 --sizes s m l --lq 816x1224

Every row estimates the IDR of the LQ image and upscales it x4. "plain fp32" is the official
computation, layer by layer. "collapsed" is `model.upscale`. "baked" has the IDR built in, and does
not estimate. Weights are random, as they do not affect speed.

`--against` checks out another git revision and times both in turn.
"""

import gc
import math
import multiprocessing
import sys
from collections.abc import Callable

import torch

from benchmarks.against import compare
from benchmarks.timing import Measurement, default_device, measure, resident_peak
from kdsr import IDR, KDSR, PRESETS, KDSRConfig
from kdsr.network.baked import BakedKDSR
from tools.arguments import parser_of

PEAK_ROWS = ("plain fp32", "collapsed fp32", "collapsed bf16", "baked fp32", "baked bf16")
Candidates = dict[str, Callable[[], object]]


def main() -> None:
    """Prints one Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", nargs="+", default=list(PRESETS), choices=list(PRESETS))
    parser.add_argument("--lq", nargs="+", default=None, help="size of the LQ image, HEIGHTxWIDTH")
    parser.add_argument("--device", default=None, help="cpu, cuda or mps")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="add compiled rows on a CPU, too")
    parser.add_argument("--against", metavar="REF", help="compare with a git revision instead")
    args = parser.parse_args()
    if args.against:
        compare(args.against, args.sizes, args.lq or ["816x1224"], args.rounds)
        return
    device = torch.device(args.device) if args.device else default_device()
    shapes = args.lq or (["180x320", "720x1280"] if device.type == "cuda" else ["180x320"])
    print(f"device: {describe(device)}, torch {torch.__version__}\n")
    print("| LQ | size | path | s / image | ratio | peak MiB |")
    print("|---|---|---|---|---|---|")
    for shape in shapes:
        height, width = (int(number) for number in shape.split("x"))
        for size in args.sizes:
            candidates = kdsr_candidates(size, height, width, device, compiled=args.compile)
            rows = measure(candidates, device, args.rounds)
            if device.type == "cpu" and sys.platform.startswith("linux"):
                for name, row in rows.items():
                    row.peak_mib = peak_in_child(size, name, height, width)
            print_rows(shape, size, rows)
            del candidates
            gc.collect()


@torch.inference_mode()
def kdsr_candidates(
    size: str, height: int, width: int, device: torch.device, *, compiled: bool
) -> Candidates:
    """Makes the ways of running one KDSR size, the official computation first."""
    torch.manual_seed(0)
    model = KDSR(KDSRConfig.preset(size)).freeze().to(device)
    lq = torch.rand(1, 3, height, width)
    on_device = lq.to(device)
    c = model.config.n_feats
    idr = IDR(torch.rand(1, c), torch.rand(1, 4 * c), model.fingerprint)

    def plain(dtype: torch.dtype | None = None) -> torch.Tensor:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None),
        ):
            return model(on_device)[0].float().cpu()

    candidates: Candidates = {"plain fp32": plain}
    if device.type == "cuda":
        candidates["plain fp16 autocast"] = lambda: plain(torch.float16)
    dtypes = ["fp32", "bf16"] + ["fp16"] * (device.type == "cuda")
    for name in dtypes:
        candidates[f"collapsed {name}"] = lambda name=name: model.upscale(lq, dtype=name, tile=None)
    for name in dtypes:
        candidates[f"baked {name}"] = lambda name=name: model.upscale(
            lq, idr, dtype=name, tile=None
        )
    if device.type == "cuda" or compiled:
        fast = "fp16" if device.type == "cuda" else "bf16"
        candidates |= compiled_candidates(model.bake(idr), lq, device, fast)
    return candidates


def compiled_candidates(
    baked: BakedKDSR, lq: torch.Tensor, device: torch.device, name: str
) -> Candidates:
    """Makes the compiled baked network, and on CUDA a CUDA graph."""
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[name]
    baked = baked.cast_body(dtype)
    baked.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    on_device = lq.to(device).contiguous(memory_format=torch.channels_last)

    def runner(network: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], torch.Tensor]:
        def run() -> torch.Tensor:
            with torch.inference_mode():
                return network(on_device).clamp_(0, 1).cpu()

        return run

    candidates: Candidates = {f"baked compiled {name}": runner(torch.compile(baked))}
    if device.type == "cuda":
        graphed: Callable[[torch.Tensor], torch.Tensor] = torch.compile(
            baked, mode="reduce-overhead"
        )
        candidates[f"baked CUDA graph {name}"] = runner(lambda lq: graphed(lq).clone())
    return candidates


def peak_in_child(size: str, name: str, height: int, width: int) -> float:
    """Measures the peak memory of one candidate in a new process, in MiB."""
    if name not in PEAK_ROWS:
        return math.nan
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (size, name, height, width))


def _peak(size: str, name: str, height: int, width: int) -> float:
    device = torch.device("cpu")
    return resident_peak(kdsr_candidates(size, height, width, device, compiled=False)[name])


def print_rows(shape: str, size: str, rows: dict[str, Measurement]) -> None:
    """Prints the rows of one size, with ratios to its first row."""
    base = next(iter(rows.values())).seconds
    for name, row in rows.items():
        print(
            f"| {shape} | {size} | {name} | {row.seconds:.3f} | {base / row.seconds:.2f}x "
            f"| {'' if math.isnan(row.peak_mib) else f'{row.peak_mib:.0f}'} |",
            flush=True,
        )


def describe(device: torch.device) -> str:
    """Describes a device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
