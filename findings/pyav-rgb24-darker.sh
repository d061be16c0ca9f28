#!/usr/bin/env bash
# FFmpeg on x86-64 makes films darker, by nearly two levels of 255, where 4:2:0 frames of 10 bits (or NV12, as hardware decoders give) become rgb24, and where 8 bits become rgb48. Into gbrp, the same colours in planes, the same frames are right to a rounding.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile av==18.1.0 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import platform, sys
import av, numpy as np

if platform.machine() not in ("x86_64", "AMD64"):
    sys.exit("run this on x86-64: FFmpeg has other converters elsewhere")
luma = np.arange(16, 236)  # grey ramp in the 8-bit levels of a film
true = (luma - 16) / 219 * 255

def mean_error(source, target):
    """Mean error of the grey ramp, in levels of 255."""
    shift = {"yuv420p10le": 2, "yuv444p10le": 2, "p010le": 8}.get(source, 0)
    frame = av.VideoFrame(len(luma), 16, source)
    for index, plane in enumerate(frame.planes):
        dtype = np.uint16 if shift else np.uint8
        values = np.full((plane.height, plane.line_size // dtype().itemsize), 128 << shift, dtype)
        if index == 0:
            values[:, : len(luma)] = luma << shift
        plane.update(values.tobytes())
    row = frame.to_ndarray(format=target)[8].astype(float)
    return (row / (257 if target == "rgb48le" else 1) - true[:, None]).mean()

print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)
print("a good guess: the mean error is near 0 everywhere, -0.5 where fractions are cut off")
dark = {("yuv420p10le", "rgb24"), ("p010le", "rgb24"), ("nv12", "rgb24"), ("yuv420p", "rgb48le")}
right = True
for source in ("yuv420p", "nv12", "yuv420p10le", "p010le", "yuv444p10le"):
    found = {target: mean_error(source, target) for target in ("rgb24", "rgb48le", "gbrp")}
    print(f"{source}:", ", ".join(f"{target} {error:+.2f}" for target, error in found.items()))
    for target, error in found.items():
        right &= -2 < error < -1.4 if (source, target) in dark else -0.55 < error < 0.05
sys.exit(not right)
PY
