"""Two revisions beside each other."""

import pytest

from benchmarks.against import checked_out, compare


@pytest.mark.slow
def test_a_revision_is_timed_and_leaves_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    compare("HEAD", ["s"], ["40x40"], rounds=1)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(" | ")[2] for row in rows] == ["estimate", "whole job"]
    with checked_out("HEAD") as folder:
        assert (folder / "kdsr/idr.py").is_file()
    assert not folder.exists()
