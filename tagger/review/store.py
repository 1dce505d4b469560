"""The review store: items that wait for people, claims and answers that no two people give twice, and the log of it all."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tagger.errors import ReviewConflictError, ReviewError, ReviewRightError
from tagger.records import Decision, Outcome, Row
from tagger.review import counting, filling, log, queries
from tagger.review.content import ReviewSettings, found_in, load_settings, placed, settings_of, storable, text_hash
from tagger.review.database import open_engine, reading, shown, writing
from tagger.review.items import (
    ANSWERED,
    Action,
    Answer,
    BatchName,
    Bulk,
    Event,
    Facets,
    Filters,
    Item,
    Opinion,
    Page,
    Role,
    Similar,
    Stage,
    State,
    Stats,
    Verified,
    Who,
)
from tagger.review.memory import Past
from tagger.review.rules import check_answer, needs_second
from tagger.review.schema import items, opinions, skips
from tagger.review.schema import settings as settings_table
from tagger.rulebook import Rulebook

_Row = Mapping[str, Any]
_PERSON_LIMIT = 200
_SAYS_NOTHING = (Action.ADD, Action.CLAIM, Action.RELEASE, Action.SKIP, Action.ASSIGN)
_UNCLAIMED = {"claimed_by": "", "claimed_at": "", "claimed_until": ""}


def review_path(target: Path) -> Path:
    """Name of the queue that belongs to a tagged file: ``tagged.csv`` -> ``tagged.review.sqlite``.

    Examples
    --------
    >>> review_path(Path("tagged.csv")).name
    'tagged.review.sqlite'
    """
    return target.with_name(f"{target.stem}.review.sqlite")


class ReviewStore:
    """A review store, open.

    Every method is one transaction (:meth:`add` one for each few hundred rows). Writes are safe with many people at once:
    SQLite takes its write lock at the start, PostgreSQL locks the rows; the log has one order.

    Attributes
    ----------
    engine : sqlalchemy.Engine
    book : Rulebook or None
        Where given, codes and categories of answers have to be in it.

    Examples
    --------
    >>> import tempfile
    >>> from tagger.records import Decision, Outcome, Row
    >>> d = Decision("1", "review", "ndfeb_magnet", 0.9, ["1C905.a.4"], ["MISSING_FACT"], ["Dysprosium?"], False, (), (), "", "",
    ...              "", "model-1", "rules-1", "2026-11-21")
    >>> with tempfile.TemporaryDirectory() as folder, ReviewStore.open(f"{folder}/review.sqlite") as store:
    ...     added = store.add([(Row("1", "NdFeB magnet N42"), d, 1)], BatchName("goods", "goods"))
    ...     item = store.next(Who("ann"))
    ...     done = store.decide(item.id, Who("ann"), Answer("controlled", "ndfeb_magnet", ("1C905.a.4",), "assay: 2 % Dy"))
    ...     done.state, done.decided_by, store.next(Who("ann")), store.verify().broken
    (<State.DECIDED: 'decided'>, 'ann', None, ())
    """

    def __init__(self, engine: sa.Engine, book: Rulebook | None = None) -> None:
        self.engine = engine
        self.book = book

    @classmethod
    @contextlib.contextmanager
    def open(cls, target: str | Path, book: Rulebook | None = None, *, create: bool = True) -> Iterator[ReviewStore]:
        """Open a store for a ``with`` block; a new one is made where there is none.

        Parameters
        ----------
        target : str or Path
            SQLite file, or ``postgresql+psycopg://`` URL.
        book : Rulebook, optional
        create : bool
            Make a store where there is none; otherwise that is an error.

        Raises
        ------
        ReviewError
            Where the database cannot be opened.
        """
        engine = open_engine(target, create=create)
        try:
            yield cls(engine, book)
        finally:
            engine.dispose()

    def __str__(self) -> str:
        return shown(self.engine.url)

    def writing(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """A transaction that writes."""
        return writing(self.engine)

    def reading(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """A transaction that only reads."""
        return reading(self.engine)

    # Settings

    @property
    def settings(self) -> ReviewSettings:
        """Settings of this store; the shipped ones until others are set."""
        with self.reading() as connection:
            return _settings(connection)

    def set_settings(self, settings: ReviewSettings, who: Who) -> None:
        """Give the store other settings; the log keeps both."""
        _allow(who, Role.ADJUDICATOR)
        with self.writing() as connection:
            before = _settings(connection)
            connection.execute(sa.delete(settings_table))
            connection.execute(sa.insert(settings_table).values(id=1, body=json.dumps(settings.as_dict())))
            entry = log.Entry(None, who.name, Action.SETTINGS, before=before.as_dict(), after=settings.as_dict())
            log.append(connection, [entry])

    # Filling

    def add(self, answers: Iterable[tuple[Row, Decision, int]], batch: BatchName, who: str = "batch") -> int:
        """Add the rows of a run that are for review; what is there already is left alone.

        Parameters
        ----------
        answers : iterable of (Row, Decision, int)
            Each with its row number. An item that waits for the same row of the same batch, but for another text or
            rulebook, is superseded.
        batch : BatchName
        who : str
            For the log.

        Returns
        -------
        int
            How many items are new.
        """
        settings = self.settings
        wanted = [placed(found_in(row.text, d), row.id, n, settings) for row, d, n in answers if d.outcome == Outcome.REVIEW]
        return self.add_prepared(wanted, batch, who)

    def add_prepared(self, prepared: Sequence[Mapping[str, Any]], batch: BatchName, who: str = "batch") -> int:
        """Add items that :func:`tagger.review.content.placed` made; see :meth:`add`."""
        added = 0
        for start in range(0, len(prepared), filling.AT_ONCE):
            with self.writing() as connection:  # a transaction a piece: reviewers do not wait for the whole run
                added += filling.add(connection, prepared[start : start + filling.AT_ONCE], batch, who)
        return added

    def finish(self, batch: BatchName, taken: Sequence[range], queued: Container[int], who: str = "batch") -> int:
        """Supersede what waits for rows of a batch that a later run of it answers without a person.

        Parameters
        ----------
        batch : BatchName
        taken : sequence of range
            Numbers of the rows that the run went through.
        queued : container of int
            Those of them that are for review.
        who : str
            For the log.

        Returns
        -------
        int
            How many items were superseded.
        """
        with self.writing() as connection:
            return filling.finish(connection, batch, taken, queued, who)

    def batch(self, key: str) -> BatchName | None:
        """The run with this key, or of this name; None where there is none."""
        with self.reading() as connection:
            return filling.find(connection, key)

    def recall(self, wanted: Sequence[tuple[str, str]]) -> list[list[Past]]:
        """What people said of texts before, under the same rulebook.

        Parameters
        ----------
        wanted : sequence of (str, str)
            Text, and id of the rulebook.

        Returns
        -------
        list of list of Past
            For each, the answers that differ from each other, the latest first: one at most where nobody disagreed.
        """
        with self.reading() as connection:
            if not queries.has_answers(connection):  # nobody has looked at the queue of the last run yet
                return [[] for _ in wanted]
            pairs = [(text_hash(text), rules_id) for text, rules_id in wanted]
            found = queries.past_answers(connection, pairs)
        return [[Past(r["id"], queries.answer_of(r["answer"]), r["decided_by"], r["decided_at"]) for r in found[p]] for p in pairs]

    # Looking

    def page(self, filters: Filters | None = None, cursor: str = "", size: int = 50) -> Page:
        """Lines of the queue, the riskiest first.

        Raises
        ------
        ReviewError
            Where the cursor is none that a page gave.
        """
        with self.reading() as connection:
            return queries.page(connection, filters or Filters(), cursor, size)

    def count(self, filters: Filters | None = None) -> int:
        """How many items fit."""
        with self.reading() as connection:
            return queries.count(connection, filters or Filters())

    def facets(self) -> Facets:
        """Values to filter by, with the number of waiting items of each."""
        with self.reading() as connection:
            return queries.facets(connection)

    def item(self, id: int, viewer: Who | None = None) -> Item:
        """One item; with ``viewer`` blind, where that person has not answered yet and somebody else has.

        Raises
        ------
        ReviewError
            Where there is none.
        """
        with self.reading() as connection:
            found = queries.item(connection, id)
        return found if viewer is None else _seen_by(found, viewer)

    def each(self, filters: Filters | None = None) -> Iterator[Item]:
        """Whole items in the order they came in, without opinions."""
        after = 0
        while True:
            with self.reading() as connection:
                found = queries.items_after(connection, filters or Filters(), after, filling.AT_ONCE)
            yield from found
            if len(found) < filling.AT_ONCE:
                return
            after = found[-1].id

    def history(self, id: int, viewer: Who | None = None) -> list[Event]:
        """The log of one item, oldest first; with ``viewer`` without others' answers, where :meth:`item` would be blind."""
        with self.reading() as connection:
            found, lines = queries.item(connection, id), log.read(connection, id)
        blind = viewer is not None and _seen_by(found, viewer) != found
        return [e for e in lines if e.action in _SAYS_NOTHING] if blind else lines

    def events(self, after: int = 0, size: int = 200) -> list[Event]:
        """Lines of the whole log after a number, in order: the audit view."""
        with self.reading() as connection:
            return log.read(connection, None, after, size)

    def latest(self, size: int = 200, before: int | None = None) -> list[Event]:
        """The latest lines of the whole log, the newest first; ``before`` a number for older ones."""
        with self.reading() as connection:
            return queries.latest(connection, size, before)

    def similar(self, id: int, size: int = 5) -> list[Similar]:
        """Past decisions that resemble an item, the likest first."""
        with self.reading() as connection:
            return queries.similar(connection, queries.item(connection, id), size)

    def stats(self, day: dt.date | None = None) -> Stats:
        """Progress, and what was done on a day (UTC; today by default)."""
        with self.reading() as connection:
            return queries.stats(connection, day or dt.datetime.now(dt.UTC).date())

    def verify(self, expected: str = "") -> Verified:
        """Check the whole log: chain, order, end, and that every item stands as its last line says.

        Parameters
        ----------
        expected : str
            Hash of the last line, noted at an earlier check; it has to be in the log still.
        """
        with self.reading() as connection:
            return log.verify(connection, queries.standings(connection), expected)

    # Claiming

    def next(self, who: Who, filters: Filters | None = None) -> Item | None:
        """Claim the riskiest item that this person may decide; None where there is none.

        An adjudicator gets items in dispute first. What the person skipped comes last, and what is assigned to others not at all.

        Raises
        ------
        ReviewRightError
            Where the role may not decide.
        """
        _allow(who, Role.REVIEWER)
        with self.writing() as connection:
            found = queries.next_free(connection, filters or Filters(), who, log.now())
            if found is None:
                return None
            self._claim(connection, found, who)
            return _seen_by(queries.item(connection, found["id"]), who)

    def claim(self, id: int, who: Who) -> Item:
        """Claim one item, or claim it for longer.

        Raises
        ------
        ReviewConflictError
            Where somebody else holds it or it waits for nobody.
        ReviewRightError
            Where the person may not answer it: a first reviewer never gives the second opinion.
        """
        with self.writing() as connection:
            row = _locked(connection, id)
            _check_turn(connection, row, who)
            self._claim(connection, row, who)
            return _seen_by(queries.item(connection, id), who)

    def release(self, id: int, who: Who) -> None:
        """Give a claimed item back. An adjudicator may release other people's claims."""
        with self.writing() as connection:
            row = _locked(connection, id)
            if row["claimed_by"] and row["claimed_by"] != who.name:
                _allow(who, Role.ADJUDICATOR)
            if row["claimed_by"]:
                _change(connection, row, _freed(row), log.Entry(id, who.name, Action.RELEASE))

    def skip(self, id: int, who: Who) -> None:
        """Give a claimed item back and see it again only after all others."""
        _allow(who, Role.REVIEWER)
        with self.writing() as connection:
            row = _locked(connection, id)
            if row["claimed_by"] not in ("", who.name):
                raise ReviewConflictError(f"item {id} is claimed by {row['claimed_by']}")
            connection.execute(sa.delete(skips).where(skips.c.item_id == id, skips.c.who == who.name))
            connection.execute(sa.insert(skips).values(item_id=id, who=who.name, at=log.now()))
            if row["waiting"]:
                _change(connection, row, _freed(row), log.Entry(id, who.name, Action.SKIP))

    def assign(self, ids: Sequence[int], to: str, who: Who) -> int:
        """Reserve waiting items for a person; an empty name frees them.

        Returns
        -------
        int
            How many items were assigned; those that wait for nobody, or that somebody else holds, are left alone.
        """
        _allow(who, Role.REVIEWER)
        _check_name(to or who.name)
        with self.writing() as connection:
            rows = _locked_many(connection, ids)
            free = [r for r in rows if r["waiting"] and r["claimed_by"] in ("", to) and r["assigned_to"] != to]
            for row in free:
                _change(connection, row, {"assigned_to": to}, log.Entry(row["id"], who.name, Action.ASSIGN))
            return len(free)

    # Deciding

    def decide(self, id: int, who: Who, answer: Answer, *, second: bool = False) -> Item:
        """Answer an item in the stage it is in; it is claimed on the way where nobody holds it.

        Parameters
        ----------
        id : int
        who : Who
        answer : Answer
        second : bool
            Ask for a second opinion even where no rule does.

        Returns
        -------
        Item
            As it stands now: ``decided``, ``second_opinion`` or ``settled``.

        Raises
        ------
        ReviewConflictError
            Where somebody else holds it or it is decided.
        ReviewRightError
            Where the person may not answer it.
        ReviewError
            Where the answer does not fit together.
        """
        with self.writing() as connection:
            row = _locked(connection, id)
            self._decide(connection, row, who, answer, second=second)
            return queries.item(connection, id)

    def bulk(self, id: int, who: Who) -> Bulk:
        """The items that one answer would decide: same text, rulebook and clauses, waiting for a first answer, free."""
        with self.reading() as connection:
            return queries.bulk(connection, queries.item(connection, id), who, log.now())

    def decide_bulk(self, bulk: Bulk, who: Who, answer: Answer) -> int:
        """Give one answer to all items of a preview, or to none.

        Raises
        ------
        ReviewConflictError
            Where one of them is no longer as the preview showed it.
        """
        if not bulk.items:
            raise ReviewError("no item to decide")
        with self.writing() as connection:
            rows = _locked_many(connection, bulk.items)
            alike = {(r["text_hash"], r["rules_id"], r["codes"]) for r in rows}
            if len(rows) != len(set(bulk.items)) or len(alike) != 1 or any(r["stage"] != Stage.FIRST for r in rows):
                raise ReviewConflictError("the items are not as the preview showed them: look again")
            for row in rows:
                self._decide(connection, row, who, answer)
            return len(rows)

    def decide_all(self, answers: Sequence[tuple[int, str, Answer]], who: Who, via: str = "") -> int:
        """Give many answers, or none where one of them cannot be given.

        Parameters
        ----------
        answers : sequence of (int, str, Answer)
            Item, its stamp when the answer was formed, and the answer.
        who : Who
        via : str
            Where the answers come from, for the log.

        Raises
        ------
        ReviewConflictError
            Naming the items that changed or cannot be answered by this person.
        """
        twice = [id for id, n in Counter(id for id, *_ in answers).items() if n > 1]
        if twice:
            raise ReviewConflictError(f"item {twice[0]} is answered twice: nothing was taken over")
        with self.writing() as connection:
            rows = {row["id"]: row for row in _locked_many(connection, [id for id, *_ in answers])}
            faults: list[str] = []
            for id, stamp, answer in answers:
                try:
                    row = rows.get(id)
                    if row is None or queries.stamp(row["row_hash"], row["stage"], row["answer"]) != stamp:
                        raise ReviewConflictError(f"item {id} is no longer as it was exported")
                    self._decide(connection, row, who, answer, second=False, via=via)
                except ReviewError as error:
                    faults.append(str(error))
            if faults:
                more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
                raise ReviewConflictError(f"nothing was taken over: {'; '.join(faults[:5])}{more}")
            return len(answers)

    def undo(self, who: Who, id: int | None = None) -> Item:
        """Take back one's own answer, the latest by default; the item is claimed by that person again.

        Raises
        ------
        ReviewConflictError
            Where somebody answered or claimed it since.
        ReviewError
            Where there is no answer to take back.
        """
        _allow(who, Role.REVIEWER)
        with self.writing() as connection:
            found = queries.own_opinion(connection, who.name, id)
            if found is None:
                raise ReviewError("there is no answer of yours to take back")
            row = _locked(connection, found["item_id"])
            given = queries.opinions_of(connection, row["id"])
            if not given or given[-1].who != who.name or row["claimed_by"] not in ("", who.name) or row["state"] == State.DISCARDED:
                raise ReviewConflictError(
                    f"item {row['id']} was taken up by somebody else since your answer: an adjudicator can reopen it"
                )
            mine = (opinions.c.item_id == row["id"], opinions.c.stage == given[-1].stage)
            connection.execute(sa.delete(opinions).where(*mine))
            changed = {**self._claimed(connection, who), "stage": str(given[-1].stage), **_UNANSWERED, "state": str(State.CLAIMED)}
            _change(connection, row, changed, log.Entry(row["id"], who.name, Action.UNDO))
            return queries.item(connection, row["id"])

    def reopen(self, id: int, who: Who, why: str) -> Item:
        """Open an answered or discarded item again; all opinions are put aside (the log keeps them).

        Raises
        ------
        ReviewRightError
            Where the person is no adjudicator.
        ReviewError
            Where no reason is given, or the item waits anyway.
        """
        _allow(who, Role.ADJUDICATOR)
        _need_why(why, "reopening an item")
        with self.writing() as connection:
            row = _locked(connection, id)
            if row["waiting"]:
                raise ReviewConflictError(f"item {id} is {row['state']}: it waits for an answer already")
            connection.execute(sa.delete(opinions).where(opinions.c.item_id == id))
            changed = {**_UNCLAIMED, **_UNANSWERED, "state": str(State.OPEN), "stage": str(Stage.FIRST)}
            _change(connection, row, changed, log.Entry(id, who.name, Action.REOPEN, why))
            return queries.item(connection, id)

    def discard(self, id: int, who: Who, why: str) -> Item:
        """Take an item off the queue without an answer.

        Raises
        ------
        ReviewRightError
            Where the person is no adjudicator.
        ReviewError
            Where no reason is given, or the item waits for nobody.
        """
        _allow(who, Role.ADJUDICATOR)
        _need_why(why, "discarding an item")
        with self.writing() as connection:
            row = _locked(connection, id)
            if not row["waiting"]:
                raise ReviewConflictError(f"item {id} is {row['state']}: only what waits can be discarded")
            changed = {**_UNCLAIMED, "state": str(State.DISCARDED), "waiting": False}
            _change(connection, row, changed, log.Entry(id, who.name, Action.DISCARD, why))
            return queries.item(connection, id)

    def _claim(self, connection: sa.Connection, row: _Row, who: Who) -> None:
        changed = {**self._claimed(connection, who), "state": str(State.CLAIMED)}
        if row["claimed_by"] == who.name:
            changed["claimed_at"] = row["claimed_at"]
            connection.execute(sa.update(items).where(items.c.id == row["id"]).values(changed))
        else:
            _change(connection, row, changed, log.Entry(row["id"], who.name, Action.CLAIM))

    def _claimed(self, connection: sa.Connection, who: Who) -> dict[str, Any]:
        at = dt.datetime.now(dt.UTC)
        until = at + dt.timedelta(minutes=_settings(connection).claim_minutes)
        stamps = [moment.isoformat(timespec="microseconds") for moment in (at, until)]
        return {"claimed_by": who.name, "claimed_at": stamps[0], "claimed_until": stamps[1]}

    def _decide(
        self, connection: sa.Connection, row: _Row, who: Who, answer: Answer, *, second: bool = False, via: str = ""
    ) -> None:
        _check_turn(connection, row, who)
        settings = _settings(connection)
        answer = replace(answer, why=storable(answer.why), codes=tuple(storable(c) for c in answer.codes))
        check_answer(answer, row, settings, self.book)
        given = queries.opinions_of(connection, row["id"])
        opinion = Opinion(Stage(row["stage"]), who.name, log.now(), answer, _seconds(row, who))
        connection.execute(sa.insert(opinions).values(item_id=row["id"], **queries.opinion_values(opinion)))
        connection.execute(sa.delete(skips).where(skips.c.item_id == row["id"]))
        if opinion.stage == Stage.FIRST and (second or needs_second(answer, row, settings)):
            changed, action = _waiting_for(Stage.SECOND), Action.DECIDE
        elif opinion.stage == Stage.SECOND and not answer.agrees_with(given[0].answer):
            changed, action = _waiting_for(Stage.ADJUDICATION), Action.DISAGREE
        else:
            action = Action.ADJUDICATE if opinion.stage == Stage.ADJUDICATION else Action.DECIDE
            changed = _final(opinion, given)
        entry = log.Entry(
            row["id"],
            who.name,
            action,
            answer.why,
            after={"said": {**queries.answer_dict(answer), **({"via": via} if via else {})}},
        )
        _change(connection, row, changed, entry)


