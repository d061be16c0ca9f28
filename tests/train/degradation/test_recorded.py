"""The same seed makes the same training pairs as ever: against what was recorded once.

A change of the draws or of a filter makes old runs impossible to repeat. Where one is meant, record
anew with `python -m tests.train.degradation.test_recorded` and say so in the changelog.
"""

from dataclasses import fields

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.support.places import GOLDEN, PHOTOS
from train.data.image_files import read_rgb
from train.degradation.classic import ClassicOptions
from train.degradation.pipelines import Degradation, DegradationOptions

RECORD = GOLDEN / "degradation_record.safetensors"
SAMPLES = range(6)
KINDS = DegradationOptions.kinds()


def pipeline(kind: str) -> Degradation:
    classic = ClassicOptions(anisotropic=True, max_noise=25)
    return DegradationOptions(kind=kind, classic=classic).build(4)


def numbers(name: str, parameters: object) -> dict[str, Tensor]:
    """All that was drawn, as tensors by name."""
    found = {}
    for field in fields(parameters):  # pyright: ignore[reportArgumentType]
        value, key = getattr(parameters, field.name), f"{name}.{field.name}"
        if isinstance(value, list):
            found[key] = torch.tensor(value, dtype=torch.int64)
        elif value == ():
            continue  # kinds that came later draw nothing by default
        elif isinstance(value, Tensor):
            found[key] = value.double().contiguous()
        else:
            found |= numbers(key, value)
    return found


def photographs() -> Tensor:
    paths = sorted(PHOTOS.glob("*.jpg"))[: len(SAMPLES)]
    crops = [torch.from_numpy(read_rgb(path)[60:124, 40:120].copy()) for path in paths]
    return torch.stack(crops).permute(0, 3, 1, 2).float() / 255


def made(kind: str) -> tuple[dict[str, Tensor], Tensor]:
    """Draws and LQ images, 0-255."""
    degradation = pipeline(kind)
    drawn = degradation.sample(3, 17, SAMPLES)
    lq = degradation.apply(photographs(), drawn)
    return numbers(kind, drawn), (lq * 255).round().byte().contiguous()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_what_it_always_drew(kind: str) -> None:
    record, (drawn, _) = load_file(RECORD), made(kind)
    expected = {key for key in record if key.startswith(f"{kind}.")}
    assert drawn.keys() == expected
    for key in expected:
        torch.testing.assert_close(drawn[key], record[key], rtol=1e-5, atol=1e-6, msg=key)


@pytest.mark.parametrize("kind", KINDS)
def test_and_degrades_photographs_as_it_always_did(kind: str) -> None:
    expected, (_, lq) = load_file(RECORD)[f"lq {kind}"], made(kind)
    difference = (lq.int() - expected.int()).abs().flatten(1).double()
    # Other processors round a few values the other way, and JPEG spreads that over its blocks.
    assert difference.mean(1).max() < 0.25


if __name__ == "__main__":
    everything = {}
    for each in KINDS:
        draws, images = made(each)
        everything |= {**draws, f"lq {each}": images}
    save_file(everything, RECORD)
