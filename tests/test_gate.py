"""The gate settles everyday goods only, answers do not hang on what else is in a column, and the scan misses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagger.decisions.clauses import ClauseJudge
from tagger.facts.reader import FactReader, term_matcher
from tagger.facts.text import normalise
from tagger.learning.dataset import RISKY, Example, read_examples
from tagger.learning.evaluation import upper_bound
from tagger.learning.gate import certified_threshold, train_gate
from tagger.pipeline import Tagger
from tagger.records import TAG_COLUMNS, Decision, Row, tag_columns
from tagger.rulebook import Rulebook
from tagger.scores.gate import fold, read_column, words_of
from tagger.scores.strong import StrongRows
from tagger.scores.unnamed import nothing_but

from .conftest import DAY, Result

EVERYDAY = [
    "Ladies leather wallet with coin pocket, brown",
    "Men's running shoes size 42, mesh upper, white and blue",
    "Garden hose 25 m with spray nozzle, green",
    "Cotton bath towel set, 4 pieces, grey",
]
LISTED = [
    "sintered NdFeB magnet N52 with 1.2 % dysprosium",
    "6 m3 vertical granulation kettle for graphite anode material",
    "pouch 330 Wh/kg",
    "pouch 3.7 V 100 Ah 900 g",
    "氧化镓粉 99.999%",
    "стержень из гольмия Ho 99.9 %",
]
ODD = [
    "",
    " ",
    "\x00\x01\x02",
    "&lt;b&gt;wallet&lt;/b&gt;",
    "กระเป๋าหนังสีน้ำตาล",
    "x" * 5000,
    "\ud800",
    "12345",
    "as per attached list, 2 pcs",
    "样品",
    "<div>sample</div>",
    "ＳＡＭＰＬＥ&nbsp;2",
    "詳見附圖",
]


@pytest.fixture(scope="module")
def open_tagger(book: Rulebook, tagger: Tagger) -> Tagger:
    return Tagger(book, tagger.model, DAY, gate=False)


@pytest.fixture(scope="module")
def texts(root: Path) -> list[str]:
    rows = [
        json.loads(line) for line in (root / "training_data" / "evaluation" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [row["text"] for row in rows]


def _plain(decisions: Sequence[Decision]) -> list[dict[str, object]]:
    return [d.as_dict() for d in decisions]


def test_everyday_goods_are_settled_and_the_answer_says_so(tagger: Tagger) -> None:
    for d in tagger.tag_many(EVERYDAY):
        assert (d.outcome, d.category) == ("unrelated", "none")
        assert "gate" in d.note
        assert "gate" in str(tag_columns(d)["tag_evidence"])
        assert 0.95 < d.confidence < 1


@pytest.mark.parametrize(
    "text", ["<p>Ladies leather wallet with coin pocket,<br>brown</p>", "Garden hose 25 m, up to 60℃, spray nozzle, green"]
)
def test_markup_and_signs_that_stand_for_several_are_read(tagger: Tagger, text: str) -> None:
    assert tagger.settles([text, "sintered NdFeB magnet, max. 80℃", text]) == [True, False, True]


@given(st.lists(st.text(st.sampled_from("aé 9℃㎡Ⅱ①½ﬁｱ<>&;b/金\u0301\u200b\t"), max_size=20), max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_readable_text_is_read_as_the_full_road_normalises_it(column: list[str]) -> None:
    read = read_column(column)
    for text, start, end, readable in zip(column, read.starts, read.ends, read.readable, strict=True):
        if readable:
            assert read.codes[start:end].tobytes().decode("utf-32-le").split() == fold(normalise(text).text).split()


@pytest.mark.parametrize("text", [*LISTED, *ODD])
def test_listed_goods_and_odd_texts_take_the_full_road(tagger: Tagger, open_tagger: Tagger, text: str) -> None:
    assert tagger.settles([text]) == [False]
    assert tagger.tag(text) == open_tagger.tag(text)


def test_what_the_gate_does_not_settle_is_answered_as_without_it(tagger: Tagger, open_tagger: Tagger, texts: list[str]) -> None:
    with_gate, without = tagger.tag_many(texts), open_tagger.tag_many(texts)
    left = [i for i, done in enumerate(tagger.settles(texts)) if not done]
    assert 0 < len(left) < len(texts)
    assert [with_gate[i] for i in left] == [without[i] for i in left]


def test_the_evaluation_rows_that_are_settled_are_not_controlled(tagger: Tagger, book: Rulebook, root: Path) -> None:
    examples = read_examples(root / "training_data" / "evaluation", book.labels)
    settled = [e for e, done in zip(examples, tagger.settles([e.text for e in examples]), strict=True) if done]
    assert settled
    assert not [e.text for e in settled if e.decision == "controlled"]


@given(st.lists(st.sampled_from([*EVERYDAY, *LISTED, *ODD, "wallet", "USB-C cable 2 m"]), max_size=90), st.data())
@settings(max_examples=25, deadline=None)
def test_a_column_does_not_change_an_answer(tagger: Tagger, column: list[str], data: st.DataObject) -> None:
    whole = tagger.settles(column)
    assert whole == [tagger.settles([text])[0] for text in column]
    cut = data.draw(st.integers(0, len(column)))
    assert whole == tagger.settles(column[:cut]) + tagger.settles(column[cut:])


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_text_that_names_nothing_is_never_passed_over(book: Rulebook, data: st.DataObject) -> None:
    words = st.sampled_from([*book.unnamed.words, "12", "x", "-", "(2)", "no. 7", "cable", "金", "ab"])
    joints = st.sampled_from([" ", ", ", "-", "/", ""])
    pieces = data.draw(st.lists(st.lists(st.tuples(words, joints), max_size=5), max_size=6))
    folded = [fold(normalise("".join(map("".join, piece))).text) for piece in pieces]
    reader = nothing_but(book.unnamed.words)
    may_fit = reader.may_fit(words_of(read_column(folded)), len(folded)).tolist()
    assert not [text for may, text in zip(may_fit, folded, strict=True) if reader.fits(text.strip()) and not may]


@given(st.lists(st.text(max_size=60), max_size=40))
@settings(max_examples=50, deadline=None)
def test_no_text_breaks_the_gate(tagger: Tagger, column: list[str]) -> None:
    assert len(tagger.settles(column)) == len(column)
    words = words_of(read_column(column))
    found = words.texts(np.arange(len(words.rows)))
    assert all(found)
    assert " " not in "".join(found)
    hashes = words.hashes.tolist()
    assert len(set(hashes)) == len(set(found)) == len(set(zip(hashes, found, strict=True)))
    assert words.rows.tolist() == sorted(words.rows.tolist())


def test_the_scan_finds_every_row_of_which_a_clause_speaks(book: Rulebook, root: Path) -> None:
    examples = read_examples(root / "training_data", book.labels)
    column = read_column([e.text for e in examples])
    found = StrongRows(book, term_matcher(book)).find([e.text for e in examples], column)
    third = np.arange(len(examples)) % 3 == 0
    rows = np.flatnonzero(~found | third)  # a row that was found cannot have been missed: of those a third is enough
    facts = FactReader(book).read([Row(examples[row].id, examples[row].text) for row in rows])
    judge = ClauseJudge(book)
    spoken = np.array([bool(judge.judge(f).clauses) for f in facts])
    assert not [examples[row].text for row in rows[spoken & column.readable[rows] & ~found[rows]]]
    assert found[rows[spoken & third[rows]]].mean() > 0.95
    assert found[rows[~spoken & third[rows]]].mean() < 0.2


def test_terms_are_found_as_a_phrase_matcher_finds_them(book: Rulebook, texts: list[str]) -> None:
    """The two dictionaries against spaCy's PhraseMatcher over the same stems."""
    spacy = pytest.importorskip("spacy")
    from spacy.matcher import PhraseMatcher
    from spacy.tokens import Doc

    from tagger.facts.tokens import JOINTS, TermMatcher, stem, tokens

    terms = [t for t in book.terms if t.match == "any"][::7]
    vocab = spacy.blank("xx").vocab
    matcher = PhraseMatcher(vocab)

    def doc(text: str) -> Doc:
        return Doc(vocab, words=[stem(w) for w in tokens(normalise(text).folded.translate(JOINTS).strip())[0]])

    for n, term in enumerate(terms):
        matcher.add(str(n), [doc(term.term)])
    own = TermMatcher(terms)
    for text in texts:
        expected = {terms[int(vocab.strings[key])].concept for key, *_ in matcher(doc(text))}
        assert {t.concept for t in own.find(normalise(text))} == expected


