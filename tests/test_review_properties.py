"""Whatever people do in the review room, in whatever order: the log holds, counts are right, nobody speaks twice."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tagger.errors import ReviewError
from tagger.records import ClauseResult, Decision, Row, Truth
from tagger.review.content import load_settings, text_hash
from tagger.review.items import ANSWERED, WAITING, Answer, BatchName, Filters, Item, Role, Stage, State, Who
from tagger.review.store import ReviewStore

PEOPLE = [Who("ann"), Who("bob"), Who("cleo", Role.ADJUDICATOR), Who("dora", Role.ADJUDICATOR), Who("otto", Role.AUDITOR)]
ANSWERS = [
    Answer("controlled", "ndfeb_magnet", ("1C905.a.4",)),
    Answer("not_controlled", "ndfeb_magnet", (), "no Dy"),
    Answer("unrelated", "none", (), "a toy"),
]
WHO = st.sampled_from(PEOPLE)
ROW = st.integers(1, 6)
UNSURE = ClauseResult("1C905.a.4", Truth.UNKNOWN, None, ())


def decision(rules: str) -> Decision:
    return Decision(
        *(
            "",
            "review",
            "ndfeb_magnet",
            0.9,
            ["1C905.a.4"],
            ["MISSING_FACT"],
            ["Dy?", "镝？"],
            False,
            (),
            (),
            "",
            "",
            "",
            "model-1",
        ),
        *(rules, "2026-11-22"),
        clauses=(UNSURE,),
        probabilities={"ndfeb_magnet": 0.9, "none": 0.1},
    )


class ReviewRoom(RuleBasedStateMachine):
    """People add, claim, decide, skip, undo, reopen and discard at random; refusals are fine, faults are not."""

    @initialize(sample=st.sampled_from([0.0, 0.5]))
    def open(self, sample: float) -> None:
        self.stack = contextlib.ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.store = self.stack.enter_context(ReviewStore.open(f"{folder}/review.sqlite"))
        self.store.set_settings(replace(load_settings(), second_sample=sample), PEOPLE[2])
        self.add([1, 2, 3, 4], "same", "rules-1")

    def teardown(self) -> None:
        self.stack.close()

    def ids(self) -> list[int]:
        return [item.id for item in self.store.each(Filters(states=tuple(State)))]

    def pick(self, n: int) -> int:
        ids = self.ids()
        return ids[n % len(ids)]

    @rule(
        rows=st.lists(ROW, max_size=4),
        text=st.sampled_from(["same", "other", "<b>"]),
        rules=st.sampled_from(["rules-1", "rules-2"]),
    )
    def add(self, rows: list[int], text: str, rules: str) -> None:
        self.store.add([(Row(str(n), text), decision(rules), n) for n in rows], BatchName("goods", "goods"))

    @rule(rows=st.sets(ROW))
    def finish(self, rows: set[int]) -> None:
        self.store.finish(BatchName("goods", "goods"), [range(1, 7)], rows)

    @rule(who=WHO, answer=st.sampled_from(ANSWERS), second=st.booleans())
    def take_and_decide(self, who: Who, answer: Answer, second: bool) -> None:
        with contextlib.suppress(ReviewError):
            item = self.store.next(who)
            if item is not None:
                self.store.decide(item.id, who, answer, second=second)

    @rule(
        who=WHO, n=ROW, answer=st.sampled_from(ANSWERS), act=st.sampled_from(["decide", "claim", "release", "skip", "bulk", "undo"])
    )
    def one(self, who: Who, n: int, answer: Answer, act: str) -> None:
        id = self.pick(n)
        with contextlib.suppress(ReviewError):
            if act == "decide":
                self.store.decide(id, who, answer)
            elif act == "bulk":
                self.store.decide_bulk(self.store.bulk(id, who), who, answer)
            elif act == "undo":
                self.store.undo(who)
            else:
                getattr(self.store, act)(id, who)

    @rule(who=WHO, n=ROW, act=st.sampled_from(["reopen", "discard", "assign"]))
    def govern(self, who: Who, n: int, act: str) -> None:
        id = self.pick(n)
        with contextlib.suppress(ReviewError):
            if act == "assign":
                self.store.assign([id], "bob", who)
            else:
                getattr(self.store, act)(id, who, "because")

    @invariant()
    def the_log_holds(self) -> None:
        assert self.store.verify().broken == ()

    @invariant()
    def counts_are_right(self) -> None:
        items = list(self.store.each(Filters(states=tuple(State))))
        assert {s: n for s, n in self.store.stats().states.items() if n} == Counter(str(i.state) for i in items)
        waiting = [i for i in items if i.state in WAITING]
        assert self.store.count() == len(waiting) == len(self.store.page(size=500).lines)
        assert self.store.facets().counts["reason"] == ({"MISSING_FACT": len(waiting)} if waiting else {})
        assert self.store.facets().counts["stage"] == Counter(str(i.stage) for i in waiting)

    @invariant()
    def every_item_stands_as_its_opinions_say(self) -> None:
        for id in self.ids():
            self.check(self.store.item(id))

    def check(self, item: Item) -> None:
        said = item.opinions
        assert item.text_hash == text_hash(item.text)
        assert len({o.who for o in said}) == len(said)
        assert "otto" not in {item.claimed_by, item.decided_by, *(o.who for o in said)}
        assert [o.stage for o in said] == list(Stage)[: len(said)]
        assert (item.state == State.CLAIMED) == bool(item.claimed_by)
        if len(said) == 3:
            assert said[2].who in ("cleo", "dora")
        if item.state in ANSWERED:
            assert item.answer is not None
            assert item.answer.agrees_with(said[-1].answer)
            cleared = item.answer.outcome != "controlled"
            assert not (cleared and item.suspected and len(said) < 2)
        elif item.state != State.DISCARDED:
            assert item.answer is None
            assert item.stage == list(Stage)[len(said)]


TestReviewRoom = ReviewRoom.TestCase
TestReviewRoom.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
