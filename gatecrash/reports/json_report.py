"""The JSON report."""

from __future__ import annotations

import json

from gatecrash.record import RunRecord


def render(record: RunRecord) -> str:
    """The record as JSON text; peers' bytes stand as escaped Latin-1 text."""
    return json.dumps(record.to_json(), indent=2, ensure_ascii=True) + "\n"
