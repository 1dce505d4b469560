"""What is asked of the tables: pages of the queue, one item, the next free one, past decisions, figures of the day."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tagger.errors import ReviewError
from tagger.review import counting, log
from tagger.review.content import CONTENT, FINDINGS, dump, row_hash, sha256, storable
from tagger.review.items import (
    ANSWERED,
    WAITING,
    Answer,
    Bulk,
    Event,
    Facets,
    Filters,
    Item,
    Line,
    Opinion,
    Page,
    Role,
    Similar,
    Stage,
    State,
    Stats,
    Who,
)
from tagger.review.schema import events, findings, items, opinions, skips, tags

_Row = Mapping[Any, Any]
_CUT = 300
_MOST = 500
_PAST = 200
_LONGEST_WORDS = 200
_LEAST_LIKE = 0.3
_LINE = (
    *(items.c.id, items.c.batch, items.c.row_id, sa.func.substr(items.c.text, 1, _CUT).label("text"), items.c.lang),
    *(items.c.category, items.c.codes, items.c.reasons, items.c.confidence, items.c.margin, items.c.risk, items.c.suspected),
    *(items.c.state, items.c.stage, items.c.claimed_by, items.c.assigned_to, items.c.decided_by, items.c.answer_outcome),
)


def answer_dict(answer: Answer) -> dict[str, Any]:
    """An answer as plain values."""
    return {
        "outcome": answer.outcome,
        "category": answer.category,
        "codes": list(answer.codes),
        "why": answer.why,
        "from_text": answer.from_text,
    }


def answer_json(answer: Answer) -> str:
    """An answer as the tables keep it."""
    return dump(answer_dict(answer))


def answer_of(body: str) -> Answer:
    """An answer that the tables keep."""
    raw = json.loads(body)
    return Answer(raw["outcome"], raw["category"], tuple(raw["codes"]), raw["why"], raw["from_text"])


def opinion_values(opinion: Opinion) -> dict[str, Any]:
    """Columns of an opinion."""
    return {
        "stage": str(opinion.stage),
        "who": opinion.who,
        "at": opinion.at,
        "answer": answer_json(opinion.answer),
        "seconds": opinion.seconds,
    }


def resting(stage: str) -> str:
    """The state of an item that waits in a stage and that nobody has claimed."""
    return str(State.OPEN if stage == Stage.FIRST else State.SECOND_OPINION)


def standing(row: _Row) -> dict[str, Any]:
    """Where an item stands, as events tell it."""
    names = ("state", "stage", "claimed_by", "assigned_to", "decided_by", "row_hash")
    answer = row.get("answer", "")
    return {**{name: row.get(name, "") for name in names}, "answer": json.loads(answer) if answer else None}


def standings(connection: sa.Connection) -> Iterator[tuple[int, dict[str, Any]]]:
    """Where every item stands, its hash taken anew from what it holds."""
    names = ("id", "state", "stage", "claimed_by", "assigned_to", "decided_by", "answer")
    columns = (*(items.c[name] for name in names), *(findings.c[n] if n in FINDINGS else items.c[n] for n in CONTENT))
    query = sa.select(*columns).join_from(items, findings).order_by(items.c.id)
    for row in connection.execution_options(yield_per=_MOST).execute(query).mappings():
        yield row["id"], standing({**row, "row_hash": row_hash(row)})


def item(connection: sa.Connection, id: int) -> Item:
    """One item with all opinions.

    Raises
    ------
    ReviewError
        Where there is none.
    """
    row = connection.execute(_whole().where(items.c.id == id)).mappings().one_or_none()
    if row is None:
        raise ReviewError(f"no item {id} in the review store")
    pair = (row["text_hash"], row["rules_id"])
    return replace(
        _item(row), opinions=tuple(opinions_of(connection, id)), conflict=len(past_answers(connection, [pair])[pair]) > 1
    )


def items_after(connection: sa.Connection, filters: Filters, after: int, size: int) -> list[Item]:
    """Whole items in the order of their ids, without opinions: to go through all of them."""
    query = _whole().where(*conditions(filters), items.c.id > after).order_by(items.c.id).limit(size)
    return [_item(row) for row in connection.execute(query).mappings()]


def _whole() -> sa.Select[Any]:
    return sa.select(items, *(findings.c[name] for name in FINDINGS)).join_from(items, findings)


def _item(row: _Row) -> Item:
    plain = {name: row[name] for name in Item.__dataclass_fields__ if name in row}
    lists = {name: tuple(json.loads(row[name])) for name in ("codes", "reasons", "questions", "evidence", "quantities", "clauses")}
    return Item(
        **{
            **plain,
            **lists,
            "probabilities": json.loads(row["probabilities"]),
            "state": State(row["state"]),
            "stage": Stage(row["stage"]),
            "answer": answer_of(row["answer"]) if row["answer"] else None,
        }
    )


def stamp(row_hash: str, stage: str, answer: str) -> str:
    """Short hash of what a reviewer sees of an item and of the turn it is in: other when either changes."""
    return sha256(row_hash, str(stage), answer)[:32]


def stamp_of(item: Item) -> str:
    """The stamp of an item."""
    return stamp(item.row_hash, item.stage, answer_json(item.answer) if item.answer else "")


def opinions_of(connection: sa.Connection, id: int) -> list[Opinion]:
    """Opinions on an item, in the order of the stages."""
    rows = connection.execute(sa.select(opinions).where(opinions.c.item_id == id)).mappings()
    found = [Opinion(Stage(r["stage"]), r["who"], r["at"], answer_of(r["answer"]), r["seconds"]) for r in rows]
    return sorted(found, key=lambda o: list(Stage).index(o.stage))


def own_opinion(connection: sa.Connection, who: str, id: int | None) -> _Row | None:
    """Somebody's opinion on an item, or the latest one."""
    query = sa.select(opinions.c.item_id, opinions.c.stage).where(opinions.c.who == who)
    if id is not None:
        query = query.where(opinions.c.item_id == id)
    return connection.execute(query.order_by(opinions.c.at.desc(), opinions.c.item_id.desc()).limit(1)).mappings().one_or_none()


