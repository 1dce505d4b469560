"""What is done with tagged catalogues: what changed between two, and the questions grouped for the suppliers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from .conftest import DAY, Result

ROWS = [
    ("A1", "Magnet Co", "NdFeB magnet N52, 20 x 10 x 5 mm"),
    ("A2", "Magnet Co", "NdFeB magnet N35, dia. 10 mm"),
    ("A3", "Cell GmbH", "Li-ion cell 21700, 3.6 V, 5.0 Ah, 68 g"),
    ("A4", "=cmd|'/c calc'!A1", "Lithium-ion pouch cell 3.7 V 10 Ah"),
    ("A5", "Cell GmbH", "plastics granulator"),
]
TagCatalogue = Callable[..., Path]


@pytest.fixture
def tag_catalogue(run: Callable[..., Result], tmp_path: Path) -> TagCatalogue:
    def call(name: str, rows: list[tuple[str, ...]], *options: object) -> Path:
        source, out = tmp_path / f"{name}-in.csv", tmp_path / f"{name}.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("sku", "supplier", "name"), *rows])
        done = run("batch", source, out, "--text", "name", "--id", "sku", *(options or ("--as-of", DAY)))
        assert done.status == 0, done.err
        return out

    return call


def test_the_same_run_twice_changes_nothing(run: Callable[..., Result], tag_catalogue: TagCatalogue) -> None:
    one, two = tag_catalogue("one", ROWS), tag_catalogue("two", ROWS)
    assert "5 rows, no answer changed" in run("diff", one, two, "--id", "sku").out


def test_a_changed_text_is_the_reason(run: Callable[..., Result], tag_catalogue: TagCatalogue) -> None:
    changed = [*ROWS[:2], ("A3", "Cell GmbH", "Li-ion cell 21700, 3.6 V, 6.0 Ah, 68 g"), *ROWS[4:], ("A9", "New", "sewing machine")]
    one, two = tag_catalogue("one", ROWS), tag_catalogue("two", changed)
    found = json.loads(run("diff", one, two, "--id", "sku", "--json").out)
    assert {c["row_id"]: c["why"] for c in found["changes"]} == {"A3": ["text"], "A9": ["added"], "A4": ["removed"]}
    assert found["changes"][0]["what"]["tag_outcome"] == {"old": "not_controlled", "new": "controlled"}
    assert {"from": "not_controlled", "to": "controlled", "rows": 1} in found["moves"]
    shown = run("diff", one, two, "--id", "sku").out
    assert "A3: outcome not_controlled -> controlled  [text]" in shown


def test_another_day_is_the_reason(run: Callable[..., Result], tag_catalogue: TagCatalogue) -> None:
    one, two = tag_catalogue("one", ROWS, "--as-of", "2026-11-01"), tag_catalogue("two", ROWS, "--as-of", "2026-11-21")
    found = json.loads(run("diff", one, two, "--json").out)
    assert {tuple(c["why"]) for c in found["changes"]} == {("date",)}
    assert {tuple(c["what"]) for c in found["changes"]} == {("tag_legal_status",)}
    assert found["changes"][0]["what"]["tag_legal_status"] == {"old": "suspended", "new": "uncertain"}


def test_other_rules_are_the_reason(run: Callable[..., Result], tag_catalogue: TagCatalogue, tmp_path: Path) -> None:
    import shutil

    from tagger.rulebook import DATA, write_seal

    rules = Path(shutil.copytree(DATA, tmp_path / "rules"))
    path = rules / "controls" / "clauses_high_energy_cell.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("value = 300", "value = 250"), encoding="utf-8")
    write_seal(rules)
    one = tag_catalogue("one", ROWS, "--as-of", DAY)
    two = tag_catalogue("two", ROWS, "--as-of", DAY, "--rules", rules)
    found = json.loads(run("diff", one, two, "--id", "sku", "--json").out)
    assert [(c["row_id"], c["why"]) for c in found["changes"]] == [("A3", ["rules"])]


def test_files_that_are_not_tagged_are_refused(run: Callable[..., Result], tag_catalogue: TagCatalogue, tmp_path: Path) -> None:
    out = tag_catalogue("one", ROWS)
    for arguments, said in (
        (("diff", tmp_path / "one-in.csv", out), "name a file that `tagger batch` wrote"),
        (("diff", out, out, "--id", "id"), "no column 'id'"),
        (("questions", tmp_path / "one-in.csv"), "name a file that `tagger batch` wrote"),
        (("questions", out, "--by", "vendor"), "no column 'vendor'"),
    ):
        done = run(*arguments)
        assert (done.status, said in done.err) == (2, True), done.err


def test_questions_once_a_supplier(run: Callable[..., Result], tag_catalogue: TagCatalogue) -> None:
    out = tag_catalogue("one", ROWS)
    shown = run("questions", out, "--by", "supplier", "--id", "sku").out
    magnets = shown[shown.index("== Magnet Co") :]
    assert magnets.startswith("== Magnet Co: 2 questions on 2 items ==")
    assert magnets.count("dysprosium") == 1
    assert "是否含镝" in magnets
    assert "Items 商品: A1, A2" in magnets
    assert "Cell GmbH" not in shown  # it has nothing to answer


def test_questions_as_a_table_that_runs_no_formula(run: Callable[..., Result], tag_catalogue: TagCatalogue, tmp_path: Path) -> None:
    out = tag_catalogue("one", ROWS)
    for name in ("q.csv", "q.xlsx"):
        done = run("questions", out, "--by", "supplier", "--id", "sku", "--out", tmp_path / name)
        assert (done.status, "2 supplier(s)" in done.out) == (0, True), done.err
    cells = [row["supplier"] for row in csv.DictReader((tmp_path / "q.csv").read_text(encoding="utf-8").splitlines())]
    assert "'=cmd|'/c calc'!A1" in cells
    sheet = openpyxl.load_workbook(tmp_path / "q.xlsx").active
    assert sheet is not None
    assert all(c.data_type == "s" for row in sheet.iter_rows() for c in row if c.value is not None)


def test_no_question_is_told_so(run: Callable[..., Result], tag_catalogue: TagCatalogue) -> None:
    assert "no row waits for an answer" in run("questions", tag_catalogue("one", ROWS[4:])).out
