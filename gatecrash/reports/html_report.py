"""The HTML report: one file with everything in it, that can be mailed, printed, and read on a phone.

Nothing in it can run or load that is not ours: every text is escaped by the template, and the page's own policy
(Content-Security-Policy) allows the one style sheet and the one script whose hashes it names, and no address at all.
"""

from __future__ import annotations

from markupsafe import Markup

from gatecrash.language import current, first_mentions
from gatecrash.reports.html_view import page
from gatecrash.reports.page_files import ours, policy, templates
from gatecrash.reports.sequence_svg import STYLE
from gatecrash.results.record import RunRecord


def render(record: RunRecord) -> str:
    """The record as one HTML page."""
    style, script = _style(), ours("common.js") + ours("script.js")
    with first_mentions():
        values = {"page": page(record), "language": current(), "policy": policy(style, script)}
        return templates().get_template("page.html").render(**values, style=style, script=script)


def _style() -> Markup:
    # The diagram's colours follow the page's (.diagram in style.css), so its own for dark screens are left out.
    return Markup(STYLE.partition("@media")[0]) + "\n" + ours("style.css")
