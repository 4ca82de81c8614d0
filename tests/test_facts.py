"""No module above the instruments reads English: what oracles and diagrams have to know is data."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatecrash
from gatecrash.language import joined, stated, values_of
from gatecrash.model.facts import Facts

_HOME = Path(gatecrash.__file__).parent
#: Modules that look into text, and at whose.
REASONS = {
    "oracles/bodies.py": "field lines of the head of a request",
    "oracles/datagram.py": "a peer's datagram",
    "oracles/framing.py": "a peer's answer, in bytes",
    "oracles/many_clients.py": "marks in a peer's answer, and the end of a head, in bytes",
    "oracles/resources.py": "what /proc/PID/fd calls a descriptor: a path is a file's",
    "oracles/response.py": "the white space in a client's own field lines, in bytes",
    "oracles/segments.py": "a peer's answer, in bytes",
    "oracles/came_back.py": "whether a peer's bytes end with a line",
    "diagrams/periods.py": "the keys of lanes, which are no sentences",
    "diagrams/rows.py": "what a server has printed, in bytes",
    "diagrams/shortening.py": "numbers of rows that are drawn, to see which are alike: nothing is learnt of them",
}
_READERS = frozenset({"startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "search"})


def readers() -> Iterator[str]:
    for room in ("oracles", "diagrams"):
        for file in sorted((_HOME / room).glob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr
                regex = isinstance(node, ast.Import) and any(name.name == "re" for name in node.names)
                if called in _READERS or regex or _looks_into_a_sentence(node):
                    yield f"{room}/{file.name}"


def _looks_into_a_sentence(node: ast.AST) -> bool:
    """Whether it asks for a word `in finding.got`, or in another text of a finding."""
    if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
        return False
    asked = node.comparators[0]
    return (
        isinstance(asked, ast.Attribute)
        and asked.attr in ("got", "expected", "lines", "why")
        and isinstance(node.left, ast.Constant)
    )


def test_oracles_and_diagrams_read_no_sentences() -> None:
    assert set(readers()) == set(REASONS)


def test_the_values_of_a_sentence_come_in_its_order_and_those_of_its_sentences_with_them() -> None:
    inner = stated("{client} got {came}", came="x", client="B")
    sentence = stated("{number} of {all}: {got}", got=joined((inner, "and no more")), number=1, all=2)
    assert [value for _, value in values_of(sentence)] == [1, 2, "B", "x", ", ", "and no more"]
    assert list(values_of("A got process 7")) == []


@pytest.mark.parametrize("facts", [Facts(), Facts("threads", (7, 8), "::1", b"\xff", 9157)])
def test_facts_are_the_same_when_they_come_back(facts: Facts) -> None:
    assert Facts.from_json(facts.to_json()) == facts
