"""Small wrong changes of source code, one at a time: what a test suite should notice."""

import ast
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tools.entered import Place, first_line

_OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.Lt: ast.LtE,
    ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_SILENT = (ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)
"""Not mutated: internal invariants and the words of messages."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: Path
    name: str
    """Says file, function and change; the same in every run while the function stays the same."""
    line: int
    tree: ast.Module
    """The whole file, changed."""
    function: Place | None
    """The innermost one that is changed; None where it is the file's or a class's own code."""


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """All mutants of a file: operators, comparisons, numbers, booleans, conditions, results.

    Args:
        path: Of the file.
        root: What names are relative to.
    """
    source = path.read_text(encoding="utf-8")
    seen: Counter[str] = Counter()
    found = []
    for index in range(len(_changes(ast.parse(source)))):
        tree = ast.parse(source)
        inside, node, field, new, place = _changes(tree)[index]
        old = getattr(node, field) if place is None else getattr(node, field)[place]
        before = _words(node, old)
        if place is None:
            setattr(node, field, new)
        else:
            getattr(node, field)[place] = new
        name = f"{path.relative_to(root)} {inside.name}: {before} -> {_words(node, new)}"
        seen[name] += 1
        line = getattr(old, "lineno", getattr(node, "lineno", 0))
        function = None if inside.line is None else (str(path), inside.line)
        ast.fix_missing_locations(tree)
        found.append(Mutant(path, f"{name} #{seen[name]}", line, tree, function))
    return found


class _Inside(NamedTuple):
    name: str = ""
    line: int | None = None
    """First line of the function, if it is one."""


_Change = tuple[_Inside, ast.AST, str, ast.AST, int | None]
"""What it is inside of, the node, its field, what to put there, and at which place of a list."""


def _words(node: ast.AST, part: ast.AST) -> str:
    """A change in one line of code: an operator with its operands, anything else alone."""
    whole = part if isinstance(part, ast.expr | ast.stmt) else node
    return " ".join(ast.unparse(whole).split())


def _changes(tree: ast.Module) -> list[_Change]:
    found: list[_Change] = []
    _visit(tree, _Inside(), found)
    return found


def _visit(node: ast.AST, inside: _Inside, found: list[_Change]) -> None:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        line = first_line(node) if isinstance(node, ast.FunctionDef) else None
        inside = _Inside(f"{inside.name}.{node.name}".lstrip("."), line)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "keywords_"):
            continue
        children = value if isinstance(value, list) else [value]
        for place, child in enumerate(children):
            if not isinstance(child, ast.AST) or isinstance(child, _SILENT) or _is_type(child):
                continue
            at = place if isinstance(value, list) else None
            found += [(inside, node, field, new, at) for new in _replacements(node, field, child)]
            _visit(child, inside, found)


def _is_type(node: ast.AST) -> bool:
    """Whether a node only matters to type checkers."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _replacements(parent: ast.AST, field: str, node: ast.AST) -> list[ast.AST]:
    if type(node) in _OPERATORS:
        return [_OPERATORS[type(node)]()]
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        return [ast.Constant(not node.value)]
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        changed = node.value + 1 if isinstance(node.value, int) else node.value * 1.5 or 0.5
        return [ast.Constant(changed)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        return [node.operand]
    if isinstance(node, ast.Return) and isinstance(node.value, ast.expr):
        empty = isinstance(node.value, ast.Constant) and node.value.value is None
        return [] if empty else [ast.Return(ast.Constant(None))]
    if field == "test" and isinstance(parent, ast.If | ast.IfExp | ast.While):
        plain = not isinstance(node, ast.Compare | ast.UnaryOp | ast.BoolOp)
        return [ast.UnaryOp(ast.Not(), node)] if plain and isinstance(node, ast.expr) else []
    return []
