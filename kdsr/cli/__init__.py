"""The `kdsr` command: its subcommands, messages and exit codes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .commands import Command


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: Arguments; by default those of the process.

    Returns:
        0 for success, 2 for errors that the user can correct, 130 after Ctrl-C, 1 for a bug in
        kdsr.
    """
    # Imported late, so that signals can already end the process; see `exit_on_signals`.
    from ..errors import Cancelled
    from .parser import make_parser
    from .streams import flush_output, listening, note, report, stopped

    arguments = make_parser().parse_args(argv)
    with listening(verbose=arguments.verbose):
        try:
            code = _run(arguments.command.of(arguments))
        except (KeyboardInterrupt, Cancelled):
            note(stopped())
            code = 130
        except Exception as error:  # noqa: BLE001 - every error becomes one line
            code = report(error)
        return flush_output() or code


def _run(command: "Command") -> int:
    """Runs a command; imports only what it needs, as the import of PyTorch is slow."""
    from . import commands

    match command:
        case commands.Upscale():
            from .upscale import upscale

            return upscale(command)
        case commands.Estimate():
            from .estimating import estimate

            return estimate(command)
        case commands.Inspect():
            from .estimating import inspect

            return inspect(command)
        case commands.Bake():
            from .exporting import bake

            return bake(command)
        case commands.Demo():
            from .exporting import demo

            return demo(command)
        case commands.Info():
            from .weights import info

            return info(command)
        case commands.Convert():
            from .weights import convert

            return convert(command)
        case commands.BlendModels():
            from .weights import blend_models

            return blend_models(command)
        case _:
            from .weights import models

            return models()
