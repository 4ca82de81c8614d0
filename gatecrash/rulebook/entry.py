"""One entry of the rulebook, and how it is read from TOML: every field checked, unknown ones refused."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast, get_args

from gatecrash.errors import EngineFault
from gatecrash.language import spoken, terms_alone
from gatecrash.model.contract import MODELS, PROTOCOLS
from gatecrash.rulebook.applies import NEEDS, PROTOCOL_GROUPS, Applies
from gatecrash.rulebook.evidence import ALWAYS, Condition, Seen, fits

Level = Literal["MUST", "SHOULD", "MAY"]
#: The fields that are prose, and are also in other languages.
TEXTS = ("title", "statement", "why", "how")
INSTRUMENTS = ("gates", "queues", "census", "quiescence", "arena", "borrowed sockets", "clock")
#: By what a stand-alone script shows that a rule is broken (reproduction/checks.py).
SCRIPTS = ("answers", "last", "pauses", "form", "zombies", "processes", "descriptors", "end")
#: Whose requests a lone client must get an answer to, and how much of it: see Measure.
WHOSE, ANSWER = ("first", "last", "each", "some"), ("whole", "begun")
#: Clients who ask, wait for their answers and leave in an orderly way, and all others.
CLIENTS = ("polite", "rude")
_OPTIONAL = frozenset(
    {
        "mistakes",
        "script",
        "careful",
        "overrun",
        "limits",
        "endurance",
        "control",
        "measure",
        "leaks_after",
        "past_files",
    }
)
PREFIXES = {
    "accept": ("ACC",),
    "fork": ("FORK",),
    "response": ("RESP",),
    "stream": ("STREAM",),
    "datagram": ("DGRAM",),
    "lifecycle": ("LIFE", "RES"),
    "time": ("TIME",),
    "memory": ("MEM",),
}


@dataclass(frozen=True)
class Mistake:
    """A usual way to break the rule, and what to write instead.

    `when`: what must have been seen for it to be what went wrong; none where it is behind every way to break the rule.
    """

    text: str
    c: str | None = None
    python: str | None = None
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Measure:
    """What a lone client must have got, or a scenario says nothing of the rule (oracles/yardstick.py).

    `whose` requests: the first or last client's, each one's, at least one's. `answer`: the whole, where answers are
    compared, or that one has begun.
    """

    whose: str
    answer: str


@dataclass(frozen=True)
class Rule:
    """One requirement. `level` is RFC 2119's; `after` names the rules that must hold before it can be judged.

    A rule in `after` that does not apply to a contract does not count; one that is broken leaves this rule
    unjudged, so that one mistake is blamed once. `faulty` names the servers of servers/faulty/ that break it.

    `script`: by what a stand-alone script shows it broken, one of SCRIPTS; "" where Gatecrash's proofs are needed.
    `careful`: what two looks found is compared, the later one made while more was known, so none may be early.
    `overrun`: who breaks it has so many processes that it is ended at once, so that nothing else can be seen of it.
    `limits`: who breaks it was ended for having more than it was given, and what was tried just then cannot be seen.
    `endurance`: it is broken by a server that serves nobody any more when it has met many clients.
    `control`: before it is said to be broken, polite clients are tried (engine/control.py).
    `measure`: by what lone clients get it is measured; None where it compares with nothing.
    `leaks_after`: after which of CLIENTS, whatever rule they were there for, it is broken by what piles up.
    `past_files`: it asks whether connections end, and can be seen though the server leaves files open.
    """

    id: str
    title: str
    level: Level
    source: str
    statement: str
    why: str
    how: str
    applies: Applies
    instruments: tuple[str, ...]
    after: tuple[str, ...]
    faulty: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    area: str
    script: str = ""
    careful: bool = False
    overrun: bool = False
    limits: bool = False
    endurance: bool = False
    control: bool = False
    measure: Measure | None = None
    leaks_after: tuple[str, ...] = ()
    past_files: bool = False

    def fitting(self, seen: Seen) -> tuple[Mistake, ...]:
        """The mistakes that fit what was seen of the server, those first that only fit some; often there is none."""
        found = (one for one in self.mistakes if fits(one.when, seen))
        return tuple(sorted(found, key=lambda one: not one.when))


@dataclass(frozen=True)
class Area:
    """One file of the rulebook."""

    name: str
    rules: tuple[Rule, ...]


def read_area(table: dict[str, Any], file: str) -> Area:
    """The rules of one parsed file. Raises EngineFault naming file, rule and field."""
    name = table.get("area")
    if name not in PREFIXES or set(table) != {"area", "rule"}:
        raise EngineFault(f"{file}: expected `area` (one of {', '.join(PREFIXES)}) and [[rule]] tables only.")
    return Area(name, tuple(_rule(row, name, file) for row in table["rule"]))


def in_language(rule: Rule) -> Rule:
    """The rule with its prose in the language that is spoken. Code and sources stay as they are.

    Its title is a heading: what its terms are in English is said in what stands below.
    """
    with terms_alone():
        title = prose(rule.title)
    return replace(
        rule,
        title=title,
        statement=prose(rule.statement),
        why=prose(rule.why),
        how=prose(rule.how),
        mistakes=tuple(replace(mistake, text=prose(mistake.text)) for mistake in rule.mistakes),
    )


def flowing(text: str) -> str:
    """A text in one line, as the catalogues have it: where its lines are broken says nothing."""
    return " ".join(text.split())


def prose(text: str) -> str:
    """A text of a rule in the language that is spoken."""
    key = flowing(text)
    said = spoken(key)
    return text if said == key else said


def _rule(row: dict[str, Any], area: str, file: str) -> Rule:
    where = f"{file}, rule {row.get('id', 'without id')}"
    known = {field.name for field in fields(Rule)} - {"area"}
    _only(row, known, where)
    missing = known - _OPTIONAL - set(row)
    if missing:
        raise EngineFault(f"{where}: lacks {', '.join(sorted(missing))}.")
    text = {key: _text(row, key, where) for key in ("id", "title", "level", "source", "statement", "why", "how")}
    prefix, _, number = text["id"].partition("-")
    if prefix not in PREFIXES[area] or len(number) != 2 or not number.isdigit():
        raise EngineFault(f"{where}: an id here is {' or '.join(PREFIXES[area])}, a hyphen and two digits.")
    if text["level"] not in get_args(Level):
        raise EngineFault(f"{where}: level {text['level']!r} is none of {', '.join(get_args(Level))}.")
    return Rule(
        **{key: value for key, value in text.items() if key != "level"},
        level=cast(Level, text["level"]),
        applies=_applies(row["applies"], where),
        instruments=_words(row, "instruments", where, INSTRUMENTS),
        after=_words(row, "after", where),
        faulty=_words(row, "faulty", where),
        mistakes=tuple(_mistake(one, where) for one in row.get("mistakes", [])),
        area=area,
        script=_script(row, where),
        careful=_flag(row, "careful", where),
        overrun=_flag(row, "overrun", where),
        limits=_flag(row, "limits", where),
        endurance=_flag(row, "endurance", where),
        control=_flag(row, "control", where),
        measure=_measure(row["measure"], where) if "measure" in row else None,
        leaks_after=_words(row, "leaks_after", where, CLIENTS),
        past_files=_flag(row, "past_files", where),
    )


def _script(row: dict[str, Any], where: str) -> str:
    script = row.get("script", "")
    if script and script not in SCRIPTS:
        raise EngineFault(f"{where}: script {script!r} is none of {', '.join(SCRIPTS)}.")
    return str(script)


def _measure(row: dict[str, Any], where: str) -> Measure:
    where = f"{where}, measure"
    _only(row, {"whose", "answer"}, where)
    for key, allowed in (("whose", WHOSE), ("answer", ANSWER)):
        if row.get(key) not in allowed:
            raise EngineFault(f"{where}: {key} is {row.get(key)!r}; allowed are {', '.join(allowed)}.")
    return Measure(row["whose"], row["answer"])


def _flag(row: dict[str, Any], key: str, where: str) -> bool:
    flag = row.get(key, False)
    if not isinstance(flag, bool):
        raise EngineFault(f"{where}: {key} is {flag!r}; it must be true or false.")
    return flag


def _applies(row: dict[str, Any], where: str) -> Applies:
    where = f"{where}, applies"
    _only(row, {"protocols", "models", "needs"}, where)
    return Applies(
        protocols=_protocols(row, where),
        models=_words(row, "models", where, MODELS),
        needs=_words(row, "needs", where, tuple(NEEDS)),
    )


def _protocols(row: dict[str, Any], where: str) -> tuple[str, ...]:
    """The protocols' names; a group stands for those that are in it."""
    words = _words(row, "protocols", where, (*PROTOCOLS, *PROTOCOL_GROUPS))
    return tuple(dict.fromkeys(name for word in words for name in PROTOCOL_GROUPS.get(word, (word,))))


