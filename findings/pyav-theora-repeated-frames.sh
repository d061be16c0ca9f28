#!/usr/bin/env bash
# PyAV: decoding a sound Theora film ends with ArgumentError where a frame repeats the one before: FFmpeg's Ogg demuxer gives it out as a packet of no bytes, which FFmpeg's decoder interface refuses.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 numpy==2.2.6 imageio-ffmpeg==0.4.9 setuptools==75.6.0
"$folder/venv/bin/python" - "$folder/film.ogv" <<'PY'
import subprocess, sys
import av, imageio_ffmpeg

# Ten frames of a test card, some like the ones before; PyAV writes no Theora: by an ffmpeg of its own (4.2.2).
command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4",
           "-c:v", "libtheora", "-y", sys.argv[1]]
subprocess.run(command, check=True)

def decoded(skip):
    """How many frames come out, or how it ends; with packets of no bytes or without."""
    count = 0
    with av.open(sys.argv[1]) as film:
        for packet in film.demux(video=0):
            if skip and packet.dts is not None and not packet.size:
                continue
            try:
                count += len(packet.decode())
            except av.FFmpegError as error:
                return f"{type(error).__name__} after {count} frames"
    return f"{count} frames"

with av.open(sys.argv[1]) as film:
    empty = sum(not packet.size for packet in film.demux(video=0) if packet.dts is not None)
plain, skipped = decoded(False), decoded(True)
print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)
print("packets of no bytes:", empty)
print("a good guess for `for packet in film.demux(): packet.decode()`: 10 frames, or fewer that are shown for longer")
print("what happens:", plain)
print("without these packets:", skipped)
sys.exit(not (empty and plain.startswith("ArgumentError") and skipped == f"{10 - empty} frames"))
PY
