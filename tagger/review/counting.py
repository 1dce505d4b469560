"""Counts of the queue by every value that it can be filtered by, kept up with each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tagger.review.schema import counts, tags

_Row = Mapping[str, Any]
_AT_ONCE = 500


def change(connection: sa.Connection, moves: Sequence[tuple[_Row, _Row]]) -> None:
    """Count items anew that changed from one row to another; an empty row before is a new item.

    To be called while the head of the log is locked: then no two transactions wait for each other's counts.
    """
    moved = [(before, after) for before, after in moves if _values(before) != _values(after)]
    marks = _marks(connection, [after["id"] for before, after in moved if _waits(before) != _waits(after)])
    total: Counter[tuple[str, str]] = Counter()
    for before, after in moved:
        own = marks.get(after["id"], []) if _waits(before) != _waits(after) else []
        total.update(_values(after) + (own if _waits(after) else []))
        total.subtract(_values(before) + (own if _waits(before) else []))
    _add(connection, [{"kind": kind, "value": value, "n": n} for (kind, value), n in sorted(total.items()) if n])


def _waits(row: _Row) -> bool:
    return bool(row.get("waiting"))


def _values(row: _Row) -> list[tuple[str, str]]:
    if not row:
        return []
    names = ("category", "batch", "lang", "stage") if _waits(row) else ()
    return [("state", str(row["state"])), *((name, str(row[name])) for name in names)]


def _marks(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for start in range(0, len(ids), _AT_ONCE):
        query = sa.select(tags.c.item_id, tags.c.kind, tags.c.value).where(tags.c.item_id.in_(ids[start : start + _AT_ONCE]))
        for id, kind, value in connection.execute(query):
            found.setdefault(id, []).append((kind, value))
    return found


def _add(connection: sa.Connection, changes: Sequence[_Row]) -> None:
    if not changes:
        return
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(counts)
    added = counts.c.n + insert.excluded.n
    connection.execute(insert.on_conflict_do_update(index_elements=[counts.c.kind, counts.c.value], set_={"n": added}), changes)


def read(connection: sa.Connection, kinds: Iterable[str]) -> dict[str, dict[str, int]]:
    """Counts by kind and value, the most frequent first."""
    found: dict[str, dict[str, int]] = {kind: {} for kind in kinds}
    query = sa.select(counts.c.kind, counts.c.value, counts.c.n).where(counts.c.kind.in_(list(found)), counts.c.n > 0)
    for kind, value, n in connection.execute(query.order_by(counts.c.n.desc(), counts.c.value)):
        found[kind][value] = n
    return found
