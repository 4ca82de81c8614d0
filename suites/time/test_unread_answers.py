"""Clients that have read nothing for minutes: whoever asks then is served."""

import pytest
from hypothesis import strategies as st

from gatecrash.engine.trial import Trial
from strategies.unread import flood_in, hogs_borne, unread

_TEN_MINUTES = 600.0


@pytest.mark.rule("TIME-08")
def test_a_client_that_reads_nothing_harms_nobody(trial: Trial) -> None:
    counts = st.integers(1, hogs_borne(trial.contract))
    flood = flood_in(trial.session.arena.kind)
    trial.verify(
        counts.map(lambda count: unread(trial.contract, count, flood, wait=_TEN_MINUTES)), examples=4, fresh=True
    )
