"""What the report and its figure say, in the languages of `languages/`, and the letters for it.

Each language is a JSON file that maps English texts to its own, and a font that has just the
characters these need: the fonts of the system may have none of them. Both are made and checked by
`tools/fonts.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent / "languages"
LANGUAGES = ("en", "ja", "ko", "zh", "zh-TW")
"""What `wording` knows, by the names that ComfyUI's page has for them."""


@dataclass(frozen=True)
class Wording:
    """A language: call it with an English text to get its own."""

    texts: Mapping[str, str]
    """By the English text; what is missing stays English."""
    font: Path | None = None
    """A file that has the letters; None for those that Pillow brings, which are Latin."""

    def __call__(self, text: str, **values: object) -> str:
        """The text with `values` in place of what stands in its braces.

        Without values, braces are left alone: names that people chose pass through here, too.
        """
        own = self.texts.get(text, text)
        return own.format(**values) if values else own


ENGLISH = Wording({})


@lru_cache
def wording(language: str) -> Wording:
    """The wording of a language; English where there is none.

    Args:
        language: As in `LANGUAGES`. Of a region that is not there (zh-HK), the language is taken.
    """
    known = [name for name in (language, language.partition("-")[0]) if name in LANGUAGES[1:]]
    if not known:
        return ENGLISH
    texts = json.loads((FOLDER / f"{known[0]}.json").read_text(encoding="utf-8"))
    return Wording(texts, FOLDER / f"{known[0]}.otf")
