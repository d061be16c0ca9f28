"""A folder of good, damaged and oddly named files, as commands meet them."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from kdsr.files.weights import save_checkpoint
from tests.conftest import make_tiny
from tests.support.calibrated import calibration_for
from tests.support.damage import damaged

PICTURES = (
    "a.png", "b.jpg", "grey.png", "clear.webp", "deep.png", "c.tif", "caf\u00e9 \u65e5\u672c.png",
    "-x.png", "[1].png", "new\nline.png", "\u202egnp.bmp", "n" * 231 + ".png", "UP.PNG", "nameless",
)  # fmt: skip
MODELS = ("m.safetensors", "read.safetensors", "m.pt")
IDRS = ("i.safetensors", "two.safetensors")
BROKEN = tuple(f"broken{n}{suffix}" for n in range(4) for suffix in (".png", ".jpg"))
BROKEN_TENSORS = (*(f"broken{n}.safetensors" for n in range(8)), "broken.pt")
WRONG = ("zero.safetensors", "other.safetensors", "text.png", "empty.png", "folder.png", "gone.png")
FOLDERS = ("in", "void", "folder.png", "in/deeper")


def fill(folder: Path) -> None:
    """Writes all of the above; `gone.png` is a link to nowhere, `loop.png` one to itself."""
    rng = np.random.default_rng(0)
    for name in (*PICTURES, "in/one.png", "in/two.jpg", "in/deeper/three.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _draw(folder / name, rng)
    model = make_tiny()
    save_checkpoint(model, folder / "m.safetensors")
    torch.save(model.state_dict(), folder / "m.pt")
    one, two = (model.estimate(torch.rand(n, 3, 12, 16)) for n in (1, 2))
    one.save(folder / "i.safetensors")
    two.save(folder / "two.safetensors")
    make_tiny(seed=1).estimate(torch.rand(1, 3, 12, 16)).save(folder / "other.safetensors")
    metadata = {"format": "kdsr-idr-1", "fingerprint": one.fingerprint}
    none = {name: getattr(one, name)[:0] for name in ("idr", "idr_full", "structure", "left_out")}
    save_file(none, folder / "zero.safetensors", metadata)
    model.calibration = calibration_for(model)
    save_checkpoint(model, folder / "read.safetensors")
    for seed, name in enumerate(BROKEN):
        source = "b.jpg" if name.endswith(".jpg") else "a.png"
        (folder / name).write_bytes(damaged((folder / source).read_bytes(), seed))
    for seed, name in enumerate(BROKEN_TENSORS):
        source = "m.pt" if name.endswith(".pt") else ("m", "i")[seed % 2] + ".safetensors"
        (folder / name).write_bytes(damaged((folder / source).read_bytes(), seed))
    (folder / "text.png").write_text("no picture")
    (folder / "empty.png").touch()
    for name in ("void", "folder.png"):
        (folder / name).mkdir()
    if os.name != "nt":
        (folder / "gone.png").symlink_to("nowhere.png")
        (folder / "loop.png").symlink_to("loop.png")
        _draw(folder / os.fsdecode(b"caf\xe9.png"), rng)


def _draw(path: Path, rng: np.random.Generator) -> None:
    height, width = rng.integers(1, 14, 2)
    channels = {"grey.png": 1, "clear.webp": 4}.get(path.name, 3)
    if path.name == "deep.png":
        values = rng.integers(0, 65536, (height, width)).astype(np.uint16)
    else:
        values = rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
        values = values[..., 0] if channels == 1 else values
    suffixes = {".jpg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".bmp": "BMP"}
    with path.open("wb") as file:
        Image.fromarray(values).save(file, suffixes.get(path.suffix, "PNG"))
