import json

import pytest
import yaml

from train.recipes.reading import RECIPES, recipe_names
from train.recipes.schema import SCHEMA, recipe_schema


def test_the_schema_file_is_that_of_the_options() -> None:
    written = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert written == recipe_schema(), "run `python -m train.recipes.schema`"


def test_every_field_is_explained() -> None:
    def each(properties: dict, path: str = "") -> list[str]:
        bare = []
        for name, found in properties.items():
            bare += [] if found["description"] else [path + name]
            bare += each(found.get("properties", {}), f"{path}{name}.")
        return bare

    assert each(recipe_schema()["properties"]) == []


def test_types_choices_and_defaults_are_those_of_the_fields() -> None:
    properties = recipe_schema()["properties"]
    assert properties["n_feats"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
    assert properties["size"]["enum"] == ["s", "b", "m", "l", "gan"]
    assert properties["stages"]["items"]["enum"] == ["teacher", "student", "control", "gan"]
    assert properties["out"] == {
        "description": "Folder of the run: checkpoints, logs, previews, the exported model.",
        "type": "string",
        "default": "runs/kdsr",
    }
    assert properties["gan"]["properties"]["lr"]["default"] == 1e-4
    degradation = properties["degradation"]["properties"]
    assert degradation["kind"]["enum"] == ["classic", "general", "realworld"]
    shares = degradation["realworld"]["properties"]["first"]["properties"]["resize_probability"]
    assert (shares["minItems"], shares["maxItems"], shares["items"]) == (3, 3, {"type": "number"})


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_names_the_schema_and_holds_only_what_it_allows(name: str) -> None:
    def foreign(content: dict, schema: dict) -> list[str]:
        assert schema["additionalProperties"] is False
        found = []
        for key, value in content.items():
            if key not in schema["properties"]:
                found.append(key)
            elif isinstance(value, dict):
                found += foreign(value, schema["properties"][key])
        return found

    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n")
    assert foreign(yaml.safe_load(text), recipe_schema()) == []