def test_tag_table_holds_the_cells_of_the_answers(tagger: Tagger, texts: list[str]) -> None:
    rows = [*EVERYDAY, *LISTED, *texts[:60]]
    table = tagger.tag_table(rows)
    assert list(table) == list(TAG_COLUMNS)
    assert [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)] == [
        tag_columns(d) for d in tagger.tag_many(rows)
    ]


def test_the_setting_turns_the_gate_off(book: Rulebook, tagger: Tagger) -> None:
    off = replace(book, settings=replace(book.settings, gate=replace(book.settings.gate, on=False)))
    assert Tagger(off, tagger.model, DAY).settles(EVERYDAY) == [False] * len(EVERYDAY)
    assert all(Tagger(off, tagger.model, DAY, gate=True).settles(EVERYDAY))


def test_a_model_without_a_gate_still_answers(book: Rulebook, tagger: Tagger, open_tagger: Tagger) -> None:
    without = Tagger(book, replace(tagger.model, gate=None), DAY)
    assert _plain(without.tag_many(EVERYDAY)) == _plain(open_tagger.tag_many(EVERYDAY))


def test_the_manifest_reports_the_miss_rate_of_the_gate(root: Path, book: Rulebook, tagger: Tagger) -> None:
    manifest = json.loads((root / "models" / "default" / "manifest.json").read_text(encoding="utf-8"))
    figures = manifest["figures"]["gate"]
    assert figures["upper_bound"] <= figures["bound_allowed"] == book.settings.gate.most_alike
    assert figures["open_rows_settled"] <= figures["open_rows_alike"]
    risky = [e.text for e in read_examples(root / "training_data" / "calibration", book.labels) if e.decision in RISKY]
    assert manifest["gate"]["most_missed"] == upper_bound(sum(tagger.settles(risky)), len(risky)) < 0.02


