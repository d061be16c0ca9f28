import os
import pickle
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from kdsr import KDSR, PRESETS, CheckpointError, ConfigError, KDSRConfig, KDSRTeacher
from kdsr.files.weights import convert, load_checkpoint, load_student, save_checkpoint
from kdsr.network.architecture import SCALES, infer_config
from kdsr.network.models import fingerprint
from tests.conftest import make_tiny
from tests.support.limits import full_disk
from tests.support.places import GOLDEN

OFFICIAL = sorted(GOLDEN.glob("*.pt*"))


@settings(max_examples=20, deadline=None)
@given(
    scale=st.sampled_from(SCALES),
    n_feats=st.integers(1, 12),
    n_blocks=st.integers(1, 5),
    n_resblocks=st.integers(1, 4),
    role=st.sampled_from([KDSR, KDSRTeacher]),
)
def test_any_configuration_is_inferred_from_its_tensors(
    tmp_path_factory: pytest.TempPathFactory,
    scale: int,
    n_feats: int,
    n_blocks: int,
    n_resblocks: int,
    role: type[KDSR] | type[KDSRTeacher],
) -> None:
    path = tmp_path_factory.mktemp("m") / "m.safetensors"
    model = role(KDSRConfig(scale, n_feats, n_blocks, n_resblocks))
    save_checkpoint(model, path, {"name": "test"})
    loaded = load_checkpoint(path)
    assert type(loaded) is role
    assert loaded.config == model.config
    assert loaded.metadata["name"] == "test"
    assert fingerprint(loaded) == fingerprint(model)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_preset_is_inferred(name: str, scale: int) -> None:
    config = KDSRConfig.preset(name, scale)
    with torch.device("meta"):
        state = KDSR(config).state_dict()
    assert infer_config(state) == config
    assert config.preset_name == name


@pytest.mark.parametrize("path", OFFICIAL, ids=lambda p: p.stem)
def test_conversion_there_and_back_is_bit_for_bit(path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"of before")
    model = convert(path, tmp_path / "a.safetensors")
    assert not any(parameter.requires_grad for parameter in model.parameters())
    convert(tmp_path / "a.safetensors", tmp_path / f"b{path.suffix}")
    before, after = (torch.load(p, weights_only=True) for p in (path, tmp_path / f"b{path.suffix}"))
    if path.suffix == ".pth":
        before, after = before["params_ema"], after["params_ema"]
    assert set(before) == set(after)
    for key, tensor in before.items():
        assert torch.equal(tensor, after[key]), key


def test_half_precision_files_are_half_the_size_and_load_as_float32(tmp_path: Path) -> None:
    model = make_tiny()
    for name, dtype in (("full", torch.float32), ("half", torch.float16)):
        save_checkpoint(model, tmp_path / f"{name}.safetensors", dtype=dtype)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.65 * sizes[0]
    loaded = load_student(tmp_path / "half.safetensors")
    assert loaded.network.head.weight.dtype == torch.float32


def broken(tmp_path: Path, change: str) -> Path:
    state = make_tiny().state_dict()
    if change == "missing":
        del state["network.fuse.bias"]
    elif change == "unexpected":
        state["network.extra"] = torch.zeros(1)
    else:
        state["estimator.compress.weight"] = torch.zeros(3, 3)
    save_file(state, tmp_path / f"{change}.safetensors")
    return tmp_path / f"{change}.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "missing: network.fuse.bias"),
        ("unexpected", "unexpected: network.extra"),
        ("shape", r"wrong shape: estimator.compress.weight is \(3, 3\), expected \(8, 32\)"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(broken(tmp_path, change))


def test_a_teacher_is_not_taken_for_a_student() -> None:
    with pytest.raises(CheckpointError, match="this is a teacher"):
        load_student(GOLDEN / "classic_teacher_x4.pt")


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    save_file({"conv_first.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "rrdb.safetensors")
    with pytest.raises(CheckpointError, match=r"not a KDSR model .*conv_first.weight"):
        load_checkpoint(tmp_path / "rrdb.safetensors")
    torch.save({"conv_first.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "rrdb.pth")
    with pytest.raises(CheckpointError, match="not a KDSR model"):
        load_checkpoint(tmp_path / "rrdb.pth")


@pytest.mark.parametrize("keep", [0, 5, 300, -100])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    convert(GOLDEN / "classic_student_x2.pt", whole)
    part = tmp_path / f"part{suffix}"
    part.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"truncated|empty|not a") as caught:
        load_checkpoint(part)
    assert str(part) in str(caught.value)


class _Payload:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("owned",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    if zipped:
        torch.save({"x": _Payload()}, path)
    else:
        path.write_bytes(pickle.dumps({"x": _Payload()}, protocol=2))
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_not_taken_for_code(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "junk.pth"
    path.write_bytes(random.Random(seed).randbytes(5000))
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "not a PyTorch checkpoint" in str(caught.value)
    assert "code" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "nothing.safetensors")


def test_another_normalisation_is_refused(tmp_path: Path) -> None:
    state = torch.load(GOLDEN / "classic_student_x4.pt", weights_only=True)
    state["G.sub_mean.bias"] = torch.zeros(3)
    torch.save(state, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"G\.sub_mean\.bias is not the published constant"):
        load_checkpoint(tmp_path / "m.pt")


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(make_tiny(), path)
    before = path.read_bytes()

    with full_disk(room=len(before) // 2), pytest.raises(OSError, match="File too large"):
        save_checkpoint(make_tiny(seed=1), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_an_unknown_target_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"end it in \.safetensors"):
        convert(GOLDEN / "classic_student_x4.pt", tmp_path / "m.bin")


def test_all_problems_of_a_configuration_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        KDSRConfig(scale=5, n_feats=0, n_blocks=-1, n_resblocks=True)
    assert all(
        name in str(caught.value) for name in ("scale", "n_feats", "n_blocks", "n_resblocks")
    )


def test_our_files_hold_only_our_names(tmp_path: Path) -> None:
    convert(GOLDEN / "classic_student_x4.pt", tmp_path / "m.safetensors")
    assert all(
        key.startswith(("network.", "estimator.")) for key in load_file(tmp_path / "m.safetensors")
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"model": {f"module._orig_mod.{k}": v for k, v in state.items()}, "epoch": 3},
        lambda state: {"state_dict": {"params": state}},
    ],
    ids=["plain", "module", "model", "state_dict"],
)
def test_official_weights_load_however_they_were_saved(tmp_path: Path, dtype, wrap) -> None:
    state = torch.load(GOLDEN / "classic_student_x2.pt", weights_only=True)
    torch.save(wrap({key: value.to(dtype) for key, value in state.items()}), tmp_path / "a.pth")
    expected = load_student(GOLDEN / "classic_student_x2.pt").state_dict()
    for key, value in load_student(tmp_path / "a.pth").state_dict().items():
        torch.testing.assert_close(value, expected[key].to(dtype).float(), rtol=0, atol=0)


def test_the_same_conversion_gives_the_same_bytes(tmp_path: Path) -> None:
    model = make_tiny()
    model.metadata = {f"key{i}": f"value{i}" for i in range(30)}
    save_checkpoint(model, tmp_path / "a.safetensors")
    made = []
    for number in range(3):  # the order in which metadata are read is another each time
        path = tmp_path / f"b{number}.safetensors"
        convert(tmp_path / "a.safetensors", path)
        made.append(path.read_bytes())
    assert made[0] == made[1] == made[2]