_UNANSWERED = {"waiting": True, "answer": "", "answer_outcome": "", "decided_by": "", "decided_at": ""}


def _final(opinion: Opinion, given: Sequence[Opinion]) -> dict[str, Any]:
    """Columns of an item that has its answer; two that agree stand for it together, an adjudicator alone."""
    names, answer = [opinion.who], opinion.answer
    if opinion.stage == Stage.SECOND:
        first = given[0]
        names = [first.who, opinion.who]
        from_text = first.answer.from_text and answer.from_text
        answer = Answer(answer.outcome, answer.category, answer.codes, first.answer.why or answer.why, from_text)
    return {
        **_UNCLAIMED,
        "state": str(State.DECIDED if opinion.stage == Stage.FIRST else State.SETTLED),
        "waiting": False,
        "assigned_to": "",
        "answer": queries.answer_json(answer),
        "answer_outcome": answer.outcome,
        "decided_by": ", ".join(names),
        "decided_at": opinion.at,
    }


def _freed(row: _Row) -> dict[str, Any]:
    """Columns of an item that is claimed no longer."""
    return {**_UNCLAIMED, "state": queries.resting(row["stage"])}


def _waiting_for(stage: Stage) -> dict[str, Any]:
    return {**_UNCLAIMED, "state": str(State.SECOND_OPINION), "stage": str(stage), "assigned_to": ""}


