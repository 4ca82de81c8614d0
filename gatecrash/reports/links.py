"""Where a reader of a report finds more about a rule: a command that works everywhere, and a link where one is known.

The pages of docs/rules are wherever their owner has put them, so there is no link unless `--docs URL` or GATECRASH_DOCS
says where: a link that may lead nowhere is never printed.
"""

from __future__ import annotations

import os
import re

from gatecrash.errors import UsageError
from gatecrash.language import say
from gatecrash.reports.rule_page import name_of

VARIABLE = "GATECRASH_DOCS"
_BASE = re.compile(r"https?://[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+")

_base: str | None = None


def use(base: str | None) -> None:
    """Links begin with `base` from now on; None: with what GATECRASH_DOCS says, if it does. Raises UsageError."""
    global _base
    asked = base if base is not None else os.environ.get(VARIABLE) or None
    if asked is not None and not _BASE.fullmatch(asked):
        what = "--docs" if base is not None else VARIABLE
        raise UsageError(
            say(
                "{what}: {asked!r} is no address of the folder that holds the rules' pages; expected http:// or "
                "https://, as in https://example.org/gatecrash/docs/rules.",
                what=what,
                asked=asked,
            )
        )
    _base = base


def rule_link(rule: str) -> str | None:
    """The address of the page of the rule with this id; None where nobody has said where the pages are."""
    base = _base or os.environ.get(VARIABLE, "")
    return f"{base.rstrip('/')}/{name_of(rule)}" if _BASE.fullmatch(base) else None


def rule_help(rule: str) -> str:
    """The command that tells about the rule with this id."""
    return f"gatecrash explain {rule}"
