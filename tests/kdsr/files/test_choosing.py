from dataclasses import replace

from kdsr.files.catalog import CatalogEntry, list_models
from kdsr.files.choosing import models_by_factor
from kdsr.options import DEFAULT_MODEL


def entry(name: str, scale: int, repo: str | None = None) -> CatalogEntry:
    return replace(list_models()[0], name=name, scale=scale, repo=repo)


def test_each_factor_has_its_first_bundled_model_and_the_default_comes_before_all() -> None:
    catalog = [
        entry("x4-other", 4), entry("x2", 2), entry("x2-other", 2), entry(DEFAULT_MODEL, 4),
        entry("x1-elsewhere", 1, "someone/models"), entry("x4-third", 4),
    ]  # fmt: skip
    chosen = models_by_factor(catalog)
    assert {factor: one.name for factor, one in chosen.items()} == {4: DEFAULT_MODEL, 2: "x2"}


def test_the_catalog_that_ships_has_a_model_for_the_default_factor() -> None:
    assert models_by_factor(list_models())[4].name == DEFAULT_MODEL
