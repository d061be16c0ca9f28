"""Writes the JSON schema of a recipe; editors use it to complete, explain and check keys.

    python -m train.recipes.schema

writes the schema beside the recipes, which refer to it in their first line. Run it after every
change of the options; a test compares.
"""

import json
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from docstring_parser import parse_from_object

from kdsr.atomic import writing
from train.degradation.pipelines import DegradationOptions
from train.recipes.options import TrainOptions

SCHEMA = Path(__file__).parent / "recipe.schema.json"
_TYPES = {
    bool: "boolean", int: "integer", float: "number", str: "string", Path: "string",
    type(None): "null",
}  # fmt: skip


def recipe_schema() -> dict[str, Any]:
    """The schema of `TrainOptions`, with each field's docstring as its description."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "KDSR training recipe",
        **_of_options(TrainOptions()),
    }


def _of_options(options: Any) -> dict[str, Any]:
    """The schema of a dataclass, with the values of this instance as its defaults."""
    kind = type(options)
    words = {
        found.arg_name: " ".join((found.description or "").split())
        for base in reversed(kind.__mro__[:-1])
        for found in parse_from_object(base).params
    }
    types_of = typing.get_type_hints(kind)
    properties = {}
    for field in fields(options):
        value = getattr(options, field.name)
        said = {"description": words[field.name]}
        if is_dataclass(value):
            properties[field.name] = {**said, **_of_options(value)}
        else:
            default = json.loads(json.dumps(value, default=str))
            properties[field.name] = {**said, **_of_type(types_of[field.name]), "default": default}
    if isinstance(options, DegradationOptions):
        properties["kind"]["enum"] = list(options.kinds())
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of_type(hint: Any) -> dict[str, Any]:
    """The schema of a type hint."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_of_type(argument) for argument in arguments]}
    if origin is tuple and arguments[-1] is ...:
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin is tuple:
        count = len(arguments)
        items = _of_type(arguments[0])
        return {"type": "array", "items": items, "minItems": count, "maxItems": count}
    return {"type": _TYPES[hint]}


def main() -> None:
    """Writes the schema file."""
    with writing(SCHEMA) as temporary:
        temporary.write_text(json.dumps(recipe_schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
