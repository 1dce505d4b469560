"""The promise on automatic clearing: measured on calibration rows, chosen by the user, refused where the rows cannot carry it."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.decisions.clauses import ClauseJudge
from tagger.errors import UsageError
from tagger.facts.reader import FactReader
from tagger.learning.calibration import calibrate
from tagger.learning.dataset import Example, read_examples
from tagger.learning.evaluation import upper_bound
from tagger.pipeline import Tagger
from tagger.records import Row
from tagger.rulebook import Rulebook
from tagger.scores.bundle import default_model, load_model
from tagger.scores.clearing import Clearing, ClearingStep

from .conftest import DAY, Result

CLEARED = ("unrelated", "not_controlled")


@pytest.fixture(scope="module")
def calibration(root: Path, book: Rulebook) -> list[Example]:
    return read_examples(root / "training_data" / "calibration", book.labels)


def risky(examples: list[Example]) -> list[Example]:
    return [e for e in examples if e.decision in ("controlled", "review")]


def test_the_shipped_promise_is_what_the_calibration_rows_say(tagger: Tagger, calibration: list[Example]) -> None:
    clearing = tagger.clearing
    assert (clearing.rows, clearing.risky) == (len(calibration), len(risky(calibration)))
    assert clearing.max_miss_rate == tagger.book.settings.clearing.max_miss_rate
    assert clearing.rules_id == tagger.book.rules_id
    answers = tagger.tag_many(e.text for e in calibration)
    missed = sum(d.outcome in CLEARED and e in risky(calibration) for e, d in zip(calibration, answers, strict=True))
    (step,) = [s for s in clearing.steps if (s.strictness, s.gate) == (clearing.strictness, True)]
    assert (step.missed, step.review) == (missed, sum(d.outcome == "review" for d in answers))
    assert step.upper95 == pytest.approx(upper_bound(missed, clearing.risky))
    assert step.upper95 <= clearing.max_miss_rate


def test_a_stricter_promise_turns_cleared_rows_into_review_and_nothing_else(tagger: Tagger, calibration: list[Example]) -> None:
    texts = [e.text for e in calibration][::3]
    (now,) = [s for s in tagger.clearing.steps if (s.strictness, s.gate) == (tagger.clearing.strictness, True)]
    least = max(s.upper95 for s in tagger.clearing.steps if s.gate and s.missed <= now.missed / 2)
    strict = Tagger(tagger.book, tagger.model, DAY, max_miss_rate=least)
    assert strict.clearing.strictness > tagger.clearing.strictness
    changed = 0
    # on the full road: a promise so strict is kept without the gate, and what it settled then gets an answer of its own
    for lax, d in zip(tagger.tag_many(texts, gate=False), strict.tag_many(texts, gate=False), strict=True):
        assert d.max_miss_rate == least
        if lax.outcome != d.outcome:
            assert lax.outcome in CLEARED
            assert d.outcome == "review"
            changed += 1
    assert changed


def test_what_looks_like_an_item_of_a_list_is_not_cleared_whatever_its_category(tagger: Tagger, calibration: list[Example]) -> None:
    """The second opinion: on rows that must not be cleared it is high, and nothing is cleared above the promise's bound."""
    texts = [e.text for e in calibration]
    facts = FactReader(tagger.book).read([Row(e.id, e.text) for e in calibration])
    judge = ClauseJudge(tagger.book)
    scores = tagger.model.score(facts, [judge.judge(f).marks for f in facts])
    least = tagger.clearing.strictness
    weight = tagger.book.settings.decision.sure_weight
    settled = tagger.settles(texts)
    answers = tagger.tag_many(texts)
    for d, s, at_the_gate in zip(answers, scores, settled, strict=True):
        told = d.codes and d.margin is not None and d.margin < 0  # by figures outside every clause
        if d.outcome in CLEARED and not at_the_gate and not told:  # the surest that a category can be adds so much and no more
            assert weight * odds(1 - 1e-9) - odds(s.risk) >= least
    held_back = [d for d in answers if d.note.startswith("worded like items of the lists: risk 0.")]
    assert held_back
    assert {d.outcome for d in held_back} == {"review"}
    bad = [s.risk for e, s in zip(calibration, scores, strict=True) if e in risky(calibration)]
    fine = [s.risk for e, s in zip(calibration, scores, strict=True) if e not in risky(calibration)]
    assert statistics.median(bad) > 0.95
    assert statistics.median(fine) < 0.15


def odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (0.0001, r"no promise of 0.01 %: \d+ risky calibration rows carry .* would be needed"),
        (0.0, "is no share"),
        (1.5, "is no share"),
    ],
)
def test_a_promise_that_the_rows_cannot_carry_is_refused(tagger: Tagger, rate: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Tagger(tagger.book, tagger.model, DAY, max_miss_rate=rate)


def test_a_promise_stricter_than_the_gate_is_kept_without_it(tagger: Tagger) -> None:
    assert tagger.settled is not None
    strict = Tagger(tagger.book, tagger.model, DAY, max_miss_rate=0.01)
    assert (strict.clearing.gate, strict.settled) == (False, None)
    assert "the gate is off" in strict.clearing.tell()
    assert strict.settles(["Ladies leather wallet with coin pocket, brown"]) == [False]
    assert strict.tag("Ladies leather wallet with coin pocket, brown").outcome == "unrelated"


def test_a_promise_holds_for_its_rulebook_alone(tagger: Tagger) -> None:
    other = replace(tagger.model, clearing=replace(tagger.model.clearing, rules_id="rules-000000000000"))
    with pytest.raises(UsageError, match=r"calibrated with rules-000000000000.*run `tagger calibrate`"):
        Tagger(tagger.book, other, DAY, max_miss_rate=0.05)
    assert Tagger(tagger.book, other, DAY).tag("plastics granulator").outcome == "unrelated"


def test_the_laxest_step_that_holds_is_taken_and_none_behind_one_that_fails() -> None:
    figures = ((3.0, 0, 0, 0.01, 90), (2.0, 3, 0, 0.03, 80), (1.0, 2, 0, 0.02, 70))
    clearing = Clearing("rules-1", 300, 299, 100, tuple(ClearingStep(*f) for f in figures))
    assert clearing.promised(0.025).strictness == 3.0
    assert clearing.promised(0.03).strictness == 1.0


def test_calibrate_on_rows_of_ones_own(
    run: Callable[..., Result], calibration: list[Example], book: Rulebook, tmp_path: Path
) -> None:
    rows = calibration[::2]
    path = tmp_path / "own.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["item", "answer", "group"])
        out.writerows([e.text, e.decision, e.category] for e in rows)
    columns = ("--text", "item", "--decision", "answer", "--category", "group")
    done = run("calibrate", str(path), "--out", str(tmp_path / "mine"), *columns)
    assert done.status == 0, done.err
    assert "of items that are controlled, or may be, are cleared automatically" in done.out
    model = load_model(tmp_path / "mine")
    assert (model.clearing.rows, model.clearing.risky) == (len(rows), len(risky(rows)))
    assert model.model_id != load_model().model_id
    assert (model.weights == load_model().weights).all()
    done = run("tag", "plastics granulator", "--model", str(tmp_path / "mine"), "--json")
    assert (done.status, '"unrelated"' in done.out) == (0, True)
    done = run("calibrate", str(path), "--out", str(tmp_path / "strict"), *columns, "--max-miss-rate", "0.001")
    assert done.status == 2
    assert "no promise of 0.1 %" in done.err
    assert not (tmp_path / "strict").exists()


def test_rows_that_the_model_all_knows_make_it_no_surer(
    tmp_path: Path, tagger: Tagger, calibration: list[Example], book: Rulebook
) -> None:
    sure = [
        e
        for e, d in zip(calibration, tagger.tag_many(e.text for e in calibration), strict=True)
        if d.category == e.category and d.outcome == e.decision and d.confidence > 0.95
    ]
    calibrate(default_model(), sure[:60], tmp_path / "own", book)
    own = load_model(tmp_path / "own")
    assert own.temperature == tagger.model.temperature
    assert own.risk is not None
    assert tagger.model.risk is not None
    assert own.risk.slope <= tagger.model.risk.slope


def test_rows_that_carry_no_promise_make_it_as_strict_as_it_can_be(
    tmp_path: Path, calibration: list[Example], book: Rulebook
) -> None:
    calibrate(default_model(), calibration[:60], tmp_path / "few", book)
    clearing = load_model(tmp_path / "few").clearing
    assert (clearing.max_miss_rate, clearing.strictness) == (1.0, book.settings.clearing.strictest)
    assert clearing.tell() == "promises nothing on what is cleared automatically"


def test_calibrate_does_not_write_over_its_model(calibration: list[Example], book: Rulebook) -> None:
    with pytest.raises(UsageError, match="is the model itself"):
        calibrate(default_model(), calibration, default_model(), book)
