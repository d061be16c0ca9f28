"""Files that the safetensors package itself reads, and writes the same."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from kdsr.atomic import write_safetensors

TENSORS = {
    "b": torch.rand(3, 5),
    "half": torch.rand(7).half(),
    "a\u00e9 \"'\\": torch.rand(2, 3, 1, 1).double(),
    "brain": torch.rand(4).bfloat16(),
    "turned": torch.rand(4, 6).T,
    "none": torch.empty(0, 3),
    "one": torch.tensor(0.5),
    "grown": torch.rand(2, requires_grad=True),
}
METADATA = {"format": "x", "words": 'caf\u00e9 "quoted"\n\x00'}


def test_what_is_written_is_read_by_the_package_bit_for_bit(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", TENSORS, METADATA)
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        assert file.metadata() == METADATA
        assert set(file.keys()) == set(TENSORS)
        for name, tensor in TENSORS.items():
            read = file.get_tensor(name)
            assert read.dtype == tensor.dtype
            assert torch.equal(read, tensor), name


def test_the_bytes_are_those_of_the_package(tmp_path: Path) -> None:
    tensors = {name: tensor.detach().contiguous() for name, tensor in TENSORS.items()}
    write_safetensors(tmp_path / "a.safetensors", tensors, {"format": "x"})
    assert (tmp_path / "a.safetensors").read_bytes() == save(tensors, {"format": "x"})


def test_a_single_value_with_a_stride_is_written(tmp_path: Path) -> None:
    column = torch.arange(6.0).reshape(2, 3)[1:, 1]
    assert column.stride() == (3,)
    write_safetensors(tmp_path / "x.safetensors", {"x": column}, {})
    assert load_file(tmp_path / "x.safetensors")["x"].tolist() == [4.0]
