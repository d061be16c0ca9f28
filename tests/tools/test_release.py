from pathlib import Path

import pytest

import kdsr
from tools.release import Release

RELEASED = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n\n### Added\n- A thing.\n"
OLDER = "\n## [0.1.0] - 2026-11-01\n\n- The beginning.\n"


def checkout(
    root: Path, changelog: str = RELEASED + OLDER, package: str = "0.2.0", library: str = "0.2.0"
) -> Release:
    """A checkout that is a release of 0.2.0 unless told otherwise."""
    (root / "kdsr").mkdir()
    (root / "pyproject.toml").write_text(f'[project]\nname = "kdsr"\nversion = "{package}"\n')
    (root / "kdsr/__init__.py").write_text(f'"""KDSR."""\n\n__version__ = "{library}"\n')
    (root / "CHANGELOG.md").write_text(changelog)
    return Release.read(root)


def test_a_release_whose_parts_agree_has_no_problems_and_its_own_notes(tmp_path: Path) -> None:
    release = checkout(tmp_path)
    assert release.problems() == []
    assert release.problems("v0.2.0") == []
    assert release.notes == "### Added\n- A thing."


@pytest.mark.parametrize(
    ("changes", "tag", "problem"),
    [
        ({}, "v0.3.0", "the tag is v0.3.0, expected v0.2.0"),
        ({}, "0.2.0", "the tag is 0.2.0, expected v0.2.0"),
        ({"library": "0.1.0"}, "v0.2.0", "kdsr/__init__.py says 0.1.0, pyproject.toml 0.2.0"),
        ({"package": "0.2", "library": "0.2"}, "v0.2", "is not of the form 1.2.3"),
        ({"changelog": "## [Unreleased]\n" + OLDER}, "v0.2.0", "newest section of CHANGELOG.md is"),
        ({"changelog": "# Changelog\n"}, "v0.2.0", "CHANGELOG.md is missing: rename [Unreleased]"),
        ({"changelog": "## [0.2.0]\n\n- A thing.\n"}, "v0.2.0", "## [0.2.0] - YYYY-MM-DD"),
        ({"changelog": "## [0.2.0] - 2026-12-01\n" + OLDER}, "v0.2.0", "says nothing about 0.2.0"),
        (
            {"changelog": RELEASED.replace("[Unreleased]\n", "[Unreleased]\n\n- Forgotten.\n")},
            "v0.2.0",
            "entries under [Unreleased]",
        ),
    ],
)
def test_what_disagrees_is_named(
    tmp_path: Path, changes: dict[str, str], tag: str, problem: str
) -> None:
    problems = checkout(tmp_path, **changes).problems(tag)
    assert any(problem in found for found in problems), problems


def test_this_checkout_is_read_and_its_two_versions_agree() -> None:
    release = Release.read()
    assert release.package == release.library == kdsr.__version__
    assert release.unreleased or release.notes
