import math

import pytest
import torch

from train.degradation.kernels import gaussian_kernels
from train.degradation.mixed_kernels import identity_kernels, sinc_kernels
from train.degradation.pipelines import DegradationOptions
from train.degradation.words import blur_words, jpeg_words, kernel_words, noise_words


def test_blur_noise_and_jpeg_are_said_by_their_strength() -> None:
    assert blur_words(0.0, 0.0, 1.0) == "no blur"
    assert blur_words(2.04, 2.04, 1.0) == "blur 2.0 px"
    assert blur_words(3.0, 1.0, math.pi / 4) == "blur 3.0 x 1.0 px at 45 degrees"
    assert blur_words(1.0, 3.0, math.pi / 4) == "blur 3.0 x 1.0 px at 135 degrees"
    assert noise_words(0.0, grey=True) == "no noise"
    assert noise_words(7.25, grey=True) == "grey noise 7.2"
    assert noise_words(1.5, grey=False, kind="Poisson noise") == "Poisson noise 1.5"
    assert (jpeg_words(0), jpeg_words(35.0)) == ("no JPEG", "JPEG 35")


def test_kernels_are_measured() -> None:
    long, short, angle = (torch.tensor([value]) for value in (3.0, 1.5, 0.6))
    assert kernel_words(gaussian_kernels(long, short, angle)[0]) == "blur 3.0 x 1.5 px"
    assert kernel_words(gaussian_kernels(short, short, angle)[0]) == "blur 1.5 px"
    assert kernel_words(identity_kernels(1)[0]) == "no blur"
    assert (
        kernel_words(sinc_kernels(torch.tensor([1.2]), torch.tensor([21]))[0]) == "ringing (sinc)"
    )


@pytest.mark.parametrize("kind", ["classic", "general", "realworld"])
def test_every_pipeline_says_what_it_drew_for_each_sample(kind: str) -> None:
    pipeline = DegradationOptions(kind=kind).build(4)
    words = pipeline.describe(pipeline.sample(0, 3, range(6)))
    assert len(set(words)) == 6
    assert pipeline.describe(pipeline.sample(0, 3, [4])) == [words[4]]
    assert all(word.count("blur") or word.count("sinc") for word in words)


def test_the_order_of_the_last_steps_is_told() -> None:
    pipeline = DegradationOptions(kind="realworld").build(4)
    drawn = pipeline.sample(0, 0, range(30))
    for words, early in zip(pipeline.describe(drawn), drawn.jpeg_first.tolist(), strict=True):
        last = words.split("; then ")[1]
        assert last.startswith("JPEG") == early
        assert words.count("JPEG") == 2