def _mistake(row: dict[str, Any], where: str) -> Mistake:
    where = f"{where}, mistakes"
    _only(row, {"text", "c", "python", "when"}, where)
    code = {key: _text(row, key, where) for key in ("c", "python") if key in row}
    return Mistake(_text(row, "text", where), code.get("c"), code.get("python"), _when(row, where))


def _when(row: dict[str, Any], where: str) -> tuple[Condition, ...]:
    """The conditions. There has to be one, if only "always": whoever adds a mistake decides when it is told."""
    words = _words(row, "when", where)
    if words == (ALWAYS,):
        return ()
    if not words:
        raise EngineFault(f"{where}: when is missing; it lists conditions (rulebook/evidence.py), or is [{ALWAYS!r}].")
    try:
        return tuple(map(Condition.parse, words))
    except ValueError as error:
        raise EngineFault(f"{where}: a condition of when {error}.") from None


def _only(row: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(row) - known)
    if unknown:
        raise EngineFault(f"{where}: unknown field {', '.join(unknown)}; known are {', '.join(sorted(known))}.")


def _text(row: dict[str, Any], key: str, where: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise EngineFault(f"{where}: {key} is {value!r}; it must be text that says something.")
    return value


def _words(row: dict[str, Any], key: str, where: str, allowed: tuple[str, ...] | None = None) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise EngineFault(f"{where}: {key} is {value!r}; it must be a list of words.")
    strange = [word for word in value if allowed is not None and word not in allowed]
    if strange:
        raise EngineFault(f"{where}: {key} holds {', '.join(strange)}; allowed are {', '.join(allowed or ())}.")
    return tuple(value)
