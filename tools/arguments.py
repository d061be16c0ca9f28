"""Commands for developers say in `--help` what their module's docstring says."""

import argparse


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """A parser with `doc` as its description, line for line."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