def conditions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """Filters as conditions on the items; every value is a parameter, none is SQL."""
    texts = ("category", "reason", "missing", "batch", "lang", "words", "who")
    clean: dict[str, Any] = {name: storable(getattr(filters, name)) for name in texts}
    filters = replace(filters, **clean)
    same = ((items.c.category, filters.category), (items.c.lang, filters.lang), (items.c.batch, filters.batch))
    found = [*_in_states(set(filters.states)), *(column == value for column, value in same if value)]
    if filters.stages:
        found.append(items.c.stage.in_([str(s) for s in filters.stages]))
    for kind, value in (("reason", filters.reason), ("missing", filters.missing)):
        mark = sa.select(tags.c.item_id).where(tags.c.kind == kind, tags.c.value == value, tags.c.item_id == items.c.id)
        found += [mark.exists()] if value else []
    if filters.margin is not None:
        found.append(sa.func.abs(items.c.margin) <= filters.margin)
    if filters.words:
        found.append(
            sa.or_(*(c.icontains(filters.words[:_LONGEST_WORDS], autoescape=True) for c in (items.c.text, items.c.row_id)))
        )
    if filters.who:
        said = sa.select(opinions.c.item_id).where(opinions.c.item_id == items.c.id, opinions.c.who == filters.who)
        found.append(sa.or_(items.c.claimed_by == filters.who, said.exists()))
    return found


def _in_states(states: set[State]) -> list[sa.ColumnElement[bool]]:
    """Conditions on the state; ``waiting`` says most of it and leads the indexes."""
    found: list[sa.ColumnElement[bool]] = []
    if states <= set(WAITING):
        found.append(items.c.waiting == sa.true())
    elif not states & set(WAITING):
        found.append(items.c.waiting == sa.false())
    if states != set(WAITING):
        found.append(items.c.state.in_([str(s) for s in sorted(states)]))
    return found


def page(connection: sa.Connection, filters: Filters, cursor: str, size: int) -> Page:
    """Lines by risk; the cursor is the risk and the id of the last line."""
    size = max(1, min(size, _MOST))
    query = sa.select(*_LINE).where(*conditions(filters)).order_by(items.c.risk.desc(), items.c.id)
    if cursor:
        risk, id = _cursor(cursor)
        query = query.where(items.c.risk <= risk, sa.or_(items.c.risk < risk, items.c.id > id))
    rows = connection.execute(query.limit(size + 1)).mappings().all()
    lines = tuple(_line(row) for row in rows[:size])
    return Page(lines, f"{lines[-1].risk!r}:{lines[-1].id}" if len(rows) > size else "")


