#!/usr/bin/env bash
# Pillow scales the levels of a 4-bit grey PNG to 8 bits, but not the level that is named transparent.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pillow==12.0.0
"$folder/venv/bin/python" - <<'PY'
import io, struct, sys, zlib
import PIL
from PIL import Image

def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

# 4 x 1 px of 4 bits: levels 0, 5, 5, 15; level 5 is transparent.
data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 4, 0, 0, 0, 0))
data += chunk(b"tRNS", struct.pack(">H", 5)) + chunk(b"IDAT", zlib.compress(b"\0\x05\x5f")) + chunk(b"IEND", b"")
image = Image.open(io.BytesIO(data)).convert("LA")
found = [image.getpixel((x, 0)) for x in range(4)]
print("Pillow", PIL.__version__)
print("a good guess: ", [(0, 255), (85, 0), (85, 0), (255, 255)])
print("what happens: ", found)
sys.exit(found != [(0, 255), (85, 255), (85, 255), (255, 255)])
PY
