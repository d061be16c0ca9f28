#!/usr/bin/env bash
# OnnxSlim folds a multiplication into the weights before it where it does not belong: a fade over 16 columns or rows scales the 16 channels of a convolution, and a factor on one branch scales the other branch of a Gemm, too. The slimmed model loads, with the same shapes, and gives other numbers.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile onnxslim==0.1.98 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import numpy as np, onnx, onnxruntime, onnxslim
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(0)
def noise(*shape):
    return random.standard_normal(shape).astype(np.float32)

def difference(nodes, constants, x):
    """How far the slimmed model is off, and the largest true value."""
    form = lambda name, shape: make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
    graph = make_graph(nodes, "network", [form("x", x.shape)], [form("y", [1, 16, None, None])],
                       [from_array(value, name) for name, value in constants.items()])
    model = make_model(graph, opset_imports=[make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    run = lambda model: onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    true = run(model)
    assert np.allclose(true, ReferenceEvaluator(model).run(None, {"x": x})[0], atol=1e-4)
    return np.abs(run(onnxslim.slim(model)) - true).max(), np.abs(true).max()

def convolution(operator, shape, width):
    """A convolution of 16 channels, then an operator with a ramp of this shape."""
    nodes = [make_node("Conv", ["x", "w", "b"], ["a"], pads=[1, 1, 1, 1]), make_node(operator, ["a", "ramp"], ["y"])]
    ramp = np.linspace(0, 1, np.prod(shape), dtype=np.float32).reshape(shape)
    return difference(nodes, {"w": noise(16, 3, 3, 3), "b": noise(16), "ramp": ramp}, noise(1, 3, 16, width))

def branches(second):
    """A vector, whose part of 0.1 is added to what another Gemm makes of `second`."""
    nodes = [make_node("Gemm", ["x", "w", "b"], ["a"], transB=1), make_node("Reshape", ["a", "shape"], ["c"]),
             make_node("Mul", ["c", "tenth"], ["d"]), make_node("Gemm", [second, "v", "b"], ["e"], transB=1),
             make_node("Reshape", ["e", "shape"], ["f"]), make_node("Add", ["d", "f"], ["y"])]
    constants = {"w": noise(16, 16), "v": noise(16, 16), "b": noise(16), "tenth": np.float32(0.1)}
    return difference(nodes, constants | {"shape": np.array([1, 16, 1, 1])}, noise(1, 16))

print("OnnxSlim", onnxslim.__version__, "onnx", onnx.__version__, "ONNX Runtime", onnxruntime.__version__)
print("a good guess: a slimmed model gives the same numbers, to rounding")
cases = {
    "Conv, Mul by 16 channels": (True, convolution("Mul", (16, 1, 1), 16)),
    "Conv, Mul by 16 columns": (False, convolution("Mul", (16,), 16)),
    "Conv, Mul by 16 rows": (False, convolution("Mul", (1, 1, 16, 1), 20)),
    "Conv, Mul by 20 columns": (True, convolution("Mul", (20,), 20)),
    "Conv, Add of 16 columns": (True, convolution("Add", (16,), 16)),
    "Gemm, Reshape, Mul beside a Gemm of the input": (True, branches("x")),
    "Gemm, Reshape, Mul beside a Gemm of the same result": (False, branches("a")),
}
right = True
for name, (kept, (off, largest)) in cases.items():
    print(f"{name}: off by {off:.2g}, of values up to {largest:.2g}")
    right &= off < 1e-4 * largest if kept else off > 0.1 * largest
sys.exit(not right)
PY
