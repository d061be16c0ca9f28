"""The `kdsr` command."""

import sys
from typing import TYPE_CHECKING

from ..errors import Cancelled, KDSRError

if TYPE_CHECKING:
    import argparse


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: Arguments; those of the process when left out.

    Returns:
        0 if all went well, 2 for anything the user can mend, 130 after Ctrl-C.
    """
    from .parser import make_parser  # not before a signal can stop it, see `stopping`

    arguments = make_parser().parse_args(argv)
    try:
        return run(arguments.command, arguments)
    except KDSRError as error:
        return _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    except (KeyboardInterrupt, Cancelled):
        sys.stderr.write("kdsr: stopped; nothing half-written is left\n")
        return 130


def run(command: str, arguments: "argparse.Namespace") -> int:
    """Imports what one command needs (PyTorch takes a moment) and runs it."""
    if command == "upscale":
        from .upscale import upscale

        return upscale(arguments)
    if command == "inspect":
        from .inspect import inspect

        return inspect(arguments)
    if command == "estimate":
        from .estimate import estimate

        return estimate(arguments)
    if command == "bake":
        from .bake import bake

        return bake(arguments)
    from . import models

    return getattr(models, command.replace("-", "_"))(arguments)


def _fail(message: str) -> int:
    sys.stderr.write(f"kdsr: error: {message}\n")
    return 2
