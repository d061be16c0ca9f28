"""Draws docs/images/demo.jpg, the browser demo at work: python -m tools.demo_picture."""

import tempfile
from pathlib import Path

import kdsr
from kdsr.exports.demo_page import write_demo
from tools.demo_page import demo_page
from tools.node import link_runtime

ROOT = Path(__file__).parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_demo(kdsr.load("kdsr-s-x4"), folder)
        link_runtime(folder)
        with demo_page(folder) as page:
            page.load("wasm")
            page.drop(ROOT / "samples" / "otter.png")
            page.set_split(45)
            page.screenshot().save(ROOT / "docs/images/demo.jpg", quality=88)


if __name__ == "__main__":
    main()
