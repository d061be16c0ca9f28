#!/usr/bin/env bash
# SVT-AV1, as PyAV's wheels hold it, gives every thread of root's process real-time priority and never takes it back.
# Run it as root (containers and render machines are); other users are not given that priority.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "av==${AV:-18.1.0}" numpy==2.2.6
"$folder/venv/bin/python" - <<'PY'
import os, sys
from fractions import Fraction
import av, numpy as np

def threads():
    return sorted({(os.sched_getscheduler(int(t)), os.sched_getparam(int(t)).sched_priority) for t in os.listdir("/proc/self/task")})

if os.geteuid():
    sys.exit("run this as root: other users' threads keep their priority")
before = threads()
context = av.CodecContext.create("libsvtav1", "w")
context.width = context.height = 64
context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24").reformat(format="yuv420p")
frame.pts = 0
packets = list(context.encode(frame)) + list(context.encode(None))
after = threads()
print("PyAV", av.__version__, "wrote", len(packets), "packet")
print("a good guess:  (policy, priority) of all threads stay", before)
print("what happens: ", after, "(1 is SCHED_FIFO)")
sys.exit(before != [(0, 0)] or after != [(1, 99)])
PY
