#!/usr/bin/env bash
# spandrel, by which ComfyUI loads upscalers, tells the range of a SwinIR's pixels by its window: 255 where the window is 7. A SwinIR with SwinIR's own defaults (window 7, range 1) loads without a word and gives other pixels.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0 einops==0.8.2 safetensors==0.7.0 packaging==26.0
"$folder/venv/bin/pip" install -q --no-compile --no-deps spandrel==0.4.2 numpy==2.2.6 pillow==13.0.0
"$folder/venv/bin/python" -W ignore - <<'PY'
import inspect, sys
from unittest.mock import MagicMock

for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
    sys.modules[name] = MagicMock()  # gigabytes, for two other architectures alone
import torch
from importlib.metadata import version
from spandrel import ModelLoader
from spandrel.architectures.SwinIR import SwinIR

print("spandrel", version("spandrel"), "PyTorch", torch.__version__)
defaults = inspect.signature(SwinIR.__init__).parameters
print("SwinIR's defaults:", *(str(defaults[name]) for name in ("window_size", "img_range")))
print("a good guess: what loads without an error works as the network that was saved, or at least the defaults do")
right = True
for window, scale in ((7, 1.0), (7, 255.0), (8, 1.0), (8, 255.0)):
    torch.manual_seed(0)
    size = 8 * window
    network = SwinIR(upscale=2, img_size=size, window_size=window, img_range=scale, depths=[2, 2],
                     embed_dim=24, num_heads=[2, 2], mlp_ratio=2, upsampler="pixelshuffledirect").eval()
    loaded = ModelLoader().load_from_state_dict({k: v.clone() for k, v in network.state_dict().items()})
    image = torch.rand(1, 3, size, size)
    with torch.no_grad():
        off = (network(image) - loaded.model.eval()(image)).abs().max().item()
    print(f"window {window}, range {scale:g}: loaded as {loaded.architecture.id}, pixels differ by {off:.3f}")
    same = (window == 7) == (scale == 255)
    right &= off < 1e-5 if same else off > 0.01
sys.exit(not right)
PY
