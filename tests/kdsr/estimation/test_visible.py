import torch

from kdsr.estimation import visible


def test_opacity_is_what_counts_unless_all_of_an_image_is_hidden() -> None:
    alpha = torch.zeros(2, 1, 2, 2)
    alpha[0, 0, 0] = torch.tensor([0.25, 1.0])
    weights = visible(alpha)
    assert weights is not None
    assert torch.equal(weights[0], alpha[0])
    assert torch.equal(weights[1], torch.ones(1, 2, 2))


def test_where_all_is_opaque_there_are_no_weights() -> None:
    assert visible(None) is None
    assert visible(torch.ones(1, 1, 2, 2)) is None
