#!/usr/bin/env bash
# PyAV: a decoded frame whose `side_data` was looked at stays in memory, with all its pixels, until Python's cycle collector runs.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder/film.mkv" <<'PY'
import gc, sys
from fractions import Fraction
import av, numpy as np

with av.open(sys.argv[1], "w") as film:
    stream = film.add_stream("ffv1", rate=Fraction(25))
    stream.width = stream.height = 64
    stream.pix_fmt = "bgr0"
    for level in range(20):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), level, np.uint8), "rgb24")
        film.mux(stream.encode(frame))
    film.mux(stream.encode(None))
del frame

def kept(look):
    """How many of 20 frames are alive after the loop, without and with a collection."""
    gc.collect()
    gc.disable()
    with av.open(sys.argv[1]) as film:
        for frame in film.decode(video=0):
            look(frame)
        del frame
    alive = sum(isinstance(item, av.VideoFrame) for item in gc.get_objects())
    gc.collect()
    rest = sum(isinstance(item, av.VideoFrame) for item in gc.get_objects())
    gc.enable()
    return alive, rest

plain = kept(lambda frame: frame.to_ndarray(format="rgb24"))
looked = kept(lambda frame: list(frame.side_data))
print("PyAV", av.__version__)
print("frames alive after decoding 20, pixels read:            ", plain)
print("a good guess for those whose side_data was read:         (0, 0)")
print("what happens (before, after a run of the cycle collector):", looked)
sys.exit(plain != (0, 0) or looked != (20, 0))
PY
