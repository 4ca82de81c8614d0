"""Each rule that applies to a reference server is put to the test there, in half of its examples at least."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import pytest

from gatecrash.engine.preparation import SessionPool
from gatecrash.engine.profiles import Profile
from gatecrash.engine.properties import judge
from gatecrash.engine.references import reference_servers
from gatecrash.model.verdicts import Verdict, merge
from gatecrash.rulebook import Rule
from tests.needs import need

#: Enough for a share to say something; the sanitized build is the memory suite's affair.
SOME = Profile("some", examples=8, seconds=3.0, shrink_seconds=1.0)
REFERENCES = reference_servers()
#: Rules that are exercised in fewer examples on some correct server, and why that is right.
EXCEPTIONS: dict[str, str] = {
    "FORK-11": "three signals are tried, and a server rarely handles another than SIGCHLD; some children handle none",
    "RES-06": "an event loop that pauses again and again while descriptors are short is at rest in few looks",
    "RESP-18": "of a server that takes no POST, only GET and HEAD tell two answers apart, and they do not always",
    "ACC-09": "the workers of a prefork server have limits of their own, which lowering the parent's does not touch",
}


def verdicts_on(path: Path) -> dict[str, Verdict]:
    found: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="gatecrash-") as folder, SessionPool(Path(folder)) as session_pool:
        for build in ("plain", "sanitized"):
            opened = session_pool.open(str(path), build)
            if opened is not None:
                found += judge(opened, build, partial(tried_on, build))
    return merge(found)


def tried_on(build: str, rule: Rule) -> Profile | None:
    return SOME if build == "plain" or rule.area == "memory" else None


@pytest.mark.parametrize("path", REFERENCES, ids=[f"{path.parent.name}-{path.stem}" for path in REFERENCES])
def test_every_rule_that_applies_is_put_to_the_test(path: Path) -> None:
    need("arena")
    need("borrowed sockets")
    wrong = {
        rule: (verdict.outcome, verdict.exercised, verdict.examples, str(verdict.reason))
        for rule, verdict in verdicts_on(path).items()
        if verdict.outcome not in ("not_applicable", "pass")
        or (verdict.outcome == "pass" and 2 * verdict.exercised < verdict.examples and rule not in EXCEPTIONS)
    }
    seen_elsewhere = {rule for rule, (outcome, *_) in wrong.items() if outcome == "not_observable"}
    assert not {rule: told for rule, told in wrong.items() if rule not in seen_elsewhere}
    assert not {rule for rule in seen_elsewhere if rule not in EXCEPTIONS}, wrong
