import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from string import Formatter

import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from kdsr import IDR
from kdsr.estimation.maps import estimate_local
from kdsr.meaning import report as module
from kdsr.meaning.readings import ENGLISH, LANGUAGES, Wording, wording
from kdsr.meaning.report import draw_report, report
from tests.conftest import make_calibrated
from tests.support.places import ROOT

OTHERS = LANGUAGES[1:]


@pytest.fixture(scope="module")
def calibrated():
    return make_calibrated()


def vectors(model, count: int = 1) -> IDR:
    generator = torch.Generator().manual_seed(0)
    return model.estimate(torch.rand(count, 3, 32, 32, generator=generator), dtype="fp32")


def everything(model, language: str) -> None:
    """Says and draws whatever there is to say of a model."""
    lq = torch.rand(1, 3, 40, 60)
    cells = estimate_local(model, lq)
    flat = model.estimate(torch.zeros(1, 3, 32, 32))
    for batch in (vectors(model), vectors(model, 12), flat):
        for other in (None, vectors(model, 12)):
            report(batch, other, cells, model, language)
            draw_report(batch, other, cells, lq, model, language)


SPEAKING = [*(ROOT / "kdsr/meaning").rglob("*.py"), ROOT / "kdsr/estimation/__init__.py"]


def literals() -> set[str]:
    """Every text in the code that speaks."""
    nodes = (node for file in SPEAKING for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def said_at_once() -> set[str]:
    """Texts that stand in a call of `say`; others are passed on to one."""
    texts = set()
    for file in SPEAKING:
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "say":
                found = [call.args[0]]
                if isinstance(found[0], ast.IfExp):
                    found = [found[0].body, found[0].orelse]
                texts |= {part.value for part in found if isinstance(part, ast.Constant)}
    return texts


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated_and_nothing_else(language: str) -> None:
    own = set(wording(language).texts)
    assert len(said_at_once()) > 30
    assert said_at_once() - own == set()
    assert own - literals() == set(), "no longer said"


class Noting(Mapping[str, str]):
    """Texts that remember what was asked for and is not there."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.missing: set[str] = set()

    def __getitem__(self, text: str) -> str:
        self.missing |= {text} - set(self.texts)
        return self.texts[text]

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)


def test_nothing_that_is_drawn_is_left_in_english(calibrated, monkeypatch) -> None:
    chinese = wording("zh")
    noting = Noting(chinese.texts)
    monkeypatch.setattr(module, "wording", lambda language: Wording(noting, chinese.font))
    everything(calibrated, "zh")
    assert noting.missing == set()


@pytest.mark.parametrize("language", OTHERS)
def test_translations_have_the_values_of_the_english_text(language: str) -> None:
    def fields(text: str) -> list[str]:
        return sorted(name for _, name, _, _ in Formatter().parse(text) if name is not None)

    assert [e for e, own in wording(language).texts.items() if fields(e) != fields(own)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_font_of_a_language_has_all_of_its_letters(language: str) -> None:
    own = wording(language)
    assert own.font is not None
    font = ImageFont.truetype(str(own.font), 40)

    def shape(letter: str) -> bytes:
        image = Image.new("L", (60, 60))
        ImageDraw.Draw(image).text((5, 0), letter, 255, font=font)
        return image.tobytes()

    nothing = shape("\uf8ff")
    letters = {letter for text in own.texts.values() for letter in text}
    letters |= {chr(code) for code in range(33, 127)} | set("±°")
    assert [letter for letter in sorted(letters) if shape(letter) == nothing] == []


@pytest.fixture(scope="module")
def english(calibrated) -> Image.Image:
    return draw_report(vectors(calibrated), vectors(calibrated, 3), model=calibrated, language="en")


@pytest.mark.parametrize("language", OTHERS)
def test_a_figure_in_another_language_is_as_large_and_says_other_words(
    calibrated, english, language
) -> None:
    own = draw_report(
        vectors(calibrated), vectors(calibrated, 3), model=calibrated, language=language
    )
    assert english.size == own.size
    assert english.tobytes() != own.tobytes()


def test_the_report_is_in_the_language_asked_for(calibrated) -> None:
    one = vectors(calibrated)
    assert report(one, model=calibrated, language="zh").startswith(
        "模糊 2.0 x 1.0 px ± 0.6，噪声 6/255 ± 2，JPEG 45 ± 5；在训练范围之内；最像“"
    )


def test_the_report_says_what_was_left_out_in_that_language(calibrated) -> None:
    doubted = replace(vectors(calibrated), left_out=torch.tensor(0.12))
    assert "图像的 12% 看起来像" in report(doubted, model=calibrated, language="zh")
    assert "12% of the picture looks like dither" in report(doubted, model=calibrated)
    assert "looks like" not in report(vectors(calibrated), model=calibrated)


def test_unknown_languages_are_english_and_unknown_regions_their_language() -> None:
    assert wording("en") is wording("fr") is wording("") is wording("../zh") is ENGLISH
    assert wording("zh-HK").texts == wording("zh").texts
    assert wording("ja-JP").font == wording("ja").font


def test_names_that_people_chose_may_have_braces(calibrated) -> None:
    assert wording("zh")("{mine}") == ENGLISH("{mine}") == "{mine}"
