"""The rulebook as Markdown: a page a rule and an index, as they stand in docs/rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from gatecrash.rulebook import NEEDS, Applies, Mistake, Rule, Rulebook
from gatecrash.rulebook.applies import MODEL_NAMES, PROTOCOL_NAMES
from gatecrash.rulebook.entry import flowing

INDEX = "README.md"
#: From a page to the servers; the same in the checkout and in a wheel.
_FAULTY = "../../servers/faulty"
_RFC = re.compile(r"\s*RFC (\d+)\b")
_SECTION = re.compile(r"(?<=[ ,])(?<!rule )\d+(?:\.\d+)*(?=,|$| )")
_PAGE = re.compile(r"\b([A-Za-z_]\w*)\((\d)\)")
_ACTIVE = re.compile(r"[\\`*\[\]<]|\b_|_\b|&(?=#|\w+;)")
_INSTRUMENTS = {
    "gates": "gates (system calls held or made to fail)",
    "borrowed sockets": "borrowed sockets (duplicates of the server's, through which a send is made short)",
    "queues": "queues (the kernel's tables of sockets)",
    "census": "census (processes and descriptors, from /proc)",
    "quiescence": "the proof that the server has come to rest",
    "arena": "an arena (it starts the server itself)",
    "clock": "the clock (the server's own time is skipped)",
}


def pages(book: Rulebook) -> dict[str, str]:
    """Every file of docs/rules by its name."""
    return {INDEX: index(book), **{name_of(rule.id): page(rule, book) for rule in book.rules}}


def name_of(id: str) -> str:
    """The file name of a rule's page."""
    return f"{id}.md"


def index(book: Rulebook) -> str:
    """All rules by area."""
    parts = [
        "# The rulebook",
        "Written by `gatecrash explain --all --output docs/rules` from `gatecrash/rulebook/`. A broken MUST fails a "
        "run; a broken SHOULD is advice, and fails it with `--strict`. `gatecrash explain ID` prints a page on a "
        "terminal.",
    ]
    for area in book.areas:
        rows = [f"| [{r.id}]({name_of(r.id)}) | {r.level} | {_cell(r.title)} |" for r in area.rules]
        parts += [f"## {area.name}", "\n".join(["| rule | level | what it asks |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def page(rule: Rule, book: Rulebook) -> str:
    """One rule, whole."""
    parts = [
        f"# {rule.id}: {escaped(rule.title)}",
        f"**{rule.level}** · {rule.area} · {linked_source(rule.source)}",
        escaped(flowing(rule.statement)),
        _section("Why", flowing(rule.why)),
        _section("How it is seen", flowing(rule.how)),
        "## Where it applies\n\n" + _applies(rule.applies),
        *(_mistake(one) for one in rule.mistakes),
        _prerequisites(rule, book),
        _needed(rule),
        _broken_by(rule.faulty),
        f"[All rules]({INDEX}) · on a terminal: `gatecrash explain {rule.id}`",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def linked_source(source: str) -> str:
    """A rule's source with links to the RFCs' sections and the manual's pages that it names."""
    return ";".join(map(_linked_clause, source.split(";")))


def escaped(text: str) -> str:
    """Prose that Markdown takes for nothing else."""
    return _ACTIVE.sub(lambda found: "&amp;" if found[0] == "&" else f"\\{found[0]}", text)


def _linked_clause(clause: str) -> str:
    """RFC 9112 2.1, 6.3 (why): a link for the document, or for each section; what stands behind them is prose."""
    named = _RFC.match(clause)
    if named is None:
        return _linked(clause, _PAGE, _manual)
    base = f"https://www.rfc-editor.org/rfc/rfc{int(named[1])}"
    end = min((at for at in (clause.find("("), clause.find(":")) if at >= 0), default=len(clause))
    blank = clause[: len(clause) - len(clause.lstrip())]
    sections = _linked(clause[named.end() : end], _SECTION, lambda found: f"{base}#section-{found[0]}")
    return f"{blank}[{named[0].strip()}]({base}){sections}{_linked(clause[end:], _PAGE, _manual)}"


def _manual(found: re.Match[str]) -> str:
    return f"https://man7.org/linux/man-pages/man{found[2]}/{found[1]}.{found[2]}.html"


def _linked(text: str, wanted: re.Pattern[str], link: Callable[[re.Match[str]], str]) -> str:
    parts, end = [], 0
    for found in wanted.finditer(text):
        parts += [escaped(text[end : found.start()]), f"[{escaped(found[0])}]({link(found)})"]
        end = found.end()
    return "".join([*parts, escaped(text[end:])])


def _section(heading: str, text: str) -> str:
    return f"## {heading}\n\n{escaped(text)}"


def _applies(applies: Applies) -> str:
    lines = [f"- protocol: {_listed(applies.protocols, PROTOCOL_NAMES)}"]
    if applies.models:
        lines.append(f"- model: {_listed(applies.models, MODEL_NAMES)}")
    lines += [f"- not where {escaped(NEEDS[need].missing)}" for need in applies.needs]
    return "\n".join(lines)


def _listed(words: Iterable[str], names: Mapping[str, str]) -> str:
    return ", ".join(names[word] for word in words)


def _mistake(mistake: Mistake) -> str:
    parts = [f"## A usual mistake\n\n{escaped(flowing(mistake.text))}"]
    for name, language, code in (("In C", "c", mistake.c), ("In Python", "python", mistake.python)):
        if code:
            parts.append(f"{name}:\n\n```{language}\n{code.strip(chr(10))}\n```")
    return "\n\n".join(parts)


def _prerequisites(rule: Rule, book: Rulebook) -> str:
    if not rule.after:
        return ""
    lines = [f"- [{one.id}]({name_of(one.id)}) {escaped(one.title)}" for one in map(book.get, rule.after)]
    return "## Judged only when these hold\n\n" + "\n".join(lines)


def _needed(rule: Rule) -> str:
    if not rule.instruments:
        return "## What it is seen with\n\nThe wire alone."
    return "## What it is seen with\n\n" + "\n".join(f"- {_INSTRUMENTS[name]}" for name in rule.instruments)


def _broken_by(faulty: tuple[str, ...]) -> str:
    if not faulty:
        return ""
    lines = [f"- [{escaped(name)}]({_FAULTY}/{name})" for name in faulty]
    return "## Servers that break it\n\n" + "\n".join(lines)


def _cell(text: str) -> str:
    return escaped(text).replace("|", "\\|")
