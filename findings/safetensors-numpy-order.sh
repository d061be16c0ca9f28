#!/usr/bin/env bash
# safetensors 0.8.0 writes NumPy arrays in Fortran order (scikit-learn's and LAPACK's results, a transposed kernel) as if they were in C order: the file opens, with its shape, and its values are shuffled. 0.7.0 is right.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cd "$folder"
for version in 0.7.0 0.8.0; do
venv/bin/pip install -q --no-compile safetensors==$version numpy==2.2.6
venv/bin/python - <<'PY'
import sys
import numpy as np, safetensors
from safetensors.numpy import load_file, save_file

kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
arrays = {"C order": kernel, "Fortran order": np.asfortranarray(kernel)}
kept = {}
print("safetensors", safetensors.__version__)
print("a good guess: equal arrays come back equal, or an error tells of their order, as for PyTorch's tensors")
for name, array in arrays.items():
    save_file({"kernel": array}, "a.safetensors")
    read = load_file("a.safetensors")["kernel"]
    kept[name] = np.array_equal(read, kernel)
    print(f"{name}: {array.tolist()} is read as {read.tolist()}")
shuffled = safetensors.__version__ == "0.8.0"
sys.exit(kept != {"C order": True, "Fortran order": not shuffled})
PY
done
