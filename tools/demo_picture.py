"""Draws docs/images/demo.jpg, the browser demo at work: python -m tools.demo_picture."""

import tempfile
from pathlib import Path

import kdsr
from kdsr.demo.folder import write_demo
from tests.support.demo_page import demo_page
from tests.support.node import link_runtime
from tests.support.places import ROOT, SAMPLES


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_demo(kdsr.load("kdsr-s-x4"), folder)
        link_runtime(folder)
        with demo_page(folder) as page:
            page.load("wasm")
            page.drop(SAMPLES / "otter.png")
            page.set_split(45)
            page.screenshot().save(ROOT / "docs/images/demo.jpg", quality=88)


if __name__ == "__main__":
    main()
