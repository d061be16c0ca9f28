"""The argument parser of the `kdsr` command. It does not import PyTorch, so `--help` is fast."""

import argparse
from typing import NoReturn

from .. import __version__, formats
from ..errors import printable
from ..formats import CODECS
from ..options import (
    CRISPNESSES,
    DEFAULT_MODEL,
    DTYPE_NAMES,
    ESTIMATES,
    EXPORT_DTYPE_NAMES,
    MAP_CELLS,
    MODES,
    PURPOSES,
    SAMPLED,
    STRENGTHS,
    WRAPS,
    VideoOptions,
)
from . import commands
from .commands import number_or, output_factor, output_size, some_name, some_path

_MODELS_HELP = (
    f"{', '.join(PURPOSES)} (the size chooses the file), a name from `kdsr models`, "
    "a .safetensors, .pt or .pth file, or hf://owner/repo/file.safetensors[@revision]"
)
_MODEL_HELP = f"{_MODELS_HELP} (default: {DEFAULT_MODEL})"
_DEMO_PORT = 8765


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, printable(f"{self.prog}: error: {message} (try {self.prog} --help)") + "\n")


def make_parser() -> argparse.ArgumentParser:
    """Builds the parser of all commands."""
    parser = _Parser(prog="kdsr", description="Blind super-resolution that looks at your image.")
    parser.add_argument("--version", action="version", version=f"kdsr {__version__}")
    choices = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_upscale(choices.add_parser("upscale", help="upscale images and videos"))
    _add_estimate(choices.add_parser("estimate", help="estimate how images were degraded"))
    _add_inspect(choices.add_parser("inspect", help="describe and draw what an IDR means"))
    info = choices.add_parser("info", help="describe a model")
    info.set_defaults(command=commands.Info)
    info.add_argument("model", help=_MODEL_HELP)
    models = choices.add_parser("models", help="list the models that have a name")
    models.set_defaults(command=commands.Models)
    convert = choices.add_parser("convert", help="convert official weights to safetensors, or back")
    convert.set_defaults(command=commands.Convert)
    convert.add_argument("source", type=some_path)
    convert.add_argument("target", type=some_path, help="ends in .safetensors, .pt or .pth")
    convert.add_argument("--overwrite", action="store_true")
    blend = choices.add_parser(
        "blend-models", help="make a model between a faithful and a crisp one"
    )
    blend.set_defaults(command=commands.BlendModels)
    blend.add_argument("faithful", help=_MODEL_HELP)
    blend.add_argument("crisp", help="a model whose training started from the faithful one")
    blend.add_argument("weight", type=float, help=f"0 is faithful, 1 crisp, up to {CRISPNESSES[1]}")
    blend.add_argument(
        "--estimators",
        action="store_true",
        help="mix the estimators, too: for models whose trainings diverged on different "
        "degradations; then calibrate the result with train/calibrate.py from a clone of the "
        "project",
    )
    blend.add_argument("-o", "--output", type=some_path, required=True, help="ends in .safetensors")
    blend.add_argument("--overwrite", action="store_true")
    _add_bake(choices.add_parser("bake", help="write networks for other programs"))
    _add_demo(choices.add_parser("demo", help="write a web page that upscales in the browser"))
    for command in choices.choices.values():
        command.add_argument(
            "--verbose", action="store_true", help="show all messages, and tracebacks of errors"
        )
    return parser


