import json
import random
import re
from pathlib import Path

import pytest
import torch

from kdsr.errors import CheckpointError
from tests.support.limits import full_disk
from train.loop.checkpoints import Checkpoints


def state(step: int, size: int = 1000) -> dict[str, object]:
    return {"step": step, "model": {"weight": torch.full((size,), float(step))}}


def test_the_newest_checkpoint_is_loaded_and_old_ones_go(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "new" / "folder", "teacher", keep=2)
    assert checkpoints.load(print) is None
    for step in (5, 10, 15):
        checkpoints.save(step, state(step))
    assert [path.stem for path in checkpoints.manifests()] == [
        "teacher-00000010",
        "teacher-00000015",
    ]
    loaded = checkpoints.load(print)
    assert loaded is not None
    assert loaded["step"] == 15
    assert torch.equal(loaded["model"]["weight"], torch.full((1000,), 15.0))
    assert len(list(checkpoints.folder.iterdir())) == 4


def test_stages_do_not_touch_each_other(tmp_path: Path) -> None:
    teacher, student = (Checkpoints(tmp_path, stage, keep=1) for stage in ("teacher", "student"))
    teacher.save(9, state(9))
    for step in (1, 2, 3):
        student.save(step, state(step))
    assert (teacher.load(print) or {})["step"] == 9


def test_shards_stay_below_their_size_and_join_to_the_same_state(tmp_path: Path) -> None:
    limit = 15 << 20
    checkpoints = Checkpoints(tmp_path, "student", shard_bytes=limit)
    noise = torch.randn(9_000_000, generator=torch.Generator().manual_seed(0))
    checkpoints.save(1, {"step": 1, "noise": noise})
    shards = sorted(tmp_path.glob("*.pt"))
    assert len(shards) == 3
    assert all(path.stat().st_size <= limit for path in shards)
    loaded = checkpoints.load(print)
    assert loaded is not None
    assert torch.equal(loaded["noise"], noise)


@pytest.mark.parametrize("harm", ["changed", "cut", "missing", "manifest"])
def test_a_damaged_checkpoint_is_passed_over_in_words_and_replaced(
    tmp_path: Path, harm: str
) -> None:
    checkpoints = Checkpoints(tmp_path, "student", keep=1, shard_bytes=2000)
    for step in (1, 2):
        Checkpoints(tmp_path, "student", shard_bytes=2000).save(step, state(step))
    shard = tmp_path / "student-00000002.001.pt"
    content = bytearray(shard.read_bytes())
    if harm == "changed":
        content[7] ^= 1
        shard.write_bytes(content)
    elif harm == "cut":
        shard.write_bytes(content[:100])
    elif harm == "missing":
        shard.unlink()
    else:
        (tmp_path / "student-00000002.json").write_text('{"step"')
    said: list[str] = []
    assert (checkpoints.load(said.append) or {})["step"] == 1
    assert len(said) == 1
    assert re.search(r"student-00000002\.json is damaged: .* before it, student-00000001$", said[0])
    # A stop may save before the damaged step comes again: what lies ahead must not displace it.
    checkpoints.save(1, state(1))
    assert {path.name.split(".")[0] for path in tmp_path.iterdir()} == {"student-00000001"}
    assert (checkpoints.load(pytest.fail) or {})["step"] == 1


def test_a_stage_whose_checkpoints_are_all_damaged_does_not_start_anew_by_itself(
    tmp_path: Path,
) -> None:
    checkpoints = Checkpoints(tmp_path, "student")
    for step in (1, 2):
        checkpoints.save(step, state(step))
    for shard in tmp_path.glob("*.pt"):
        shard.write_bytes(b"")
    with pytest.raises(
        CheckpointError, match=r"no checkpoint of the student .*02\.json.*01\.json.*delete them"
    ):
        checkpoints.load(print)


@pytest.mark.parametrize("suffix", ["json", "000.pt"])
def test_no_flipped_byte_goes_unnoticed(tmp_path: Path, suffix: str) -> None:
    checkpoints = Checkpoints(tmp_path, "student")
    for step in (1, 2):
        checkpoints.save(step, state(step, 4))
    path = tmp_path / f"student-00000002.{suffix}"
    whole = path.read_bytes()
    rng = random.Random(suffix)
    for place in rng.sample(range(len(whole)), 120):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        loaded = checkpoints.load(lambda _: None)
        assert loaded is not None
        # In a manifest, blanks and the step, which stands in the state too, say nothing.
        expected = {1, 2} if suffix == "json" else {1}
        assert loaded["step"] in expected, place
        assert torch.equal(loaded["model"]["weight"], torch.full((4,), float(loaded["step"])))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)

    checkpoints = Checkpoints(tmp_path, "student")
    checkpoints.save(1, {"evil": Evil()})
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.load(print)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("room", [0, 3000])
def test_a_full_disk_loses_nothing(tmp_path: Path, room: int) -> None:
    checkpoints = Checkpoints(tmp_path, "student", keep=1, shard_bytes=2500)
    checkpoints.save(1, state(1))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    big = Checkpoints(tmp_path, "student", keep=1, shard_bytes=4000)
    with (
        full_disk(room),
        pytest.raises(
            CheckpointError, match=r"cannot write .*the newest whole one is student-00000001"
        ),
    ):
        big.save(2, state(2, 5000))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    checkpoints.save(2, state(2))
    manifest = json.loads((tmp_path / "student-00000002.json").read_text())
    assert manifest["step"] == 2
