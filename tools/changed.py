"""A mutant in place of its file: in functions already imported, or in what is imported next."""

import ast
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from tools.mutants import Mutant


def functions_in(folder: Path) -> list[FunctionType]:
    """All imported functions of the files in a folder, decorated and nested ones too."""
    found = [thing for thing in gc.get_objects() if type(thing) is FunctionType]
    return [f for f in found if f.__code__.co_filename.startswith(f"{folder}/")]


def new_codes(functions: list[FunctionType], mutant: Mutant) -> list[tuple[FunctionType, CodeType]]:
    """Which functions a mutant changes, and to what; none if it is not in their code.

    A default value, for one, is not: it was computed when the file was imported.
    """
    path = str(mutant.path)
    compiled = compile(mutant.tree, path, "exec", dont_inherit=True)
    codes = {_key(code): code for code in _codes(compiled)}
    ours = [f for f in functions if f.__code__.co_filename == path and _key(f.__code__) in codes]
    pairs = [(f, codes[_key(f.__code__)]) for f in ours]
    pairs = [(function, code) for function, code in pairs if code != function.__code__]
    same = all(function.__code__.co_freevars == code.co_freevars for function, code in pairs)
    return pairs if same else []


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_name, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def change_imports(root: Path, mutant: Mutant) -> None:
    """Lets the mutant be imported instead of its file, which must not have been imported yet."""
    sys.meta_path.insert(0, _Finder(root, mutant))


class _Loader(importlib.abc.InspectLoader):
    """Gives a module the mutant's code."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def get_source(self, fullname: str) -> str:
        del fullname
        return ast.unparse(self.mutant.tree)

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self.mutant.tree, str(self.mutant.path), "exec")

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.mutant.path)
        exec(self.get_code(module.__name__), vars(module))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the mutant before the file."""

    def __init__(self, root: Path, mutant: Mutant) -> None:
        parts = mutant.path.relative_to(root).with_suffix("").parts
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self.name:
            return None
        package = self.mutant.path.name == "__init__.py"
        origin = str(self.mutant.path)
        return importlib.util.spec_from_file_location(
            fullname, origin, loader=_Loader(self.mutant),
            submodule_search_locations=[str(self.mutant.path.parent)] if package else None,
        )  # fmt: skip
