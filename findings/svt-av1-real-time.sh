#!/usr/bin/env bash
# SVT-AV1, as PyAV's wheels hold it, gives root's main thread real-time priority, as its own threads, and never takes it back.
# Run it as root (containers and render machines are); other users are not given that priority.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import os, sys
from fractions import Fraction
import av, numpy as np

def priority():
    return os.sched_getscheduler(0), os.sched_getparam(0).sched_priority

if os.geteuid():
    sys.exit("run this as root: other users' threads keep their priority")
before = priority()
context = av.CodecContext.create("libsvtav1", "w")
context.width = context.height = 64
context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24").reformat(format="yuv420p")
frame.pts = 0
packets = list(context.encode(frame)) + list(context.encode(None))
after = priority()
print("PyAV", av.__version__, "wrote", len(packets), "packet")
print("a good guess:  (policy, priority) of the main thread stay", before)
print("what happens: ", after, "(1 is SCHED_FIFO)")
sys.exit(before != (0, 0) or after != (1, 99))
PY
