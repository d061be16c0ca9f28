"""Reads options from a recipe and the command line; reports every problem at once."""

import dataclasses
import difflib
import functools
import json
from argparse import ArgumentError
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from jsonargparse import ArgumentParser, set_parsing_settings

from kdsr.atomic import writing
from kdsr.errors import ConfigError
from train.recipes.options import TrainOptions, flatten

RECIPES = Path(__file__).parent
T = TypeVar("T")


def recipe_names() -> list[str]:
    """Names of the bundled recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


@functools.cache
def make_parser() -> ArgumentParser:
    """Makes the command line parser, with an option for every field of `TrainOptions`."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        prog="train/run.py",
        usage="train/run.py RECIPE [--key value ...]",
        description=f"Trains KDSR. RECIPE: {', '.join(recipe_names())}, or a YAML file.",
        exit_on_error=False,
    )
    parser.add_class_arguments(TrainOptions, as_group=False)
    return parser


def read_options(argv: list[str]) -> TrainOptions:
    """Reads `RECIPE [--key value ...]`.

    Args:
        argv: Name of a recipe or path of a YAML file, then options. Dashes and underscores are
            equal; a key without a value means true.

    Raises:
        ConfigError: If keys are unknown, or values have a wrong type or range; names them all.
    """
    if not argv or argv[0].startswith("-"):
        raise ConfigError(f"expected a recipe first: one of {', '.join(recipe_names())}, or a file")
    more, problems = _read_command_line(argv[1:])
    given = _read_recipe(argv[0]) | more
    parser = make_parser()
    known = set(flatten(parser.get_defaults().as_dict()))
    words = {}
    for key, text in given.items():
        if key in known:
            words[key] = f"--{key}={text}"
            continue
        close = difflib.get_close_matches(key, known, n=1)
        problems.append(f"unknown option {key}" + (f"; is it {close[0]}?" if close else ""))
    values = _parse(parser, words, problems)
    options = build(TrainOptions, values, problems)
    if options is None or problems:
        raise ConfigError("; ".join(problems))
    return options


def _parse(parser: ArgumentParser, words: dict[str, str], problems: list[str]) -> dict[str, Any]:
    """Parses `--key=text` words into typed values by key; adds type errors to `problems`."""
    try:
        return parser.parse_args(list(words.values())).as_dict()
    except (ArgumentError, TypeError):  # one by one, to name them all
        good = []
    for key, word in words.items():
        try:
            parser.parse_args([word])
        except (ArgumentError, TypeError) as error:  # noqa: PERF203 - one message names all
            message = " ".join(str(error).split()).removeprefix(f'Parser key "{key}": ')
            problems.append(f"{key}: {message}")
        else:
            good.append(word)
    return parser.parse_args(good).as_dict()


def build(kind: type[T], values: dict[str, Any], problems: list[str]) -> T | None:
    """Makes a nested dataclass from plain values; adds its errors to `problems`."""
    made = {}
    for field in dataclasses.fields(cast("Any", kind)):
        value = values[field.name]
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            value = build(field.type, value, problems)
        made[field.name] = value
    parts = [f.name for f in dataclasses.fields(cast("Any", kind)) if made[f.name] is None]
    broken = [name for name in parts if isinstance(values[name], dict)]
    try:
        # A broken part keeps its default here, so that the others are checked too.
        whole = kind(**{name: value for name, value in made.items() if name not in broken})
    except ConfigError as error:
        problems.append(str(error))
        return None
    return None if broken else whole


def write_options(options: TrainOptions, path: Path) -> None:
    """Writes the resolved options atomically as YAML, which can serve as a recipe."""
    plain = json.loads(json.dumps(dataclasses.asdict(options), default=str))
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as temporary:
        temporary.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")


def _read_recipe(name: str) -> dict[str, str]:
    path = RECIPES / f"{name}.yaml" if name in recipe_names() else Path(name)
    if not path.is_file():
        raise ConfigError(
            f"no recipe {name!r}; expected one of {', '.join(recipe_names())}, or a YAML file"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys and values, got {type(content).__name__}")
    return {
        key: value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in flatten(content).items()
    }


def _read_command_line(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    given, problems = {}, []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            problems.append(f"unexpected {word!r}; options are --key value")
            continue
        key, equals, value = word[2:].partition("=")
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "true"
        given[key.replace("-", "_")] = value
    return given, problems
