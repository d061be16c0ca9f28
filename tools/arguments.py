"""Makes argument parsers whose `--help` shows the module's docstring."""

import argparse


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Makes a parser with `doc` as its description, line for line."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
