"""The bytes that clients send, by the names that a script has for them."""

from __future__ import annotations

from collections.abc import Iterable

from gatecrash.reproduction.literals import literal

_SHORT = 40  # characters of a literal that may stand where it is used


class Payloads:
    """The payloads of a script: those that are long, or `named` for they are told, are constants at its top."""

    def __init__(self, base: str, sent: Iterable[bytes], named: Iterable[bytes]) -> None:
        told = set(named)
        long = [data for data in dict.fromkeys([*sent, *named]) if data in told or len(_line(data)) > _SHORT]
        self._names = {data: base if len(long) == 1 else f"{base}{number}" for number, data in enumerate(long, 1)}

    def expression(self, data: bytes) -> str:
        """How the script speaks of these bytes."""
        return self._names.get(data) or _line(data)

    @property
    def definitions(self) -> list[str]:
        """The lines that define the constants."""
        lines: list[str] = []
        for data, name in self._names.items():
            said = self._of_others(data) or literal(data)
            if len(said) > 1:
                lines += [f"{name} = (", *(f"    {one}" for one in said), ")"]
            else:
                lines.append(f"{name} = {said[0]}")
        return lines

    def _of_others(self, data: bytes) -> list[str]:
        """A constant that is others one behind the other."""
        for one, name in self._names.items():
            if 0 < len(one) < len(data) and len(one) > _SHORT and data == one * (len(data) // len(one)):
                return [f"{name} * {len(data) // len(one)}"]
        return []


def _line(data: bytes) -> str:
    return " ".join(literal(data))
