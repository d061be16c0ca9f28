"""Times the upscaling of a folder: how long the network waits for files, overlapped or not.

    python -m benchmarks.folder FOLDER [--count 100] [--format png] [--rounds 3]

"one by one, zlib 6" reads, upscales and writes each photograph before the next, with Pillow's
default PNG compression. The rows below it change one thing each. The last row is `kdsr upscale
FOLDER`. Busy is the network's share of the time. Photographs are cut to `--side` LQ pixels and
written as PNG into a temporary folder, where results go, too.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

import kdsr
from kdsr.cli.image_session import pipelined
from kdsr.cli.streams import Failure
from kdsr.files import images
from kdsr.files.images import DecodedImage, read_image, write_image
from kdsr.options import DEFAULT_MODEL
from tools.arguments import parser_of
from train.data.image_files import find_images

Step = Callable[..., object]
Way = Callable[[Sequence[Path], Step, Step, Step], Iterator[tuple[Path, object]]]
_PILLOW = 6  # Pillow's default level of zlib


def one_by_one(
    sources: Sequence[Path], read: Step, work: Step, write: Step
) -> Iterator[tuple[Path, object]]:
    """Processes the files one by one."""
    for source in sources:
        yield source, write(source, work(source, read(source)))


def main() -> None:
    """Prints a Markdown table."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--side", type=int, default=256, help="LQ pixels")
    parser.add_argument("--format", default="png", choices=("png", "jpg", "webp", "tif"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    model = kdsr.load(arguments.model).to(arguments.device)
    with tempfile.TemporaryDirectory() as name:
        sources = sources_of(Path(name), arguments)
        ways: dict[str, tuple[Way, int]] = {
            "one by one, zlib 6": (one_by_one, _PILLOW),
            "one by one, zlib 1": (one_by_one, images.FAST),
            "overlapped, zlib 6": (pipelined, _PILLOW),
            "overlapped, zlib 1: kdsr upscale": (pipelined, images.FAST),
        }
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way, (loop, level) in ways.items():
                images.FAST = level
                found[way].append(_time(model, sources, loop, arguments.format))
    first = statistics.median(seconds for seconds, _ in next(iter(found.values())))
    print(f"{len(sources)} photographs of {arguments.side} px, {arguments.format}\n")
    print("| way | time | busy |\n|---|---|---|")
    for way, rows in found.items():
        seconds, busy = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"| {way} | {seconds / first:.2f}x | {busy:.0%} |")


def sources_of(folder: Path, arguments: argparse.Namespace) -> list[Path]:
    """Writes `.count` crops of the photographs in `.folder`, `.side` px; returns their paths."""
    found, made = find_images(arguments.folder), []
    for index in range(arguments.count):
        rgb = read_image(found[index % len(found)]).rgb
        shift = _shift(rgb, arguments.side, index // len(found))
        crop = rgb[0, :, shift:, shift:][:, : arguments.side, : arguments.side]
        path = folder / f"{index:04d}.png"
        write_image(path, crop, DecodedImage(crop[None]))
        made.append(path)
    return made


def _shift(rgb: torch.Tensor, side: int, turn: int) -> int:
    """Corner of the next crop of a photograph that has given `turn` crops before."""
    room = min(rgb.shape[-2:]) - side
    if room < 0:
        raise SystemExit(f"a photograph has fewer than {side} px a side: choose a smaller --side")
    return 37 * turn % (room + 1)


def _time(model: kdsr.KDSR, sources: Sequence[Path], loop: Way, suffix: str) -> tuple[float, float]:
    """Times one way; returns seconds and the network's share of them."""
    busy = 0.0

    def work(_source: Path, picture: DecodedImage) -> tuple[DecodedImage, torch.Tensor]:
        nonlocal busy
        begun = time.perf_counter()
        height, width = (model.config.scale * side for side in picture.rgb.shape[-2:])
        out = torch.empty(1, height, width, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
        made = model.upscale(picture.rgb, out=out)
        busy += time.perf_counter() - begun
        return picture, made[0]

    def write(source: Path, made: tuple[DecodedImage, torch.Tensor]) -> None:
        write_image(source.with_name(f"{source.stem}-sr.{suffix}"), made[1], made[0])

    begun = time.perf_counter()
    for _, outcome in loop(sources, read_image, work, write):
        if isinstance(outcome, Failure):
            raise SystemExit(outcome.line)
    seconds = time.perf_counter() - begun
    return seconds, busy / seconds


if __name__ == "__main__":
    main()