def _settings(connection: sa.Connection) -> ReviewSettings:
    body = connection.execute(sa.select(settings_table.c.body)).scalar()
    return settings_of(json.loads(body), "settings of the store") if body else load_settings()


def _seen_by(item: Item, viewer: Who) -> Item:
    """Second reviewers judge for themselves: who has not answered does not see what others said while it is open."""
    open_to = item.stage == Stage.ADJUDICATION and viewer.role != Role.REVIEWER
    if item.state in ANSWERED or open_to or viewer.role == Role.AUDITOR or any(o.who == viewer.name for o in item.opinions):
        return item
    return item.blind()


def _seconds(row: _Row, who: Who) -> float:
    if row["claimed_by"] != who.name or not row["claimed_at"]:
        return 0.0
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(row["claimed_at"])).total_seconds()


def _allow(who: Who, role: Role) -> None:
    """Refuse a person without the role, and a name that the log cannot keep."""
    _check_name(who.name)
    allowed = (Role.ADJUDICATOR,) if role == Role.ADJUDICATOR else (Role.REVIEWER, Role.ADJUDICATOR)
    if who.role not in allowed:
        raise ReviewRightError(f"{who.name} is {who.role}: this takes {' or '.join(allowed)}")


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _PERSON_LIMIT or "," in name or not name.isprintable():
        raise ReviewError(f"{name[:50]!r} cannot be the name of a person: 1 to {_PERSON_LIMIT} printable characters, no comma")


