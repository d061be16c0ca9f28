"""The `kdsr` command: what each of its words does, how it speaks and how it ends."""


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
            code = arguments.command.of(arguments).run()
        except (KeyboardInterrupt, Cancelled):
            note(stopped())
            code = 130
        except Exception as error:  # noqa: BLE001 - the last net: whatever it is, it takes one line
            code = report(error)
        return flush_output() or code
