"""Reading any weights or IDR file gives finite values, or an error of one line that names it."""

import io
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as serialized
from torch import Tensor

from kdsr import IDR, KDSR, CheckpointError, IDRError, KDSRConfig, KDSRError
from kdsr.files.official import to_official
from kdsr.files.weights import convert, load_checkpoint, load_student, save_checkpoint
from kdsr.network.models import Teacher
from tests.support.calibrated import calibration_for
from tests.support.damage import damaged
from tests.support.refusal import outcome

FEW_AND_MANY = pytest.mark.parametrize(
    "seeds", [range(60), pytest.param(range(60, 1000), marks=pytest.mark.slow)], ids=["few", "many"]
)


def small() -> KDSR:
    torch.manual_seed(0)
    return KDSR(KDSRConfig(2, n_feats=4, n_blocks=1, n_resblocks=1)).freeze()


def states() -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in small().state_dict().items()}


def pickled(thing: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def ours(path: Path) -> bytes:
    model = small()
    model.calibration = calibration_for(model)
    save_checkpoint(model, path)
    return path.read_bytes()


def check(path: Path) -> str:
    """Loads a file; fails unless it ends as promised, and says how it did."""
    found = outcome(lambda: load_checkpoint(path))
    if isinstance(found, str):
        assert found.startswith(f"{path}: ")
        return found
    assert all(torch.isfinite(tensor).all() for tensor in found.state_dict().values())
    if isinstance(found, KDSR):
        image = torch.rand(1, 3, 6, 7)
        result = outcome(lambda: found.upscale(image))
        assert isinstance(result, str) or (0 <= result.min() <= result.max() <= 1)
    return "loaded"


@pytest.mark.parametrize("form", ["ours.safetensors", "plain.safetensors", "zip.pt", "old.pth"])
@FEW_AND_MANY
def test_a_damaged_weights_file_is_loaded_or_refused_in_one_line(
    tmp_path: Path, form: str, seeds: range
) -> None:
    path = tmp_path / f"x.{form.split('.')[1]}"
    official = to_official(small().state_dict(), "student")
    if form.startswith("ours"):
        data = ours(path)
    elif form.startswith("plain"):
        data = serialized(states())
    elif form.startswith("zip"):
        data = pickled(official)
    else:
        buffer = io.BytesIO()
        both = {"params": official, "params_ema": official}
        torch.save(both, buffer, _use_new_zipfile_serialization=False)
        data = buffer.getvalue()
    path.write_bytes(data)
    assert check(path) == "loaded"
    refused = 0
    for seed in seeds:
        path.write_bytes(damaged(data, seed))
        refused += check(path) != "loaded"
    assert refused


HEADERS: dict[str, Any] = {
    "a number": 5,
    "a list": [],
    "text": "x",
    "null": None,
    "numbers for tensors": {"network.head.weight": 5},
    "lists for tensors": {"network.head.weight": [1, 2]},
    "no offsets": {"network.head.weight": {"dtype": "F32", "shape": [2, 3, 3, 3]}},
    "short offsets": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}},
    "text offsets": {"a": {"dtype": "F32", "shape": [1], "data_offsets": ["0", "4"]}},
    "null offsets": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [None, None]}},
    "negative offsets": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}},
    "huge offsets": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 10**30]}},
    "fractional offsets": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4.5]}},
    "odd dtype": {"a": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}},
    "numeric dtype": {"a": {"dtype": 7, "shape": [1], "data_offsets": [0, 4]}},
    "negative shape": {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
    "overflowing shape": {"a": {"dtype": "F32", "shape": [2**40] * 4, "data_offsets": [0, 4]}},
    "metadata of numbers": {"__metadata__": {"format": 5}},
    "metadata of lists": {"__metadata__": [1]},
    "metadata alone": {"__metadata__": {"format": "kdsr-1"}},
}


def of_header(header: bytes, behind: bytes = bytes(4)) -> bytes:
    return struct.pack("<Q", len(header)) + header + behind


