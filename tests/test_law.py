"""The law as data: complete, validated, dated, sealed; every clause can be reached."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.decisions.clauses import ClauseJudge
from tagger.errors import RulebookError
from tagger.facts.reader import FactReader
from tagger.pipeline import Tagger
from tagger.records import Row, Truth
from tagger.rulebook import DATA, Rulebook, load_rulebook, write_seal

from .conftest import DAY, Result


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A rulebook folder to spoil."""
    return Path(shutil.copytree(DATA, tmp_path / "rules"))


def spoil(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_whole_reference_is_there(book: Rulebook) -> None:
    assert (len(book.announcements), len(book.clauses), len(book.rules)) == (26, 286, 32)
    assert len({c.code for c in book.clauses}) == 286
    assert all(c.source.startswith("http") and c.verified in (1, 2) and c.title_en and c.title_zh for c in book.clauses)
    assert {c.category for c in book.clauses} == set(book.labels) - {"none"}
    assert sum(1 for c in book.clauses if c.parameters) >= 53


def test_every_clause_can_be_reached(book: Rulebook, root: Path) -> None:
    """A text that names the item in the clause's own words (in others where they only refer elsewhere) speaks of the clause."""
    others = json.loads((root / "tests" / "golden" / "reach.json").read_text(encoding="utf-8"))
    judge, reader = ClauseJudge(book), FactReader(book)
    rows = [Row(c.code, others.get(c.code, f"{c.title_en}; {c.title_zh}")) for c in book.clauses]
    unreached = [facts.row.id for facts in reader.read(rows) if facts.row.id not in {r.code for r in judge.judge(facts).clauses}]
    assert unreached == []


def test_both_codes_of_the_odd_clause_are_accepted(book: Rulebook) -> None:
    assert book.clause("3C901.b.2") is book.clause("3C902.b.2")
    assert book.clause("2B005") is book.clause("2B005.a")


@pytest.mark.parametrize(
    ("announcement", "day", "state"),
    [
        ("2025-58", "2025-10-08", "not_yet_in_force"),
        ("2025-58", "2025-10-20", "not_yet_in_force"),
        ("2025-58", "2025-11-07", "suspended"),
        ("2025-58", "2026-11-10", "suspended"),
        ("2025-58", "2026-11-11", "uncertain"),
        ("2025-58", "2027-01-10", "uncertain"),
        ("2025-58", "2027-01-11", "in_force"),
        ("2025-62", "2025-10-09", "in_force"),
        ("2025-62", "2025-11-07", "suspended"),
        ("2025-18", "2025-04-03", "not_yet_in_force"),
        ("2025-18", "2026-11-21", "in_force"),
        ("2023-23", "2023-07-15", "not_yet_in_force"),
        ("2024-46", "2026-11-21", "partly_suspended"),
        ("2024-46", "2026-11-28", "in_force"),
        ("2025-70", "2026-11-21", "uncertain"),
        ("2025-70", "2027-02-01", "lapsed"),
        ("2025-72", "2026-11-28", "lapsed"),
    ],
)
def test_legal_status_on_a_day(book: Rulebook, announcement: str, day: str, state: str) -> None:
    assert book.legal_status(announcement, dt.date.fromisoformat(day)).state == state


def test_all_faults_of_all_files_are_reported_together(copy: Path) -> None:
    spoil(copy, "controls/clauses_high_energy_cell.toml", 'kind = "item"', 'kind = "thing"\ncolour = "red"')
    spoil(copy, "units.toml", 'base = "Wh/kg"', "base = 5.5")
    spoil(copy, "lexicon/common.csv", "spare_part,en,spare part,any,", "spare part,xx,,some,")
    with pytest.raises(RulebookError) as caught:
        load_rulebook(copy)
    faults = "\n".join(caught.value.faults)
    assert "controls/clauses_high_energy_cell.toml: clause[3A001].kind" in faults
    assert "clause[3A001].colour: Unexpected keyword argument" in faults
    assert "units.toml: dimension[specific_energy].base" in faults
    assert "lexicon/common.csv: line" in faults
    assert len(caught.value.faults) >= 4


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("controls/clauses_high_energy_cell.toml", 'unit = "Wh/kg"', 'unit = "kg"', "unit kg is of dimension mass"),
        ("controls/clauses_high_energy_cell.toml", "value = 300", 'value = "three hundred"', "is not a number"),
        (
            "controls/clauses_high_energy_cell.toml",
            'announcement = "2025-58"',
            'announcement = "2025-99"',
            "unknown announcement 2025-99",
        ),
        (
            "controls/clauses_high_energy_cell.toml",
            "subject = [[",
            'subject = [["no_such_concept"], [',
            "concept no_such_concept is in no lexicon",
        ),
        ("controls/clauses_cell_equipment.toml", 'code = "3B901.a.2"', 'code = "3B901.a.1"', "clause[3B901.a.1]: stands twice"),
        ("controls/rules.toml", 'announcement = "2025-61"', 'announcement = "2025-00"', "unknown announcement 2025-00"),
        ("quantities.toml", 'dimension = "specific_energy"', 'dimension = "warmth"', "unknown dimension warmth"),
        ("settings.toml", "controlled = 0.50", "controlled = 0.50\nmagic = 1", "decision.magic"),
        ("categories.toml", "[[category]]", "[[category", "not valid TOML"),
    ],
)
def test_faults_name_file_and_key(copy: Path, name: str, old: str, new: str, expected: str) -> None:
    spoil(copy, name, old, new)
    with pytest.raises(RulebookError, match=expected.replace("[", r"\[").replace("]", r"\]")) as caught:
        load_rulebook(copy)
    assert name.rsplit("/", maxsplit=1)[-1].split("_", maxsplit=1)[0] in str(caught.value)


