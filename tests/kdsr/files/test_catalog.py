"""The catalog: which file a name, or a purpose and a factor, means."""

import dataclasses
import logging
from pathlib import Path

import pytest
from PIL import Image

import kdsr
from kdsr.cli import main
from kdsr.errors import HubError
from kdsr.files.catalog import CatalogEntry, find_model, list_models, models_by_factor
from kdsr.options import DEFAULT_MODEL, PURPOSES, RETIRED_PURPOSES

RETIRED = [entry for entry in list_models() if entry.retired]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_has_bundled_models_up_to_x4(purpose: str) -> None:
    found = models_by_factor(list_models(), purpose)
    assert max(found) == 4
    assert all(entry.bundled and entry.scale == factor for factor, entry in found.items())
    assert find_model(purpose, list_models()).name == found[4].name


def test_faithful_is_what_is_meant_where_nothing_is_named() -> None:
    found = models_by_factor(list_models())
    assert found[4].name == DEFAULT_MODEL
    assert sorted(found) == [1, 2, 4]


def test_no_entry_serves_a_purpose_that_nobody_can_choose() -> None:
    served = [(e.serves, e.scale) for e in list_models() if e.serves is not None]
    assert {purpose for purpose, _ in served} == set(PURPOSES)
    assert len(set(served)) == len(served), "two files for one purpose and factor"


def test_what_would_have_to_be_downloaded_is_never_chosen() -> None:
    entries = [dataclasses.replace(entry, repo="a/b") for entry in list_models()]
    assert models_by_factor(entries) == {}


def test_an_unknown_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(HubError, match="choose photo, faithful, kdsr-s-x4") as caught:
        find_model("nothing", list_models())
    assert not any(entry.name in str(caught.value) for entry in RETIRED)


def test_the_command_lists_no_retired_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    listed = {line.split()[0] for line in said.splitlines() if line and not line.startswith(" ")}
    assert listed == {*PURPOSES, *(e.name for e in list_models() if not e.retired)}
    assert not any(entry.name in said for entry in RETIRED)


@pytest.mark.parametrize("entry", RETIRED, ids=lambda entry: entry.name)
def test_the_name_of_a_retired_model_keeps_working(
    entry: CatalogEntry, caplog: pytest.LogCaptureFixture
) -> None:
    assert kdsr.load(entry.name).source == entry.path
    assert entry.serves is None, "nobody can choose its purpose"
    assert caplog.records == []


@pytest.mark.parametrize(("former", "purpose"), RETIRED_PURPOSES.items())
def test_a_retired_purpose_is_the_one_that_replaced_it_with_one_warning(
    former: str, purpose: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert purpose in PURPOSES
    assert kdsr.load(former).source == kdsr.load(purpose).source
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, f"{former} was retired, {purpose} takes its place")
    ]


def test_the_command_takes_photo_for_old_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.png"
    Image.effect_mandelbrot((24, 20), (-2, -1, 1, 1), 50).convert("RGB").save(picture)
    for size in ([], ["--scale", "2"]):
        made = {name: tmp_path / f"{name}{len(size)}.png" for name in ("old", "photo")}
        for name, path in made.items():
            assert main(["upscale", str(picture), "-o", str(path), "--model", name, *size]) == 0
            said = capsys.readouterr().err
            line = "kdsr: warning: old was retired, photo takes its place"
            assert said.splitlines().count(line) == said.count("retired") == (name == "old")
        assert made["old"].read_bytes() == made["photo"].read_bytes()
