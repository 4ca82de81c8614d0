"""The page of a class, index.html: who has how many points, and what is broken how often. One file, as reports are."""

from __future__ import annotations

from collections.abc import Collection

from gatecrash.grading.class_view import SIGNS, class_page
from gatecrash.grading.summary import ClassRecord
from gatecrash.language import current, first_mentions
from gatecrash.reports.page_files import ours, policy, templates


def render(record: ClassRecord, pages: Collection[str]) -> str:
    """The class as one HTML page, which links to pages/ID.html for the ids in `pages`."""
    style, script = ours("style.css") + ours("class.css"), ours("common.js") + ours("class.js")
    with first_mentions():
        values = {"page": class_page(record, pages), "language": current(), "signs": SIGNS}
        values["policy"] = policy(style, script)
        return templates().get_template("class.html").render(**values, style=style, script=script)
