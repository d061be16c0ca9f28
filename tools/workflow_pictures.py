"""Makes the workflows' thumbnails by running them in a real ComfyUI.

    python -m tools.workflow_pictures [basic_x4 ...]

Run it after changing the bundled model or a workflow. It also writes the IDR that ships with the
sample inputs, which belongs to the bundled model. Needs a ComfyUI, as the tests marked `comfy` do.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import kdsr  # noqa: E402
from kdsr.files.images import read_image  # noqa: E402
from tests.support import comfy_server  # noqa: E402
from tests.support.comfy_workflows import FOLDER, INPUTS, NAMES, read, ship_inputs, to_api  # noqa: E402

SIDE = 512
# The nodes whose pictures stand for a workflow: left half and right half, or one alone.
SHOWN = {
    "bake_upscale_model": ["Save Image"],
    "basic_x4": ["Bicubic x4", "Save Image"],
    "idr_transfer": ["Saved: reference's IDR"],
    "inspect_and_compare": ["Inspect IDR"],
    "large_image_tiled": ["Save Image"],
    "regions": ["Save Image"],
    "save_and_load_idr": ["Save Image"],
    "seamless_texture": ["Seamless"],
    "seams_compared": ["Each tile by itself", "Difference x16"],
    "video_smoothed": ["First frame"],
}
STOCK_TITLES = {"SaveImage": "Save Image", "KDSR_InspectIDR": "Inspect IDR"}


def save_sample_idr() -> None:
    """Estimates the IDR that the workflow save_and_load_idr loads."""
    lq = read_image(INPUTS / "kdsr_kingfisher.png").rgb
    kdsr.load().estimate(lq).save(INPUTS / "kdsr_kingfisher.safetensors")


def pictures(server: comfy_server.ComfyServer, name: str) -> dict[str, Path]:
    """Runs a workflow; returns the pictures it showed, by the titles of their nodes."""
    workflow = read(name)
    outputs = server.run(to_api(workflow, server.object_info()))["outputs"]
    shown = {}
    for node in workflow["nodes"]:
        for image in outputs.get(str(node["id"]), {}).get("images", []):
            title = node.get("title") or STOCK_TITLES.get(node["type"], node["type"])
            shown[title] = server.base / image["type"] / image["subfolder"] / image["filename"]
    return shown


def thumbnail(files: list[Path]) -> Image.Image:
    """One picture, or the left half of one beside the right half of another."""
    squares = []
    for file in files:
        with Image.open(file) as image:
            # The top of tall figures, the middle of photographs.
            top = 0.0 if image.height > 1.2 * image.width else 0.5
            squares.append(ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), centering=(0.5, top)))
    if len(squares) == 2:
        half = (SIDE // 2, 0, SIDE, SIDE)
        squares[0].paste(squares[1].crop(half), half[:2])
        squares[0].paste("white", (SIDE // 2 - 1, 0, SIDE // 2 + 1, SIDE))
    return squares[0]


def main() -> None:
    names = sys.argv[1:] or NAMES
    save_sample_idr()
    with tempfile.TemporaryDirectory() as base:
        server = comfy_server.start(comfy_server.found_comfyuis()[0], Path(base))
        try:
            ship_inputs(server)
            for name in names:
                shown = pictures(server, name)
                target = FOLDER / f"{name}.jpg"
                thumbnail([shown[title] for title in SHOWN[name]]).save(target, quality=88)
                print(f"{target.relative_to(ROOT)}  {target.stat().st_size / 1024:.0f} KB")
        finally:
            comfy_server.stop(server)


if __name__ == "__main__":
    main()
