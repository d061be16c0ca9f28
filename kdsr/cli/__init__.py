"""The `kdsr` command: what each of its words does, how it speaks and how it ends."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .commands import Command


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
    from .parser import make_parser
    from .streams import flush_output, listening, note, report, stopped

    arguments = make_parser().parse_args(argv)
    with listening(verbose=arguments.verbose):
        try:
            code = _run(arguments.command.of(arguments))
        except (KeyboardInterrupt, Cancelled):
            note(stopped())
            code = 130
        except Exception as error:  # noqa: BLE001 - the last net: whatever it is, it takes one line
            code = report(error)
        return flush_output() or code


def _run(command: "Command") -> int:
    """Runs a command; imports what that takes and no more, as PyTorch takes a moment."""
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
            from .model_set import info

            return info(command)
        case commands.Convert():
            from .model_set import convert

            return convert(command)
        case commands.BlendModels():
            from .model_set import blend_models

            return blend_models(command)
        case _:
            from .model_set import models

            return models()
