"""What a factor costs: x1, x2 and x4 networks, and x2 by an x4 network whose result is halved.

    python -m benchmarks.factors [--size s] [--lq 180x320] [--device cpu] [--rounds 5]

Every row is the whole job on the same LQ image: estimate its IDR, upscale it, and resize where the
size wanted is another. Ratios are to the last row, which is what whoever wants x2 pays without an
x2 model. Weights are random: speed does not depend on them.
"""

import torch

from benchmarks.inference import describe
from benchmarks.timing import default_device, measure
from kdsr import KDSR, PRESETS, KDSRConfig
from kdsr.upscaling.resized import upscale_to
from tools.arguments import parser_of

HALVED = "x4, halved to x2"


def main() -> None:
    """Prints one Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("--size", default="s", choices=list(PRESETS))
    parser.add_argument("--lq", default="180x320", help="HEIGHTxWIDTH of the LQ image")
    parser.add_argument("--device", default=None, help="cpu, cuda or mps")
    parser.add_argument("--dtype", default="auto", help="as in model.upscale")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    device = torch.device(args.device) if args.device else default_device()
    height, width = (int(number) for number in args.lq.split("x"))
    lq = torch.rand(1, 3, height, width)
    torch.manual_seed(0)
    models = {
        scale: KDSR(KDSRConfig.preset(args.size, scale)).freeze().to(device) for scale in (1, 2, 4)
    }
    ways = {f"x{scale}": (model, scale) for scale, model in models.items()} | {
        HALVED: (models[4], 2)
    }

    def run(way: str) -> torch.Tensor:
        model, factor = ways[way]
        return upscale_to(model, lq, size=(factor * height, factor * width), dtype=args.dtype)

    rows = measure({way: lambda way=way: run(way) for way in ways}, device, args.rounds)
    print(f"device: {describe(device)}, torch {torch.__version__}, {args.dtype}\n")
    print("| LQ | size | network | s / image | against x4, halved |")
    print("|---|---|---|---|---|")
    for way, row in rows.items():
        ratio = rows[HALVED].seconds / row.seconds
        print(f"| {args.lq} | {args.size} | {way} | {row.seconds:.3f} | {ratio:.2f}x |")


if __name__ == "__main__":
    main()
