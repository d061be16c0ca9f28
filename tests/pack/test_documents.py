"""What the documents promise about themselves: links that lead somewhere, and a short README."""

import re
from pathlib import Path

import pytest

from tests.support.places import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "train/*.md", "tests/*.md", "samples/*.md")
    for path in ROOT.glob(pattern)
)
README = (ROOT / "README.md").read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith(("http", "hf:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_holds_one_test_command() -> None:
    assert len(README.splitlines()) <= 120
    assert len(re.findall(r"^python -m pip install .*-m pytest", README, re.MULTILINE)) == 1


def test_every_option_and_command_of_the_readme_exists() -> None:
    from kdsr.cli.parser import make_parser

    commands = re.findall(r"^kdsr (.*?)(?:  +#.*)?$", README, re.MULTILINE)
    assert len(commands) > 8
    for command in commands:
        make_parser().parse_args(command.replace('"', "").split())
