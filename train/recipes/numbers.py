"""The numbers that a validation may give, and which way they should go."""

_HIGHER_IS_BETTER = ("psnr_y", "haarpsi")
_LOWER_IS_BETTER = ("l1", "mdsi", "squeezenet", "vgg19", "vgg16", "lpips", "dists", "grid")
MEASURES = (*_HIGHER_IS_BETTER, *_LOWER_IS_BETTER)
"""Each is measured on every set: `psnr_y_held_out`, say, is of the set `held_out`."""


def is_number(name: str) -> bool:
    """Whether a name is that of a measure, or of a measure on some set."""
    return any(name == measure or name.startswith(f"{measure}_") for measure in MEASURES)


def higher_is_better(name: str) -> bool:
    """Whether a number should rise."""
    return name.startswith(_HIGHER_IS_BETTER)