def _need_why(why: str, what: str) -> None:
    if not why.strip():
        raise ReviewError(f"{what} needs a reason in words")


def _check_turn(connection: sa.Connection, row: _Row, who: Who) -> None:
    """Refuse who may not answer this item now."""
    _allow(who, Role.ADJUDICATOR if row["stage"] == Stage.ADJUDICATION else Role.REVIEWER)
    if not row["waiting"]:
        raise ReviewConflictError(f"item {row['id']} is {row['state']}: it waits for no answer")
    if row["claimed_by"] not in ("", who.name) and row["claimed_until"] >= log.now():
        raise ReviewConflictError(f"item {row['id']} is claimed by {row['claimed_by']}")
    if row["assigned_to"] not in ("", who.name):
        raise ReviewConflictError(f"item {row['id']} is assigned to {row['assigned_to']}")
    if any(o.who == who.name for o in queries.opinions_of(connection, row["id"])):
        raise ReviewRightError(f"{who.name} has answered item {row['id']} already: it waits for somebody else")


def _locked(connection: sa.Connection, id: int) -> _Row:
    rows = _locked_many(connection, [id])
    if not rows:
        raise ReviewError(f"no item {id} in the review store")
    return rows[0]


def _locked_many(connection: sa.Connection, ids: Iterable[int]) -> list[_Row]:
    """Rows locked for this transaction, always in the same order."""
    found: list[_Row] = []
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), 500):
        query = sa.select(items).where(items.c.id.in_(wanted[start : start + 500])).order_by(items.c.id).with_for_update()
        found += [dict(row) for row in connection.execute(query).mappings()]
    return found


def _change(connection: sa.Connection, row: _Row, changed: Mapping[str, Any], entry: log.Entry) -> None:
    """Write an item's new standing, and the line of the log that tells it."""
    connection.execute(sa.update(items).where(items.c.id == row["id"]).values(changed))
    before, after = queries.standing(row), queries.standing({**row, **changed})
    line = log.Entry(
        row["id"],
        entry.who,
        entry.action,
        entry.why,
        before,
        {**after, **entry.after},
        row["model_id"],
        row["rules_id"],
    )
    log.append(connection, [line])
    counting.change(connection, [(row, {**row, **changed})])
