#!/usr/bin/env bash
# PyAV 18.1 (FFmpeg 8): the average rate of a raw DV file is 60000 frames a second, the ticks of its clock; the same pictures in a MOV say 25. FFmpeg 5.1 said 25 of both.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from fractions import Fraction
import av

def write(path, form):
    """Ten grey PAL frames of DV, each lighter than the one before."""
    with av.open(path, "w", format=form) as film:
        stream = film.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for number in range(10):
            frame = av.VideoFrame(720, 576, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            for plane in frame.planes:
                plane.update(bytes([40 + 12 * number]) * plane.buffer_size)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())

print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)
print("a good guess for `stream.average_rate`: 25, as the ten frames lie 0.04 s apart")
rates = {}
for form in ("dv", "mov"):
    write(f"{sys.argv[1]}/film.{form}", form)
    with av.open(f"{sys.argv[1]}/film.{form}") as film:
        stream = film.streams.video[0]
        times = [frame.pts * stream.time_base for frame in film.decode(video=0)]
        rates[form] = (stream.average_rate, stream.guessed_rate, times[1] - times[0])
    print(f"{form}: average_rate {rates[form][0]}, guessed_rate {rates[form][1]}, frames {float(rates[form][2])} s apart")
sys.exit(rates != {"dv": (60000, 25, Fraction(1, 25)), "mov": (25, 25, Fraction(1, 25))})
PY
