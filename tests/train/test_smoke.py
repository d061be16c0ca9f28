"""The smoke recipe, as people start it from a clean clone: about two minutes on 2 cores."""

import subprocess
import sys
from pathlib import Path

import pytest

import kdsr
from tests.support.places import ROOT
from tests.support.train_runs import log_lines


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_smoke_beats_bicubic_and_distils(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "train/run.py", "smoke", "--out", str(out)]
    done = subprocess.run(  # noqa: PLW1510 - the assertion shows more
        [*command, "--cache", str(tmp_path / "cache")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = log_lines(out)
    last = {
        stage: [line for line in lines if line["stage"] == stage and "psnr_y_held_out" in line][-1]
        for stage in ("teacher", "student")
    }
    student = last["student"]
    assert student["psnr_y_held_out"] >= student["bicubic_psnr_y_held_out"] + 1.0
    assert last["teacher"]["l1_held_out"] < student["l1_held_out"]
    kd = [line["kd"] for line in lines if "kd" in line]
    assert kd[-1] < 0.5 * kd[0]
    # The IDR lives: it tells degradations apart, and the student's follows the teacher's.
    assert student["idr_spread_degradations"] > 0.03 * student["idr_level"]
    assert student["idr_cosine_centred"] > 0.7
    model = kdsr.load(out / "kdsr-smoke-x2.safetensors")
    assert model.metadata["stage"] == "student"
    assert model.calibration is not None
    assert list((out / "previews").glob("student-*.png"))