def _cursor(cursor: str) -> tuple[float, int]:
    risk, _, id = cursor.partition(":")
    try:
        return float(risk), int(id)
    except ValueError:
        raise ReviewError("the cursor of the page is none that a page gave: begin at the first") from None


def _line(row: _Row) -> Line:
    values = {name: row[name] for name in Line.__dataclass_fields__}
    lists = {name: tuple(json.loads(row[name])) for name in ("codes", "reasons")}
    return Line(**{**values, **lists, "state": State(row["state"]), "stage": Stage(row["stage"])})


def count(connection: sa.Connection, filters: Filters) -> int:
    """How many items fit."""
    if filters == Filters():
        return sum(n for state, n in counting.read(connection, ["state"])["state"].items() if state in WAITING)
    return connection.execute(sa.select(sa.func.count()).select_from(items).where(*conditions(filters))).scalar_one()


def facets(connection: sa.Connection) -> Facets:
    """Values to filter by, the most frequent first."""
    return Facets(counting.read(connection, ("category", "reason", "missing", "batch", "lang", "stage")))


def next_free(connection: sa.Connection, filters: Filters, who: Who, now: str) -> _Row | None:
    """The riskiest item that somebody may claim, locked; disputed ones first for adjudicators, skipped ones last."""
    mine = sa.select(opinions.c.item_id).where(opinions.c.item_id == items.c.id, opinions.c.who == who.name)
    skipped = sa.select(skips.c.item_id).where(skips.c.item_id == items.c.id, skips.c.who == who.name)
    free = [
        *conditions(filters),
        items.c.waiting == sa.true(),
        sa.or_(items.c.claimed_by == "", items.c.claimed_by == who.name, items.c.claimed_until < now),
        items.c.assigned_to.in_(["", who.name]),
        ~mine.exists(),
    ]
    disputed = items.c.stage == str(Stage.ADJUDICATION)
    attempts: list[list[sa.ColumnElement[bool]]] = [
        [~skipped.exists(), items.c.stage != str(Stage.ADJUDICATION)],
        [skipped.exists()],
    ]
    if who.role == Role.ADJUDICATOR:
        attempts.insert(0, [disputed, ~skipped.exists()])
    else:
        attempts[1].append(items.c.stage != str(Stage.ADJUDICATION))
    for attempt in attempts:
        query = sa.select(items).where(*free, *attempt).order_by(items.c.risk.desc(), items.c.id).limit(1)
        found = connection.execute(query.with_for_update(skip_locked=True, of=items)).mappings().one_or_none()
        if found is not None:
            return dict(found)
    return None


def bulk(connection: sa.Connection, like: Item, who: Who, now: str) -> Bulk:
    """Items that the answer to one would decide too."""
    mine = sa.select(opinions.c.item_id).where(opinions.c.item_id == items.c.id, opinions.c.who == who.name)
    query = sa.select(*_LINE).where(
        items.c.text_hash == like.text_hash,
        items.c.rules_id == like.rules_id,
        items.c.codes == dump(list(like.codes)),
        items.c.waiting == sa.true(),
        items.c.stage == str(Stage.FIRST),
        sa.or_(items.c.claimed_by.in_(["", who.name]), items.c.claimed_until < now),
        items.c.assigned_to.in_(["", who.name]),
        ~mine.exists(),
    )
    lines = tuple(_line(row) for row in connection.execute(query.order_by(items.c.id)).mappings())
    return Bulk(tuple(line.id for line in lines), lines)


def has_answers(connection: sa.Connection) -> bool:
    """Whether anything was answered yet."""
    return not counting.read(connection, ["state"])["state"].keys().isdisjoint(map(str, ANSWERED))


