#!/usr/bin/env bash
# torchmetrics: VIF is right for pictures of 0 to 255 alone; for other ranges one has to know that its constant sigma_n_sq is in squared levels of 255. For pictures of 0 to 1 noise hardly counts: a result with noise of 10 % gets 0.99 instead of 0.25 and passes a slight blur, and more contrast gets 1.4.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.2.6
"$folder/venv/bin/pip" install -q --no-compile torchmetrics==1.9.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import torch, torchmetrics
import torch.nn.functional as F
from torchmetrics.functional.image import visual_information_fidelity as vif

generator = torch.Generator().manual_seed(0)
def photo(side):
    """A grey picture with the spectrum of photos (1/f), from 0 to 1."""
    spectrum = torch.fft.rfft2(torch.randn(side, side, generator=generator))
    pitch = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None])
    picture = torch.fft.irfft2(spectrum / pitch.clamp(min=1 / side))
    return (0.5 + 0.18 * (picture - picture.mean()) / picture.std()).clamp(0, 1)[None, None]

true = photo(256)
bell = torch.exp(-torch.arange(-4, 5.0).square() / (2 * 0.7**2))
kernel = (bell[:, None] * bell[None] / bell.sum() ** 2)[None, None]
results = {  # all of them from 0 to 1
    "blur of 0.7 px": F.conv2d(F.pad(true, [4] * 4, mode="reflect"), kernel),
    "noise of 2 %": (true + 0.02 * torch.randn(true.shape, generator=generator)).clamp(0, 1),
    "noise of 10 %": (true + 0.1 * torch.randn(true.shape, generator=generator)).clamp(0, 1),
    "contrast x 1.2": (true.mean() + 1.2 * (true - true.mean())).clamp(0, 1),
}
print("torchmetrics", torchmetrics.__version__, "PyTorch", torch.__version__)
print("a good guess: the same value, whether the levels go from 0 to 1 or from 0 to 255")
unit, byte, fitted = {}, {}, {}
for name, result in results.items():
    unit[name], byte[name] = vif(result, true).item(), vif(255 * result, 255 * true).item()
    fitted[name] = vif(result, true, sigma_n_sq=2 / 255**2).item()
    print(f"{name}: {unit[name]:.3f} from 0 to 1 ({fitted[name]:.3f} with sigma_n_sq=2/255**2), {byte[name]:.3f} from 0 to 255")
blur, noise = "blur of 0.7 px", "noise of 10 %"
swapped = unit[noise] > unit[blur] + 0.2 and byte[noise] < byte[blur] - 0.1
swapped &= max(abs(fitted[name] - byte[name]) for name in byte) < 0.005
sys.exit(not (swapped and unit[noise] > 0.95 and byte[noise] < 0.3 and unit["contrast x 1.2"] > 1.3 and byte["contrast x 1.2"] < 1.1))
PY
