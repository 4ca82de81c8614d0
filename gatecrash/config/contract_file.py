"""gatecrash.toml: what a target's author promises, read with every mistake named."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from gatecrash.config.grading_file import GradingTable, parse
from gatecrash.config.limits_table import LimitsTable
from gatecrash.config.scheme import Scheme
from gatecrash.config.toml_file import TomlFile
from gatecrash.language import marked, say, spoken
from gatecrash.model.confinement import Confinement
from gatecrash.model.contract import Concurrency, Contract, Echo, LineEnd, Protocol

FILE_NAME = "gatecrash.toml"

_Path = Annotated[str, Field(pattern=r"^/\S*$", description=marked('a path that begins with "/", in quotes'))]
_YesNo = Annotated[bool, Field(description=marked("true or false"))]


def _ip_address(text: str) -> str:
    ipaddress.ip_address(text)
    return text


#: "{word}" alone. "${word}", "%{word}" and "{{word}}" belong to a shell or a template, "{a,b}" and JSON are no word.
_PLACE = re.compile(r"(?<![$%{\\])\{([A-Za-z_]\w*)\}(?!\})")


def misplaced(command: str) -> str | None:
    """What is wrong with the "{word}" places of a command, as a sentence; None when all are {port}."""
    wrong = next((word for word in _PLACE.findall(command) if word != "port"), None)
    if wrong is None:
        return None
    near = get_close_matches(wrong.lower(), ["port"], n=1, cutoff=0.6)
    hint = say("Did you mean {{port}}?") if near else say("Write what it stands for; {{port}} is where the port goes.")
    return say("{{{wrong}}} is not known, only {{port}} is replaced. {hint}", wrong=wrong, hint=hint)


def _command(text: str) -> str:
    if misplaced(text) is not None:
        raise ValueError("a place that is not known")
    return text


_Command = Annotated[str, AfterValidator(_command)]
_Address = Annotated[
    str, AfterValidator(_ip_address), Field(description=marked('an IP address in quotes, as in "127.0.0.1"'))
]


#: What a contract may call its protocol: "discard" is one that answers nothing, and is meant to (RFC 863).
PROTOCOL_WORDS = (*get_args(Protocol), "discard")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


class _Target(_Table):
    build: str | None = Field(default=None, min_length=1, description=marked("a shell command in quotes"))
    command: _Command | None = Field(
        default=None, min_length=1, description=marked("a command in quotes, with {port} where the port goes")
    )
    args: _Command | None = Field(
        default=None, min_length=1, description=marked("arguments in quotes, with {port} where the port goes")
    )
    cwd: str | None = Field(default=None, min_length=1, description=marked("a folder in quotes"))
    env: dict[str, str] = Field(default={}, description='a table of texts, as in env = { MODE = "test" }')
    port: int | None = Field(default=None, ge=1, le=65535, description=marked("a port from 1 to 65535"))
    address: _Address | None = None
    horizon: float | None = Field(
        default=None, ge=1, le=86400, description=marked("seconds of the server's own time, from 1 to 86400")
    )


class _Contract(_Table):
    protocol: Protocol | Literal["discard"] | None = Field(
        default=None, description=", ".join(f'"{word}"' for word in PROTOCOL_WORDS)
    )
    concurrency: Concurrency | None = Field(
        default=None, description=", ".join(f'"{word}"' for word in get_args(Concurrency))
    )
    echo: Echo | None = Field(default=None, description=", ".join(f'"{word}"' for word in get_args(Echo)))
    line_end: LineEnd | None = Field(default=None, description=", ".join(f'"{word}"' for word in get_args(LineEnd)))
    workers: int | None = Field(default=None, ge=1, le=1024, description=marked("a whole number from 1 to 1024"))
    min_backlog: int | None = Field(default=None, ge=0, le=65535, description=marked("a whole number from 0 to 65535"))
    idle_limit: float | None = Field(
        default=None, ge=1, le=86400, description=marked("seconds of the server's own time, from 1 to 86400")
    )
    one_shot: _YesNo | None = None
    child_closes_listener: _YesNo | None = None


class _Http(_Table):
    path: _Path | None = None
    large_path: _Path | None = None
    post_path: _Path | None = None
    persistent: _YesNo | None = None
    stable_body: _YesNo | None = None


class _Udp(_Table):
    max_datagram: int | None = Field(
        default=None, ge=1, le=65507, description=marked("a size in bytes from 1 to 65507")
    )


class _Submission(_Table):
    server: str | None = Field(
        default=None, min_length=1, description=marked('the name of a file in quotes, as in "server.c"')
    )
    most_mib: int | None = Field(default=None, ge=1, le=4096, description=marked("MiB, from 1 to 4096"))
    most_files: int | None = Field(
        default=None, ge=1, le=1_000_000, description=marked("a whole number from 1 to 1000000")
    )


class _File(_Table):
    target: _Target = Field(default_factory=_Target)
    contract: _Contract = Field(default_factory=_Contract)
    http: _Http = Field(default_factory=_Http)
    udp: _Udp = Field(default_factory=_Udp)
    submission: _Submission = Field(default_factory=_Submission)
    limits: LimitsTable = Field(default_factory=LimitsTable)
    grading: GradingTable | None = None


_TABLES: Mapping[str, type[BaseModel]] = {
    "target": _Target,
    "contract": _Contract,
    "http": _Http,
    "udp": _Udp,
    "submission": _Submission,
    "limits": LimitsTable,
    "grading": GradingTable,
}


@dataclass(frozen=True)
class TargetSection:
    """How the file says the target is built and started. `cwd` is taken from the file's own folder."""

    build: str | None = None
    command: str | None = None
    args: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class SubmissionSection:
    """What is to be handed in: the server's file, and how large all of it may be."""

    server: str | None = None
    most_mib: int = 64
    most_files: int = 2000


