"""Texts in five languages and help pages in two cover every node, input and output."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kdsr.meaning.readings import LANGUAGES as LANGUAGES_OF_FIGURE
from kdsr.meaning.readings import wording
from kdsr.meaning.references import NAMES as NAMES_OF_REFERENCES
from tests.support.comfy_host import PACK, Host, declared_inputs
from tools.comfy_workflows import NAMES, read

SCRIPTS = {
    "ja": (r"[\u3040-\u30ff]|^[^\u3001\u3002]*[\u4e00-\u9fff]", "cp932"),  # kana; Han if short
    "ko": (r"[\uac00-\ud7a3]", "cp949"),
    "zh": (r"[\u4e00-\u9fff]", "gb2312"),
    "zh-TW": (r"[\u4e00-\u9fff]", "big5"),
}
"""What a text of a language has, and an encoding that has its characters and not its neighbour's.

The names are those that ComfyUI's page looks for.
"""
LANGUAGES = ["en", *SCRIPTS]
DOCS = PACK / "web" / "docs"
FILES = {("KDSR_Load", "model"), ("KDSR_LoadIDR", "file")}  # named by people, not translated
SAME = re.compile(r"(KDSR )?idr( [\dab])?|crf|[xy]|(fp|bf)\d\d", re.IGNORECASE)
"""Texts that are the same in every language."""


def locale(language: str, file: str = "nodeDefs") -> dict[str, Any]:
    path = PACK / "locales" / language / f"{file}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text with where it is."""
    if isinstance(value, str):
        yield path, value
    else:
        for key, part in value.items():
            yield from texts(part, f"{path} > {key}" if path else key)


def plain(message: str) -> str:
    """A vue-i18n message as people see it."""
    return re.sub(r"\{'(.)'\}", r"\1", message)


def expected(host: Host) -> dict[str, Any]:
    """The English texts of nodeDefs.json, from the nodes; names that are free to choose as None."""
    return {node_id: _expected_of(host, node_id) for node_id in host.nodes}


def _expected_of(host: Host, node_id: str) -> dict[str, Any]:
    node = host.node(node_id)
    info = node.GET_SCHEMA().get_v1_info(node)
    inputs: dict[str, Any] = {}
    for name, (kind, options) in declared_inputs(host, node_id).items():
        inputs[name] = {"name": None, "tooltip": options["tooltip"]}
        if kind == "COMBO" and (node_id, name) not in FILES:
            inputs[name]["options"] = {choice: choice for choice in options["options"]}
    outputs = {str(i): {"name": None, "tooltip": t} for i, t in enumerate(info.output_tooltips)}
    return {
        "display_name": info.display_name,
        "description": info.description,
        "inputs": inputs,
        "outputs": outputs,
    }


def differences(file: str, want: Any, have: Any, path: str = "") -> Iterator[str]:
    """What to do so that a file has the texts that are wanted, in their order."""
    for key, part in want.items():
        place = f"{path} > {key}" if path else key
        if key not in have:
            body = "a translation" if not isinstance(part, dict) else f"an entry with {list(part)}"
            yield f"{file}: add {place}: {body} of {json.dumps(part, ensure_ascii=False)}"
        elif isinstance(part, dict):
            yield from differences(file, part, have[key], place)
        elif not have[key]:
            yield f"{file}: {place} is empty"
    extra = [key for key in have if key not in want]
    yield from (f"{file}: remove {f'{path} > ' * bool(path)}{key}: nothing has it" for key in extra)
    if not extra and list(have) != [key for key in want if key in have]:
        yield f"{file}: put what is in {path or 'the file'} into the order {list(want)}"


