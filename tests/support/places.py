"""Paths in the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SAMPLES = ROOT / "samples"
PHOTOS = SAMPLES / "photos"
