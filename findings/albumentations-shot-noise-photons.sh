#!/usr/bin/env bash
# albumentations: ShotNoise counts a tenth of the photons that its documentation names. At scale 0.1, there about 100 photons for white and "low noise", it is 10: a picture keeps 11 levels, and 62 % of a grey of 64 become black. Its mean level falls to 37: the mean that the documentation keeps is that of linear light.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile albumentations==2.0.8 numpy==2.2.6 scipy==1.17.1
"$folder/venv/bin/python" -W ignore - <<'PY'
import os, sys

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
import albumentations, numpy as np

random = np.random.default_rng(0)
noise = albumentations.Compose([albumentations.ShotNoise(scale_range=(0.1, 0.1), p=1)], seed=0)
print("albumentations", albumentations.__version__, "NumPy", np.__version__)
print("a good guess: at scale 0.1 white is 100 photons, so that linear light has a noise of 10 % and every mean stays")
right = True
for level in (32, 64, 96, 128):
    flat = np.full((512, 512, 1), level, np.uint8)
    light = (level / 255) ** 2.2
    result = noise(image=flat)["image"]
    hundred = 255 * (random.poisson(100 * light, flat.shape) / 100).clip(0, 1) ** (1 / 2.2)
    linear = (result / 255.0) ** 2.2
    white = linear.mean() / linear.var()  # photons for white: a Poisson count has its mean for variance
    black = (result == 0).mean()
    print(
        f"grey {level}: {white:.1f} photons for white, {len(np.unique(result))} levels, {black:.1%} black, "
        f"mean level {result.mean():.1f}; with 100 photons {(hundred.round() == 0).mean():.1%} black, mean {hundred.mean():.1f}"
    )
    right &= abs(white / 10 - 1) < 0.1 and len(np.unique(result)) <= 11 and abs(linear.mean() / light - 1) < 0.05
    right &= result.mean() < level - 8 and abs(black - np.exp(-10 * light)) < 0.02
    right &= (hundred.round() == 0).mean() < 0.4 and hundred.mean() > level - 8
sys.exit(not right)
PY
