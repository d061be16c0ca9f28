"""Measures what a finished model's IDRs mean, and stores the result in the model's file.

    python train/calibrate.py runs/general/kdsr-s-x4.safetensors --data PHOTOS

`train/run.py` does this by itself at the end of a student or gan stage. The command degrades
photographs in known ways; `kdsr.network.models` lists what the file then holds.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from kdsr import KDSRError
from train.data.cache import open_cache
from train.loop.machine import keep_freed_memory
from train.measuring.calibration import calibrate_file, describe


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", type=Path, help="student weights (.safetensors); the file is rewritten"
    )
    parser.add_argument("--data", type=Path, required=True, help="photographs")
    parser.add_argument(
        "--hold_out",
        type=int,
        default=8,
        help="number of photographs that the model was not trained on",
    )
    parser.add_argument(
        "--samples", type=int, default=4000, help="number of degraded crops to fit on"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        "--readings_only",
        action="store_true",
        help="fit the readings anew, keep the references and the range of the file",
    )
    only.add_argument(
        "--range_only",
        action="store_true",
        help="measure the calibrated range of image cells anew, keep everything else in the file",
    )
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/kdsr/data"))
    arguments = parser.parse_args(argv)
    keep_freed_memory()
    try:
        photographs, held_out = open_cache(
            arguments.data.expanduser(), arguments.cache.expanduser()
        ).split(arguments.hold_out)
        made = calibrate_file(
            arguments.model,
            photographs,
            held_out,
            arguments.samples,
            readings_only=arguments.readings_only,
            range_only=arguments.range_only,
        )
    except (KDSRError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(describe(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
