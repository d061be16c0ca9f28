#!/usr/bin/env bash
# OpenVINO converts PyTorch's Softplus without its beta: the model converts without an error and computes beta 1, by up to 0.69 off at 0. Another argument that it cannot take (divisor_override of AvgPool2d) makes it refuse the model.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile torch==2.13.0 numpy==2.2.6
"$folder/venv/bin/pip" install -q --no-compile openvino==2026.4.1 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import logging, sys
import openvino, torch
from torch import nn

logging.disable()  # of the converter's report on the model that it refuses
pixels = torch.linspace(-4, 4, 4096).reshape(1, 4, 32, 32)

def off(model):
    """How far OpenVINO's results are from PyTorch's, in float32."""
    converted = openvino.convert_model(model.eval(), example_input=pixels)
    compiled = openvino.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return (torch.tensor(compiled(pixels.numpy())[0]) - model(pixels)).abs().max().item()

print("OpenVINO", openvino.__version__, "PyTorch", torch.__version__)
print("a good guess: the same to a millionth, or an error that names the argument")
right = True
for beta in (0.5, 1, 2, 10, 100):
    error = off(nn.Softplus(beta=beta))
    one = (nn.Softplus()(pixels) - nn.Softplus(beta=beta)(pixels)).abs().max().item()
    print(f"Softplus(beta={beta}): off by {error:.5f}; PyTorch with beta 1 would be off by {one:.5f}")
    right &= abs(error - one) < 1e-4
others = {"ELU(0.4)": nn.ELU(0.4), "LeakyReLU(0.3)": nn.LeakyReLU(0.3), "CELU(0.4)": nn.CELU(0.4), "Hardtanh(-0.3, 2)": nn.Hardtanh(-0.3, 2)}
for name, model in others.items():
    error = off(model)
    print(f"{name}: off by {error:.7f}")
    right &= error < 1e-4
try:
    off(nn.AvgPool2d(3, divisor_override=5))
    right = False
except Exception as error:
    print("AvgPool2d(3, divisor_override=5):", next(line for line in str(error).splitlines() if "not support divisor_override" in line))
sys.exit(not right)
PY
