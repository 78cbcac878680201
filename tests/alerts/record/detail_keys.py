"""The keys that details of the record have, as the source writes them: what a step is recorded with, followed back."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ALERTS = Path(__file__).parents[3] / "alerts"
# Which argument of a call is, or becomes, a step's detail; all of them by keyword: what a step is written with besides.
DETAIL = {"record": 4, "Step": 1, "_Entry": 3, "move": 4, "_escalate": 3, "_hurry": 3}
MORE = frozenset({"write", "close_gone", "pass_check", "end"})


@cache
def used() -> frozenset[str]:
    """Every key that the source gives to a detail by its name."""
    trees = [ast.parse(path.read_text("utf-8")) for path in sorted(ALERTS.rglob("*.py"))]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    by_name: dict[str, list[ast.FunctionDef]] = {}
    for function in functions:
        by_name.setdefault(function.name, []).append(function)
    return frozenset(
        key
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        for key in _of_call(node, function, by_name)
    )


def _of_call(node: ast.Call, function: ast.FunctionDef, by_name: dict[str, list[ast.FunctionDef]]) -> Iterator[str]:
    name = _name(node.func)
    place = DETAIL.get(name)
    if place is not None and len(node.args) > place:
        yield from _keys(node.args[place], function, by_name, frozenset())
    for keyword in node.keywords if name in MORE else ():
        if keyword.arg is None:
            yield from _keys(keyword.value, function, by_name, frozenset())
        else:
            yield keyword.arg


def _keys(
    value: ast.expr | None,
    function: ast.FunctionDef,
    by_name: dict[str, list[ast.FunctionDef]],
    seen: frozenset[tuple[str, str]],
) -> Iterator[str]:
    """The keys of what an expression of a function may be."""
    match value:
        case ast.Dict():
            for key, item in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value)
                elif key is None:
                    yield from _keys(item, function, by_name, seen)
        case ast.BinOp(left=one, right=other) | ast.IfExp(body=one, orelse=other):
            yield from _keys(one, function, by_name, seen)
            yield from _keys(other, function, by_name, seen)
        case ast.Name() if (function.name, value.id) not in seen:
            for given in _given(value.id, function):
                yield from (
                    [given]
                    if isinstance(given, str)
                    else _keys(given, function, by_name, seen | {(function.name, value.id)})
                )
        case ast.Call() if ("", _name(value.func)) not in seen:
            for called in by_name.get(_name(value.func), ()):
                for node in (node for node in ast.walk(called) if isinstance(node, ast.Return)):
                    yield from _keys(node.value, called, by_name, seen | {("", called.name)})


def _given(name: str, function: ast.FunctionDef) -> Iterator[ast.expr | str]:
    """What a function assigns to a name, and the keys that it sets in it."""
    for node in ast.walk(function):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            continue
        for target in targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for one, value in pairs:
                if isinstance(one, ast.Name) and one.id == name and value is not None:
                    yield value
                elif isinstance(one, ast.Subscript) and isinstance(one.value, ast.Name) and one.value.id == name:
                    yield from [str(one.slice.value)] if isinstance(one.slice, ast.Constant) else []


def _name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )
