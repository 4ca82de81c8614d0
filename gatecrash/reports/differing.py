"""Two byte strings side by side with a caret under the first byte where they part."""

from __future__ import annotations

from gatecrash.language import joined, stated
from gatecrash.model.verdicts import Difference
from gatecrash.text import escaped

_BEFORE = 24
_AFTER = 32


def side_by_side(difference: Difference) -> tuple[str, str, str]:
    """Three lines: expected, got, and the caret under the byte at the offset."""
    start = max(0, difference.offset - _BEFORE)
    lead = "… " if start else ""
    prefix = escaped(difference.expected[start : difference.offset])
    expected = lead + escaped(difference.expected[start : difference.offset + _AFTER])
    got = lead + escaped(difference.got[start : difference.offset + _AFTER])
    if difference.offset + _AFTER < len(difference.expected):
        expected += " …"
    if difference.offset + _AFTER < len(difference.got):
        got += " …"
    blanks = " " * (len(lead) + len(prefix))
    return expected, got, joined((blanks, stated("^ byte {offset}", offset=difference.offset)), "")
