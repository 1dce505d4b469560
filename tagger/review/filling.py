"""Put the rows of a run into the store: the same run twice adds nothing, a newer one supersedes what still waits."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tagger.review import content, counting, log, queries
from tagger.review.items import Action, BatchName, Stage, State
from tagger.review.schema import batches, events, findings, items, tags

AT_ONCE = 500


def add(connection: sa.Connection, prepared: Sequence[Mapping[str, Any]], batch: BatchName, who: str) -> int:
    """Add items; see :meth:`tagger.review.store.ReviewStore.add`."""
    name = _register(connection, batch)
    return _insert(connection, name, [_values(values, name, batch.key) for values in prepared], who)


def finish(connection: sa.Connection, batch: BatchName, taken: Sequence[range], queued: Container[int], who: str) -> int:
    """Supersede what needs no person any more; see :meth:`tagger.review.store.ReviewStore.finish`."""
    name = _register(connection, batch)
    query = sa.select(items).where(items.c.batch == name, items.c.waiting == sa.true()).order_by(items.c.id).with_for_update()
    rows = connection.execute(query).mappings()
    stale = [dict(r) for r in rows if r["row_number"] not in queued and any(r["row_number"] in t for t in taken)]
    _supersede(connection, stale, who)
    return len(stale)


def find(connection: sa.Connection, key: str) -> BatchName | None:
    """The batch with this key, or of this name."""
    query = sa.select(batches).where(sa.or_(batches.c.key == key, batches.c.name == key))
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return BatchName(row["name"], row["key"], row["source"], tuple(json.loads(row["text_columns"])), row["id_column"])


def _register(connection: sa.Connection, batch: BatchName) -> str:
    """Name of a batch, which is made where it is new; its row stays locked, so that two runs of it come one after the other."""
    known = sa.select(batches.c.name).where(batches.c.key == batch.key).with_for_update()
    found: str | None = connection.execute(known).scalar()
    if found:
        return found
    taken = set(connection.execute(sa.select(batches.c.name)).scalars())
    wanted = content.storable(batch.name)[:200] or "batch"
    name = next(n for n in (wanted, *(f"{wanted} ({i})" for i in range(2, len(taken) + 3))) if n not in taken)
    connection.execute(
        sa.insert(batches).values(
            name=name,
            key=batch.key,
            source=content.storable(batch.source),
            text_columns=content.dump([content.storable(c) for c in batch.text_columns]),
            id_column=content.storable(batch.id_column),
            added_at=log.now(),
        )
    )
    return name


def _values(prepared: Mapping[str, Any], batch: str, key: str) -> dict[str, Any]:
    names = ("row_number", "row_id", "text_hash", "rules_id")
    return {
        **prepared,
        "item_key": content.sha256(key, *(prepared[name] for name in names)),
        "batch": batch,
        "state": str(State.OPEN),
        "stage": str(Stage.FIRST),
        "waiting": True,
    }


def _insert(connection: sa.Connection, batch: str, piece: Sequence[Mapping[str, Any]], who: str) -> int:
    keys = [values["item_key"] for values in piece]
    numbers = [values["row_number"] for values in piece]
    others = sa.select(items).where(
        items.c.batch == batch, items.c.row_number.in_(numbers), items.c.waiting == sa.true(), items.c.item_key.not_in(keys)
    )
    _supersede(connection, [dict(r) for r in connection.execute(others.order_by(items.c.id).with_for_update()).mappings()], who)
    known = set(connection.execute(sa.select(items.c.item_key).where(items.c.item_key.in_(keys))).scalars())
    revived = _revive(connection, keys, who)
    new = [values for values in {v["item_key"]: v for v in piece}.values() if values["item_key"] not in known]
    if not new:
        return revived
    apart = {"tags", *content.FINDINGS}
    connection.execute(sa.insert(items), [{k: v for k, v in values.items() if k not in apart} for values in new])
    stored = connection.execute(sa.select(items.c.item_key, items.c.id).where(items.c.item_key.in_(keys)))
    id_of = {row.item_key: row.id for row in stored}  # with RETURNING each row would be a statement of its own
    ids = [id_of[values["item_key"]] for values in new]
    found = [{"item_id": id, **{k: values[k] for k in content.FINDINGS}} for id, values in zip(ids, new, strict=True)]
    connection.execute(sa.insert(findings), found)
    marks = [{"kind": k, "value": v, "item_id": id} for id, values in zip(ids, new, strict=True) for k, v in values["tags"]]
    if marks:
        connection.execute(sa.insert(tags), marks)
    entries = [_added(id, values, who) for id, values in zip(ids, new, strict=True)]
    log.append(connection, entries)
    counting.change(connection, [({}, {**values, "id": id}) for id, values in zip(ids, new, strict=True)])
    return revived + len(new)


def _revive(connection: sa.Connection, keys: Sequence[str], who: str) -> int:
    """Open items again that a run had superseded and a later one asks for again; what a person discarded stays so."""
    last = sa.select(sa.func.max(events.c.seq)).where(events.c.item_id == items.c.id).correlate(items).scalar_subquery()
    action = sa.select(events.c.action).where(events.c.seq == last).correlate(items).scalar_subquery()
    query = sa.select(items).where(
        items.c.item_key.in_(keys), items.c.state == str(State.DISCARDED), action == str(Action.SUPERSEDE)
    )
    gone = [dict(r) for r in connection.execute(query.order_by(items.c.id).with_for_update()).mappings()]
    for stage in dict.fromkeys(row["stage"] for row in gone):  # what people said of it stands
        changed = {"state": queries.resting(stage), "waiting": True}
        said = (who, "a later run of the batch asks again")
        _move(connection, [row for row in gone if row["stage"] == stage], changed, Action.REOPEN, said)
    return len(gone)


def _added(id: int, values: Mapping[str, Any], who: str) -> log.Entry:
    before = {name: values[name] for name in ("outcome", "category", "codes", "confidence")}
    stands = queries.standing(values)
    return log.Entry(id, who, Action.ADD, "", before, stands, values["model_id"], values["rules_id"])


def _supersede(connection: sa.Connection, stale: Sequence[Mapping[str, Any]], who: str) -> None:
    changed = {"state": str(State.DISCARDED), "waiting": False, "claimed_by": "", "claimed_at": "", "claimed_until": ""}
    _move(connection, stale, changed, Action.SUPERSEDE, (who, "a later run of the batch answers this row anew"))


def _move(
    connection: sa.Connection, rows: Sequence[Mapping[str, Any]], changed: Mapping[str, Any], action: Action, said: tuple[str, str]
) -> None:
    """Change items that a run moves, with their lines of the log; ``said`` is by whom and why."""
    ids = [row["id"] for row in rows]
    for start in range(0, len(ids), AT_ONCE):
        connection.execute(sa.update(items).where(items.c.id.in_(ids[start : start + AT_ONCE])).values(changed))
    log.append(connection, [_moved(row, changed, action, said) for row in rows])
    counting.change(connection, [(row, {**row, **changed}) for row in rows])


def _moved(row: Mapping[str, Any], changed: Mapping[str, Any], action: Action, said: tuple[str, str]) -> log.Entry:
    """The line of the log for one of them."""
    stands = queries.standing({**row, **changed})
    return log.Entry(row["id"], said[0], action, said[1], queries.standing(row), stands, row["model_id"], row["rules_id"])