def test_too_few_rows_give_no_threshold(book: Rulebook) -> None:
    def example(n: int, decision: str, text: str) -> Example:
        return Example(str(n), "en", f"{text} {n % 7} pieces", "none", decision, "", "", "", str(n))

    rows = [example(n, "unrelated", "leather wallet") for n in range(30)] + [
        example(n, "review", "odd ware") for n in range(30, 60)
    ]
    everything = np.arange(60)
    gate, figures = train_gate(rows, [(everything, everything)], book)
    assert gate.threshold == float("inf")
    assert figures["open_rows_settled"] == 0


@given(st.integers(0, 2**32 - 1), st.integers(0, 900))
@settings(max_examples=20, deadline=None)
def test_the_threshold_keeps_its_bound(seed: int, rows: int) -> None:
    scores = np.random.default_rng(seed).normal(size=rows)
    threshold = certified_threshold(scores, 0.02)
    missed = int((scores >= threshold).sum())
    assert (threshold == float("inf")) == (upper_bound(0, rows) > 0.02)
    if threshold == float("inf"):
        return
    assert upper_bound(missed, len(scores)) <= 0.02


def test_no_gate_on_the_command_line(run: Callable[..., Result]) -> None:
    with_gate = json.loads(run("tag", EVERYDAY[0], "--json").out)
    without = json.loads(run("tag", EVERYDAY[0], "--json", "--no-gate").out)
    assert "gate" in with_gate["note"]
    assert without["note"] == ""
    assert with_gate["outcome"] == without["outcome"] == "unrelated"
