"""Write what people settled back into a tagged catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.catalogue.tables import cell_text, open_sink, open_source
from tagger.errors import UsageError
from tagger.records import TAG_COLUMNS, Decision, join_columns, tag_columns
from tagger.review.content import text_hash
from tagger.review.feed import batch_of
from tagger.review.items import ANSWERED, BatchName, Filters, Item
from tagger.review.memory import Past, answered, quantity_of
from tagger.review.store import ReviewStore
from tagger.rulebook import Rulebook

_ROWS_AT_ONCE = 2_000
_CHANGED = (
    *("tag_outcome", "tag_category", "tag_codes", "tag_reasons", "tag_questions"),
    *("tag_legal_status", "tag_announcement", "tag_remark_zh", "tag_decided_by"),
)


@dataclass(slots=True)
class Applied:
    """What came of writing answers back.

    ``written`` rows got an answer, ``waiting`` ones are for review still, ``stale`` ones are settled in the store but for
    another text or rulebook, ``taken_back`` ones carry an answer that the store no longer holds.
    """

    rows: int = 0
    written: int = 0
    waiting: int = 0
    stale: int = 0
    taken_back: int = 0


def apply_answers(store: ReviewStore, target: Path, book: Rulebook, batch: str = "") -> Applied:
    """Write the settled answers of a batch into the file that the run wrote; other rows and columns stay as they are.

    Parameters
    ----------
    store : ReviewStore
    target : Path
        Changed in one go at the end, or not at all.
    book : Rulebook
        For legal status and remark.
    batch : str
        Name of the batch, where the file was moved since.

    Raises
    ------
    UsageError
        Where the file has no ``tag_`` columns or the store does not know the batch.
    CatalogueError
        Where the file cannot be read or written.
    """
    table = open_source(target)
    missing = [c for c in TAG_COLUMNS if c not in table.columns]
    if missing:
        raise UsageError(f"{target} has no column {missing[0]}: name a file that `tagger batch` wrote")
    found = store.batch(batch or batch_of(target, target).key)
    if found is None:
        raise UsageError(
            f"the review store knows no batch {batch or target.name!r}: name it with --batch, see `tagger review stats`"
        )
    settled = {item.row_number: item for item in store.each(Filters(states=ANSWERED, batch=found.name))}
    columns = _Columns(list(table.columns), found)
    done = Applied()
    with open_sink(target, table, TAG_COLUMNS) as sink:
        for piece in table.batches(_ROWS_AT_ONCE):
            tags = []
            for row in piece.rows:
                done.rows += 1
                tags.append(_tags(row, settled.get(done.rows), columns, (done, book)))
            sink.write(piece, tags)
    return done


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the cells of a row stand."""

    names: list[str]
    batch: BatchName

    def cell(self, row: Sequence[Any], name: str) -> Any:
        """One cell as the file has it."""
        at = self.names.index(name)
        return row[at] if at < len(row) else None

    def is_of(self, row: Sequence[Any], item: Item) -> bool:
        """Whether an item was made from this row as it stands: its text, and the rulebook."""
        if cell_text(self.cell(row, "tag_rules")) != item.rules_id:
            return False
        if not self.batch.text_columns or any(c not in self.names for c in self.batch.text_columns):
            return False
        text = join_columns(cell_text(self.cell(row, c)) for c in self.batch.text_columns)
        return text_hash(text) == item.text_hash


def _tags(row: Sequence[Any], item: Item | None, columns: _Columns, to: tuple[Applied, Rulebook]) -> list[Any]:
    done, book = to
    own = {name: columns.cell(row, name) for name in TAG_COLUMNS}
    if item is None or item.answer is None:
        done.waiting += cell_text(own["tag_outcome"]) == "review"
        done.taken_back += cell_text(own["tag_decided_by"]) == "person"
        return list(own.values())
    if not columns.is_of(row, item):
        done.stale += 1
        return list(own.values())
    past = Past(item.id, item.answer, item.decided_by, item.decided_at)
    new = tag_columns(answered(_machine(item), past, book, "person"))
    done.written += 1
    before = cell_text(own["tag_evidence"]).partition("decided by ")[0].rstrip("; ")
    own |= {name: new[name] for name in _CHANGED}
    own["tag_evidence"] = "; ".join(t for t in (before, past.told) if t)
    return list(own.values())


def _machine(item: Item) -> Decision:
    """What the machine said of an item, as far as an answer builds on it."""
    return Decision(
        row_id=item.row_id,
        outcome=item.outcome,
        category=item.category,
        confidence=item.confidence,
        codes=list(item.codes),
        reasons=list(item.reasons),
        questions=list(item.questions),
        near_threshold=False,
        evidence=(),
        quantities=tuple(quantity_of(q) for q in item.quantities),
        legal_status=item.legal_status,
        announcement=item.announcement,
        remark_zh="",
        model_id=item.model_id,
        rules_id=item.rules_id,
        as_of=item.as_of,
    )
