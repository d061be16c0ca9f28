"""The `kdsr` command, as a process: `kdsr`, or `python -m kdsr`."""

from .cli.stopping import exit_on_signals


def run() -> int:
    """Runs the command on the process's arguments and signals; gives its exit code."""
    exit_on_signals()  # before anything that takes time is imported
    from .cli import main

    return main()


if __name__ == "__main__":
    raise SystemExit(run())
