"""A gatecrash.toml written for `init`: what is known of a target, each line with its meaning."""

from __future__ import annotations

from typing import Protocol, get_args

from gatecrash.config.contract_file import PROTOCOL_WORDS, TargetSection
from gatecrash.config.toml_file import quoted
from gatecrash.model.contract import Concurrency, Contract, Echo, EchoPromises, LineEnd

_HEAD = "# What this server promises. Gatecrash checks these, and does not guess what is written here.\n"


class HasSection(Protocol):
    """A target that can say how it is started."""

    def section(self) -> TargetSection:
        """Its [target] table."""


def write_contract(contract: Contract, target: TargetSection | HasSection | None = None) -> str:
    """The text of a gatecrash.toml for this contract: what is known, each line with its meaning."""
    if target is None:
        target = TargetSection()
    elif not isinstance(target, TargetSection):
        target = target.section()
    tables = [
        ("target", _target_lines(contract, target)),
        ("contract", _contract_lines(contract)),
        ("http", _http_lines(contract) if contract.protocol == "http" else []),
        ("udp", _udp_lines(contract) if contract.protocol == "udp" else []),
    ]
    return _HEAD + "".join(f"\n[{name}]\n" + "\n".join(lines) + "\n" for name, lines in tables if lines)


def _target_lines(contract: Contract, target: TargetSection) -> list[str]:
    env = ", ".join(f"{quoted(key)} = {quoted(value)}" for key, value in target.env.items())
    return [
        _line("build", target.build, "run in this file's folder", example="make"),
        _line(
            "command", target.command, "{port} is replaced; PORT is in the environment too", example="./server {port}"
        ),
        *([_line("args", target.args, "what its program is started with")] if target.args else []),
        *([_line("cwd", target.cwd, "where it is started, from this file's folder")] if target.cwd else []),
        *([f"env = {{ {env} }}"] if env else []),
        _line("port", None if contract.takes_port else contract.port, "only if its source fixes one", example=8080),
        *([_line("address", contract.address, "the address it promises to listen on")] if contract.address else []),
        *(
            [_line("horizon", contract.horizon, "seconds of its own time that are waited for what it owes")]
            if contract.horizon != Contract.horizon
            else []
        ),
    ]


def _protocol_word(contract: Contract) -> str:
    return "discard" if contract.unknown.silence == "promised" else contract.protocol


def _contract_lines(contract: Contract) -> list[str]:
    model = contract.concurrency if contract.concurrency != "unknown" else None
    return [
        _line("protocol", _protocol_word(contract), " | ".join(PROTOCOL_WORDS)),
        *(
            [_line("echo", contract.echo.unit, " | ".join(get_args(Echo)))]
            if contract.protocol in ("echo", "udp")
            else []
        ),
        *(
            [_line("line_end", contract.echo.line_end, " | ".join(get_args(LineEnd)))]
            if contract.echo.line_end != EchoPromises.line_end
            else []
        ),
        _line("concurrency", model, " | ".join(get_args(Concurrency)), example="fork"),
        *([_line("workers", contract.workers, "processes that accept")] if contract.workers else []),
        _line("min_backlog", contract.min_backlog, "the smallest backlog that is enough"),
        *(
            [_line("idle_limit", contract.idle_limit, "seconds after which a client that does nothing is let go")]
            if contract.idle_limit
            else []
        ),
        *([_line("one_shot", True, "it serves one client and leaves")] if contract.one_shot else []),
        *(
            []
            if contract.child_closes_listener
            else [_line("child_closes_listener", False, "FORK-06 is not asked for")]
        ),
    ]


def _http_lines(contract: Contract) -> list[str]:
    return [
        _line("path", contract.http.path, "a path that exists"),
        _line("large_path", contract.http.large_path, "one whose answer is larger than 64 KiB", example="/large"),
        _line("post_path", contract.http.post_path, "one that takes POST with a body", example="/echo"),
        _line("persistent", contract.http.persistent, "it keeps the connection after an answer"),
        *(
            []
            if contract.http.stable_body
            else [_line("stable_body", False, "two plain requests get different bodies")]
        ),
    ]


def _udp_lines(contract: Contract) -> list[str]:
    return [_line("max_datagram", contract.datagram.max, "the largest it answers, in bytes")]


def _line(key: str, value: str | float | bool | None, meaning: str, *, example: str | int = "") -> str:
    """`key = value  # meaning`; commented out, with the example, when there is no value."""
    if value is None:
        return f"# {key} = {quoted(example)}  # {meaning}"
    return f"{key} = {quoted(value)}  # {meaning}"
