"""Makes the fonts in `kdsr/meaning/languages/`: subsets of Noto Sans CJK for its texts.

    python -m tools.fonts NotoSansCJK-Regular.ttc

The source file is in Debian's package fonts-noto-cjk. Needs fonttools. Run it after changing a
text, and look at the figure in that language.
"""

import argparse
import json
import logging
import string
from pathlib import Path

from kdsr.meaning.readings import FOLDER

PLACES = {"ja": 0, "ko": 1, "zh": 2, "zh-TW": 3}
"""Indices of the languages in the font collection, as shapes of characters differ among them."""
ALWAYS = string.printable.strip() + " ±°…–—?"
"""Characters that every font holds, for names and numbers."""


def characters(language: str) -> str:
    """All characters of a language's texts."""
    texts = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return "".join(sorted(set(ALWAYS).union(*texts.values())))


def subset(collection: Path, language: str) -> bytes:
    """Writes the font of a language; returns the content of the file."""
    from fontTools.subset import Options, Subsetter  # pyright: ignore[reportMissingImports]
    from fontTools.ttLib import TTFont  # pyright: ignore[reportMissingImports]

    font = TTFont(collection, fontNumber=PLACES[language])
    # Pillow's basic layout draws glyph by glyph, without shaping and vertical text.
    options = Options(layout_features=[], name_IDs=[0, 1, 2, 13, 14], notdef_outline=True)
    options.drop_tables += ["BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx", "DSIG"]
    options.hinting = options.desubroutinize = False
    subsetter = Subsetter(options)
    subsetter.populate(text=characters(language))
    subsetter.subset(font)
    target = FOLDER / f"{language}.otf"
    font.save(target)
    return target.read_bytes()


def main() -> None:
    """Makes all fonts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collection", type=Path, help="NotoSansCJK-Regular.ttc")
    collection = parser.parse_args().collection
    say = logging.getLogger(__name__)
    say.addHandler(logging.StreamHandler())
    say.setLevel(logging.INFO)
    for language in PLACES:
        size = len(subset(collection, language))
        say.info("%s: %d characters, %.0f kB", language, len(characters(language)), size / 1e3)


if __name__ == "__main__":
    main()
