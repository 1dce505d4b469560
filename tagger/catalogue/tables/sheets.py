"""XLSX out, by XlsxWriter row by row: cells keep type and format, text is written as text and is never a formula."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tagger.catalogue.tables.cells import Batch, NumberCell, Source, cell_text
from tagger.errors import CatalogueError

MOST_ROWS = 1_048_576
LONGEST_CELL = 32_767
MOST_LINKS = 65_000  # a sheet holds 65,530
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_EPOCH = dt.datetime(2000, 1, 1)  # the same rows are the same bytes, whenever they are written
_DATE_FROM = dt.datetime(1900, 1, 1)


class Book:
    """A workbook that is written row by row; its memory does not grow with the rows."""

    def __init__(self, path: Path) -> None:
        import xlsxwriter

        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "tmpdir": str(path.parent)}
        self._book = xlsxwriter.Workbook(str(path), options)
        self._book.set_properties({"created": _EPOCH})
        self._formats: dict[tuple[str, str], Any] = {}
        self._closed = False

    def sheet(self, name: str) -> Any:
        """A new sheet."""
        return self._book.add_worksheet(name)

    def style(self, number_format: str = "@", look: str = "") -> Any:
        """A cell style; ``look`` is one of the looks below."""
        found = self._formats.get((number_format, look))
        if found is None:
            found = self._formats[number_format, look] = self._book.add_format({"num_format": number_format, **_LOOKS[look]})
        return found

    def write(self, sheet: Any, row: int, cells: Sequence[Any], look: str = "", *, start: int = 0) -> None:
        """Write cells of a row as they are."""
        for column, cell in enumerate(cells, start):
            self._cell(sheet, (row, column), cell, look)

    def _cell(self, sheet: Any, place: tuple[int, int], cell: Any, look: str) -> None:
        row, column = place
        shown = "General"
        if isinstance(cell, NumberCell):
            cell, shown = cell
        if cell is None or cell == "":
            if look:
                sheet.write_blank(row, column, None, self.style("@", look))
        elif isinstance(cell, bool):
            sheet.write_boolean(row, column, cell, self.style("General", look) if look else None)
        elif isinstance(cell, int | float) and cell == cell and abs(cell) < 1e15:
            sheet.write_number(row, column, cell, self.style(shown, look) if look or shown != "General" else None)
        elif isinstance(cell, dt.date | dt.time | dt.timedelta) and not _before_dates(cell):
            style = self.style(shown if shown != "General" else "yyyy-mm-dd", look)
            sheet.write_datetime(row, column, cell, style)
        else:
            sheet.write_string(row, column, sheet_text(cell), self.style("@", look))

    def link(self, sheet: Any, place: tuple[int, int], to: str, text: str) -> None:
        """A cell that leads to another place of the workbook."""
        sheet.write_url(*place, f"internal:{to}", self.style("@", "link"), sheet_text(text))

    def close(self) -> None:
        """Write the workbook."""
        self._book.close()
        self._closed = True

    def release(self) -> None:
        """Let go of the temporary files, also after an error."""
        if not self._closed:
            self._closed = True
            for sheet in self._book.worksheets():
                sheet._opt_close()  # noqa: SLF001  XlsxWriter has no public way to drop a workbook
                Path(sheet.row_data_filename).unlink(missing_ok=True)
            self._book.fileclosed = 1


def _before_dates(cell: Any) -> bool:
    """Whether a date lies before the first that a spreadsheet knows, or tells a time zone."""
    if isinstance(cell, dt.datetime):
        return cell.tzinfo is not None or cell < _DATE_FROM
    return isinstance(cell, dt.date) and cell < _DATE_FROM.date()


def sheet_text(cell: Any) -> str:
    """A text that a sheet can hold: signs that XML has no place for are replaced.

    Raises
    ------
    CatalogueError
        Where it is longer than a cell holds.
    """
    text = _FORBIDDEN.sub("\ufffd", cell_text(cell))
    if len(text) > LONGEST_CELL:
        raise CatalogueError(f"a cell has {len(text):,} characters, XLSX holds {LONGEST_CELL:,}: write .csv instead")
    return text


_LOOKS: dict[str, dict[str, Any]] = {
    "": {},
    "head": {"bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "valign": "top"},
    "title": {"bold": True, "font_size": 14},
    "bold": {"bold": True},
    "wrap": {"text_wrap": True, "valign": "top"},
    "link": {"font_color": "#0B57D0", "underline": 1},
    "controlled": {"bg_color": "#F8D7DA", "font_color": "#842029"},
    "review": {"bg_color": "#FFF3CD", "font_color": "#664D03"},
    "not_controlled": {"bg_color": "#D1E7DD", "font_color": "#0F5132"},
    "unrelated": {"font_color": "#6C757D"},
    "percent": {"num_format": "0.0%"},
    "count": {"num_format": "#,##0"},
}


class SheetSink:
    """A workbook with one sheet, a frozen header and filters."""

    def __init__(self, path: Path, source: Source, added: Sequence[str]) -> None:
        self._book = Book(path)
        self._sheet = self._book.sheet("tagged")
        self._sheet.freeze_panes(1, 0)
        self._keep = [i for i, name in enumerate(source.columns) if name not in added]
        self._width = len(source.columns)
        head = [*(source.columns[i] for i in self._keep), *added]
        self._columns = len(head)
        self._rows = 1
        self._book.write(self._sheet, 0, head, "head")

    def write(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        for row, tag in zip(batch.rows, tags, strict=True):
            if self._rows >= MOST_ROWS:
                raise CatalogueError(
                    f"an XLSX sheet holds {MOST_ROWS:,} rows and the table has more: write .csv or .parquet instead"
                )
            cells = [row[i] if i < len(row) else None for i in self._keep]
            self._book.write(self._sheet, self._rows, [*cells, *tag, *row[self._width :]])
            self._rows += 1

    def close(self) -> None:
        """Write the workbook."""
        self._sheet.autofilter(0, 0, self._rows - 1, self._columns - 1)
        self._book.close()

    def release(self) -> None:
        """Let go of the temporary files."""
        self._book.release()
