"""The accept loop: one client after another."""

import pytest
from hypothesis import strategies as st

from gatecrash.probes import one_after_another
from gatecrash.trial import Trial


@pytest.mark.rule("ACC-01")
def test_a_second_client_is_accepted(trial: Trial) -> None:
    trial.verify(st.just(one_after_another(trial.contract)))
