"""Checks that version, changelog and tag of a release agree, and prints the release notes.

    python -m tools.release [--tag v0.2.0]

Without a tag, it lists what is missing for a release.
"""

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_VERSION = re.compile(r'^(?:__)?version(?:__)? = "([^"]+)"$', re.MULTILINE)
_HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\S+))?[ \t]*$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SEMANTIC = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Release:
    """Release information in a checkout."""

    package: str
    """Version in pyproject.toml."""
    library: str
    """`kdsr.__version__`."""
    logged: str
    """Newest version in CHANGELOG.md that is not "Unreleased"; empty if there is none."""
    date: str
    """Date of that version; empty if there is none."""
    notes: str
    """Section of the changelog about that version."""
    unreleased: str
    """Section "Unreleased" of the changelog."""

    @classmethod
    def read(cls, root: Path = ROOT) -> "Release":
        """Reads a checkout."""
        sections = _sections((root / "CHANGELOG.md").read_text(encoding="utf-8"))
        unreleased = sections.pop("Unreleased", ("", ""))[1]
        logged, (date, notes) = next(iter(sections.items()), ("", ("", "")))
        return cls(
            _version(root / "pyproject.toml"),
            _version(root / "kdsr/__init__.py"),
            logged,
            date,
            notes,
            unreleased,
        )

    def problems(self, tag: str | None = None) -> list[str]:
        """Lists disagreements with their remedies; nothing if the release is consistent.

        Args:
            tag: Tag of the commit: "v" and the version.
        """
        found = []
        if not _SEMANTIC.fullmatch(self.package):
            found.append(f"pyproject.toml: version {self.package!r} is not of the form 1.2.3")
        if self.library != self.package:
            found.append(
                f"kdsr/__init__.py says {self.library}, pyproject.toml {self.package}: set both"
            )
        if self.logged != self.package:
            found.append(
                f"the newest section of CHANGELOG.md is {self.logged or 'missing'}: rename "
                f"[Unreleased] to [{self.package}] with today's date"
            )
        elif not _DATE.fullmatch(self.date):
            found.append(f"CHANGELOG.md: expected '## [{self.logged}] - YYYY-MM-DD'")
        elif not self.notes:
            found.append(f"CHANGELOG.md says nothing about {self.logged}")
        if self.unreleased:
            found.append("CHANGELOG.md has entries under [Unreleased]: move them into the release")
        if tag is not None and tag != f"v{self.package}":
            found.append(f"the tag is {tag}, expected v{self.package}")
        return found


def _sections(text: str) -> dict[str, tuple[str, str]]:
    """Date and text of each version in a changelog, in its order."""
    headings = list(_HEADING.finditer(text))
    ends = [*(heading.start() for heading in headings), len(text)][1:]
    return {
        heading[1]: (heading[2] or "", text[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    }


def _version(path: Path) -> str:
    found = _VERSION.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{path} states no version")
    return found[1]


def main(argv: list[str] | None = None) -> int:
    """Prints the notes, or disagreements to stderr; returns the exit code, 1 for disagreements."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--tag", help="tag of the commit")
    release = Release.read()
    problems = release.problems(parser.parse_args(argv).tag)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(release.notes)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
