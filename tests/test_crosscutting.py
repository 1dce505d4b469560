"""Rules that cut across the lists: origin, value share, destination, end use, on a day."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.decisions.clauses import ClauseJudge
from tagger.decisions.crosscutting import RuleJudge
from tagger.decisions.decide import Context, decide
from tagger.errors import UsageError
from tagger.facts.places import country
from tagger.facts.reader import FactReader
from tagger.pipeline import Tagger
from tagger.records import Row, RuleResult, Scores
from tagger.rulebook import Rulebook

from .conftest import DAY, Result

MAGNET, WAFER = "ndfeb_magnet", "gallium_germanium"


@pytest.fixture(scope="module")
def judge(book: Rulebook) -> RuleJudge:
    return RuleJudge(book, DAY)


def answer(judge: RuleJudge, rule: str, category: str, **trade: str) -> RuleResult:
    return next(r for r in judge.judge(category, (), trade) if r.rule == rule)


@pytest.mark.parametrize(
    ("rule", "category", "trade", "truth"),
    [
        ("value-share-0.1", MAGNET, {"origin": "Vietnam", "value_share": "0.1"}, "MET"),
        ("value-share-0.1", MAGNET, {"origin": "越南", "value_share": "0.12 %"}, "MET"),
        ("value-share-0.1", MAGNET, {"origin": "VN", "value_share": "0.09"}, "NOT_MET"),
        ("value-share-0.1", MAGNET, {"origin": "Vietnam", "value_share": "0,05-0,2 %"}, "UNKNOWN"),
        ("value-share-0.1", MAGNET, {"origin": "Vietnam", "value_share": "<0.1%"}, "NOT_MET"),
        ("value-share-0.1", MAGNET, {"origin": "Vietnam"}, "UNKNOWN"),
        ("value-share-0.1", MAGNET, {"origin": "China", "value_share": "50"}, "NOT_MET"),
        ("value-share-0.1", MAGNET, {"origin": "to be advised", "value_share": "50"}, "UNKNOWN"),
        ("chinese-technology", MAGNET, {"origin": "Germany"}, "UNKNOWN"),
        ("chinese-technology", MAGNET, {"origin": "中国"}, "NOT_MET"),
        ("chinese-origin", MAGNET, {"origin": "Deutschland"}, "NOT_MET"),
        ("logic-14nm", MAGNET, {"end_use": "etch tool for 7 nm logic chips"}, "MET"),
        ("logic-14nm", MAGNET, {"end_use": "14纳米逻辑芯片生产线"}, "MET"),
        ("logic-14nm", MAGNET, {"end_use": "28 nm logic chips"}, "NOT_MET"),
        ("logic-14nm", MAGNET, {"end_use": "wafer fab equipment"}, "UNKNOWN"),
        ("logic-14nm", MAGNET, {"end_use": "logic chips"}, "UNKNOWN"),
        ("logic-14nm", MAGNET, {"end_use": "loudspeakers"}, "NOT_MET"),
        ("logic-14nm", MAGNET, {}, "UNKNOWN"),
        ("memory-256-layers", MAGNET, {"end_use": "3D NAND with 256 layers"}, "MET"),
        ("memory-256-layers", MAGNET, {"end_use": "232层闪存"}, "NOT_MET"),
        ("military-users", MAGNET, {"end_use": "actuators for missiles"}, "MET"),
        ("military-users", MAGNET, {"end_use": "军用雷达"}, "MET"),
        ("military-users", MAGNET, {"end_use": "household fans, civil use only"}, "NOT_MET"),
        ("military-users", MAGNET, {"end_use": "not for military use"}, "NOT_MET"),
        ("military-users", MAGNET, {"end_use": "electric motors"}, "UNKNOWN"),
        ("military-users", MAGNET, {"end_use": "satellite"}, "UNKNOWN"),
        ("us-military-ban", WAFER, {"destination": "USA", "end_use": "defense contractor"}, "MET"),
        ("us-military-ban", WAFER, {"destination": "France", "end_use": "defense contractor"}, "NOT_MET"),
        ("us-military-ban", WAFER, {"destination": "美国"}, "UNKNOWN"),
        ("us-critical-minerals", WAFER, {"destination": "United States"}, "MET"),
        ("us-critical-minerals", WAFER, {"destination": "Osaka, Japan"}, "NOT_MET"),
        ("japan-military-ban", WAFER, {"destination": "日本", "end_use": "防衛装備"}, "MET"),
        ("technology-knowledge-catch-all", WAFER, {"end_use": "magnet factory in Vietnam"}, "MET"),
        ("humanitarian", MAGNET, {"end_use": "disaster relief after the earthquake"}, "MET"),
        ("listed-parties", MAGNET, {"end_use": "loudspeakers"}, "UNKNOWN"),
    ],
)
def test_rules(judge: RuleJudge, rule: str, category: str, trade: dict[str, str], truth: str) -> None:
    assert answer(judge, rule, category, **trade).truth == truth


def test_an_open_rule_says_what_it_would_need(judge: RuleJudge) -> None:
    found = answer(judge, "us-military-ban", WAFER)
    assert found.needs == ("destination", "end_use")
    assert [q.en for q in found.questions] == [
        "To which country do the goods go in the end?",
        "Who is the end user, and what is the end use?",
    ]
    assert answer(judge, "listed-parties", MAGNET).needs == ("an answer",)


@pytest.mark.parametrize(
    ("day", "state"),
    [("2024-12-04", "in_force"), ("2026-11-21", "suspended"), ("2026-11-27", "suspended"), ("2026-11-28", "in_force")],
)
def test_the_status_is_that_of_the_day(book: Rulebook, day: str, state: str) -> None:
    found = answer(RuleJudge(book, dt.date.fromisoformat(day)), "us-critical-minerals", WAFER, destination="US")
    assert (found.truth, found.state) == ("MET", state)
    assert answer(RuleJudge(book, dt.date.fromisoformat(day)), "us-military-ban", WAFER).state == "in_force"


def test_rules_of_other_goods_are_not_told(judge: RuleJudge) -> None:
    assert "value-share-0.1" not in {r.rule for r in judge.judge(WAFER, ("3C001.a",), {})}
    assert "us-critical-minerals" in {r.rule for r in judge.judge("other_critical_mineral", ("3C003.a",), {})}
    assert "us-critical-minerals" not in {r.rule for r in judge.judge("other_critical_mineral", ("6C001.a",), {})}


def test_an_unknown_column_is_refused(judge: RuleJudge) -> None:
    with pytest.raises(UsageError, match="no trade column 'colour'"):
        judge.judge(MAGNET, (), {"colour": "red"})


COUNTRIES = {
    "US": ["US", "U.S.A.", "美國", "アメリカ", "Vereinigte Staaten"],
    "CN": ["중국", "P.R. China", "Ningbo, China", "產地:中國"],
    "JP": ["Japón", "Япония"],
    "HK": ["HK"],
    "TW": ["Taiwan"],
    "": ["", "EU", "China or Japan", "Chinatown"],
}


@pytest.mark.parametrize(("text", "code"), [(text, code) for code, texts in COUNTRIES.items() for text in texts])
def test_countries(text: str, code: str) -> None:
    assert country(text) == code


def test_a_misspelt_column_is_not_ignored(tagger: Tagger) -> None:
    with pytest.raises(UsageError, match="no column 'orgin' is looked at"):
        tagger.tag("NdFeB magnet", orgin="CN")


def test_told_beside_the_decision(tagger: Tagger) -> None:
    d = tagger.tag("Gallium arsenide wafer, 4 inch, semi-insulating", destination="USA")
    assert ("us-critical-minerals", "MET") in {(r.rule, str(r.truth)) for r in d.also_applies}
    assert tagger.tag("plastics granulator", destination="USA").also_applies == ()
    same_text = [{"text": "Gallium arsenide wafer", "destination": c} for c in ("US", "FR", "")]
    truths = [{r.rule: str(r.truth) for r in d.also_applies}["us-critical-minerals"] for d in tagger.tag_many(same_text)]
    assert truths == ["MET", "NOT_MET", "UNKNOWN"]


def test_columns_of_a_catalogue(run: Callable[..., Result], tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    magnet = "NdFeB magnet with 0.5 % Dy"
    lines = ["name,made in,share,to,use", f"{magnet},Vietnam,0.3,Japan,loudspeakers", f"{magnet},,,,", "book,,,US,"]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = ("--origin", "made in", "--value-share", "share", "--destination", "to", "--end-use", "use")
    assert run("batch", source, out, "--text", "name", *columns, "--as-of", DAY).status == 0
    cells = [row["tag_also_applies"] for row in csv.DictReader(out.read_text(encoding="utf-8").splitlines())]
    assert cells[0].startswith("MET value-share-0.1 (uncertain)")
    assert "UNKNOWN value-share-0.1 (uncertain; needs origin, value_share)" in cells[1]
    assert cells[2] == ""
    done = run("batch", source, out, "--text", "name", "--destination", "country")
    assert (done.status, "no column 'country'" in done.err) == (2, True)


def test_on_the_command_line(run: Callable[..., Result]) -> None:
    done = run("tag", "Gallium arsenide wafer", "--destination", "US", "--end-use", "military radar", "--as-of", DAY)
    assert "us-military-ban  MET  in_force" in done.out
    assert "us-critical-minerals  MET  suspended: suspended from 2025-11-09 until 2026-11-27" in done.out
    assert "would need origin" in done.out


def test_a_met_clause_is_told_of_also_where_the_model_takes_the_row_for_another_thing(book: Rulebook) -> None:
    text = "Sintered NdFeB magnet with 1.2 % dysprosium, 10x10x5 mm"
    row = FactReader(book).read([Row("1", text)])[0]
    context = Context(book, dt.date(2026, 11, 21), "model-of-a-test")
    rules = RuleJudge(book, context.as_of)
    for best in ("none", "superhard_equipment"):
        scores = Scores({name: 0.97 if name == best else 0.002 for name in book.labels}, (best,), 1.0)
        d = decide(row, scores, ClauseJudge(book).judge(row), context)
        assert (d.outcome, d.category, d.codes) == ("review", best, ["1C905.a.4"]), "the model's category, the clause that is met"
        assert "RULE_MODEL_CONFLICT" in d.reasons
        assert "us-military-ban" in {r.rule for r in rules.add(d, {})}
