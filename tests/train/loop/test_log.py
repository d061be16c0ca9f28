from pathlib import Path

import pytest

from tests.support.train_runs import log_lines
from train.loop.log import RunLog


def lines(folder: Path) -> list[dict[str, float]]:
    return log_lines(folder)


def test_numbers_become_a_line_each_time_and_no_numbers_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = RunLog(tmp_path, active=True)
    with log:
        log.start("student", 0, 10)
        log.numbers(1, {"l1": 0.25, "lr": 1e-3})
        log.numbers(2, {})
        log.numbers(3, {"l1": 0.125})
    first, second = lines(tmp_path)
    assert first.items() >= {"stage": "student", "step": 1, "l1": 0.25, "lr": 1e-3}.items()
    assert (second["step"], second["l1"]) == (3, 0.125)
    assert first["time"] == round(first["time"], 1)
    assert list((tmp_path / "tensorboard").iterdir())
    printed = capsys.readouterr().out
    assert "student 1: l1 0.25 lr 0.001" in printed
    assert "student 2" not in printed
    assert "0:00" not in printed, "a progress bar is for terminals"


def test_another_process_than_the_first_writes_and_shows_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = RunLog(tmp_path / "run", active=False)
    with log:
        log.start("student", 0, 10)
        log.numbers(1, {"l1": 0.25})
        log.say("words")
    assert not (tmp_path / "run").exists()
    assert not capsys.readouterr().out


def test_lines_of_steps_that_come_again_are_dropped_with_what_a_kill_or_a_disk_ruined(
    tmp_path: Path,
) -> None:
    log = RunLog(tmp_path, active=True)
    for stage, step in (("teacher", 9), ("student", 4), ("student", 5), ("student", 6)):
        log.start(stage, 9, 10)
        log.numbers(step, {"l1": 0.5})
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"stage": "student", "step": 1, "l1": "\xff"}\n[]\n{}\n{"stage": "stud')
    log.start("student", 5, 10)
    kept = [(line["stage"], line["step"]) for line in lines(tmp_path)]
    assert kept == [("teacher", 9), ("student", 4), ("student", 5)]
