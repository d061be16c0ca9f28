"""Translations and help pages cover every node, input and output."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.comfy_host import PACK, Host, declared_inputs

LANGUAGES = ["en", "zh"]
DOCS = PACK / "web" / "docs"
FILES = {("KDSR_Load", "model"), ("KDSR_LoadIDR", "file")}  # named by people, not translated


def locale(language: str, file: str = "nodeDefs") -> dict[str, Any]:
    path = PACK / "locales" / language / f"{file}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_locales_have_the_same_files_and_keys() -> None:
    folders = sorted(path.name for path in (PACK / "locales").iterdir())
    assert folders == LANGUAGES
    for file in ("main", "nodeDefs"):
        english, chinese = (keys(locale(language, file)) for language in LANGUAGES)
        assert english == chinese


def keys(value: Any) -> Any:
    return {k: keys(v) for k, v in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize("language", LANGUAGES)
def test_locales_cover_every_node_input_option_and_output(host: Host, language: str) -> None:
    translated = locale(language)
    assert list(translated) == host.nodes
    for node_id in host.nodes:
        node, words = host.node(node_id), translated[node_id]
        info = node.GET_SCHEMA().get_v1_info(node)
        assert words["display_name"]
        assert words["description"]
        inputs = declared_inputs(host, node_id)
        assert list(words["inputs"]) == list(inputs)
        assert sorted(words["outputs"]) == [str(i) for i in range(len(info.output))]
        for name, entry in {**words["inputs"], **words["outputs"]}.items():
            assert entry["name"]
            assert entry["tooltip"], (node_id, name)
        for name, spec in inputs.items():
            if spec[0] == "COMBO" and (node_id, name) not in FILES:
                assert list(words["inputs"][name]["options"]) == list(spec[1]["options"])


def test_english_locale_says_what_the_nodes_say(host: Host) -> None:
    for node_id, words in locale("en").items():
        node = host.node(node_id)
        info = node.GET_SCHEMA().get_v1_info(node)
        assert words["display_name"] == info.display_name
        assert words["description"] == info.description
        for name, spec in declared_inputs(host, node_id).items():
            assert plain(words["inputs"][name]["tooltip"]) == spec[1]["tooltip"]
        for index, tooltip in enumerate(info.output_tooltips):
            assert words["outputs"][str(index)]["tooltip"] == tooltip


def plain(message: str) -> str:
    """A vue-i18n message as people see it."""
    return re.sub(r"\{'(.)'\}", r"\1", message)


@pytest.mark.parametrize("language", LANGUAGES)
def test_locales_escape_what_vue_i18n_would_take_for_syntax(language: str) -> None:
    for file in ("main", "nodeDefs"):
        for text in re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(locale(language, file))):
            assert not set("@|{}") & set(re.sub(r"\{'(.)'\}", "", text)), text


def test_chinese_locale_is_chinese() -> None:
    for node_id, words in locale("zh").items():
        texts = [words["display_name"], words["description"]]
        texts += [entry["tooltip"] for entry in words["inputs"].values()]
        assert all(re.search(r"[\u4e00-\u9fff]", text) for text in texts), node_id


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
