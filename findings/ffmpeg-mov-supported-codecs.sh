#!/usr/bin/env bash
# FFmpeg lists Opus and FLAC among the codecs that MOV holds (`supported_codecs` in PyAV, avformat_query_codec in C), but its MOV muxer refuses to begin a file with them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import av, numpy as np

def outcome(form, encoder):
    """(listed, what becomes of a file with a tenth of a second of it)"""
    with av.open(f"{sys.argv[1]}/a.{form}", "w") as film:
        name = av.Codec(encoder, "w").canonical_name
        listed = name in film.supported_codecs
        try:
            sound = film.add_stream(encoder, rate=48000, layout="mono")
            whole = sound.format.name == "s16"
            values = np.zeros((1, 4800), np.int16 if whole else np.float32)
            frame = av.AudioFrame.from_ndarray(values, sound.format.name, "mono")
            frame.sample_rate, frame.pts = 48000, 0
            film.mux(sound.encode(frame))
            film.mux(sound.encode(None))
        except (av.FFmpegError, ValueError) as error:
            return listed, type(error).__name__
    return listed, "written"

print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)
print("a good guess: what is listed can be written")
found = {(form, encoder): outcome(form, encoder) for form in ("mp4", "mov") for encoder in ("aac", "libopus", "flac")}
for (form, encoder), (listed, said) in found.items():
    print(f"{encoder} in {form}: listed {listed}, {said}")
refused = {key for key, (listed, said) in found.items() if listed and said != "written"}
sys.exit(refused != {("mov", "libopus"), ("mov", "flac")})
PY
