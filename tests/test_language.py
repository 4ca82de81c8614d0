"""What is said to people is also said in Korean: all of it, with its values and its English terms."""

from __future__ import annotations

import json
import os
import pickle
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatecrash import language, languages
from gatecrash.cli import main
from gatecrash.errors import EngineFault, UsageError
from gatecrash.language import (
    Sentence,
    explained_once,
    first_mentions,
    joined,
    said_by_catalogue,
    say,
    spoken,
    stated,
    terms_alone,
)
from gatecrash.model import labels
from gatecrash.model.blocked import BlockedTask
from gatecrash.model.contract import Contract
from gatecrash.model.prepared import Prepared
from gatecrash.model.server_steps import Settle
from gatecrash.model.verdicts import Finding, Verdict
from gatecrash.rulebook import applicable, in_language, load
from tests.catalogue import LANGUAGES, TEMPLATE, po_file, read, said, template, written

GLOSSARY = Path(__file__).parents[1] / "docs" / "korean.md"
#: Particles whose form depends on the sound before them; nobody knows it of a value, but of a size (바이트).
_PARTICLE = re.compile(r"(?<!})(?<!{size)(?<!{rest)}(은|는|이|가|을|를|과|와|으로|로)(?![가-힣])")
_HANGUL = re.compile(r"[가-힣]")


@pytest.fixture
def korean() -> Iterator[None]:
    languages.use("ko")
    yield
    languages.use("en")


@pytest.fixture
def english() -> Iterator[None]:
    yield
    languages.use("en")


@pytest.fixture
def babel() -> None:
    pytest.importorskip("babel", reason="the dev dependency babel reads and writes the catalogues")


def places(text: str) -> set[str]:
    """The places for values, each with how the value is written."""
    found = {(name, spec, how) for _, name, spec, how in string.Formatter().parse(text) if name is not None}
    return {f"{name}!{how}:{spec}" for name, spec, how in found}


# -- the catalogues -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("babel")
def test_the_template_has_what_the_sources_say() -> None:
    there = [message.id for message in read(TEMPLATE) if message.id]
    assert there == [message.id for message in template() if message.id], "run `python -m tests.catalogue`"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_sentence_is_translated_and_no_other(code: str) -> None:
    assert list(said_by_catalogue(code)) == list(said()), "run `python -m tests.catalogue`"


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.usefixtures("babel")
def test_no_translation_is_a_guess_or_of_a_sentence_of_the_past(code: str) -> None:
    known = read(po_file(code))
    assert [message.id for message in known if message.fuzzy and message.id] == []
    assert not known.obsolete


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_value_is_lost_in_translation(code: str) -> None:
    """`s` is the English plural's."""
    lost = []
    for sentence, text in said_by_catalogue(code).items():
        wanted, there = places_or_none(sentence), places_or_none(text)
        if wanted is not None and (there is None or wanted - there - {"s!None:"} or there - wanted):
            lost.append((sentence, text))
    assert lost == []


def places_or_none(text: str) -> set[str] | None:
    """None for a text that is no template: code in a rule's prose."""
    try:
        return places(text)
    except ValueError:
        return None


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_translation_begins_and_ends_with_the_blanks_of_its_sentence(code: str) -> None:
    """A comma may stand for the blank before a word like "on"."""

    def ends(text: str) -> tuple[bool, bool]:
        return text[0] in " \n,", text[-1] in " \n"

    assert [sentence for sentence, text in said_by_catalogue(code).items() if ends(sentence) != ends(text)] == []


def test_no_particle_depends_on_a_value() -> None:
    assert [said for said in said_by_catalogue("ko").values() if _PARTICLE.search(said)] == []


def test_an_offset_that_counts_from_0_is_not_told_as_an_ordinal_that_counts_from_1() -> None:
    assert [said for said in said_by_catalogue("ko").values() if "{offset}번째" in said] == []


