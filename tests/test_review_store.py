"""The review store on SQLite and on a PostgreSQL server: who may do what, nothing twice, nothing lost, every line told."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tagger.errors import ReviewConflictError, ReviewError, ReviewRightError
from tagger.pipeline import Tagger
from tagger.records import Decision, Row
from tagger.review import schema
from tagger.review.content import load_settings, settings_of
from tagger.review.database import versions
from tagger.review.items import Action, Answer, BatchName, Bulk, Filters, Role, Stage, State, Who
from tagger.review.store import ReviewStore
from tagger.rulebook import Rulebook

ANN, BOB, CLEO = Who("ann"), Who("bob"), Who("cleo", Role.ADJUDICATOR)
GOODS = BatchName("goods.csv", "goods")
YES = Answer("controlled", "ndfeb_magnet", ("1C905.a.4",), "2 % Dy in the assay")
NO = Answer("not_controlled", "ndfeb_magnet", ("1C905.a.4",), "no Dy in the assay")
ALONE = replace(load_settings(), second_sample=0.0)


@pytest.fixture
def store(store_url: str, book: Rulebook) -> Iterator[ReviewStore]:
    with ReviewStore.open(store_url, book) as opened:
        opened.set_settings(ALONE, CLEO)
        yield opened


@pytest.fixture(scope="module")
def magnet(tagger: Tagger) -> Decision:
    decision = tagger.tag("NdFeB magnet N42, zinc plated")
    assert decision.outcome == "review"
    return decision


def fill(store: ReviewStore, decision: Decision, texts: Sequence[str], batch: BatchName = GOODS) -> list[int]:
    assert store.add([(Row(f"{n:05d}", t), decision, n) for n, t in enumerate(texts, 1)], batch) == len(texts)
    return [line.id for line in sorted(store.page(Filters(batch=batch.name), size=500).lines, key=lambda line: line.row_id)]


def test_an_item_holds_what_the_tagger_found(store: ReviewStore, tagger: Tagger) -> None:
    text = "钕铁硼磁钢 N42 镀锌 5 Ah"
    d = tagger.tag(text)
    store.add([(Row("00123", text), d, 7)], GOODS)
    item = store.next(ANN)
    assert item is not None
    assert (item.row_id, item.row_number, item.text, item.lang, item.batch) == ("00123", 7, text, "zh", "goods.csv")
    assert (item.category, list(item.codes), list(item.reasons)) == (d.category, d.codes, d.reasons)
    assert list(item.questions) == d.questions
    assert all(text[e["start"] : e["end"]] == e["text"] for e in item.evidence)
    assert {c["code"]: c["truth"] for c in item.clauses} == {c.code: str(c.truth) for c in d.clauses}
    assert sum(item.probabilities.values()) == pytest.approx(1.0, abs=1e-3)
    assert (item.model_id, item.rules_id, item.as_of) == (d.model_id, d.rules_id, d.as_of)
    assert item.suspected


def test_the_same_batch_twice_adds_nothing_and_a_new_text_takes_the_place_of_the_old(store: ReviewStore, magnet: Decision) -> None:
    first = fill(store, magnet, ["a", "b", "c"])
    assert store.add([(Row(f"{n:05d}", t), magnet, n) for n, t in enumerate("abc", 1)], GOODS) == 0
    assert store.add([(Row("00002", "b, better told"), magnet, 2)], GOODS) == 1
    assert store.item(first[1]).state == State.DISCARDED
    assert {line.text for line in store.page().lines} == {"a", "b, better told", "c"}
    assert store.history(first[1])[-1].action == Action.SUPERSEDE
    assert store.add([(Row("1", "a"), replace(magnet, outcome="unrelated"), 1)], BatchName("other", "other")) == 0
    assert store.add([(Row("1", "a"), magnet, 1)], BatchName("goods.csv", "elsewhere")) == 1
    assert set(store.facets().counts["batch"]) == {"goods.csv", "goods.csv (2)"}
    assert store.verify().broken == ()


def test_a_text_that_comes_back_takes_its_place_again(store: ReviewStore, magnet: Decision) -> None:
    for text in ("a", "b", "a"):
        store.add([(Row("1", text), magnet, 1)], GOODS)
        assert [line.text for line in store.page().lines] == [text]
    assert store.verify().broken == ()


def test_a_text_that_comes_back_keeps_the_first_opinion(store: ReviewStore, magnet: Decision) -> None:
    (id,) = fill(store, magnet, ["magnet"])
    store.decide(id, ANN, NO)
    store.add([(Row("00001", "another"), magnet, 1)], GOODS)
    assert store.item(id).state == State.DISCARDED
    store.add([(Row("00001", "magnet"), magnet, 1)], GOODS)
    back = store.item(id)
    assert (back.state, back.stage, [o.who for o in back.opinions]) == (State.SECOND_OPINION, Stage.SECOND, ["ann"])
    assert store.decide(id, BOB, NO).decided_by == "ann, bob"
    assert store.verify().broken == ()


def test_one_person_decides_the_next_item_is_another_and_undo_takes_back(store: ReviewStore, magnet: Decision) -> None:
    fill(store, magnet, ["a", "b"])
    item, other = store.next(ANN), store.next(BOB)
    assert item
    assert other
    assert item.id != other.id
    with pytest.raises(ReviewConflictError, match=f"item {item.id} is claimed by ann"):
        store.decide(item.id, BOB, YES)
    done = store.decide(item.id, ANN, YES)
    assert (done.state, done.answer, done.decided_by) == (State.DECIDED, YES, "ann")
    with pytest.raises(ReviewConflictError, match="is decided"):
        store.decide(item.id, BOB, YES)
    with pytest.raises(ReviewError, match="no answer of yours"):
        store.undo(BOB)
    back = store.undo(ANN)
    assert (back.id, back.state, back.claimed_by, back.answer, back.opinions) == (item.id, State.CLAIMED, "ann", None, ())
    assert [e.action for e in store.history(item.id)] == [Action.ADD, Action.CLAIM, Action.DECIDE, Action.UNDO]
    assert store.verify().broken == ()


def test_clearing_a_suspected_item_takes_two_and_the_second_is_blind(store: ReviewStore, magnet: Decision) -> None:
    (id,) = fill(store, magnet, ["magnet"])
    assert store.decide(id, ANN, NO).state == State.SECOND_OPINION
    assert store.next(ANN) is None
    with pytest.raises(ReviewRightError, match="ann has answered"):
        store.claim(id, ANN)
    seen = store.next(BOB)
    assert seen is not None
    assert (seen.stage, seen.opinions, seen.answer) == (Stage.SECOND, (), None)
    assert store.item(id, ANN).opinions[0].answer == NO
    assert NO.why not in json.dumps([e.after for e in store.history(id, BOB)]) + "".join(e.why for e in store.history(id, BOB))
    done = store.decide(id, BOB, replace(NO, why="grade without heavy rare earths"))
    assert (done.state, done.decided_by, done.answer) == (State.SETTLED, "ann, bob", NO)
    assert store.stats().agreement == 1.0


def test_two_that_disagree_go_to_an_adjudicator(store: ReviewStore, magnet: Decision) -> None:
    (id,) = fill(store, magnet, ["magnet"])
    store.decide(id, ANN, NO)
    disputed = store.decide(id, BOB, YES)
    assert (disputed.state, disputed.stage, disputed.answer) == (State.SECOND_OPINION, Stage.ADJUDICATION, None)
    assert store.stats().disputed == 1
    dora = Who("dora")
    assert store.next(dora) is None
    with pytest.raises(ReviewRightError, match="dora is reviewer: this takes adjudicator"):
        store.decide(id, dora, YES)
    seen = store.next(CLEO)
    assert seen is not None
    assert [o.who for o in seen.opinions] == ["ann", "bob"]
    done = store.decide(id, CLEO, YES)
    assert (done.state, done.decided_by, done.answer) == (State.SETTLED, "cleo", YES)
    assert [e.action for e in store.history(id)][-3:] == [Action.DISAGREE, Action.CLAIM, Action.ADJUDICATE]
    with pytest.raises(ReviewConflictError, match="taken up by somebody else"):
        store.undo(ANN)
    assert store.reopen(id, CLEO, "new assay").stage == Stage.FIRST
    assert store.verify().broken == ()


def test_who_gave_the_first_answer_never_adjudicates(store: ReviewStore, magnet: Decision) -> None:
    (id,) = fill(store, magnet, ["magnet"])
    store.decide(id, CLEO, NO)
    store.decide(id, BOB, YES)
    assert store.next(CLEO) is None
    with pytest.raises(ReviewRightError, match="cleo has answered"):
        store.decide(id, CLEO, YES)


def test_an_auditor_only_looks(store: ReviewStore, magnet: Decision) -> None:
    (id,) = fill(store, magnet, ["magnet"])
    eve = Who("eve", Role.AUDITOR)
    for act in (
        lambda: store.next(eve),
        lambda: store.claim(id, eve),
        lambda: store.decide(id, eve, YES),
        lambda: store.skip(id, eve),
        lambda: store.undo(eve),
        lambda: store.assign([id], "eve", eve),
        lambda: store.discard(id, eve, "x"),
        lambda: store.reopen(id, eve, "x"),
        lambda: store.decide_bulk(store.bulk(id, eve), eve, YES),
        lambda: store.set_settings(ALONE, eve),
    ):
        with pytest.raises(ReviewRightError, match="eve is auditor"):
            act()
    assert store.item(id, eve).state == State.OPEN


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer("maybe", "ndfeb_magnet"), "outcome 'maybe' is none of"),
        (Answer("controlled", "ndfeb_magnet"), "controlled needs the clause"),
        (Answer("unrelated", "ndfeb_magnet", (), "x"), "go together"),
        (Answer("controlled", "none", ("1C905.a.4",)), "go together"),
        (Answer("not_controlled", "ndfeb_magnet"), "needs a reason in words"),
        (Answer("controlled", "magnets", ("1C905.a.4",)), "no category 'magnets'"),
        (Answer("controlled", "ndfeb_magnet", ("9Z999",)), "no clause 9Z999"),
        (Answer("controlled", "ndfeb_magnet", ("3A001",)), "clause 3A001 is of category high_energy_cell"),
        (Answer("controlled", "ndfeb_magnet", ("1C905.a.4",), "x" * 5001), "at most 5,000"),
        (Answer("controlled", "ndfeb_magnet", ("1C905.a.4",) * 51), "codes are not clauses"),
    ],
)
def test_answers_that_do_not_fit_are_refused(
    tmp_path: Path, book: Rulebook, magnet: Decision, answer: Answer, message: str
) -> None:
    with ReviewStore.open(tmp_path / "r.sqlite", book) as store:
        (id,) = fill(store, magnet, ["magnet"])
        with pytest.raises(ReviewError, match=message):
            store.decide(id, ANN, answer)
        assert store.item(id).state == State.OPEN
        assert store.item(id).opinions == ()


def test_skipped_items_come_last_and_assigned_ones_only_to_their_person(store: ReviewStore, magnet: Decision) -> None:
    a, b, c = fill(store, magnet, ["a", "b", "c"])
    first = store.next(ANN)
    assert first is not None
    store.skip(first.id, ANN)
    order = []
    while (item := store.next(ANN)) is not None and item.id not in order:
        order.append(item.id)
        if item.id == first.id:
            break
        store.decide(item.id, ANN, YES)
    assert order == [i for i in (a, b, c) if i != first.id] + [first.id]
    store.release(first.id, ANN)
    assert store.assign([first.id], "bob", CLEO) == 1
    assert store.next(ANN) is None
    with pytest.raises(ReviewConflictError, match="assigned to bob"):
        store.decide(first.id, ANN, YES)
    taken = store.next(BOB)
    assert taken is not None
    assert taken.id == first.id


def test_a_claim_lapses(store: ReviewStore, magnet: Decision) -> None:
    (id,) = fill(store, magnet, ["a"])
    store.set_settings(replace(ALONE, claim_minutes=0.0), CLEO)
    assert store.next(ANN) is not None
    time.sleep(0.01)
    taken = store.next(BOB)
    assert taken is not None
    assert (taken.id, taken.claimed_by) == (id, "bob")


def test_second_opinion_on_request_and_by_sample(store: ReviewStore, magnet: Decision) -> None:
    asked, *others = fill(store, magnet, [f"magnet {n}" for n in range(200)])
    assert store.decide(asked, ANN, YES, second=True).state == State.SECOND_OPINION
    store.set_settings(replace(ALONE, second_sample=0.25), CLEO)
    drawn = sum(store.decide(id, ANN, YES).state == State.SECOND_OPINION for id in others)
    assert 25 <= drawn <= 75
    store.set_settings(replace(ALONE, second_for_clearing=False), CLEO)
    (last,) = fill(store, magnet, ["one more"], BatchName("more", "more"))
    assert store.decide(last, ANN, NO).state == State.DECIDED


def test_bulk_decides_identical_rows_only_and_all_or_none(store: ReviewStore, magnet: Decision) -> None:
    ids = fill(store, magnet, ["same", "same", "other", "same"])
    preview = store.bulk(ids[0], ANN)
    assert preview.items == (ids[0], ids[1], ids[3])
    store.claim(ids[3], BOB)
    with pytest.raises(ReviewConflictError, match="claimed by bob"):
        store.decide_bulk(preview, ANN, YES)
    assert {store.item(i).state for i in ids[:3]} == {State.OPEN}
    with pytest.raises(ReviewConflictError, match="look again"):
        store.decide_bulk(Bulk((ids[0], ids[2]), ()), ANN, YES)
    assert store.decide_bulk(store.bulk(ids[0], ANN), ANN, YES) == 2
    assert [store.item(i).state for i in ids] == [State.DECIDED, State.DECIDED, State.OPEN, State.CLAIMED]


def test_filters_and_pages(store: ReviewStore, tagger: Tagger) -> None:
    texts = ["NdFeB magnet N42", "钕铁硼磁钢 N42", "Li-ion cell 3.7 V 30 Ah, 330 to 400 g", "graphite block", "100% magnet_x", ""]
    store.add([(Row(f"{n}", t), tagger.tag(t), n) for n, t in enumerate(texts, 1)], GOODS)
    total = store.count()
    assert total >= 5

    def found(**filters: Any) -> set[str]:
        return {line.text for line in store.page(Filters(**filters)).lines}

    assert found(lang="zh") == {"钕铁硼磁钢 N42"}
    assert found(reason="NEAR_THRESHOLD") == {"Li-ion cell 3.7 V 30 Ah, 330 to 400 g"}
    assert texts[0] in found(category="ndfeb_magnet")
    question = store.item(next(line.id for line in store.page().lines if line.text == texts[0])).questions[0]
    assert found(missing=question) >= {texts[0], texts[1]}
    assert found(margin=0.3) == {"Li-ion cell 3.7 V 30 Ah, 330 to 400 g"}
    assert found(words="ndfeb MAGNET") == {texts[0]}
    assert found(words="%") == found(words="magnet_x") == {"100% magnet_x"}
    assert found(batch="nothing") == found(words="' OR 1=1 --") == found(category="'; DROP TABLE items; --") == set()
    assert found(states=(State.DECIDED,)) == set()
    lines, cursor = [], ""
    while True:
        page = store.page(cursor=cursor, size=2)
        lines += page.lines
        cursor = page.cursor
        if not cursor:
            break
    assert len({line.id for line in lines}) == len(lines) == total
    assert [line.risk for line in lines] == sorted((line.risk for line in lines), reverse=True)
    with pytest.raises(ReviewError, match="cursor"):
        store.page(cursor="1 OR 1=1")


def test_counts_are_those_of_the_items(store: ReviewStore, tagger: Tagger) -> None:
    texts = ["NdFeB magnet N42", "钕铁硼磁钢 N42", "graphite block", "NdFeB magnet N42", "LFP cathode powder"]
    store.add([(Row(f"{n}", t), tagger.tag(t), n) for n, t in enumerate(texts, 1)], GOODS)
    store.add([(Row("2", "NdFeB magnet N45"), tagger.tag("NdFeB magnet N45"), 2)], GOODS)
    ids = [line.id for line in store.page().lines]
    answer = Answer("not_controlled", store.item(ids[0]).category, (), "x")
    store.decide(ids[0], ANN, answer)
    store.decide(ids[0], BOB, replace(answer, outcome="controlled", codes=(store.item(ids[0]).codes[0],)))
    store.discard(ids[1], CLEO, "x")
    store.reopen(ids[1], CLEO, "x")
    store.claim(ids[2], ANN)
    store.discard(ids[3], CLEO, "x")
    for kind, counted in store.facets().counts.items():
        assert counted
        for value, n in counted.items():
            fits = Filters(stages=(Stage(value),)) if kind == "stage" else Filters(**{kind: value})
            assert store.count(fits) == n, (kind, value)
    assert store.count() == len(store.page().lines)
    assert {s: n for s, n in store.stats().states.items() if n} == {
        s: store.count(Filters(states=(State(s),))) for s in State if store.count(Filters(states=(State(s),)))
    }


def test_past_answers_are_remembered_until_they_disagree_or_the_rulebook_changes(store: ReviewStore, magnet: Decision) -> None:
    a, b, c = fill(store, magnet, ["same", "same", "for this lot"])
    store.decide(a, ANN, YES)
    store.decide(c, ANN, replace(YES, from_text=False))
    (past,), other_rules, unknown, lot = store.recall(
        [("same", magnet.rules_id), ("same", "rules-2"), ("?", magnet.rules_id), ("for this lot", magnet.rules_id)]
    )
    assert (past.item, past.answer, past.who) == (a, YES, "ann")
    assert other_rules == unknown == lot == []
    store.decide(b, BOB, replace(YES, codes=("1C904.a.4",)))
    (both,) = store.recall([("same", magnet.rules_id)])
    assert [p.who for p in both] == ["bob", "ann"]
    assert store.item(a).conflict
    assert not store.item(c).conflict


def test_similar_past_decisions(store: ReviewStore, magnet: Decision) -> None:
    a, b, c, d = fill(store, magnet, ["NdFeB magnet N42 zinc", "NdFeB magnet N45 zinc", "something else", "NdFeB magnet N42 zinc"])
    for id in (a, b, c):
        store.decide(id, ANN, YES)
    found = store.similar(d)
    assert [s.item for s in found] == [a, b]
    assert found[0].likeness == 1.0 > found[1].likeness
    assert found[0].same_rules


def test_figures_of_the_day(store: ReviewStore, magnet: Decision) -> None:
    ids = fill(store, magnet, list("abcd"))
    store.next(ANN)
    store.decide(ids[0], ANN, YES)
    store.decide(ids[1], BOB, YES)
    store.discard(ids[2], CLEO, "test row")
    stats = store.stats()
    assert stats.answers == {"ann": 1, "bob": 1}
    assert (stats.states["decided"], stats.states["discarded"], stats.waiting, sum(stats.by_hour)) == (2, 1, 1, 2)
    assert store.stats(dt.date(2020, 1, 1)).answers == {}


def test_the_log_cannot_be_changed_and_a_changed_line_shows(store: ReviewStore, magnet: Decision) -> None:
    ids = fill(store, magnet, ["a", "b"])
    store.decide(ids[0], ANN, YES)
    noted = store.verify()
    assert noted.broken == ()
    for statement in ("UPDATE events SET who = 'eve'", "DELETE FROM events WHERE seq = 2"):
        with pytest.raises(ReviewError, match="append-only"), store.writing() as connection:
            connection.execute(sa.text(statement))
    forge(store, "UPDATE events SET who = 'eve' WHERE seq = 2")
    assert [(b.seq, b.what) for b in store.verify().broken] == [(2, "the line was changed")]
    forge(store, "UPDATE events SET who = 'batch' WHERE seq = 2")
    assert store.verify(noted.head).broken == ()
    forge(store, "UPDATE items SET text = 'plastic' WHERE row_id = '00002'")
    assert "does not stand as its last line says" in store.verify().broken[0].what
    forge(store, "UPDATE items SET text = 'b' WHERE row_id = '00002'")
    forge(store, "UPDATE items SET answer_outcome = 'unrelated', answer = replace(answer, 'controlled', 'unrelated')")
    assert len(store.verify().broken) == 1
    forge(store, "UPDATE items SET answer_outcome = 'controlled', answer = replace(answer, 'unrelated', 'controlled')")
    forge(store, "DELETE FROM events WHERE seq = 3")
    assert any("line 3 is missing" in b.what for b in store.verify().broken)
    assert any("no line has the hash" in b.what for b in store.verify("0" * 64).broken)


def test_the_end_of_the_log_cannot_be_cut_off_unseen(store: ReviewStore, magnet: Decision) -> None:
    (id,) = fill(store, magnet, ["a"])
    store.decide(id, ANN, YES)
    last = store.latest(1)[0].seq
    forge(store, "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")
    assert any(f"the log ends at line {last - 1}, it was written to line {last}" in b.what for b in store.verify().broken)


def forge(store: ReviewStore, statement: str) -> None:
    """What somebody with all rights on the database could do."""
    with store.engine.connect().execution_options(tagger_writes=True) as connection, connection.begin():
        if connection.dialect.name == "sqlite":
            triggers = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
            for name, _ in triggers:
                connection.execute(sa.text(f"DROP TRIGGER {name}"))
            connection.execute(sa.text(statement))
            for _, sql in triggers:
                connection.exec_driver_sql(sql)
        else:
            connection.execute(sa.text("ALTER TABLE events DISABLE TRIGGER ALL"))
            connection.execute(sa.text(statement))
            connection.execute(sa.text("ALTER TABLE events ENABLE TRIGGER ALL"))


HOSTILE = [
    "<script>alert(1)</script>",
    '=HYPERLINK("http://x","y")',
    "abc\u202egpj.exe\u2066",
    "a\x00b\ud800c",
    "'; DROP TABLE items; --",
    "x" * 100_000,
    "%s %(a)s :a ? {a}",
]


def test_hostile_texts_are_kept_as_texts(store: ReviewStore, magnet: Decision) -> None:
    store.add([(Row(t[:50], t), magnet, n) for n, t in enumerate(HOSTILE, 1)], GOODS)
    assert store.add([(Row(t[:50], t), magnet, n) for n, t in enumerate(HOSTILE, 1)], GOODS) == 0
    texts = {store.item(line.id).text for line in store.page().lines}
    assert texts == {t.replace("\x00", "␀").replace("\ud800", "\ufffd") for t in HOSTILE}
    assert all(len(line.text) <= 300 for line in store.page().lines)
    for text in HOSTILE:
        for field in ("category", "reason", "missing", "batch", "lang", "words", "who"):
            store.page(Filters(**{field: text}))
        item = store.next(ANN)
        assert item is not None
        store.decide(item.id, ANN, replace(YES, why=text[:5000]))
    assert store.recall([(HOSTILE[3], magnet.rules_id)])[0][0].answer.outcome == "controlled"
    for name in ("", "a,b", "a\nb", "x" * 300, "\x00"):
        with pytest.raises(ReviewError, match="cannot be the name of a person"):
            store.claim(store.page(Filters(states=(State.DECIDED,))).lines[0].id, Who(name))
    assert store.verify().broken == ()


def test_the_tables_are_those_of_the_migrations(store: ReviewStore) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    own = set(schema.metadata.tables)
    differences = [d for d in found if not (d[0] == "remove_table" and d[1].name not in own)]
    assert [d for d in differences if not (d[0] == "remove_index" and d[1].table.name not in own)] == []
    assert versions()[0] == "0001"


def test_stores_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to look at")
    with sa.create_engine(f"sqlite:///{tmp_path}/other.sqlite").begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (a)"))
    for target, message in [
        (tmp_path / "text", "is no SQLite file"),
        (tmp_path / "other.sqlite", "no review store of this version"),
        (tmp_path, "is a folder"),
        (tmp_path / "no/such.sqlite", "no folder"),
        ("mysql://x/y", "cannot be a mysql database"),
        ("postgresql://nobody:secret@127.0.0.1:1/x", "cannot be opened"),
    ]:
        with pytest.raises(ReviewError, match=message) as caught, ReviewStore.open(target):
            pass
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ReviewError, match="no review store"), ReviewStore.open(tmp_path / "none.sqlite", create=False):
        pass
    assert not (tmp_path / "none.sqlite").exists()


def test_settings_are_checked(tmp_path: Path) -> None:
    good = load_settings().as_dict()
    for change, message in [
        ({"second_sample": 1.5}, "second_sample must be a number from 0 to 1"),
        ({"second_for_clearing": 1}, "must be true or false"),
        ({"sample": 1}, "unknown key sample"),
    ]:
        with pytest.raises(ReviewError, match=message):
            settings_of({**good, **change}, "file")
    with pytest.raises(ReviewError, match="claim_minutes is missing"):
        settings_of({k: v for k, v in good.items() if k != "claim_minutes"}, "file")
    with pytest.raises(ReviewError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")


Workers = Callable[[Sequence[str]], list[subprocess.Popen[str]]]


@pytest.fixture
def workers(store_url: str) -> Iterator[Workers]:
    """Start reviewers as processes of their own; whatever still runs at the end is stopped."""
    command = [sys.executable, "-m", "tests.review_worker", store_url]
    root = Path(__file__).parent.parent
    with contextlib.ExitStack() as stack:

        def start(names: Sequence[str]) -> list[subprocess.Popen[str]]:
            running = []
            for name in names:
                process = stack.enter_context(subprocess.Popen([*command, name], cwd=root, stdout=subprocess.PIPE, text=True))
                stack.callback(process.kill)
                running.append(process)
            return running

        yield start


def check_all_decided_once(store: ReviewStore, count: int) -> None:
    with store.reading() as connection:
        states = dict(connection.execute(sa.text("SELECT state, count(*) FROM items GROUP BY state")).all())
        decided = connection.execute(sa.text("SELECT item_id, count(*) FROM events WHERE action = 'decide' GROUP BY item_id")).all()
        given = connection.execute(sa.text("SELECT count(*) FROM opinions")).scalar()
    assert states == {"decided": count}
    assert given == len(decided) == count
    assert {n for _, n in decided} == {1}
    assert store.verify().broken == ()


def test_a_new_store_is_made_once_when_many_open_it(store_url: str, workers: Workers) -> None:
    running = workers([f"reviewer {n}" for n in range(4)])
    assert [process.wait() or process.communicate()[0] for process in running] == [""] * 4
    with ReviewStore.open(store_url, create=False) as store:
        assert store.verify().broken == ()


@pytest.mark.slow
def test_eight_reviewers_decide_2000_items_once_each(store: ReviewStore, workers: Workers, magnet: Decision) -> None:
    store.add([(Row(str(n), f"magnet {n}"), magnet, n) for n in range(1, 2001)], GOODS)
    running = workers([f"reviewer {n}" for n in range(8)])
    answered = Counter(id for process in running for id in process.communicate()[0].split())
    assert [process.returncode for process in running] == [0] * 8
    assert len(answered) == 2000
    assert set(answered.values()) == {1}
    check_all_decided_once(store, 2000)


@pytest.mark.slow
def test_reviewers_work_while_batches_come_in(store: ReviewStore, workers: Workers, magnet: Decision) -> None:
    """New rows, rows that take the place of others, rows that need nobody any more, bulk decisions: no two block each other."""
    rows = range(1, 201)
    store.add([(Row(str(n), f"magnet {n % 50}"), magnet, n) for n in rows], GOODS)
    running = workers([f"reviewer {n}" for n in range(4)])
    for round_ in range(4):
        store.add([(Row(str(n), f"magnet {n % 50} of run {round_}"), magnet, n) for n in rows if n % 3], GOODS)
        store.finish(GOODS, [range(1, 201)], {n for n in rows if n % 5})
        for line in store.page(size=5).lines:
            preview = store.bulk(line.id, CLEO)
            with contextlib.suppress(ReviewConflictError, ReviewRightError):
                if preview.items:
                    store.decide_bulk(preview, CLEO, YES)
                    store.release(store.undo(CLEO).id, CLEO)
    running += workers(["late reviewer"])  # the others stop where the queue is empty for a moment
    assert [process.communicate() and process.returncode for process in running] == [0] * 5
    assert store.count() == len(store.page().lines) == 0
    assert store.verify().broken == ()


@pytest.mark.slow
def test_nothing_is_lost_when_reviewers_are_killed(store: ReviewStore, workers: Workers, magnet: Decision) -> None:
    store.set_settings(replace(ALONE, claim_minutes=0.02), CLEO)
    store.add([(Row(str(n), f"magnet {n}"), magnet, n) for n in range(1, 1001)], GOODS)
    confirmed: set[str] = set()
    for attempt in range(3):
        running = workers([f"reviewer {attempt} {n}" for n in range(4)])
        before = len(pages(store, Filters(states=(State.DECIDED,))))
        while len(pages(store, Filters(states=(State.DECIDED,)))) < before + 20:
            time.sleep(0.01)
        for process in running:
            process.send_signal(signal.SIGKILL)
        for process in running:
            confirmed |= {line for line in process.communicate()[0].split("\n")[:-1] if line}
    assert store.verify().broken == ()
    decided = {str(line.id) for line in pages(store, Filters(states=(State.DECIDED,)))}
    assert confirmed <= decided
    assert 20 <= len(decided) < 1000
    running = workers([f"late reviewer {n}" for n in range(8)])
    for process in running:
        process.communicate()
    check_all_decided_once(store, 1000)


def pages(store: ReviewStore, filters: Filters) -> list[Any]:
    found, cursor = [], ""
    while True:
        page = store.page(filters, cursor, 500)
        found += page.lines
        cursor = page.cursor
        if not cursor:
            return found
