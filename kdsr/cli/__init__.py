"""The `kdsr` command: what each of its words does, how it speaks and how it ends."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: Arguments; those of the process when left out.

    Returns:
        0 if all went well, 2 for anything the user can mend, 130 after Ctrl-C, 1 for a mistake in
        this program.
    """
    # Not before a signal can stop it, see `stopping`.
    from ..errors import Cancelled
    from .failures import listening, report
    from .parser import make_parser
    from .stopping import stopped
    from .streams import note, settle

    arguments = make_parser().parse_args(argv)
    with listening(verbose=arguments.verbose):
        try:
            code = run(arguments.command, arguments)
        except (KeyboardInterrupt, Cancelled):
            note(stopped())
            code = 130
        except Exception as error:  # noqa: BLE001 - the last net: whatever it is, it takes one line
            code = report(error)
        return settle() or code


def run(command: str, arguments: "argparse.Namespace") -> int:
    """Imports what one command needs (PyTorch takes a moment) and runs it."""
    if command == "upscale" and arguments.cluster:
        from .cluster import upscale_on_cluster

        return upscale_on_cluster(arguments)
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
    if command == "demo":
        from .demo import demo

        return demo(arguments)
    from . import models

    return getattr(models, command.replace("-", "_"))(arguments)
