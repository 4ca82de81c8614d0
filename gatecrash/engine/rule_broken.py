"""What ends the trial of a rule: that it is broken, with the scenario that shows it."""

from __future__ import annotations

from gatecrash.model.scenario import Scenario
from gatecrash.model.transcript import Got, Transcript
from gatecrash.model.verdicts import Finding


class RuleBroken(AssertionError):
    """A rule is broken by the target; carries the finding, the scenario and its transcript."""

    def __init__(self, finding: Finding, scenario: Scenario, transcript: Transcript) -> None:
        super().__init__(f"{finding.rule}: expected {finding.expected}; {finding.got}")
        self.finding = finding
        self.scenario = scenario
        self.transcript = transcript


def size_of(broken: RuleBroken) -> tuple[int, int]:
    """Steps and bytes: the fewer, the easier to read."""
    return len(broken.scenario.steps), sum(len(data) for data in broken.scenario.sent.values())


def weight(broken: RuleBroken) -> int:
    """Bytes that its transcript has of what clients got."""
    return sum(len(event.data) for event in broken.transcript.events if isinstance(event, Got))