ODD = {name: of_header(json.dumps(header).encode()) for name, header in HEADERS.items()} | {
    "a deep list": of_header(b"[" * 100_000, b""),
    "a deep object": of_header(b'{"a":' * 10_000 + b" " * 10_000, b""),
    "a huge length": struct.pack("<Q", 2**63) + b"{}",
    "the largest length": struct.pack("<Q", 2**64 - 1) + b"{}",
    "a header of no text": of_header(b"\xff\xfe\xff\xfe", b""),
    "no header": struct.pack("<Q", 0),
    "an empty header": of_header(b"{}", b""),
    "less than a length": b"\x00" * 7,
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("load", [load_checkpoint, IDR.load], ids=["weights", "idr"])
def test_odd_safetensors_are_refused(
    tmp_path: Path, name: str, load: Callable[[Path], object]
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(ODD[name])
    message = outcome(lambda: load(path))
    assert isinstance(message, str)
    assert message.startswith(f"{path}: ")


SHAPES = [(0, 3, 3, 3), (10**9, 0, 0, 0), (3000, 0, 0, 0), (3000, 3, 3, 3), (), (2,), (2, 3, 0, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "key",
    [
        "network.head.weight", "network.tail.up.0.weight", "estimator.head.weight",
        "network.blocks.0.conv.weight", "estimator.compress.weight", "estimator.mlp.0.bias",
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_odd_shapes_are_refused_before_anything_is_built(
    tmp_path: Path, key: str, shape: tuple[int, ...]
) -> None:
    state = states()
    state[key] = torch.zeros(shape)
    (tmp_path / "x.safetensors").write_bytes(serialized(state))
    (tmp_path / "x.pt").write_bytes(pickled(state))
    for name in ("x.safetensors", "x.pt"):
        message = check(tmp_path / name)
        assert message != "loaded"
        assert "not a KDSR model (" in message or "expected" in message or "must be" in message


@pytest.mark.parametrize("count", [300, 5000])
@pytest.mark.timeout(20)
def test_more_blocks_than_any_network_has_are_refused_by_number(tmp_path: Path, count: int) -> None:
    state = states() | {f"network.blocks.{i}.conv.bias": torch.zeros(4) for i in range(count)}
    (tmp_path / "x.safetensors").write_bytes(serialized(state))
    with pytest.raises(KDSRError, match=rf"n_blocks must be .* got {count}"):
        load_checkpoint(tmp_path / "x.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e36, -1e7])
@pytest.mark.parametrize("form", ["safetensors", "pt"])
def test_one_weight_that_is_not_finite_or_absurd_is_refused_everywhere(
    tmp_path: Path, value: float, form: str
) -> None:
    rng = random.Random(repr(value))
    for key in rng.sample(sorted(states()), 6):
        state = states()
        flat = state[key].flatten()
        flat[rng.randrange(len(flat))] = value
        state[key] = flat.reshape(state[key].shape)
        path = tmp_path / f"x.{form}"
        path.write_bytes(serialized(state) if form == "safetensors" else pickled(state))
        for use in (load_checkpoint, load_student, lambda p: convert(p, tmp_path / "y.pth")):
            with pytest.raises(CheckpointError) as caught:
                use(path)
            assert str(caught.value).startswith(f"{path}: {key} holds values from ")
        assert not (tmp_path / "y.pth").exists()


DTYPES = [torch.int64, torch.bool, torch.uint8, torch.complex64, torch.float8_e4m3fn]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_that_are_no_floats_are_refused(tmp_path: Path, dtype: torch.dtype) -> None:
    state = states()
    state["network.head.bias"] = torch.zeros(4).to(dtype)
    (tmp_path / "x.pt").write_bytes(pickled(state))
    assert "expected network.head.bias as a tensor of floats" in check(tmp_path / "x.pt")
    if not dtype.is_complex:
        (tmp_path / "x.safetensors").write_bytes(serialized(state))
        assert "expected network.head.bias as a tensor" in check(tmp_path / "x.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_floats_are_loaded_as_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {key: tensor.to(dtype) for key, tensor in states().items()}
    (tmp_path / "x.pt").write_bytes(pickled(state))
    loaded = load_student(tmp_path / "x.pt").state_dict()
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32}
    assert all(torch.equal(loaded[key], tensor.float()) for key, tensor in state.items())


def quantised() -> Tensor:
    return torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8)


PICKLES: dict[str, Callable[[], Any]] = {
    "a number": lambda: 5,
    "none": lambda: None,
    "text": lambda: "weights",
    "a list": lambda: [torch.zeros(1)],
    "a tensor": lambda: torch.zeros(3),
    "nothing": dict,
    "integer keys": lambda: {0: torch.zeros(1), **states()},
    "a none key": lambda: {None: torch.zeros(1)},
    "tuple keys": lambda: {("a", 1): torch.zeros(1)},
    "bytes keys": lambda: {b"network.head.weight": torch.zeros(1)},
    "numbers": lambda: {**states(), "step": 5},
    "none values": lambda: dict.fromkeys(states()),
    "params of nothing": lambda: {"params": None},
    "params of numbers": lambda: {"params_ema": 5},
    "sparse": lambda: {**states(), "network.head.bias": torch.zeros(4).to_sparse()},
    "meta": lambda: {**states(), "network.head.bias": torch.zeros(4, device="meta")},
    "complex": lambda: {**states(), "network.head.bias": torch.zeros(4, dtype=torch.complex64)},
    "a control character": lambda: {**states(), "\x1b[2J\n": torch.zeros(1)},
}


@pytest.mark.parametrize("name", PICKLES)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
def test_pickles_of_anything_else_are_refused(tmp_path: Path, name: str, zipped: bool) -> None:
    thing = PICKLES[name]()
    torch.save(thing, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    assert check(tmp_path / "x.pt") != "loaded"


@pytest.mark.filterwarnings("ignore:.*quant.*", "ignore:.*TypedStorage.*")
def test_quantised_tensors_are_refused(tmp_path: Path) -> None:
    torch.save({**states(), "network.head.bias": quantised()}, tmp_path / "x.pt")
    assert check(tmp_path / "x.pt") != "loaded"


THROWN = [
    AttributeError("a"), IndexError(), TypeError("t\nt"), AssertionError(), struct.error("unpack"),
    OverflowError("o"), KeyError("k"), ValueError(), RuntimeError("\x1b[31m"), EOFError(),
    ImportError("no"), RecursionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    NotImplementedError(), ZeroDivisionError(), StopIteration(), BufferError(), OSError(22, "seek"),
]  # fmt: skip


@pytest.mark.parametrize("thrown", THROWN, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("form", ["safetensors", "pt", "idr"])
def test_whatever_a_loader_throws_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thrown: Exception, form: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise thrown

    path = tmp_path / ("x.pt" if form == "pt" else "x.safetensors")
    path.write_bytes(b"anything")
    monkeypatch.setattr("torch.load", fail)
    monkeypatch.setattr("safetensors.safe_open", fail)
    load, kind = (IDR.load, IDRError) if form == "idr" else (load_checkpoint, CheckpointError)
    with pytest.raises(kind) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    assert "cannot be read" not in str(caught.value)


@pytest.mark.parametrize("form", ["safetensors", "pt", "idr"])
def test_a_file_without_permission_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / ("x.pt" if form == "pt" else "x.safetensors")
    path.write_bytes(b"anything")
    monkeypatch.setattr(Path, "open", denied)
    load = IDR.load if form == "idr" else load_checkpoint
    with pytest.raises(KDSRError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: the file cannot be read: Permission denied"


@pytest.mark.parametrize(
    "thrown", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried")]
)
def test_a_shortage_of_memory_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thrown: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise thrown

    (tmp_path / "x.pt").write_bytes(b"anything")
    monkeypatch.setattr("torch.load", fail)
    with pytest.raises(CheckpointError, match="not enough memory to read it"):
        load_checkpoint(tmp_path / "x.pt")


def with_calibration(change: Callable[[dict[str, Tensor], dict[str, str]], object]) -> bytes:
    found = calibration_for(small())
    tensors, metadata = found.tensors(), found.metadata()
    change(tensors, metadata)
    return serialized({**states(), **tensors}, metadata)


def names(of: object) -> str:
    return json.dumps({"references": of})


CALIBRATIONS: dict[str, Callable[[dict[str, Tensor], dict[str, str]], object]] = {
    "a scalar": lambda t, _: t.update({"calibration.centre": torch.tensor(1.0)}),
    "empty": lambda t, _: t.update({"calibration.centre": torch.zeros(0)}),
    "too long": lambda t, _: t.update({"calibration.centre": torch.zeros(17)}),
    "nan": lambda t, _: t["calibration.means"].fill_(float("nan")),
    "infinite": lambda t, _: t["calibration.out_bias"].fill_(float("inf")),
    "zero scale": lambda t, _: t["calibration.scale"].zero_(),
    "negative scale": lambda t, _: t["calibration.scale"].neg_(),
    "falling quantiles": lambda t, _: t["calibration.quantiles"].copy_(torch.linspace(1, 0.5, 101)),
    "zero quantiles": lambda t, _: t["calibration.quantiles"].zero_(),
    "a part": lambda t, _: t.pop("calibration.typical"),
    "more": lambda t, _: t.update({"calibration.other": torch.zeros(1)}),
    "integers": lambda t, _: t.update({"calibration.naive": torch.zeros(4, dtype=torch.int64)}),
    "no metadata": lambda _, m: m.clear(),
    "deep metadata": lambda _, m: m.update(calibration="[" * 100_000),
    "numbers for names": lambda _, m: m.update(
        calibration=json.dumps({"references": [*range(13)]})
    ),
    "a number": lambda _, m: m.update(calibration="5"),
    "text for names": lambda _, m: m.update(calibration=names("a" * 13)),
    "empty names": lambda _, m: m.update(calibration=names([""] * 13)),
    "no json": lambda _, m: m.update(calibration="{"),
}


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_a_calibration_that_makes_no_sense_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(with_calibration(lambda _, __: None))
    assert check(path) == "loaded"
    path.write_bytes(with_calibration(CALIBRATIONS[name]))
    assert "calibration" in check(path)


def idr_bytes(idr: Tensor, full: Tensor, **metadata: str) -> bytes:
    described = {"format": "kdsr-idr-1", "fingerprint": "f", **metadata}
    numbers = {"structure": torch.tensor(9.0), "left_out": torch.tensor(0.0)}
    return serialized({"idr": idr, "idr_full": full, **numbers}, described)


@FEW_AND_MANY
def test_a_damaged_idr_file_is_loaded_or_refused_in_one_line(tmp_path: Path, seeds: range) -> None:
    path = tmp_path / "x.safetensors"
    data = idr_bytes(torch.randn(2, 8), torch.randn(2, 32), **{"provenance.image": "a.png"})
    path.write_bytes(data)
    assert isinstance(outcome(lambda: IDR.load(path)), IDR)
    refused = 0
    for seed in seeds:
        path.write_bytes(damaged(data, seed))
        found = outcome(lambda: IDR.load(path))
        if isinstance(found, str):
            assert found.startswith(f"{path}: ")
            refused += 1
        else:
            assert torch.isfinite(found.idr).all()
            assert torch.isfinite(found.idr_full).all()
            assert len(found)
    assert refused


IDRS: dict[str, tuple[Tensor, Tensor]] = {
    "no rows": (torch.zeros(0, 8), torch.zeros(0, 32)),
    "no columns": (torch.zeros(1, 0), torch.zeros(1, 0)),
    "flat": (torch.zeros(8), torch.zeros(32)),
    "deep": (torch.zeros(1, 8, 1), torch.zeros(1, 32, 1)),
    "scalars": (torch.tensor(1.0), torch.tensor(1.0)),
    "other lengths": (torch.zeros(1, 8), torch.zeros(1, 31)),
    "other batches": (torch.zeros(1, 8), torch.zeros(2, 32)),
    "float8": (torch.zeros(1, 8).to(torch.float8_e4m3fn), torch.zeros(1, 32)),
    "integers": (torch.zeros(1, 8, dtype=torch.int64), torch.zeros(1, 32)),
    "beyond float32": (torch.full((1, 8), 1e300, dtype=torch.float64), torch.zeros(1, 32)),
    "nan": (torch.zeros(1, 8), torch.full((1, 32), float("nan"))),
    "infinite": (torch.full((1, 8), -float("inf")), torch.zeros(1, 32)),
}


@pytest.mark.parametrize("name", IDRS)
def test_an_idr_is_checked_where_it_is_read_and_where_it_is_made(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(idr_bytes(*IDRS[name]))
    with pytest.raises(IDRError) as caught:
        IDR.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(IDRError):
        IDR(*IDRS[name], "f")


def test_an_idr_of_the_wrong_size_is_refused_even_with_the_right_fingerprint() -> None:
    model = small()
    wrong = IDR(torch.zeros(1, 3), torch.zeros(1, 12), model.fingerprint)
    image = torch.rand(1, 3, 6, 6)
    with pytest.raises(IDRError, match="vectors of 3 numbers, but the model in use needs 4"):
        model.upscale(image, wrong)
    with pytest.raises(IDRError, match="vectors of 3 numbers"):
        model.bake(wrong)


def test_teachers_are_checked_like_students(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_checkpoint(Teacher(KDSRConfig(2, 4, 1, 1)), tmp_path / "t.safetensors")
    data = (tmp_path / "t.safetensors").read_bytes()
    assert check(tmp_path / "t.safetensors") == "loaded"
    (tmp_path / "t.safetensors").write_bytes(data[:-4] + struct.pack("<f", float("nan")))
    assert "holds values from nan" in check(tmp_path / "t.safetensors")