def test_there_is_a_folder_for_every_language() -> None:
    folders = sorted(path.name for path in (PACK / "locales").iterdir())
    assert folders == sorted(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_locales_cover_every_node_input_option_and_output(host: Host, language: str) -> None:
    file = f"locales/{language}/nodeDefs.json"
    assert "\n".join(differences(file, expected(host), locale(language))) == ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_locales_have_the_other_texts_of_the_english_one(language: str) -> None:
    file = f"locales/{language}/main.json"
    assert "\n".join(differences(file, locale("en", "main"), locale(language, "main"))) == ""


def test_english_locale_says_what_the_nodes_say(host: Host) -> None:
    english, said = dict(texts(locale("en"))), dict(texts(_without_names(expected(host))))
    assert {path: plain(english[path]) for path in said} == said


def _without_names(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_names(part) for key, part in value.items() if part is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_locales_escape_what_vue_i18n_would_take_for_syntax(language: str) -> None:
    for file in ("main", "nodeDefs"):
        for path, text in texts(locale(language, file)):
            assert not set("@|{}") & set(re.sub(r"\{'(.)'\}", "", text)), path


@pytest.mark.parametrize("language", SCRIPTS)
def test_no_text_is_left_in_another_language(language: str) -> None:
    script, encoding = SCRIPTS[language]
    for file in ("main", "nodeDefs"):
        english = dict(texts(locale("en", file)))
        for path, text in texts(locale(language, file)):
            where = f"locales/{language}/{file}.json: {path}: {text!r}"
            if not SAME.fullmatch(english[path]):
                assert re.search(script, text), f"{where} is not translated"
            try:
                text.encode(encoding)
            except UnicodeEncodeError as error:
                pytest.fail(f"{where} has {text[error.start]!r}, which {language} has not")


@pytest.mark.parametrize("language", SCRIPTS)
def test_the_figure_has_the_words_of_the_language_and_of_its_nodes(language: str) -> None:
    script, encoding = SCRIPTS[language]
    own = wording(language).texts
    for english, text in own.items():
        text.encode(encoding)
        bare = re.sub(r"\{\w+\}", "", english)
        assert re.search(script, text) or not re.search("[A-Za-z]", bare), (english, text)
    presets = locale(language)["KDSR_BlendIDR"]["inputs"]["preset"]["options"]
    assert {name: own[name] for name in NAMES_OF_REFERENCES} == {
        name: presets[name] for name in NAMES_OF_REFERENCES
    }


def test_the_figure_speaks_every_language_of_the_pack() -> None:
    assert list(LANGUAGES_OF_FIGURE) == sorted(LANGUAGES)


@pytest.mark.parametrize("language", SCRIPTS)
def test_tooltips_call_the_choices_what_they_are_called(language: str) -> None:
    for node_id, node in locale(language).items():
        for name, entry in node["inputs"].items():
            english = locale("en")[node_id]["inputs"][name]
            for choice, label in entry.get("options", {}).items():
                if f"{choice}: " in english["tooltip"] and not SAME.fullmatch(choice):
                    assert re.search(rf"{re.escape(label)}[：:]", entry["tooltip"]), (name, label)


def test_the_page_finds_every_note_and_title_of_the_templates() -> None:
    nodes = [node for name in NAMES for node in read(name)["nodes"]]
    notes = {name[:2]: n["widgets_values"][0] for name in NAMES for n in read(name)["nodes"]
             if n["type"] == "MarkdownNote"}  # fmt: skip
    english = locale("en", "main")["kdsr"]
    assert english["notes"] == notes
    titled = [*nodes, *(group for name in NAMES for group in read(name)["groups"])]
    titles = {one["title"] for one in titled if "title" in one}
    assert {plain(text) for text in english["titles"].values()} == titles
    assert all(key == text for key, text in english["titles"].items())


# ---- help pages


def test_every_node_has_a_help_page_in_every_language(host: Host) -> None:
    for node_id in host.nodes:
        assert (DOCS / f"{node_id}.md").is_file()
        assert (DOCS / node_id / "zh.md").is_file()


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda p: p.name)
def test_help_pages_show_a_picture_that_exists(page: Path) -> None:
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert pictures, page
    for description, path in pictures:
        assert description
        with Image.open(DOCS / path) as image:  # the frontend resolves paths against docs/
            assert 100 < image.width <= 1000


def test_help_pages_describe_every_input_under_its_name(host: Host) -> None:
    for node_id in host.nodes:
        page = (DOCS / f"{node_id}.md").read_text(encoding="utf-8")
        assert [name for name in declared_inputs(host, node_id) if f"`{name}`" not in page] == []