def test_a_tampered_rulebook_is_refused_until_it_is_sealed(copy: Path, book: Rulebook) -> None:
    spoil(copy, "controls/clauses_high_energy_cell.toml", "value = 300", "value = 3000")
    with pytest.raises(RulebookError, match=r"changed since it was sealed \(controls/clauses_high_energy_cell.toml\).*rules seal"):
        load_rulebook(copy)
    write_seal(copy)
    changed = load_rulebook(copy)
    assert changed.clause("3A001").parameters[0].value == 3000
    assert changed.rules_id != book.rules_id


def test_line_ends_do_not_change_the_fingerprint(copy: Path, book: Rulebook) -> None:
    path = copy / "settings.toml"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_rulebook(copy).rules_id == book.rules_id


def test_missing_files_and_folders(tmp_path: Path, copy: Path) -> None:
    with pytest.raises(RulebookError, match="no rulebook folder"):
        load_rulebook(tmp_path / "nowhere")
    (copy / "units.toml").unlink()
    with pytest.raises(RulebookError, match=r"units.toml: file is missing"):
        load_rulebook(copy)


def test_a_change_of_the_law_needs_no_python(copy: Path) -> None:
    """A new clause on zirconium sponge: an edit of data files alone."""
    clauses = copy / "controls" / "clauses_other_critical_mineral.toml"
    new = """
[[clause]]
code = "1C999.a"
code_form = "printed"
category = "other_critical_mineral"
kind = "material"
announcement = "2025-10"
title_en = "zirconium sponge"
title_zh = "海绵锆"
subject = [["zirconium_sponge"]]
combine = "all"
tariff = []
in_licence_catalogue_2026 = false
verified = 1
source = "https://example.org"
[[clause.parameters]]
quantity = "purity"
operator = ">="
value = 99.5
unit = "%"

"""
    text = clauses.read_text(encoding="utf-8")
    at = text.index("[[unlisted]]") if "[[unlisted]]" in text else len(text)
    clauses.write_text(text[:at] + new + text[at:], encoding="utf-8")
    words = copy / "lexicon" / "other_critical_mineral.csv"
    words.write_text(words.read_text(encoding="utf-8") + "zirconium_sponge,en,zirconium sponge,any,\n", encoding="utf-8")
    write_seal(copy)
    book = load_rulebook(copy)
    judge, reader = ClauseJudge(book), FactReader(book)
    facts = reader.read(
        [Row("1", "Zirconium sponge, purity 99.7 %"), Row("2", "Zirconium sponge 98 % pure"), Row("3", "Zirconium sponge")]
    )
    truths = [r.truth for f in facts for r in judge.judge(f).clauses if r.code == "1C999.a"]
    assert truths == [Truth.MET, Truth.UNKNOWN, Truth.UNKNOWN] or truths == [Truth.MET, Truth.NOT_MET, Truth.UNKNOWN]


def test_rules_commands(run: Callable[..., Result]) -> None:
    listed = run("rules", "list")
    assert listed.status == 0
    assert len(listed.out.splitlines()) == 286
    shown = run("rules", "show", "3B901.c.1.a", "--on", "2026-11-21")
    for part in ("vessel volume >= 5 m3", "uncertain on 2026-11-21", "No.58 of 2025", "立式造粒釜", "https://"):
        assert part in shown.out
    rule = run("rules", "show", "value-share-0.1")
    assert "0.1" in rule.out
    status = run("rules", "status", "--on", "2026-11-21")
    assert "partly_suspended" in status.out
    assert "uncertain" in status.out
    assert run("rules", "check").status == 0


def test_rules_commands_refuse_what_is_unknown(run: Callable[..., Result]) -> None:
    unknown = run("rules", "show", "9Z999")
    assert (unknown.status, unknown.out) == (1, "")
    assert unknown.err == "error: no clause 9Z999 in the rulebook; `tagger rules list` shows all codes\n"
    category = run("rules", "list", "--category", "bananas")
    assert category.status == 2
    assert "graphite_material" in category.err
    assert run("rules", "list", "--announcement", "1999-1").status == 1
    assert run("rules", "status", "--on", "tomorrow").status == 2