def read_contract(path: Path) -> tuple[Contract, TargetSection]:
    """The contract and the target section of a file. Raises UsageError that lists every mistake in it."""
    parsed, _ = _read(path)
    return _contract(parsed), _section(parsed)


def read_grading(path: Path) -> Scheme | None:
    """What the file's [grading] table says; None when it has none. Raises UsageError as `read_contract` does."""
    return _read(path)[1]


def read_submission(path: Path) -> SubmissionSection:
    """What the file's [submission] table says. Raises UsageError as `read_contract` does."""
    parsed, _ = _read(path)
    return SubmissionSection(**parsed.submission.model_dump(exclude_none=True))


def read_limits(path: Path) -> Confinement:
    """What the file's [limits] table gives, else the usual. Raises UsageError as `read_contract` does."""
    parsed, _ = _read(path)
    return Confinement(**parsed.limits.model_dump(exclude_none=True))


def _read(path: Path) -> tuple[_File, Scheme | None]:
    file = TomlFile(
        path,
        lambda reason: say("{path} cannot be read: {reason}. `gatecrash init` writes one.", path=path, reason=reason),
    )
    parsed, scheme = _File(), None
    mistakes: list[tuple[int, str]] = []
    try:
        parsed = _File.model_validate(file.table)
    except ValidationError as error:
        mistakes = [_mistake(one, file) for one in error.errors()]
    if isinstance(file.table.get("grading"), dict):
        scheme, wrong = parse(file.table["grading"])
        mistakes += [(file.line_of(*one.keys), one.text) for one in wrong]
    file.refuse(mistakes)
    return parsed, scheme


def _contract(parsed: _File) -> Contract:
    facts: dict[str, Any] = {}
    for part in (parsed.contract, parsed.http, parsed.udp):
        facts |= part.model_dump(exclude_unset=True)
    facts |= parsed.target.model_dump(include={"port", "address", "horizon"}, exclude_unset=True, mode="json")
    if facts.get("protocol") == "discard":
        facts |= {"protocol": "none", "silence": "promised"}
    return Contract.of(**facts, written=frozenset(facts))


def _section(parsed: _File) -> TargetSection:
    return TargetSection(**parsed.target.model_dump(exclude={"horizon"}, mode="json"))