def past_answers(connection: sa.Connection, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], list[_Row]]:
    """Past answers to texts under rulebooks (pairs of hash and id): one row for each that differs, the latest.

    Answers that rest on more than the text, and those that a later run superseded, are none.
    """
    found: dict[tuple[str, str], list[_Row]] = {pair: [] for pair in wanted}
    hashes = sorted({hash for hash, _ in wanted})
    states = [str(s) for s in ANSWERED]
    for start in range(0, len(hashes), _MOST):
        query = (
            sa.select(items.c.id, items.c.text_hash, items.c.rules_id, items.c.answer, items.c.decided_by, items.c.decided_at)
            .where(items.c.text_hash.in_(hashes[start : start + _MOST]), items.c.state.in_(states))
            .order_by(items.c.decided_at.desc(), items.c.id)
        )
        for row in connection.execute(query).mappings():
            answers = found.get((row["text_hash"], row["rules_id"]))
            said = answer_of(row["answer"])
            if answers is not None and said.from_text and not any(said.agrees_with(answer_of(a["answer"])) for a in answers):
                answers.append(row)
    return found


def similar(connection: sa.Connection, like: Item, size: int) -> list[Similar]:
    """Past decisions by likeness of the text: the same text first, then of the same category."""
    columns = (
        items.c.id,
        items.c.text,
        items.c.text_hash,
        items.c.rules_id,
        items.c.answer,
        items.c.decided_by,
        items.c.decided_at,
    )
    past = sa.select(*columns).where(items.c.state.in_([str(s) for s in ANSWERED]), items.c.id != like.id)
    latest = items.c.decided_at.desc()
    same = past.where(items.c.text_hash == like.text_hash).order_by(latest).limit(size)
    near = past.where(items.c.category == like.category, items.c.decided_at > "").order_by(latest).limit(_PAST)
    rows = {row["id"]: row for query in (same, near) for row in connection.execute(query).mappings()}
    own = _grams(like.text)
    found = [
        Similar(
            row["id"],
            row["text"][:_CUT],
            1.0 if row["text_hash"] == like.text_hash else _likeness(own, _grams(row["text"])),
            answer_of(row["answer"]),
            row["decided_by"],
            row["decided_at"],
            row["rules_id"] == like.rules_id,
        )
        for row in rows.values()
    ]
    return sorted((s for s in found if s.likeness >= _LEAST_LIKE), key=lambda s: -s.likeness)[:size]


def _grams(text: str) -> set[str]:
    head = " ".join(text[:_MOST].casefold().split())
    return {head[i : i + 3] for i in range(max(1, len(head) - 2))}


def _likeness(a: set[str], b: set[str]) -> float:
    return round(min(0.99, len(a & b) / len(a | b)), 3) if a | b else 0.0


def latest(connection: sa.Connection, size: int, before: int | None) -> list[Event]:
    """The latest lines of the log, newest first."""
    query = sa.select(events).order_by(events.c.seq.desc()).limit(size)
    if before is not None:
        query = query.where(events.c.seq < before)
    return [log.event(row) for row in connection.execute(query).mappings()]


def stats(connection: sa.Connection, day: dt.date) -> Stats:
    """Progress, and what was done on a day."""
    kept = counting.read(connection, ("state", "stage"))
    states = kept["state"]
    start, end = day.isoformat(), (day + dt.timedelta(days=1)).isoformat()
    query = sa.select(opinions.c.who, opinions.c.at, opinions.c.seconds).where(opinions.c.at >= start, opinions.c.at < end)
    rows = connection.execute(query).all()
    hours = Counter(int(at[11:13]) for _, at, _ in rows)
    taken = [seconds for *_, seconds in rows if seconds > 0]
    return Stats(
        day,
        {str(state): states.get(str(state), 0) for state in State},
        sum(states.get(str(state), 0) for state in WAITING),
        kept["stage"].get(str(Stage.ADJUDICATION), 0),
        dict(Counter(who for who, *_ in rows).most_common()),
        tuple(hours.get(hour, 0) for hour in range(24)),
        round(statistics.median(taken), 1) if taken else None,
        _agreement(connection),
    )


def _agreement(connection: sa.Connection) -> float | None:
    first, second = opinions.alias("first"), opinions.alias("second")
    query = sa.select(first.c.answer, second.c.answer).where(
        first.c.item_id == second.c.item_id, first.c.stage == str(Stage.FIRST), second.c.stage == str(Stage.SECOND)
    )
    pairs = [answer_of(a).agrees_with(answer_of(b)) for a, b in connection.execute(query)]
    return round(sum(pairs) / len(pairs), 4) if pairs else None
