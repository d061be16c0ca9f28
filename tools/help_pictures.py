"""Makes the pictures of the help pages and the README's screenshots in a real ComfyUI.

    python -m tools.help_pictures

Run it after changing the bundled model, a node or a workflow, and look at every picture. It needs
ComfyUI and Chromium, like the tests marked `comfy`.
"""

import tempfile
import time
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

import kdsr
from kdsr.estimation.maps import estimate_local, idr_map
from kdsr.files.images import read_image
from kdsr.meaning.report import draw_report
from kdsr.pixels import to_bytes
from tools import comfy_server
from tools.comfy_browser import Frontend, frontend
from tools.comfy_workflows import NAMES

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"
HELP = ROOT / "web" / "docs" / "images"
README = ROOT / "docs" / "images"
WIDTH = 1000  # largest width of a picture in a help page
# Pictures of parts of workflows after a run: name, workflow, titles of the shown nodes.
PARTS = {
    "KDSR_Load": ("04", ["Load KDSR", "KDSR Upscale Regions"]),
    "KDSR_Sample": ("01", ["KDSR Sample", "KDSR Upscale"]),
    "KDSR_Compare": ("01", ["KDSR Upscale", "Before | after"]),
    "KDSR_UpscaleVideo": ("02", ["KDSR Upscale Video", "Save Video"]),
    "KDSR_EstimateIDR": ("06", ["Reference", "IDR of the reference"]),
    "KDSR_SaveIDR": ("09", ["Estimate IDR", "Save IDR"]),
    "KDSR_LoadIDR": ("09", ["Load IDR", "KDSR Upscale"]),
    "KDSR_BakeUpscaleModel": ("10", ["Bake to Upscale Model", "Upscale Image (using Model)"]),
}
# Load IDR is muted in the workflow, as its file does not exist before the first run.
USE_LOAD_IDR = """
const node = type => app.graph.nodes.find(n => n.type === type)
const load = node('KDSR_LoadIDR'), upscale = node('KDSR_Upscale')
load.mode = 0
load.connect(0, upscale, upscale.findInputSlot('idr'))
"""


def to_image(pixels: Tensor) -> Image.Image:
    """Converts pixels (1, 3, H, W) in [0, 1] to a picture."""
    array = to_bytes(pixels[0].permute(1, 2, 0))
    return Image.fromarray(array.numpy())


def row(pictures: dict[str, Image.Image]) -> Image.Image:
    """Arranges pictures of one size side by side, with captions above."""
    first = next(iter(pictures.values()))
    gap, text = 8, 30
    sheet = Image.new("RGB", (len(pictures) * (first.width + gap) - gap, first.height + text))
    sheet.paste((32, 34, 40), (0, 0, *sheet.size))
    for column, (caption, picture) in enumerate(pictures.items()):
        left = column * (first.width + gap)
        ImageDraw.Draw(sheet).text((left + 6, 4), caption, "white", ImageFont.load_default(18))
        sheet.paste(picture, (left, text))
    return sheet


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").save(path, quality=88)
    print(f"{path.relative_to(ROOT)}  {picture.size}  {path.stat().st_size / 1024:.0f} KB")


def upscaled(model: kdsr.KDSR) -> Image.Image:
    """Draws the picture of Upscale: the input in bicubic enlargement, and the result."""
    lq = read_image(SAMPLES / "example.png").rgb
    sr = to_image(model.upscale(lq))
    part = (60, 0, 540, 440)
    bicubic = to_image(lq).resize(sr.size, Image.Resampling.BICUBIC)
    return row({"Bicubic x4": bicubic.crop(part), "KDSR Upscale": sr.crop(part)})


def blended(model: kdsr.KDSR) -> Image.Image:
    """Draws the picture of Blend IDR: one image at several weights."""
    lq = read_image(SAMPLES / "example.png").rgb
    light = model.estimate(read_image(SAMPLES / "osprey.png").rgb)
    own = model.estimate(lq)
    part = (160, 20, 400, 320)
    weights = (-0.5, 0.0, 1.0, 2.0)
    return row({f"weight {w}": to_image(model.upscale(lq, light.blend(own, w))).crop(part)
                for w in weights})  # fmt: skip


def inspected(model: kdsr.KDSR) -> Image.Image:
    """Draws the picture of Inspect IDR: the node's figure."""
    lq = read_image(SAMPLES / "example.png").rgb
    other = model.estimate(read_image(SAMPLES / "osprey.png").rgb)
    figure = draw_report(model.estimate(lq), other, estimate_local(model, lq), lq, model)
    figure.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    return figure


def mixed(model: kdsr.KDSR) -> Image.Image:
    """Draws the picture of Upscale Regions: two photographs in one image."""
    left, right = (read_image(SAMPLES / f"{name}.png").rgb for name in ("example", "osprey"))
    lq = torch.cat((left[..., :105], right[..., 40:145]), dim=-1)
    middle, side = 4 * 105, 4 * 40
    ways = {"one IDR": model.estimate(lq), "map": idr_map(model, lq)}
    bicubic = to_image(lq).resize((4 * lq.shape[-1], 4 * lq.shape[-2]), Image.Resampling.BICUBIC)
    pictures = {name: to_image(model.upscale(lq, idr)) for name, idr in ways.items()}
    part = (middle - side, 0, middle + side, 2 * side)
    return row({name: p.crop(part) for name, p in ({"Bicubic x4": bicubic} | pictures).items()})


def seams() -> Image.Image:
    """Draws the picture of KDSR Tile Upscale: the figure of benchmarks/seams.py, smaller."""
    with Image.open(README / "seams.png") as figure:
        return figure.convert("RGB").resize((1000, 1000 * figure.height // figure.width))


def shoot(page: Frontend, folder: Path) -> None:
    """Runs workflows in the frontend and takes screenshots."""
    shot = folder / "shot.png"
    page.open_template(NAMES[0])
    page.run()
    page.fit()
    time.sleep(5)  # until messages have disappeared
    page.screenshot(shot)
    save(Image.open(shot), README / "comfyui-after.jpg")
    for name, (number, titles) in PARTS.items():
        page.open_template(next(n for n in NAMES if n.startswith(number)))
        page.server.post(
            "/free", {"unload_models": True, "free_memory": True}
        )  # clears cached results
        page.run()
        if name == "KDSR_LoadIDR":
            page.driver.execute_script(USE_LOAD_IDR)
        page.screenshot(shot, page.focus(titles))
        picture = Image.open(shot)
        picture.thumbnail((WIDTH, WIDTH))
        save(picture, HELP / f"{name}.jpg")


def main() -> None:
    model = kdsr.load()
    save(upscaled(model), HELP / "KDSR_Upscale.jpg")
    save(seams(), HELP / "KDSR_TileUpscale.jpg")
    save(mixed(model), HELP / "KDSR_UpscaleRegions.jpg")
    save(inspected(model), HELP / "KDSR_InspectIDR.jpg")
    save(blended(model), HELP / "KDSR_BlendIDR.jpg")
    with tempfile.TemporaryDirectory() as base:
        server = comfy_server.start(comfy_server.found_comfyuis()[-1], Path(base))
        try:
            with frontend(server, width=1440, height=920) as page:
                shoot(page, Path(base))
        finally:
            comfy_server.stop(server)


if __name__ == "__main__":
    main()