def _add_upscale(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.Upscale)
    parser.add_argument("input", nargs="+", type=some_name, help="files, folders or globs")
    parser.add_argument("-o", "--output", type=some_path, help="file (for one input) or folder")
    parser.add_argument(
        "--model",
        help=f"{_MODELS_HELP}; default: the bundled model that fits the size; {DEFAULT_MODEL} "
        "without a size or with --idr",
    )
    _add_crispness(parser)
    _add_running(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--size",
        type=output_size,
        help="2x (factor, up to 16), 3840w (width), 2160h (height), 3840x2160 (box to fit into) or "
        "12MP; default: the model's factor",
    )
    group.add_argument(
        "--scale",
        type=output_factor,
        dest="size",
        metavar="FACTOR",
        help="the same as --size FACTORx; 1 cleans and keeps the size",
    )
    parser.add_argument(
        "--overlap",
        type=number_or("exact", "fast"),
        default="exact",
        help="exact (tiled equals untiled), fast (32 px) or LQ pixels",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--idr", type=some_path, help="use this IDR instead of estimating one")
    group.add_argument(
        "--one-idr",
        action="store_true",
        help="the same look for all images: estimate all first, and use their mean IDR for each",
    )
    group.add_argument(
        "--map",
        type=int,
        nargs="?",
        const=MAP_CELLS,
        metavar="CELLS",
        help="for images with parts from several sources: estimate on a grid with this many cells "
        f"along the longer side (default: {MAP_CELLS}) and vary the IDR over the image",
    )
    parser.add_argument(
        "--strength",
        type=float,
        default=1.0,
        help=f"0 only enlarges, 1 restores as estimated, up to {STRENGTHS[1]} restores more",
    )
    parser.add_argument(
        "--save-idr", type=some_path, help="file for the IDR of a single input, or of --one-idr"
    )
    parser.add_argument("--suffix", default="-kdsr", help="suffix of the results' names")
    names = tuple(dict.fromkeys(formats.IMAGE_WRITE_FORMATS + formats.VIDEO_WRITE_FORMATS))
    parser.add_argument(
        "--format",
        choices=names,
        metavar="FORMAT",
        help=f"format of the results: {', '.join(names)}; default: the input's",
    )
    parser.add_argument(
        "--compress", action="store_true", help="write the smallest possible PNG, much slower"
    )
    parser.add_argument("--quality", type=int, default=95, help="quality of JPEG and WebP, 1-100")
    parser.add_argument(
        "--strip",
        action="store_true",
        help="remove metadata from images (EXIF, XMP, IPTC, dpi, texts), but keep colour profiles",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    parser.add_argument(
        "--cluster",
        type=some_name,
        metavar="ADDRESS",
        help="divide the files among many workers by Ray: auto for the running cluster, local for "
        "the GPUs (or cores) of this machine alone, or HOST:PORT; existing results count as "
        "finished",
    )
    _add_video(parser)


def _add_video(parser: argparse.ArgumentParser) -> None:
    defaults = VideoOptions()
    group = parser.add_argument_group(
        "videos and animations",
        "MP4, MOV, MKV, WebM, GIF, animated WebP, and more for reading; needs PyAV (the extra "
        '"video"). Sound, subtitles and time stamps are copied; stopped runs resume.',
    )
    group.add_argument(
        "--mode",
        choices=tuple(mode.replace(" ", "-") for mode in MODES),
        default=defaults.mode,
        help="which IDR a frame gets: smoothed over its scene, locked (one for all), or per-frame "
        "(one pass instead of two, but may flicker); default: %(default)s; not used with --idr",
    )
    group.add_argument(
        "--smoothing",
        type=float,
        default=defaults.smoothing,
        metavar="X",
        help="0 (none) to less than 1; 0.9 averages over 20 frames (default: %(default)s)",
    )
    group.add_argument(
        "--scene-cut",
        type=float,
        default=defaults.scene_cut,
        metavar="DEGREES",
        help="angle between IDRs that starts a new scene; 180 for never (default: %(default)s)",
    )
    group.add_argument(
        "--codec",
        choices=tuple(CODECS),
        help="default: h264, for WebM vp9; with more than 8 bits hevc, for WebM av1",
    )
    ranges = (f"{name} {codec.crf}" for name, codec in CODECS.items())
    group.add_argument(
        "--crf", type=int, help=f"quality, 0 is the best; default: {', '.join(ranges)}"
    )


def _add_estimate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.Estimate)
    parser.add_argument("input", nargs="+", type=some_name, help="files, folders or globs")
    parser.add_argument("-o", "--output", type=some_path, help="IDR file with a row per image")
    _add_model(parser)
    _add_running(parser)
    parser.add_argument("--mean", action="store_true", help="save the mean of all IDRs instead")
    parser.add_argument("--overwrite", action="store_true")


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.Inspect)
    parser.add_argument("input", type=some_path, help="an image, or an IDR file")
    parser.add_argument("-o", "--output", type=some_path, help="PNG file for the figure")
    parser.add_argument("--other", type=some_path, help="an image or IDR file to compare with")
    _add_model(parser)
    _add_running(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _add_bake(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.Bake)
    parser.add_argument(
        "output",
        type=some_path,
        help="ends in .onnx (needs onnx, onnxscript), .pt2 or .safetensors (for spandrel, ComfyUI)",
    )
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--idr", type=some_path, help="build in the IDR of a file")
    group.add_argument("--image", type=some_path, help="build in the IDR of an image")
    group.add_argument("--blind", action="store_true", help="build in the estimator (ONNX)")
    group.add_argument(
        "--split",
        action="store_true",
        help="for x.onnx write x.estimator.onnx, x.network.onnx and x.json (their settings), to "
        "estimate once and upscale tile by tile",
    )
    _add_model(parser)
    _add_export_dtype(parser)
    parser.add_argument("--overwrite", action="store_true")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=commands.Demo)
    parser.add_argument("folder", type=some_path, help="folder of the page and its networks (ONNX)")
    _add_model(parser)
    _add_export_dtype(parser)
    parser.add_argument(
        "--serve",
        type=int,
        nargs="?",
        const=_DEMO_PORT,
        metavar="PORT",
        help=f"then serve the page on this machine (default port: {_DEMO_PORT}; 0: any free one)",
    )
    parser.add_argument("--overwrite", action="store_true")


def _add_export_dtype(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dtype",
        choices=EXPORT_DTYPE_NAMES,
        default=EXPORT_DTYPE_NAMES[0],
        help="dtype of weights and computation; images stay in fp32 (default: %(default)s)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=DEFAULT_MODEL, help=_MODEL_HELP)
    _add_crispness(parser)


def _add_crispness(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--crispness",
        type=float,
        default=1.0,
        help="for crisp models: 0 is the faithful model, 1 the crisp one, up to "
        f"{CRISPNESSES[1]} is crisper still (default: 1)",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(overlap="exact")  # for commands without the argument
    parser.add_argument(
        "--tile",
        type=number_or("auto", "none"),
        default="auto",
        help="tile size: LQ pixels, auto or none",
    )
    parser.add_argument(
        "--estimate",
        choices=ESTIMATES,
        default=SAMPLED,
        help="sampled: estimate from parts of large images, without dither and hatching; whole: "
        "from every pixel (default: %(default)s)",
    )
    parser.add_argument("--dtype", choices=DTYPE_NAMES, default="auto")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps or auto")
    parser.add_argument(
        "--wrap",
        choices=WRAPS,
        default="none",
        help="treat the image as a seamless texture",
    )