def test_seal_and_check_commands(run: Callable[..., Result], copy: Path) -> None:
    spoil(copy, "settings.toml", "near_threshold = 0.10", "near_threshold = 0.20")
    assert run("rules", "list", "--rules", copy).status == 1
    assert run("rules", "seal", "--rules", copy).status == 0
    assert run("rules", "list", "--rules", copy).status == 0
    spoil(copy, "settings.toml", "near_threshold = 0.20", "near_threshold = 'wide'\nmagic = 2")
    checked = run("rules", "check", "--rules", copy)
    assert checked.status == 1
    assert len(checked.out.splitlines()) == 2
    assert json.loads((copy / "seal.json").read_text())["settings.toml"]


def test_what_changes_between_two_days(run: Callable[..., Result]) -> None:
    done = run("rules", "diff", "--from", "2026-11-01", "--to", "2026-12-01", "--json")
    found = json.loads(done.out)
    paused = {"2025-55", "2025-56", "2025-57", "2025-58", "2025-61", "2025-62"}
    changed = {c["id"]: c for c in found["announcements"]}
    assert paused <= set(changed)
    assert changed["2025-58"]["steps"] == [{"on": "2026-11-11", "state": "uncertain"}]
    assert "3A001" in changed["2025-58"]["clauses"]
    rules = {r["id"]: r for r in found["rules"]}
    assert rules["us-critical-minerals"]["steps"] == [{"on": "2026-11-28", "state": "in_force"}]
    shown = run("rules", "diff", "--from", "2026-11-01", "--to", "2026-12-01").out
    assert "2025-58" in shown
    assert "2026-11-11 uncertain" in " ".join(shown.split())
    assert "nothing changes" in run("rules", "diff", "--from", "2026-11-12", "--to", "2026-11-20").out
    later = json.loads(run("rules", "diff", "--from", "2026-11-21", "--to", "2027-01-11", "--json").out)
    assert {c["id"]: c["after"] for c in later["announcements"]}["2025-58"] == "in_force"


def test_a_diff_backwards_is_refused(run: Callable[..., Result]) -> None:
    done = run("rules", "diff", "--from", "2026-12-01", "--to", "2026-11-01")
    assert (done.status, "lies before" in done.err) == (2, True)


def test_kinds_are_listed(run: Callable[..., Result]) -> None:
    assert "specific_energy" in run("rules", "kinds").out


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('place = "US"', 'place = "US", city = "X"', "city"),
        ('use = "military"', 'use = "millitary"', "unknown use millitary"),
        ('figure = "logic_node"', 'figure = "logic_nodes"', "logic_nodes is no figure of the rule"),
        ('scope = ["all"]', 'scope = ["everything"]', "everything is no category"),
        ("[ask.origin]", "[ask.country]", "ask"),
    ],
)
def test_faults_of_cross_cutting_rules(copy: Path, old: str, new: str, expected: str) -> None:
    spoil(copy, "controls/rules.toml", old, new)
    with pytest.raises(RulebookError, match=expected):
        load_rulebook(copy, sealed=False)


def test_an_edited_threshold_date_term_or_unit_changes_answers(copy: Path, tagger: Tagger) -> None:
    """Four edits of data files, no line of Python."""
    cell, kettle, power = (
        "Li-ion cell, 270 Wh/kg",
        "Zirkelwanne 6 m3 for graphite anode material, vertical",
        "Li-ion cell, 1.2 kilojoule per gram",
    )
    before = {text: tagger.tag(text) for text in (cell, kettle, power)}
    spoil(copy, "controls/clauses_high_energy_cell.toml", "value = 300", "value = 250")
    text = (copy / "controls" / "announcements.toml").read_text(encoding="utf-8")
    (copy / "controls" / "announcements.toml").write_text(
        text.replace("suspended_until = 2026-11-10", "suspended_until = 2026-12-31"), encoding="utf-8"
    )
    words = copy / "lexicon" / "graphite_anode_equipment.csv"
    words.write_text(words.read_text(encoding="utf-8") + "granulation_kettle,de,Zirkelwanne,any,\n", encoding="utf-8")
    spoil(
        copy,
        "units.toml",
        'forms = ["kwh/kg", "wh/g"] },',
        'forms = ["kwh/kg", "wh/g"] }, { factor = 277.8, forms = ["kilojoule per gram"] },',
    )
    write_seal(copy)
    changed = Tagger(load_rulebook(copy), tagger.model, DAY)
    assert (before[cell].outcome, changed.tag(cell).outcome) == ("not_controlled", "controlled")
    assert (before[cell].legal_status, changed.tag(cell).legal_status) == ("uncertain", "suspended")
    assert not any(c.code == "3B901.c.1.a" for c in before[kettle].clauses)
    assert any(c.code == "3B901.c.1.a" and c.truth == Truth.MET for c in changed.tag(kettle).clauses)
    assert not any(q.kind == "specific_energy" or q.unit == "Wh/kg" for q in before[power].quantities)
    assert any(q.unit == "Wh/kg" for q in changed.tag(power).quantities)
    assert changed.tag(cell).rules_id != before[cell].rules_id
