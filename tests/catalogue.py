"""The catalogues of what is said to people: taken from the sources, and brought into every language's .po.

    python -m tests.catalogue        # after a change of a sentence: writes gatecrash.pot, and updates each .po

What is new then stands in the .po with an empty msgstr, for a translator; what nobody says any more is dropped. Babel,
which reads and writes the files, is imported where it is needed: what the sources say can be told without it.
"""

from __future__ import annotations

import ast
import io
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment
from jinja2.ext import extract_from_ast

from gatecrash.rulebook import AREAS
from gatecrash.rulebook.entry import TEXTS, flowing

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

PACKAGE = Path(__file__).parent.parent / "gatecrash"
LOCALE = PACKAGE / "locale"
TEMPLATE = LOCALE / "gatecrash.pot"
LANGUAGES = ("ko",)
#: The functions of gatecrash.language that take a sentence.
KEYWORDS = frozenset({"say", "stated", "spoken", "marked"})


def po_file(language: str) -> Path:
    """The catalogue of one language."""
    return LOCALE / language / "LC_MESSAGES" / "gatecrash.po"


def said() -> dict[str, list[str]]:
    """Every sentence of the sources, in their order, and the files it stands in."""
    found: dict[str, list[str]] = {}
    for file, sentence in [*_of_the_rulebook(), *_of_the_code(), *_of_the_page()]:
        files = found.setdefault(sentence, [])
        if file not in files:
            files.append(file)
    return found


def _of_the_rulebook() -> Iterator[tuple[str, str]]:
    for area in AREAS:
        file = PACKAGE / "rulebook" / f"{area}.toml"
        for row in tomllib.loads(file.read_text(encoding="utf-8"))["rule"]:
            for field in TEXTS:
                yield _name(file), flowing(row[field])
            for mistake in row.get("mistakes", []):
                yield _name(file), flowing(mistake["text"])


def _of_the_code() -> Iterator[tuple[str, str]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        keywords = {name for node in nodes if isinstance(node, ast.ImportFrom) for name in _imported(node)}
        if file.name == "language.py":
            keywords = set(KEYWORDS)
        for node in nodes:
            if isinstance(node, ast.Call) and file.parent.name == "commands":
                yield from ((_name(file), text) for text in _helps(node))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords:
                yield from ((_name(file), text) for text in _sentences(node, file))


def _of_the_page() -> Iterator[tuple[str, str]]:
    """What the templates of the HTML report say."""
    for file in sorted(PACKAGE.rglob("*.html")):
        tree = Environment().parse(file.read_text(encoding="utf-8"))
        for _, _, sentence in extract_from_ast(tree, gettext_functions=("say",), babel_style=False):
            yield from ((_name(file), one) for one in (sentence if isinstance(sentence, tuple) else (sentence,)) if one)


def _helps(call: ast.Call) -> Iterator[str]:
    """What --help says of an option."""
    for one in call.keywords:
        if one.arg == "help" and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
            yield one.value.value


def _sentences(call: ast.Call, file: Path) -> Iterator[str]:
    """The sentence of one call, or both where it says one or the other. A name stands for a text marked elsewhere."""
    for given in call.args[:1]:
        for one in (given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,):
            if isinstance(one, ast.JoinedStr):
                raise SystemExit(f"{file}:{call.lineno}: an f-string cannot be looked up; give its values as keywords")
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value:
                yield one.value


def _imported(node: ast.ImportFrom) -> set[str]:
    """The keywords that a module takes from gatecrash.language; others may have functions of their names."""
    return {one.name for one in node.names} & KEYWORDS if node.module == "gatecrash.language" else set()


def _name(file: Path) -> str:
    return str(file.relative_to(PACKAGE.parent))


def template() -> Catalog:
    """The .pot of the sources as they are."""
    from babel.messages.catalog import Catalog

    catalog = Catalog(project="gatecrash", charset="utf-8", fuzzy=False)
    for sentence, files in said().items():
        catalog.add(sentence, locations=[(file, 0) for file in files])
    return catalog


def read(file: Path) -> Catalog:
    """A catalogue as it is on disk."""
    from babel.messages.pofile import read_po

    with file.open("rb") as lines:
        return read_po(lines, locale=None if file.suffix == ".pot" else file.parent.parent.name)


def written(catalog: Catalog) -> bytes:
    """The catalogue's file: without line numbers and dates, which would change with every edit."""
    from babel.messages.pofile import write_po

    raw = io.BytesIO()
    write_po(raw, catalog, width=100, omit_header=True, include_lineno=False, ignore_obsolete=True)
    header = b'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    return header + raw.getvalue().lstrip(b"\n")


def update() -> None:
    """Write the .pot, and bring every language's .po up to date."""
    from babel.messages.catalog import Catalog

    current = template()
    TEMPLATE.parent.mkdir(exist_ok=True)
    TEMPLATE.write_bytes(written(current))
    for language in LANGUAGES:
        file = po_file(language)
        known = read(file) if file.exists() else Catalog(locale=language)
        fresh = Catalog(locale=language, fuzzy=False)
        for message in current:
            if message.id:
                before = known.get(message.id)
                text = before.string if before is not None else ""
                fresh.add(message.id, string=text, locations=message.locations)
        file.write_bytes(written(fresh))
        missing = sum(1 for message in fresh if message.id and not message.string)
        print(f"{file.relative_to(PACKAGE.parent)}: {len(fresh)} entries, {missing} without a translation")


if __name__ == "__main__":
    update()
