#!/usr/bin/env bash
# FFmpeg puts the white of a film at 65283 of 65535 where its YUV becomes RGB of 16 bits (or 0.996 where it becomes floats), but takes 65535 for white where RGB of 10 bits becomes it. The way back brightens by as much: RGB's white is 943 of a film's 940.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile av==18.1.0 numpy==2.2.6
"$folder/venv/bin/python" -W ignore - <<'PY'
import sys
import av, numpy as np

def flat(form, levels):
    """A frame of one colour, from the levels of its three planes."""
    frame = av.VideoFrame(32, 16, form)
    for plane, level in zip(frame.planes, levels):
        plane.update(np.full(plane.buffer_size // 2, level, np.uint16).tobytes())
    return frame

def first(frame, dtype):
    return np.frombuffer(bytes(frame.planes[0]), dtype)[0].item()

white = {"yuv444p10le": (940, 512, 512), "yuv420p10le": (940, 512, 512), "gbrp10le": (1023, 1023, 1023)}
print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)
print("a good guess: white is 65535 (1.0 in floats), and 65535 is white again")
read = {form: first(flat(form, levels).reformat(format="rgb48le"), np.uint16) for form, levels in white.items()}
for form, value in read.items():
    print(f"white of {form} as rgb48le: {value}")
floats = first(flat("yuv444p10le", white["yuv444p10le"]).reformat(format="gbrpf32le"), np.float32)
print(f"white of yuv444p10le as gbrpf32le: {floats:.4f}")
rgb = av.VideoFrame.from_ndarray(np.full((16, 32, 3), 65535, np.uint16), "rgb48le")
back = first(rgb.reformat(format="yuv444p10le"), np.uint16)
print(f"65535 of rgb48le as yuv444p10le: {back}, where white is 940")
found = (read["yuv444p10le"], read["yuv420p10le"], read["gbrp10le"], round(floats, 3), back)
sys.exit(found != (65283, 65283, 65535, 0.996, 943))
PY
