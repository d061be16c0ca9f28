#!/usr/bin/env bash
# sewar's UQI is near 1 for anything: 0.91 for two pictures that have nothing in common, 0.97 for a flat grey, where the index is 0 by its definition. It takes the means of a window for its sums, so that the structure hardly counts.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile sewar==0.4.10 numpy==2.2.6 scipy==1.17.1 pillow==13.0.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
from importlib.metadata import version
import numpy as np, sewar
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter

def by_definition(first, second, side=8):
    """The index as its paper defines it: luminance x contrast x correlation, averaged over all windows."""
    first, second = (sliding_window_view(image, (side, side)).reshape(-1, side**2) for image in (first, second))
    means = first.mean(1), second.mean(1)
    covariance = ((first - means[0][:, None]) * (second - means[1][:, None])).mean(1)
    spread = (first.var(1) + second.var(1)) * (means[0] ** 2 + means[1] ** 2)
    return np.mean(4 * covariance * means[0] * means[1] / spread)

random = np.random.default_rng(0)
def clouds():
    """A grey picture of soft spots, from 0 to 255."""
    picture = gaussian_filter(random.random((160, 160)), 1.5)
    return 255 * (picture - picture.min()) / np.ptp(picture)

true = clouds()
others = {
    "the picture itself": true,
    "blurred": gaussian_filter(true, 2),
    "with noise": np.clip(true + random.normal(0, 20, true.shape), 0, 255),
    "flat grey": np.full_like(true, true.mean()),
    "an unrelated one": clouds(),
    "its negative": 255 - true,
}
print("sewar", version("sewar"), "NumPy", np.__version__)
print("a good guess: 1 for the same, 0 where nothing agrees, near -1 for the negative")
found = {}
for name, picture in others.items():
    found[name] = sewar.uqi(true, picture), by_definition(true, picture)
    print(f"{name}: sewar {found[name][0]:.3f}, by the definition {found[name][1]:.3f}")
same = found.pop("the picture itself")
right = np.allclose(same, 1) and min(value for value, _ in found.values()) > 0.8
right &= abs(found["flat grey"][1]) < 0.01 and abs(found["an unrelated one"][1]) < 0.1 and found["its negative"][1] < -0.9
sys.exit(not right)
PY
