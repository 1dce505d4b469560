"""Tag a catalogue file from end to end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tagger.catalogue.tables import Batch, Source, cell_text, check_target, open_sink, open_source, runs_in_spreadsheet
from tagger.errors import UsageError
from tagger.pipeline import Tagger
from tagger.records import TAG_COLUMNS, Decision, Outcome, Reason, Row, join_columns, tag_columns
from tagger.review.database import database_url, shown
from tagger.review.feed import batch_of, feeding
from tagger.review.store import review_path

ROWS_AT_ONCE = 2_000
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Which columns to read and how to write; ``trade`` names the columns with origin, value_share, destination and end_use.

    ``review`` is the store for what people have to decide, a file or a URL; by default a file beside the output.
    """

    text: tuple[str, ...]
    id: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    safe_cells: bool = False
    trade: Mapping[str, str] = field(default_factory=dict)
    review: str | Path | None = None

    @property
    def needed(self) -> list[str]:
        """Columns of the catalogue that are read."""
        return [*self.text, *([self.id] if self.id else []), *self.trade.values()]


@dataclass(slots=True)
class Summary:
    """What came out of a run."""

    source: Path
    target: Path
    review: str
    about: str
    rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    categories: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    remembered: int = 0
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
    _positions(table, options.needed)
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
    columns = _Columns(
        _positions(table, options.text),
        _positions(table, (options.id,))[0] if options.id else None,
        dict(zip(options.trade, _positions(table, list(options.trade.values())), strict=True))
        | dict(zip(tagger.assumptions.columns, _positions(table, tagger.assumptions.columns), strict=True)),
    )
    review = options.review or review_path(target)
    summary = Summary(table.path, target, shown(database_url(review)), table.about)
    with (
        feeding(review, batch_of(target, table.path, options.text, options.id), tagger.book) as feed,
        open_sink(target, table, TAG_COLUMNS, safe_cells=options.safe_cells) as sink,
    ):
        for batch in table.batches(ROWS_AT_ONCE):
            rows = _rows(batch, columns, summary.rows)
            decisions = feed.take(rows, _with_faults(tagger.tag_many(rows), batch), summary.rows + 1)
            tags = [list(tag_columns(d).values()) for d in decisions]
            sink.write(batch, tags)
            summary.formula_cells += _formula_cells(batch) if target.suffix.lower() in (".csv", ".tsv", ".txt") else 0
            for d in decisions:
                summary.add(d)
            if progress:
                progress(summary.rows)
        summary.remembered = feed.remembered
    return summary


def find_row(source: Path, wanted: str, text: tuple[str, ...], id: str | None = None) -> Row:
    """Find one row of a catalogue.

    Parameters
    ----------
    source : Path
    wanted : str
        Its id; without an id column, its number, the first row of data being 1.
    text : tuple of str
        Columns with the description.
    id : str, optional

    Raises
    ------
    UsageError
        Where a column or the row is not there, or several rows have the id.
    """
    table = open_source(source)
    positions = _Columns(_positions(table, text), _positions(table, (id,))[0] if id else None, {})
    rows: list[Row] = []
    done = 0
    for batch in table.batches(ROWS_AT_ONCE):
        rows += [row for row in _rows(batch, positions, done) if row.id == wanted]
        done += len(batch.rows)
    if len(rows) != 1:
        found = f"{len(rows)} rows" if rows else "no row"
        raise UsageError(f"{source} has {found} with {f'{id} {wanted!r}' if id else f'the number {wanted}, of {done}'}")
    return rows[0]


def _positions(table: Source, names: Sequence[str]) -> list[int]:
    for name in names:
        if name not in table.columns:
            known = ", ".join(repr(c) for c in table.columns)
            raise UsageError(f"{table.path} has no column {name!r}; its columns are: {known}")
    return [table.columns.index(name) for name in names]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the cells stand that a row is made of."""

    text: list[int]
    id: int | None
    extra: dict[str, int]


def _rows(batch: Batch, columns: _Columns, done: int) -> list[Row]:
    rows = []
    for n, cells in enumerate(batch.rows, done + 1):
        text = join_columns(cell_text(cells[i]) for i in columns.text if i < len(cells))
        id = cell_text(cells[columns.id]) if columns.id is not None and columns.id < len(cells) else str(n)
        rows.append(Row(id, text, {name: cell_text(cells[i]) for name, i in columns.extra.items() if i < len(cells)}))
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
        "review_queue": summary.review,
        "read_as": summary.about,
        "rows": summary.rows,
        "from_memory": summary.remembered,
        "outcomes": {str(o): summary.outcomes.get(str(o), 0) for o in Outcome},
        "categories": {c: n for (c, o), n in sorted(summary.categories.items()) if o != Outcome.UNRELATED},
        "reasons": dict(sorted(summary.reasons.items())),
    }
