"""Makes a sheet of what a newcomer sees in ComfyUI: Load KDSR, a template and the blueprints.

    python -m tools.first_look [OUT.jpg] [--pack FOLDER]

Every ComfyUI with its own page, and the newest with the newest page, on the classic canvas and in
Nodes 2.0. FOLDER is another version of the pack. Needs ComfyUI and Chromium, as the tests marked
`comfy` do. Look at the sheet.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tools import comfy_server
from tools.comfy_browser import Frontend, frontend
from tools.comfy_workflows import NAMES

OUT = Path(__file__).parents[1] / "docs" / "images" / "first-look.jpg"
BLUEPRINTS = ("Upscale Image (KDSR)", "Upscale Video (KDSR)")
COLUMNS = {"Load KDSR": 300, "template 01, run": 760, **dict.fromkeys(BLUEPRINTS, 300)}
"""What is shown, and how wide."""
HEIGHT, CAPTION = 400, 26
BACKGROUND = (32, 34, 40)
VUE_SINCE = (0, 9)
ONE_NODE = """
const [type] = arguments
app.graph.clear()
app.canvas.ds.scale = 1
app.canvas.ds.offset = [500, 200]
if (!type) return
const node = LiteGraph.createNode(type)
node.pos = [100, 100]
app.graph.add(node)
"""


def looks(page: Frontend, folder: Path) -> Iterator[Image.Image]:
    """A picture for each of `COLUMNS`; plain where this ComfyUI has no such thing."""
    offered = {b["name"] for b in page.server.get_json("/global_subgraphs").values()} \
        if page.server.version >= VUE_SINCE else set()  # fmt: skip
    page.load()
    for column, width in COLUMNS.items():
        if column == "Load KDSR":
            page.driver.execute_script(ONE_NODE, "KDSR_Load")
        elif column in offered:
            page.driver.execute_script(ONE_NODE, "")
            page.add_by_search(column)
        elif column in BLUEPRINTS:
            yield Image.new("RGB", (width, HEIGHT), BACKGROUND)
            continue
        else:
            page.open_template(NAMES[0])
            page.run()
        page.settle()
        titles = page.driver.execute_script("return app.graph.nodes.map(n => n.title)")
        crop = page.focus(titles, scale=1.1, margin=40)
        shot = folder / "look.png"
        page.screenshot(shot, crop)
        with Image.open(shot) as image:
            yield image.convert("RGB")


def row(pictures: list[Image.Image], name: str) -> Image.Image:
    """Pictures side by side, each in the middle of its column, below a line of text."""
    made = Image.new("RGB", (sum(COLUMNS.values()), HEIGHT + CAPTION), BACKGROUND)
    ImageDraw.Draw(made).text((8, 5), name, "white", ImageFont.load_default(16))
    left = 0
    for picture, width in zip(pictures, COLUMNS.values(), strict=True):
        picture.thumbnail((width - 8, HEIGHT - 4), Image.Resampling.LANCZOS)
        top = CAPTION + (HEIGHT - picture.height) // 2
        made.paste(picture, (left + (width - picture.width) // 2, top))
        left += width
    return made


def sheet(rows: list[Image.Image]) -> Image.Image:
    """All rows, below the names of the columns."""
    made = Image.new("RGB", (rows[0].width, CAPTION + sum(r.height for r in rows)), BACKGROUND)
    left = 0
    for name, width in COLUMNS.items():
        ImageDraw.Draw(made).text((left + 8, 5), name, "white", ImageFont.load_default(16))
        left += width
    top = CAPTION
    for one in rows:
        made.paste(one, (0, top))
        top += one.height
    return made


def rows_of(comfyui: Path, newest: Path | None, pack: Path) -> Iterator[Image.Image]:
    """A row for the classic canvas, and one for Nodes 2.0 where there are some."""
    options = () if newest is None else ("--front-end-root", str(newest))
    page_name = newest.parents[1].name if newest else "its own page"
    with tempfile.TemporaryDirectory() as base:
        server = comfy_server.start(comfyui, Path(base), *options, pack=pack)
        try:
            with frontend(server) as page:
                for vue in (False, True)[: 1 + (server.version >= VUE_SINCE)]:
                    page.load()
                    page.use_vue_nodes(vue)
                    canvas = "Nodes 2.0" if vue else "classic canvas"
                    name = f"{comfyui.name}, {page_name}, {canvas}"
                    yield row(list(looks(page, Path(base))), name)
                    print(name, flush=True)
        finally:
            comfy_server.stop(server)


def main(*arguments: str) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, nargs="?", default=OUT)
    parser.add_argument("--pack", type=Path, default=comfy_server.PACK)
    asked = parser.parse_args(arguments or None)
    found = comfy_server.found_comfyuis()
    pages: list[tuple[Path, Path | None]] = [(comfyui, None) for comfyui in found]
    if newest := comfy_server.newest_page(found[-1]):
        pages.append((found[-1], newest))
    rows = [r for comfyui, page in pages for r in rows_of(comfyui, page, asked.pack.resolve())]
    sheet(rows).save(asked.out, quality=85)
    print(f"{asked.out}  {asked.out.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
