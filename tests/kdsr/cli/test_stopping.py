import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

# Python names each module on stderr once it is imported: moments to be stopped at.
MOMENTS = {"before PyTorch": "kdsr.cli.parser", "while PyTorch is imported": "torch."}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_starting_ends_the_command_without_a_traceback(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    # A shell's background job ignores Ctrl-C, and so would the command started from it.
    # Nor do hang-ups reach what was started by `nohup`, as the tests may be.
    handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    signal.signal(number, handler)
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "kdsr", "info", "kdsr-s-x4"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    reached = next(line for line in process.stderr if MOMENTS[moment] in line)
    process.send_signal(number)
    said, error = process.communicate(timeout=60)
    assert reached
    assert process.returncode == 128 + number
    assert "kdsr: stopped" in error
    assert "Traceback" not in error
    assert said == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_writing_leaves_no_part_and_no_folder(
    tmp_path: Path, number: signal.Signals
) -> None:
    script = f"""
import os
from pathlib import Path
from kdsr.atomic import writing
from kdsr.cli.streams import exit_on_signals
exit_on_signals()
with writing(Path("new/a.txt")) as part:
    part.write_text("half")
    os.kill(os.getpid(), {int(number)})
    part.write_text("whole")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 128 + number
    assert result.stderr == "kdsr: stopped; nothing half-written is left\n"
    assert list(tmp_path.iterdir()) == []
