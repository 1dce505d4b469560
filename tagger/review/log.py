"""The log of the review store: append-only lines in one order, each chained to the one before by its hash."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tagger.review import schema
from tagger.review.content import dump, sha256, storable
from tagger.review.items import Action, Broken, Event, Verified

_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, before it has a number and a hash."""

    item: int | None
    who: str
    action: Action
    why: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    model_id: str = ""
    rules_id: str = ""


def now() -> str:
    """The moment in UTC, as the store writes it; such texts sort as the moments do."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")


def append(connection: sa.Connection, entries: Sequence[Entry]) -> None:
    """Write lines to the end of the log.

    The head is locked until the transaction ends, so that two writers never chain to the same line. Rows of items have to be
    locked before, never after: one order of locks, no deadlock.
    """
    if not entries:
        return
    end, previous = connection.execute(sa.select(schema.head.c.seq, schema.head.c.hash).with_for_update()).one()
    at = now()
    lines: list[dict[str, Any]] = []
    for seq, entry in enumerate(entries, end + 1):
        line = {
            "seq": seq,
            "item_id": entry.item,
            "at": at,
            "who": storable(entry.who),
            "action": str(entry.action),
            "why": storable(entry.why),
            "before": dump(entry.before),
            "after": dump(entry.after),
            "model_id": entry.model_id,
            "rules_id": entry.rules_id,
            "prev_hash": previous,
        }
        previous = chained(line, previous)
        lines.append({**line, "hash": previous})
    connection.execute(sa.insert(schema.events), lines)
    connection.execute(sa.update(schema.head).values(seq=lines[-1]["seq"], hash=previous))


def chained(line: Mapping[str, Any], previous: str) -> str:
    """Hash of a line, over its values and the hash of the line before."""
    names = ("seq", "item_id", "at", "who", "action", "why", "before", "after", "model_id", "rules_id")
    return sha256(previous, *(line[name] for name in names))


def read(connection: sa.Connection, item: int | None = None, after: int = 0, size: int = 1_000) -> list[Event]:
    """Lines of the log in order, of one item or of all."""
    query = sa.select(schema.events).where(schema.events.c.seq > after).order_by(schema.events.c.seq).limit(size)
    if item is not None:
        query = query.where(schema.events.c.item_id == item)
    return [event(row) for row in connection.execute(query).mappings()]


def event(row: Mapping[Any, Any]) -> Event:
    """A line of the table as a record."""
    return Event(
        row["seq"],
        row["item_id"],
        row["at"],
        row["who"],
        Action(row["action"]),
        row["why"],
        json.loads(row["before"]),
        json.loads(row["after"]),
        row["model_id"],
        row["rules_id"],
        row["prev_hash"],
        row["hash"],
    )


def verify(connection: sa.Connection, standing: Iterable[tuple[int, Mapping[str, Any]]], expected: str = "") -> Verified:
    """Check every line of the log, and that items stand as their last line says.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    standing : iterable of (int, mapping)
        Items and where they stand, as the ``after`` of an event.
    expected : str
        Hash of a line, noted before; it has to be in the log.
    """
    broken: list[Broken] = []
    last: dict[int, str] = {}
    previous, number, count, seen = "", 0, 0, not expected
    for row in _lines(connection):
        count += 1
        broken += _faults(row, number + 1, previous)
        number, previous = row["seq"], row["hash"]
        seen = seen or previous == expected
        if row["item_id"] is not None:
            last[row["item_id"]] = row["after"]
    seq, hash = connection.execute(sa.select(schema.head.c.seq, schema.head.c.hash)).one()
    if (seq, hash) != (number, previous):
        broken.append(Broken(0, f"the log ends at line {number}, it was written to line {seq}"))
    if not seen:
        broken.append(Broken(0, f"no line has the hash {expected}"))
    for item, stands in standing:
        told = json.loads(last.pop(item, "{}"))
        told.pop("said", None)
        if told != stands:
            broken.append(Broken(0, f"item {item} does not stand as its last line says"))
    broken += [Broken(0, f"item {item} of the log is not in the store") for item in last]
    return Verified(count, previous, tuple(broken))


def _lines(connection: sa.Connection) -> Iterator[Mapping[Any, Any]]:
    done = 0
    while True:
        query = sa.select(schema.events).where(schema.events.c.seq > done).order_by(schema.events.c.seq).limit(_AT_ONCE)
        rows = connection.execute(query).mappings().all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        done = rows[-1]["seq"]


def _faults(row: Mapping[Any, Any], number: int, previous: str) -> Iterator[Broken]:
    if row["seq"] != number:
        yield Broken(row["seq"], f"line {number} is missing or out of order")
    if row["prev_hash"] != previous:
        yield Broken(row["seq"], "the line is not chained to the one before")
    if chained(row, row["prev_hash"]) != row["hash"]:
        yield Broken(row["seq"], "the line was changed")
