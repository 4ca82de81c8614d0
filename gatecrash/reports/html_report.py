"""The HTML report: one file with everything in it, that can be mailed, printed, and read on a phone.

Nothing in it can run or load that is not ours: every text is escaped by the template, and the page's own policy
(Content-Security-Policy) allows the one style sheet and the one script whose hashes it names, and no address at all.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gatecrash.language import current, first_mentions, say
from gatecrash.reports.html_view import LONGEST, bounded, page
from gatecrash.reports.sequence_svg import STYLE
from gatecrash.results.record import RunRecord


def render(record: RunRecord) -> str:
    """The record as one HTML page."""
    style, script = _style(), _source("script.js")
    with first_mentions():
        values = {"page": page(record), "language": current(), "policy": _policy(style, script)}
        return _environment().get_template("page.html").render(**values, style=style, script=script)


@cache
def _environment() -> Environment:
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


def _style() -> Markup:
    # The diagram's colours follow the page's (.diagram in style.css), so its own for dark screens are left out.
    return Markup(STYLE.partition("@media")[0]) + "\n" + _source("style.css")


@cache
def _source(name: str) -> Markup:
    """One of our own files, to be written into the page as it is."""
    return Markup(files(__package__).joinpath("page", name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
