from pathlib import Path

import pytest

from kdsr.cli import main
from tests.support.pictures import contents
from tests.support.refusal import Refused


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs the command, which must refuse in one line and leave all files as they are."""

    def run(*words: str) -> str:
        before = contents(tmp_path)
        capsys.readouterr()
        assert main([*words]) == 2
        error = capsys.readouterr().err
        assert error.startswith("kdsr: error: ")
        assert error.count("\n") == 1
        assert contents(tmp_path) == before
        return error

    return run
