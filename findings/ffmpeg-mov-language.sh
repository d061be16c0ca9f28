#!/usr/bin/env bash
# FFmpeg's MOV muxer leaves out the language of a track where QuickTime has the language, under another code: of French, German and Dutch it knows one of the two codes of ISO 639-2, of Swedish neither (it says sve).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import av, numpy as np

def written(form, language):
    """What a file says of its sound's language, which was set."""
    path = f"{sys.argv[1]}/a.{form}"
    with av.open(path, "w") as film:
        sound = film.add_stream("aac", rate=48000, layout="mono")
        sound.metadata["language"] = language
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48000, 0
        film.mux(sound.encode(frame))
        film.mux(sound.encode(None))
    with av.open(path) as film:
        return film.streams[0].metadata.get("language")

codes = {"French": ("fra", "fre"), "German": ("ger", "deu"), "Dutch": ("dut", "nld"), "Swedish": ("sve", "swe")}
print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)
print("a good guess: a language that is set is there, or its writing fails")
right = True
for name, (kept, lost) in codes.items():
    found = {code: (written("mov", code), written("mp4", code)) for code in (kept, lost)}
    print(f"{name}: what MOV and MP4 say where it was set to", found)
    right &= found == {kept: (kept, kept), lost: (None, lost)}
sys.exit(not right)
PY
