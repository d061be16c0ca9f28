"""Entry point of the process: `kdsr`, or `python -m kdsr`."""

from .cli.streams import exit_on_signals


def run() -> int:
    """Runs the command with the process's arguments, signals and streams; returns its exit code."""
    exit_on_signals()  # before any slow import
    import logging

    from .cli import main
    from .cli.streams import ensure_streams, flush_output

    ensure_streams()
    logging.captureWarnings(True)
    try:
        return main()
    finally:
        flush_output()  # for `--help`, which ends with an exception


if __name__ == "__main__":
    raise SystemExit(run())
