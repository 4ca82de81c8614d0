"""What a look is called is written once: a scenario and its oracle cannot mean two different looks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gatecrash.model import labels
from gatecrash.paths import tree_root

#: Who takes the label of a look, and at which place.
_TAKING = {"Settle": 0, "look": 0, "never_looked": 0, "still": 1, "all_accepted": 1}
_ROOMS = ("suites", "strategies", "gatecrash/oracles", "gatecrash/protocols")


def typed_labels() -> Iterator[str]:
    for room in _ROOMS:
        for path in sorted((tree_root() / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and (literal := _literal_label(node)):
                    yield f"{path.relative_to(tree_root())}:{node.lineno}: {literal}"


def _literal_label(call: ast.Call) -> str:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    place = _TAKING.get(name)
    if place is None or len(call.args) <= place:
        return ""
    label = call.args[place]
    if isinstance(label, ast.JoinedStr):
        return ast.unparse(label)
    return label.value if isinstance(label, ast.Constant) and isinstance(label.value, str) else ""


def test_suites_strategies_and_oracles_take_the_names_of_looks_from_one_module() -> None:
    assert list(typed_labels()) == []


def test_no_two_labels_are_the_same() -> None:
    named = [value for name, value in vars(labels).items() if name.isupper() and isinstance(value, str)]
    assert sorted(named) == sorted(set(named))
