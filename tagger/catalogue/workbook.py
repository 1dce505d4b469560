"""The tagged catalogue as a workbook that people can work in: summary, controlled, review, all, and the clauses it links to."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tagger.catalogue.summary import Summary
from tagger.catalogue.tables import Batch, Source
from tagger.catalogue.tables.sheets import LONGEST_CELL, MOST_LINKS, MOST_ROWS, Book
from tagger.files import replacing
from tagger.law import Clause
from tagger.records import TAG_COLUMNS, Outcome
from tagger.rulebook import Rulebook

_OUTCOME, _CODES = TAG_COLUMNS.index("tag_outcome"), TAG_COLUMNS.index("tag_codes")
_CLAUSE_HEAD = (
    ("code", 16),
    ("item", 60),
    ("Chinese", 60),
    ("category", 26),
    ("announcement", 22),
    ("status on the day", 18),
    ("figures", 50),
    ("conditions", 60),
    ("exclusions", 60),
    ("source", 40),
)
_WIDE = {"tag_codes": 24, "tag_questions": 60, "tag_evidence": 60, "tag_quantities": 40, "tag_also_applies": 40}
_USUAL, _WIDEST = 16, 50


class Results:
    """A workbook that is written row by row; a sheet that is full is continued on another."""

    def __init__(self, path: Path, source: Source, added: Sequence[str], about: tuple[Summary, Rulebook]) -> None:
        self._summary, self._law = about
        self._book = Book(path)
        self._keep = [i for i, name in enumerate(source.columns) if name not in added]
        self._width = len(source.columns)
        self._head = [*(source.columns[i] for i in self._keep), *added]
        self._before = len(added) - len(TAG_COLUMNS)  # added columns in front of the answer
        self._first_page = self._book.sheet("summary")
        self._places: dict[str, int] = {}
        self._sheets = {name: _Pages(self._book, name, self._head) for name in ("controlled", "review", "all")}
        self._clauses()

    def write(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        for row, tag in zip(batch.rows, tags, strict=True):
            outcome = tag[self._before + _OUTCOME]
            cells = [*(row[i] if i < len(row) else None for i in self._keep), *map(_fitting, tag), *row[self._width :]]
            self._sheets["all"].write(cells, (len(self._keep) + self._before + _OUTCOME, outcome))
            if outcome in ("controlled", "review"):
                at = len(self._keep) + self._before + _CODES
                self._sheets[outcome].write(cells, (at - _CODES + _OUTCOME, outcome), self._link(at, tag[self._before + _CODES]))

    def _link(self, column: int, codes: str) -> tuple[int, str, str] | None:
        """Where a cell of codes leads: to the text of the first one."""
        place = self._places.get(codes.split("; ", maxsplit=1)[0]) if codes else None
        return None if place is None else (column, f"'clauses'!A{place + 1}", codes)

    def _clauses(self) -> None:
        sheet = self._book.sheet("clauses")
        sheet.freeze_panes(1, 1)
        for column, (_, width) in enumerate(_CLAUSE_HEAD):
            sheet.set_column(column, column, width)
        self._book.write(sheet, 0, [name for name, _ in _CLAUSE_HEAD], "head")
        day = dt.date.fromisoformat(self._summary.made_with["as_of"])
        for number, clause in enumerate(self._law.clauses, 1):
            self._places[clause.code] = number
            self._book.write(sheet, number, [_fitting(cell) for cell in _clause_cells(clause, self._law, day)], "wrap")
        sheet.autofilter(0, 0, len(self._law.clauses), len(_CLAUSE_HEAD) - 1)

    def _write_summary(self) -> None:
        s, sheet, book = self._summary, self._first_page, self._book
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 6, 18)
        lines: list[tuple[Sequence[Any], str]] = [
            (("Tagged catalogue",), "title"),
            (("source", s.source), ""),
            (("read as", _fitting(s.about)), ""),
            *(((name.replace("_", " "), value), "") for name, value in s.made_with.items() if value),
            (("A reading aid, not legal advice. What is in doubt stands on the sheet review.",), ""),
            ((), ""),
            (("outcome", "rows", "share"), "head"),
            *(((str(o), s.outcomes.get(str(o), 0), s.outcomes.get(str(o), 0) / max(s.rows, 1)), str(o)) for o in Outcome),
            (("all", s.rows), "bold"),
            (("rows that could not be read", s.faults), ""),
            ((), ""),
            (("category", *map(str, Outcome)), "head"),
            *(((c, *(s.categories.get((c, str(o)), 0) for o in Outcome)), "") for c in sorted({c for c, _ in s.categories})),
            ((), ""),
            (("reason for review", "rows"), "head"),
            *(((reason, n), "") for reason, n in s.reasons.most_common()),
        ]
        for number, (cells, look) in enumerate(lines):
            book.write(sheet, number, cells, look)
            if look in tuple(Outcome):
                sheet.write_number(number, 2, cells[2], book.style("0.0%", look))
                if look in ("controlled", "review"):
                    book.link(sheet, (number, 3), f"'{look}'!A1", f"rows on the sheet {look}")

    def close(self) -> None:
        """Write the workbook."""
        self._write_summary()
        for pages in self._sheets.values():
            pages.close()
        self._first_page.activate()
        self._book.close()

    def release(self) -> None:
        """Let go of the temporary files, also after an error."""
        self._book.release()


class _Pages:
    """One sheet, and those that continue it."""

    def __init__(self, book: Book, name: str, head: Sequence[str]) -> None:
        self._book = book
        self._name = name
        self._head = head
        self._pages = 0
        self._open()

    def _open(self) -> None:
        self._pages += 1
        self._sheet = self._book.sheet(self._name if self._pages == 1 else f"{self._name} {self._pages}")
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._head):
            width = _WIDE.get(name, _USUAL if name.startswith("tag_") else min(_WIDEST, max(_USUAL, 2 * len(name))))
            self._sheet.set_column(column, column, width)
        self._book.write(self._sheet, 0, self._head, "head")
        self._rows = 1
        self._links = 0

    def write(self, cells: Sequence[Any], coloured: tuple[int, str], link: tuple[int, str, str] | None = None) -> None:
        """Write a row with its outcome in colour, and its codes as a link where there is room for one."""
        if self._rows >= MOST_ROWS:
            self.close()
            self._open()
        at, outcome = coloured
        self._book.write(self._sheet, self._rows, cells[:at])
        self._sheet.write_string(self._rows, at, outcome, self._book.style("@", outcome))
        self._book.write(self._sheet, self._rows, cells[at + 1 :], start=at + 1)
        if link and self._links < MOST_LINKS:
            self._links += 1
            self._book.link(self._sheet, (self._rows, link[0]), link[1], link[2])
        self._rows += 1

    def close(self) -> None:
        """Set the filters."""
        self._sheet.autofilter(0, 0, self._rows - 1, len(self._head) - 1)


def _fitting(cell: Any) -> Any:
    """A cell of our own that a workbook holds; the whole text stands in the other formats."""
    return f"{cell[: LONGEST_CELL - 4]} ..." if isinstance(cell, str) and len(cell) > LONGEST_CELL else cell


def _clause_cells(clause: Clause, book: Rulebook, day: dt.date) -> list[str]:
    announcement = book.announcement(clause.announcement)
    figures = [f"{p.quantity.replace('_', ' ')} {p.operator} {p.value} {p.unit}".rstrip() for p in clause.parameters]
    return [
        clause.code,
        clause.title_en,
        clause.title_zh,
        clause.category,
        announcement.number,
        book.legal_status(announcement.id, day).state,
        f" {clause.combine} ".join(figures) if len(figures) > 1 else "; ".join(figures),
        "\n".join(c.ask_en for c in clause.conditions),
        "\n".join(clause.exclusions),
        clause.source,
    ]


@contextlib.contextmanager
def open_results(path: Path, source: Source, added: Sequence[str], about: tuple[Summary, Rulebook]) -> Iterator[Results]:
    """Open the workbook of a run; it takes its name when the block ends without an error.

    Parameters
    ----------
    path : Path
    source : Source
        Where the rows come from; its columns come first.
    added : sequence of str
        Names of the added columns, the answer last.
    about : tuple of Summary and Rulebook
        The counts of the first sheet, and the clauses that rows link to.
    """
    with replacing(path) as temporary:
        results = Results(temporary, source, added, about)
        try:
            yield results
            results.close()
        finally:
            results.release()
