"""Tag a catalogue file from end to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tagger.catalogue.tables import Batch, Source, cell_text, check_target, open_sink, open_source, runs_in_spreadsheet
from tagger.errors import UsageError
from tagger.pipeline import Tagger
from tagger.records import TAG_COLUMNS, Decision, Outcome, Reason, Row, join_columns, tag_columns
from tagger.review.store import ReviewQueue, review_path

ROWS_AT_ONCE = 2_000
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Which columns to read and how to write."""

    text: tuple[str, ...]
    id: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    safe_cells: bool = False


@dataclass(slots=True)
class Summary:
    """What came out of a run."""

    source: Path
    target: Path
    review: Path
    about: str
    rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    categories: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    formula_cells: int = 0

    def add(self, d: Decision) -> None:
        """Count one answer."""
        self.rows += 1
        self.outcomes[str(d.outcome)] += 1
        self.categories[d.category, str(d.outcome)] += 1
        self.reasons.update(str(r) for r in d.reasons)


def open_catalogue(source: Path, target: Path, options: BatchOptions) -> Source:
    """Open a file to be tagged, after checking the target and the columns; cheap beside loading a model.

    Raises
    ------
    UsageError
        Where a column is unknown, source and target are one file, or the target cannot be written.
    CatalogueError
        Where the source cannot be read.
    """
    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{target} is the input itself: name another file to write")
    check_target(target)
    table = open_source(source, options.encoding, options.sheet)
    _positions(table, [*options.text, *([options.id] if options.id else [])])
    return table


def tag_catalogue(table: Source, target: Path, options: BatchOptions, tagger: Tagger, progress: Progress | None = None) -> Summary:
    """Tag every row of a table and write them, in order, with the ``tag_`` columns.

    Parameters
    ----------
    table : Source
        From :func:`open_catalogue`.
    target : Path
        Format by suffix; it takes its name when it is complete, never before.
    options : BatchOptions
    tagger : Tagger
    progress : callable, optional
        Takes the number of rows done.

    Returns
    -------
    Summary

    Raises
    ------
    CatalogueError
        Where the source cannot be read to its end or the target cannot be written.
    """
    columns = _positions(table, options.text)
    ids = _positions(table, (options.id,)) if options.id else None
    summary = Summary(table.path, target, review_path(target), table.about)
    with (
        ReviewQueue.replacing(summary.review) as queue,
        open_sink(target, table, TAG_COLUMNS, safe_cells=options.safe_cells) as sink,
    ):
        for batch in table.batches(ROWS_AT_ONCE):
            rows = _rows(batch, columns, ids, summary.rows)
            decisions = _with_faults(tagger.tag_many(rows), batch)
            tags = [list(tag_columns(d).values()) for d in decisions]
            sink.write(batch, tags)
            queue.add((row, d, n) for n, (row, d) in enumerate(zip(rows, decisions, strict=True), summary.rows + 1))
            summary.formula_cells += _formula_cells(batch) if target.suffix.lower() in (".csv", ".tsv", ".txt") else 0
            for d in decisions:
                summary.add(d)
            if progress:
                progress(summary.rows)
    return summary


def _positions(table: Source, names: Sequence[str]) -> list[int]:
    for name in names:
        if name not in table.columns:
            known = ", ".join(repr(c) for c in table.columns)
            raise UsageError(f"{table.path} has no column {name!r}; its columns are: {known}")
    return [table.columns.index(name) for name in names]


def _rows(batch: Batch, columns: Sequence[int], ids: Sequence[int] | None, done: int) -> list[Row]:
    rows = []
    for n, cells in enumerate(batch.rows, done + 1):
        text = join_columns(cell_text(cells[i]) for i in columns if i < len(cells))
        id = cell_text(cells[ids[0]]) if ids and ids[0] < len(cells) else str(n)
        rows.append(Row(id, text))
    return rows


def _with_faults(decisions: list[Decision], batch: Batch) -> list[Decision]:
    """Rows that could not be read as rows go to review, whatever their text says."""
    for i, fault in batch.faults.items():
        d = decisions[i]
        reasons = [Reason.UNREADABLE.value, *(r for r in d.reasons if r != Reason.UNREADABLE)]
        decisions[i] = replace(d, outcome=Outcome.REVIEW.value, reasons=reasons, note=fault, evidence=(), remark_zh="")
    return decisions


def _formula_cells(batch: Batch) -> int:
    return sum(1 for row in batch.rows for cell in row if isinstance(cell, str) and runs_in_spreadsheet(cell))


def summary_dict(summary: Summary) -> dict[str, Any]:
    """Plain values of a summary, for JSON."""
    return {
        "source": str(summary.source),
        "target": str(summary.target),
        "review_queue": str(summary.review),
        "read_as": summary.about,
        "rows": summary.rows,
        "outcomes": {str(o): summary.outcomes.get(str(o), 0) for o in Outcome},
        "categories": {c: n for (c, o), n in sorted(summary.categories.items()) if o != Outcome.UNRELATED},
        "reasons": dict(sorted(summary.reasons.items())),
    }
