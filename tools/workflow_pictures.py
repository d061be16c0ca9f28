"""Makes the workflows' thumbnails by running them in a real ComfyUI.

    python -m tools.workflow_pictures [01 07 ...]

Run it after changing the bundled model or a workflow, and look at every picture. It needs ComfyUI,
like the tests marked `comfy`.
"""

import sys
import tempfile
from pathlib import Path

import av
from PIL import Image, ImageOps

from kdsr.meaning.panel import CARD, WIDTH
from tools import comfy_server
from tools.comfy_workflows import FOLDER, NAMES, read, shown, to_api

SAMPLES = Path(__file__).parents[1] / "samples"
SIDE = 512
DETAIL = 420  # side of the shown part of a result in pixels; smaller scales hide the effect
SEAMS = {"05": 200, "11": 200}  # the same for workflows about seams, which are thin lines


def pictures(server: comfy_server.ComfyServer, name: str) -> list[Path]:
    """Runs a workflow; returns its compared pictures, video, figure, or input and output."""
    workflow = read(name)
    entry = server.run(to_api(workflow, server.object_info()))
    files = shown(server, name, entry)
    for kinds in files.values():
        if "kdsr_before" in kinds:
            return [kinds["kdsr_before"][0], kinds["kdsr_after"][0]]
    if "SaveVideo" in files:
        return [SAMPLES / "pan.mp4", *files["SaveVideo"]["images"]]
    if "KDSR_InspectIDR" in files:
        return files["KDSR_InspectIDR"]["images"]
    return [files["KDSR_Sample"]["images"][0], files["SaveImage"]["images"][0]]


def opened(file: Path) -> Image.Image:
    """Opens a picture, or the first frame of a video enlarged to the size of the result."""
    if file.suffix != ".mp4":
        return Image.open(file)
    with av.open(str(file)) as video:
        frame = next(video.decode(video=0)).to_image()
    return frame if frame.width > SIDE else ImageOps.scale(frame, 4, Image.Resampling.BICUBIC)


def square(file: Path, size: tuple[int, int], detail: int) -> Image.Image:
    """A square thumbnail: the middle of a photograph scaled to a size, or all of a figure."""
    with opened(file) as image:
        if image.width == WIDTH:
            return ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), color=CARD)
        image = image.resize(size, Image.Resampling.BICUBIC)
        part = min(detail, *image.size)
        left, top = (image.width - part) // 2, (image.height - part) // 2
        box = (left, top, left + part, top + part)
        return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)


def thumbnail(name: str, files: list[Path]) -> Image.Image:
    """One picture, or halves of two side by side; one above the other for upright seams."""
    seam = SEAMS.get(name[:2])
    with opened(files[-1]) as last:
        size = last.size
    squares = [square(file, size, seam or DETAIL) for file in files]
    if len(squares) == 2:
        middle, edge = SIDE // 2, (SIDE // 2 - 1, SIDE // 2 + 1)
        half = (0, middle, SIDE, SIDE) if seam else (middle, 0, SIDE, SIDE)
        line = (0, edge[0], SIDE, edge[1]) if seam else (edge[0], 0, edge[1], SIDE)
        squares[0].paste(squares[1].crop(half), half[:2])
        squares[0].paste("white", line)
    return squares[0]


def main() -> None:
    names = [n for n in NAMES if not sys.argv[1:] or n.startswith(tuple(sys.argv[1:]))]
    with tempfile.TemporaryDirectory() as base:
        server = comfy_server.start(comfy_server.found_comfyuis()[0], Path(base))
        try:
            for name in names:
                target = FOLDER / f"{name}.jpg"
                thumbnail(name, pictures(server, name)).save(target, quality=88)
                print(f"{target.name}  {target.stat().st_size / 1024:.0f} KB")
        finally:
            comfy_server.stop(server)


if __name__ == "__main__":
    main()
