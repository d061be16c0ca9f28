"""The catalog: which file a name, or a purpose and a factor, means."""

import dataclasses

import pytest

from kdsr.errors import HubError
from kdsr.files.catalog import find_model, list_models, models_by_factor
from kdsr.options import DEFAULT_MODEL, PURPOSES


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
    with pytest.raises(HubError, match="choose photo, faithful, old, kdsr-s-x4"):
        find_model("nothing", list_models())