def test_korean_entries_are_korean() -> None:
    """Names are the same in every language, and so are values that stand by themselves."""
    plain = {sentence: re.sub(r"HTTP|prefork|{\w+}", "", text) for sentence, text in said_by_catalogue("ko").items()}
    assert [sentence for sentence, said in plain.items() if not _HANGUL.search(said) and said.strip(" ,:")] == []


def test_terms_keep_the_english_word() -> None:
    terms = re.findall(r"^\| ([a-z][a-z -]+) \| .*\(\1\)", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(terms) >= 30
    lacking = [
        (term, text)
        for sentence, text in said_by_catalogue("ko").items()
        for term in terms
        if re.search(rf"(?<![\w-]){term}s?(?![\w-])", sentence, re.IGNORECASE) and term not in text
    ]
    assert lacking == []


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.usefixtures("babel")
def test_our_reader_of_catalogues_reads_what_babel_reads(code: str) -> None:
    assert said_by_catalogue(code) == {message.id: message.string for message in read(po_file(code)) if message.id}


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.usefixtures("babel")
def test_a_catalogue_is_kept_as_babel_writes_it(code: str) -> None:
    assert written(read(po_file(code))) == po_file(code).read_bytes(), "run `python -m tests.catalogue`"


def test_a_damaged_catalogue_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="line 2 is no gettext"):
        dict(language.entries('msgid "a"\nmsgstr b\n'))


def test_a_damaged_catalogue_is_told_of_when_its_language_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(code: str) -> dict[str, str]:
        return dict(language.entries('msgid "a"\nmsgstr b\n'))

    monkeypatch.setattr(languages, "said_by_catalogue", damaged)
    with pytest.raises(EngineFault, match="line 2 is no gettext"):
        languages.use("ko")
    assert language.current() == "en"


# -- which language -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko"}, "ko"),
        ({"LANG": "ko_KR.eucKR"}, "ko"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "ko:en"}, "ko"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": ""}, "en"),
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8", "GATECRASH_LANG": "en"}, "en"),
        ({"GATECRASH_LANG": "Korean"}, "ko"),
    ],
)
@pytest.mark.usefixtures("english")
def test_the_language_is_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], meant: str
) -> None:
    for name in ("GATECRASH_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    languages.use(None)
    assert language.current() == meant


@pytest.mark.usefixtures("english")
def test_what_is_asked_for_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATECRASH_LANG", "ko")
    languages.use("en")
    assert language.current() == "en"


@pytest.mark.parametrize(("asked", "near"), [("kor", "Did you mean ko?"), ("xx", "en (English), ko (한국어)")])
def test_an_unknown_language_is_refused_with_those_there_are(asked: str, near: str) -> None:
    with pytest.raises(UsageError, match=re.escape(near)) as refused:
        languages.use(asked)
    assert f"--lang: there is no language '{asked}'." in str(refused.value)


def test_an_unknown_language_of_the_environment_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATECRASH_LANG", "korea")
    with pytest.raises(UsageError, match="GATECRASH_LANG: there is no language 'korea'"):
        languages.use(None)


@pytest.mark.parametrize("arguments", [["--lang", "ko", "rules", "fork"], ["rules", "fork", "--lang=ko"]])
@pytest.mark.usefixtures("english")
def test_the_option_stands_before_or_behind_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    assert "자식(child) 하나가 연결 하나를 처리한다" in capsys.readouterr().out


@pytest.mark.usefixtures("english")
def test_a_mistake_in_the_command_is_told_in_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "ko", "explain", "ACC-99"]) == 4
    assert "'ACC-99' 규칙은 없다. 혹시" in capsys.readouterr().err


@pytest.mark.usefixtures("english")
def test_an_unknown_language_ends_the_command_as_a_mistake_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--lang", "kor"]) == 4
    assert "Did you mean ko?" in capsys.readouterr().err


