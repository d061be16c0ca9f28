#!/usr/bin/env bash
# ONNX Runtime on CPUs: a Resize with antialias turns every negative value of an int8 tensor into 0. A model that ONNX Runtime's own quantizer writes with int8 activations (QOperator) falls to 9 dB by it; with uint8, or without antialias, it is at 39 dB or more.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile onnxruntime==1.32.0 onnx==1.23.2 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - "$folder" <<'PY'
import logging, sys
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.disable()  # of the quantizer's hints on speed
folder = sys.argv[1]
random = np.random.default_rng(0)
half = numpy_helper.from_array(np.array([1, 1, 0.5, 0.5], np.float32), "scales")

def save(name, nodes, kind, shape, out, weights=()):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", kind, shape)], [helper.make_tensor_value_info("y", kind, out)], [half, *weights]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, f"{folder}/{name}.onnx")

def run(name, x):
    return onnxruntime.InferenceSession(f"{folder}/{name}.onnx").run(None, {"x": x})[0].astype(np.float64)

print("ONNX Runtime", onnxruntime.__version__, "onnx", onnx.__version__)
print("a good guess: halved int8 values are the halved float values, to a rounding")
ramp = np.linspace(-120, 120, 16).round()[None, None, None].repeat(4, 2)
found = {}
for dtype, kind in ((np.float32, TensorProto.FLOAT), (np.int8, TensorProto.INT8)):
    save("resize", [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear", antialias=1)], kind, [1, 1, 4, 16], [1, 1, 2, 8])
    found[dtype] = run("resize", ramp.astype(dtype))[0, 0, 0]
    print(f"a ramp from -120 to 120, {np.dtype(dtype)}:", found[dtype].round().astype(int).tolist())
positive = found[np.float32] > 0
right = np.abs(found[np.int8] - found[np.float32])[positive].max() <= 1 and not found[np.int8][~positive].any()

class Noise(CalibrationDataReader):
    """Eight random pictures, by which the quantizer finds the ranges."""

    def __init__(self):
        self.pictures = iter([{"x": random.random((1, 3, 64, 64)).astype(np.float32)} for _ in range(8)])

    def get_next(self):
        return next(self.pictures, None)

weights = [
    numpy_helper.from_array(random.normal(0, 0.2, shape).astype(np.float32), name)
    for name, shape in (("a", (8, 3, 3, 3)), ("b", (3, 8, 3, 3)))
]
picture = random.random((1, 3, 64, 64)).astype(np.float32)
print("a good guess: a small quantized model is at 35 dB or more from its floats, with int8 as with uint8")
for antialias in (0, 1):
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["wide"], pads=[1] * 4),
        helper.make_node("Resize", ["wide", "", "scales"], ["small"], mode="linear", antialias=antialias),
        helper.make_node("Conv", ["small", "b"], ["y"], pads=[1] * 4),
    ]
    save("float", nodes, TensorProto.FLOAT, [1, 3, 64, 64], [1, 3, 32, 32], weights)
    true = run("float", picture)
    for activations in (QuantType.QUInt8, QuantType.QInt8):
        quantize_static(
            f"{folder}/float.onnx", f"{folder}/small.onnx", Noise(), quant_format=QuantFormat.QOperator,
            activation_type=activations, reduce_range=True,  # exact on CPUs without VNNI, too
        )
        psnr = 10 * np.log10(np.ptp(true) ** 2 / np.square(run("small", picture) - true).mean())
        print(f"antialias={antialias}, activations {activations}: {psnr:.1f} dB")
        right &= psnr < 15 if antialias and activations == QuantType.QInt8 else psnr > 30
sys.exit(not right)
PY
