"""Mutation operators on Python sources: every place where one small fault can be put, and the text with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mutant", "mutants_of"]

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr, ast.FloorDiv: ast.Mult}
_SWAPPED_ARMS = ("Mux", "where")
_OTHER_CALL = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A fault: ``operator`` at a line (from 1) of ``file``, what stands there, and what shall."""

    file: str
    line: int
    column: int
    operator: str
    old: str
    new: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        """What tells it from all others of the same source."""
        return f"{self.file}:{self.line}:{self.column} {self.operator}: {self.old} -> {self.new}"

    def apply(self, source: str) -> str:
        """The source with the fault."""
        assert source[self.start:self.stop] == self.old
        return source[:self.start] + self.new + source[self.stop:]


def mutants_of(file: str, source: str) -> list[Mutant]:
    """All mutants of a source, in its order."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, operator, new in _visit(ast.parse(source)):
        begin, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        old = source[begin:end]
        if old != new:
            found.append(Mutant(file, node.lineno, node.col_offset, operator, old, new, begin, end))
    return found


def _visit(node: ast.AST) -> Iterator[tuple[ast.AST, str, str]]:
    if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return    # messages, and what is only there for tests
    if isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield from _visit(node.value)
        return
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
        return
    yield from _here(node)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _visit(child)


def _here(node: ast.AST) -> Iterator[tuple[ast.AST, str, str]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        yield node, "comparison", _text(ast.Compare(node.left, [_COMPARE[type(node.ops[0])](), *node.ops[1:]], node.comparators))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield node, "constant", str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield node, "constant", str(node.value + 1)
        if node.value > 0:
            yield node, "constant", str(node.value - 1)
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY and not isinstance(node.left, (ast.JoinedStr, ast.List, ast.Tuple)):
        yield node, "operator", _text(ast.BinOp(node.left, _BINARY[type(node.op)](), node.right))
        if isinstance(node.op, (ast.Sub, ast.LShift, ast.RShift)):
            yield node, "operands swapped", _text(ast.BinOp(node.right, node.op, node.left))
    elif isinstance(node, ast.BoolOp):
        yield node, "and or", _text(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
        yield node, "not", _text(node.operand)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.AugAssign):
        yield from _assignments(node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield node, "statement dropped", "pass"


def _call(node: ast.Call) -> Iterator[tuple[ast.AST, str, str]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _SWAPPED_ARMS and len(node.args) == 3:
        yield node, "arms swapped", _text(ast.Call(node.func, [node.args[0], node.args[2], node.args[1]], node.keywords))
    elif name in _OTHER_CALL and (name in ("any", "all") or len(node.args) > 1):
        other = _OTHER_CALL[name]
        func = ast.Attribute(node.func.value, other) if isinstance(node.func, ast.Attribute) else ast.Name(other)
        yield node, "other call", _text(ast.Call(func, node.args, node.keywords))
    elif name in ("If", "Elif") and len(node.args) == 1:
        yield node, "condition inverted", _text(ast.Call(node.func, [ast.parse(f"~({_text(node.args[0])}).bool()").body[0].value], []))


def _assignments(node: ast.AugAssign) -> Iterator[tuple[ast.AST, str, str]]:
    """A statement, or each of the assignments in the list that is added to a domain."""
    if isinstance(node.value, ast.List) and len(node.value.elts) > 1:
        for element in node.value.elts:
            if not isinstance(element, ast.Starred):
                kept = [other for other in node.value.elts if other is not element]
                yield node, "assignment dropped", _text(ast.AugAssign(node.target, node.op, ast.List(kept)))
    else:
        yield node, "statement dropped", "pass"


def _text(node: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(node))
    return f"({text})" if isinstance(node, ast.expr) and not isinstance(node, (ast.Call, ast.Constant, ast.Name)) else text
