#!/usr/bin/env bash
# OpenEXR's Python package loses what it still holds when a disk is full at the end, without an error.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q OpenEXR==3.4.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import sys
import numpy as np, OpenEXR

print("OpenEXR", OpenEXR.__version__)
print("a good guess:  an error, as open('/dev/full', 'wb').write(...) raises")
file = OpenEXR.File({}, {"RGB": np.random.rand(6, 8, 3).astype(np.float32)})
try:
    file.write("/dev/full")
except Exception as error:
    print("what happens: ", repr(error))
    sys.exit(1)
print("what happens:  nothing is said")
PY