def test_a_terminal_that_has_no_korean_letters_shows_escapes_and_not_a_traceback() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "GATECRASH_LANG": "ko"}
    command = [sys.executable, "-m", "gatecrash", "rules", "memory"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\\uc11c\\ubc84" in shown.stdout


# -- sentences ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("korean")
def test_a_stated_sentence_is_english_and_is_spoken_in_the_language() -> None:
    sentence = stated("{client} got {described}", client="A", described=stated("1 byte"))
    assert sentence == "A got 1 byte"
    assert spoken(sentence) == "A에게 온 것: 1바이트"


@pytest.mark.usefixtures("korean")
def test_a_value_is_never_a_template_and_never_looked_up() -> None:
    hostile = "{client.__class__} zombie {0}"
    assert spoken(stated("it was sent {data}", data=hostile)) == f"보낸 것: {hostile}"
    assert say("it was sent {data}", data="zombie") == "보낸 것: zombie"


@pytest.mark.usefixtures("korean")
def test_joined_sentences_are_spoken_each_by_itself() -> None:
    both = joined(("A", stated("1 byte"), "zombie"), "; ")
    assert (both, spoken(both)) == ("A; 1 byte; zombie", "A; 1바이트; zombie")


@pytest.mark.usefixtures("korean")
def test_a_sentence_passes_from_process_to_process_and_through_a_file() -> None:
    sentence = stated("{name} failed with {error}", name="send", error=stated("1 byte"))
    for copy in (pickle.loads(pickle.dumps(sentence)), Sentence.from_json(json.loads(json.dumps(sentence.to_json())))):
        assert (copy, spoken(copy)) == (sentence, spoken(sentence))


@pytest.mark.usefixtures("korean")
def test_a_remembered_verdict_is_spoken_like_a_fresh_one() -> None:
    asleep = BlockedTask(7, 7, "server", "blocked", "pause")
    finding = Finding(
        "ACC-01", stated("not a byte"), stated("1 byte"), (stated("sleeping"), "a line of a stranger", asleep)
    )
    verdict = Verdict("ACC-01", "inconclusive", stated("no answer"), finding)
    again = Verdict.from_json(json.loads(json.dumps(verdict.to_json())))
    assert again == verdict
    assert again.finding is not None
    spoken_again = [spoken(text) for text in (again.reason, again.finding.expected, *again.finding.lines)]
    assert spoken_again == [
        "응답 없음",
        "바이트 없음",
        "sleep 중",
        "a line of a stranger",
        spoken(asleep.line()),
    ]


@pytest.mark.usefixtures("korean")
def test_the_reason_a_rule_does_not_apply_is_spoken() -> None:
    reason = applicable(load().get("RESP-01"), Contract(protocol="echo"))
    assert reason is not None
    assert spoken(reason) == "HTTP 서버에 대한 규칙인데, 이 서버의 프로토콜은 TCP 에코"


@pytest.mark.usefixtures("korean")
@pytest.mark.parametrize("id", [rule.id for rule in load().rules])
def test_every_rule_is_explained_in_the_language(id: str) -> None:
    rule, original = in_language(load().get(id)), load().get(id)
    for text in (rule.title, rule.statement, rule.why, rule.how, *(mistake.text for mistake in rule.mistakes)):
        assert _HANGUL.search(text), text
    assert [(m.c, m.python) for m in rule.mistakes] == [(m.c, m.python) for m in original.mistakes]
    assert (rule.id, rule.level, rule.source) == (original.id, original.level, original.source)


# -- a term's English word ------------------------------------------------------------------------------------------

QUEUED = "{got}; the kernel still has {depth} in the accept queue"
LEFT = "{client} is left in the accept queue"


def test_the_english_word_of_a_term_stands_once() -> None:
    said, mentioned = explained_once("좀비(zombie)와 자식(child), 좀비(zombie)", frozenset({"child"}))
    assert said == "좀비(zombie)와 자식, 좀비"
    assert mentioned == {"child", "zombie"}


@pytest.mark.parametrize("text", ["정지(SIGSTOP)", "connect(2)", "C(child)", "허용한다(one_shot)", "끝(FIN)", "둘(2)"])
def test_what_says_more_than_the_term_stays(text: str) -> None:
    assert explained_once(f"{text} {text}", frozenset()) == (f"{text} {text}", frozenset())


@pytest.mark.usefixtures("korean")
def test_a_report_explains_a_term_where_it_is_first_read() -> None:
    told = stated(QUEUED, got=stated(LEFT, client="A"), depth=1)
    assert spoken(told).count("(accept queue)") == 2
    with first_mentions():
        assert spoken(told) == "A: 수락 큐(accept queue)에 남아 있다. 커널의 수락 큐에 아직 1개가 있다"
        assert say(LEFT, client="B") == "B: 수락 큐에 남아 있다"
        with first_mentions():
            assert say(LEFT, client="B") == "B: 수락 큐(accept queue)에 남아 있다"
        assert say(LEFT, client="B") == "B: 수락 큐에 남아 있다"
    assert say(LEFT, client="B") == "B: 수락 큐(accept queue)에 남아 있다"


@pytest.mark.usefixtures("korean")
def test_a_value_keeps_its_brackets() -> None:
    theirs = "대기열(accept queue) 꽉 참"
    with first_mentions():
        say(LEFT, client="A")
        assert say(QUEUED, got=theirs, depth=2).startswith(theirs)
    with terms_alone():
        assert say(QUEUED, got=theirs, depth=2) == f"{theirs}. 커널의 수락 큐에 아직 2개가 있다"


@pytest.mark.usefixtures("korean")
def test_what_names_terms_alone_is_no_mention() -> None:
    with first_mentions():
        with terms_alone():
            assert say(LEFT, client="A") == "A: 수락 큐에 남아 있다"
        assert say(LEFT, client="A") == "A: 수락 큐(accept queue)에 남아 있다"


@pytest.mark.usefixtures("korean")
def test_values_are_written_as_their_places_say() -> None:
    assert say("{text!r} is not a number of workers; give one from 1 to 256", text="x").startswith("'x': ")
    assert say("{still}, {share:.0%} of the time on a processor", still="a", share=0.5) == "a, CPU를 50% 사용함"
    assert say("Did you mean {{port}}?") == "혹시 {port}?"


@pytest.mark.usefixtures("korean")
def test_what_a_look_is_called_is_spoken_and_a_stranger_s_label_is_not() -> None:
    assert spoken(Settle(labels.has_left("A")).line()).endswith("(A 연결을 끊음)")
    assert spoken(Settle(labels.ONCE).line()).endswith("(한 차례 뒤)")
    assert spoken(Settle("{0} is what").line()).endswith("({0} is what)")
    assert spoken(Settle("A is what").line()).endswith("(A is what)")


def test_every_label_of_a_look_can_be_spoken() -> None:
    named = {value for name, value in vars(labels).items() if name.isupper() and not name.startswith("_")}
    assert len(named) > 30
    assert named <= said_by_catalogue("ko").keys()
    languages.use("ko")
    try:
        assert [one for one in named if not _HANGUL.search(spoken(labels.told(one)))] == []
    finally:
        languages.use("en")


@pytest.mark.usefixtures("korean")
def test_what_was_noted_of_a_target_is_kept_in_english_and_spoken_after() -> None:
    noted = stated("To {asked} it said {received}.", asked=stated("a GET request"), received='"x"')
    kept = Prepared("x", Contract(), {}, notes=(noted, "of a stranger"))
    again = Prepared.from_json(json.loads(json.dumps(kept.to_json())))
    assert again.notes == ('To a GET request it said "x".', "of a stranger")
    assert spoken(again.notes[0]) == 'GET 요청에 대한 응답: "x".'
