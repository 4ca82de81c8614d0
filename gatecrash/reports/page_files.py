"""What our HTML pages are made of: templates, style sheets and scripts (`page/`), and the policy they come with."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gatecrash.language import say
from gatecrash.reports.html_view import LONGEST, bounded


@cache
def templates() -> Environment:
    """The templates. Every value is escaped, and one that is not there is an error."""
    environment = Environment(
        loader=PackageLoader("gatecrash.reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finished,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["say"] = say
    return environment


def _finished(value: object) -> object:
    """The last gate before a value is written: whatever the view forgot is made safe and bounded here."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return bounded(value, 3 * LONGEST)
    return value


@cache
def ours(name: str) -> Markup:
    """One of our own files, to be written into the page as it is."""
    return Markup(files(__package__).joinpath("page", name).read_text(encoding="utf-8"))


def policy(style: str, script: str) -> str:
    """A page's Content-Security-Policy: this one style sheet, this one script, and no address at all."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
