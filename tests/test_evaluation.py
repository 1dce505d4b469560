"""Figures on labelled rows: bounds, alarms, categories, calibration; the page loads nothing and escapes everything."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.catalogue.labelled import read_labelled
from tagger.errors import TrainingDataError, UsageError
from tagger.learning.dataset import Example
from tagger.learning.evaluation import calibration_error, evaluate, generalised_risk, upper_bound
from tagger.learning.report import write_report
from tagger.pipeline import Tagger
from tagger.records import Decision
from tagger.rulebook import Rulebook

from .conftest import DAY, Result

LABELS = [
    ("controlled", "high_energy_cell"),
    ("not_controlled", "high_energy_cell"),
    ("review", "ndfeb_magnet"),
    ("unrelated", "none"),
]


def example(number: int, decision: str, category: str, **values: str) -> Example:
    return Example(
        f"r{number}", values.get("lang", "en"), values.get("text", "x"), category, decision, values.get("code", ""), "", "", ""
    )


@pytest.fixture(scope="module")
def answer(tagger: Tagger) -> Callable[..., Decision]:
    base = tagger.tag("plastics granulator")

    def make(outcome: str, category: str, confidence: float = 0.9, codes: tuple[str, ...] = ()) -> Decision:
        return replace(base, outcome=outcome, category=category, confidence=confidence, codes=list(codes))

    return make


def test_all_right(answer: Callable[..., Decision]) -> None:
    examples = [example(i, d, c) for i, (d, c) in enumerate(LABELS)]
    found = evaluate(examples, [answer(d, c) for d, c in LABELS])
    assert (found.false_clear.hits, found.false_alarm.hits, found.review.hits) == (0, 0, 1)
    assert (found.decided_rightly.hits, found.decided_rightly.rows) == (3, 3)
    assert (found.macro_f1, found.accuracy, found.augrc, found.worst) == (1.0, 1.0, 0.0, ())
    assert found.false_clear.upper95 == pytest.approx(0.95)  # one row proves little


def test_each_mistake_is_counted_once_and_shown_first(answer: Callable[..., Decision]) -> None:
    examples = [
        example(1, "controlled", "high_energy_cell", code="3A001"),
        example(2, "controlled", "high_energy_cell", code="3A001"),
        example(3, "unrelated", "none", lang="zh", text="y" * 200),
        example(4, "review", "ndfeb_magnet"),
    ]
    answers = [
        answer("controlled", "high_energy_cell", 0.7, ("3A001",)),
        answer("unrelated", "none", 0.99),
        answer("controlled", "ndfeb_magnet", 0.8, ("1C905.a.4",)),
        answer("not_controlled", "ndfeb_magnet", 0.6),
    ]
    found = evaluate(examples, answers)
    assert (found.false_clear.hits, found.false_clear.rows) == (1, 2)
    assert (found.false_clear_open.hits, found.false_clear_open.rows) == (2, 3)
    assert (found.false_alarm.hits, found.false_alarm.rows) == (1, 1)
    assert (found.code_hits.hits, found.code_hits.rows) == (1, 2)
    assert [m.id for m in found.worst] == ["r2", "r3"]
    assert found.slices["language"]["zh"]["false_alarms"] == 1
    assert found.slices["length"]["121 to 300"]["rows"] == 1
    assert found.confusion["none"] == {"ndfeb_magnet": 1}
    assert found.categories["high_energy_cell"] == {"rows": 2, "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3)}


def test_bounds_and_curves() -> None:
    assert upper_bound(0, 59) == pytest.approx(0.0495, abs=1e-3)  # the rule of three
    assert upper_bound(5, 100) == pytest.approx(0.1023, abs=1e-3)
    confidence, right = np.array([0.9, 0.9, 0.5, 0.5]), np.array([True, True, True, False])
    assert calibration_error(confidence, right, bins=2) == pytest.approx((0.1 * 2 + 0.0 * 2) / 4)
    assert generalised_risk(confidence, right) == pytest.approx(0.25 / 4)


def test_of_the_evaluation_rows(run: Callable[..., Result], root: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("evaluate", root / "training_data" / "evaluation", "--report", page, "--as-of", DAY)
    assert (done.status, "controlled rows cleared" in done.out) == (0, True), done.err
    text, figures = page.read_text(encoding="utf-8"), json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    rows = len((root / "training_data" / "evaluation" / "rows.jsonl").read_text(encoding="utf-8").splitlines())
    assert figures["rows"] == sum(figures["outcomes"].values()) == rows
    assert figures["false_clear"]["hits"] <= 3
    assert figures["false_alarm"]["rate"] <= 0.025
    assert text.count("<svg") == 3
    assert "Content-Security-Policy" in text
    assert not any(tag in text for tag in ("<script", "src=", "<link", "@import"))


def test_the_page_escapes_texts(answer: Callable[..., Decision], tmp_path: Path) -> None:
    hostile = example(1, "unrelated", "none", text="<script>alert(1)</script>\x07")
    write_report(evaluate([hostile], [answer("controlled", "ndfeb_magnet")]), tmp_path / "r.html", "<b>file</b>")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>file" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(evaluate([hostile], [answer("unrelated", "none")]), tmp_path / "no" / "r.html", "")


def test_a_table_of_ones_own(run: Callable[..., Result], tmp_path: Path) -> None:
    source = tmp_path / "labelled.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("name", "right", "kind"), ("Li-ion cell, 310 Wh/kg", "controlled", "high_energy_cell"), ("pen", "unrelated", "none")]
        )
    columns = ("--text", "name", "--decision", "right", "--category", "kind")
    found = json.loads(run("evaluate", source, *columns, "--json", "--as-of", DAY).out)
    assert (found["rows"], found["decided_rightly"]["hits"]) == (2, 2)
    done = run("evaluate", source)
    assert (done.status, "no column 'text'" in done.err) == (2, True)


def test_the_gain_of_one_model_over_another(run: Callable[..., Result], tmp_path: Path, root: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("text,decision,category\npen,unrelated,none\nNdFeB magnet N42,review,ndfeb_magnet\n", encoding="utf-8")
    done = run("evaluate", source, "--against", root / "models" / "default")
    assert done.status == 0, done.err
    assert "the same 2 rows" in done.out
    assert "1 of 2" in next(line for line in done.out.splitlines()[-11:] if "rows for a person" in line)
    both = json.loads(run("evaluate", source, "--against", root / "models" / "default", "--json").out)
    assert both["against"]["review"] == both["review"]
    assert "no model folder" in run("evaluate", source, "--against", tmp_path / "none").err


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"text": "x", "decision": "maybe", "category": "none"}, "decision 'maybe' is none of"),
        ({"text": "x", "decision": "review", "category": "magnets"}, "category 'magnets' is none of"),
        ({"text": "x", "decision": "review", "category": "none"}, "go together"),
    ],
)
def test_wrong_labels_are_told_with_their_row(tmp_path: Path, book: Rulebook, row: dict[str, str], fault: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(TrainingDataError, match=f"row 1: .*{fault}"):
        read_labelled(path, book.labels)


def test_nothing_to_evaluate(tmp_path: Path, book: Rulebook) -> None:
    with pytest.raises(TrainingDataError, match="no labelled row"):
        evaluate([], [])
    with pytest.raises(TrainingDataError, match=r"no \*.jsonl files"):
        read_labelled(tmp_path, book.labels)