# -- mistakes -------------------------------------------------------------------------------------------------------


def _mistake(error: Any, file: TomlFile) -> tuple[int, str]:
    """The line and the sentence for one of pydantic's errors."""
    place = tuple(str(part) for part in error["loc"] if part != "function-wrap")
    keys = place[: 2 if place[0] in _TABLES else 1]
    if len(place) > 2 and place[:2] == ("target", "env"):
        keys = place[:3]
    line, table = file.line_of(*keys), file.table
    if error["type"] == "extra_forbidden":
        return line, _unknown(keys, table)
    if len(keys) == 1:
        return line, say("{key} = {shown}; it must be a table: [{key}].", key=keys[0], shown=_shown(table.get(keys[0])))
    return line, _bad_value(keys, table)


def _unknown(keys: tuple[str, ...], table: dict[str, Any]) -> str:
    if len(keys) == 1:
        known = [f"[{name}]" for name in _TABLES]
        near = get_close_matches(keys[0], _TABLES, n=1, cutoff=0.6)
        homes = [name for name, model in _TABLES.items() if keys[0] in model.model_fields]
        if homes:
            return say("{key} belongs under [{home}].", key=keys[0], home=homes[0])
        shown = f"[{keys[0]}]" if isinstance(table.get(keys[0]), dict) else keys[0]
        hint = say(" Did you mean '[{near}]'?", near=near[0]) if near else ""
        return say("{shown} is not known.{hint} Known are {names}.", shown=shown, hint=hint, names=", ".join(known))
    section, key = keys[:2]
    fields = _TABLES[section].model_fields
    homes = [name for name, model in _TABLES.items() if key in model.model_fields]
    if homes:
        return say("{key} belongs under [{home}], not under [{section}].", key=key, home=homes[0], section=section)
    near = get_close_matches(key, fields, n=1, cutoff=0.6)
    hint = say(" Did you mean '{near}'?", near=near[0]) if near else ""
    return say(
        "{key} is not known in [{section}].{hint} Known are {names}.",
        key=key,
        section=section,
        hint=hint,
        names=", ".join(fields),
    )


_WORDS = {
    "protocol": PROTOCOL_WORDS,
    "concurrency": get_args(Concurrency),
    "echo": get_args(Echo),
    "line_end": get_args(LineEnd),
}


def _bad_value(keys: tuple[str, ...], table: dict[str, Any]) -> str:
    section, key = keys[:2]
    value = table[section][key]
    if len(keys) == 3:
        return say(
            "{key}.{name} = {shown}; allowed is a text in quotes.", key=key, name=keys[2], shown=_shown(value[keys[2]])
        )
    if key in ("command", "args") and isinstance(value, str) and (wrong := misplaced(value)) is not None:
        return f"{key} = {_shown(value)}; {wrong}"
    field = _TABLES[section].model_fields[key]
    words = _WORDS.get(key, ())
    near = get_close_matches(value.lower(), words, n=1, cutoff=0.5) if words and isinstance(value, str) else []
    hint = say(' Did you mean "{near}"?', near=near[0]) if near else ""
    said = {"key": key, "shown": _shown(value), "allowed": _allowed(field), "hint": hint}
    if words:
        return say("{key} = {shown}; allowed are {allowed}.{hint}", **said)
    return say("{key} = {shown}; allowed is {allowed}.{hint}", **said)


def _allowed(field: FieldInfo) -> str:
    """The description of a field; pydantic keeps that of `Annotated[...] | None` one level down."""
    if field.description:
        return spoken(field.description)
    for option in get_args(field.annotation):
        for extra in getattr(option, "__metadata__", ()):
            if isinstance(extra, FieldInfo) and extra.description:
                return spoken(extra.description)
    return say("another value")


def _shown(value: object) -> str:
    if isinstance(value, (str, bool, int, float)):
        return json.dumps(value, ensure_ascii=False)
    return say("a table") if isinstance(value, dict) else say("a list") if isinstance(value, list) else str(value)
