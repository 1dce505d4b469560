"""Cells, batches of rows, and what a reader and a writer of tables offer."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

_FORMULA = re.compile(r"^[=+\-@\t\r]")
_NUMBER = re.compile(r"^[+-]?[\d\s.,()/-]*\d[\d\s.,()%/-]*$")
_DIGITS_ONLY = re.compile(r"[0\\\-./ \"]+")  # a mask of zeros and what stands between them: 00000, 000-000


class NumberCell(NamedTuple):
    """A cell of a spreadsheet that holds a number or date, with its display format."""

    value: Any
    number_format: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a table: cells in the order of the columns, and what could not be read."""

    rows: list[Sequence[Any]]
    faults: dict[int, str] = field(default_factory=dict)
    raw: Sequence[Any] | None = None  # the rows as their own format has them: lines of JSON, an Arrow batch
    origin: str = ""  # file or sheet, where several are read as one table


class Source(Protocol):
    """A table that is read in batches, as often as wanted."""

    path: Path
    columns: list[str]
    about: str

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of up to ``size`` rows, in order."""


@dataclass(slots=True)
class NoSource:
    """A source without columns of its own: all that is written is added, and so neutralised for spreadsheets."""

    path: Path
    columns: list[str] = field(default_factory=list)
    about: str = ""

    def batches(self, size: int) -> Iterator[Batch]:
        """No rows."""
        return iter(())


class Sink(Protocol):
    """A table that is written in batches."""

    def write(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> None:
        """Write source rows with the cells of the added columns."""

    def close(self) -> None:
        """Write what is left and let go of the file."""

    def release(self) -> None:
        """Let go of the file, also after an error."""


def cell_text(cell: Any) -> str:
    """A cell as text: what a person sees in it.

    Examples
    --------
    >>> cell_text(NumberCell(123, "00000")), cell_text(NumberCell(1234567, "000-0000")), cell_text(123.0), cell_text(None)
    ('00123', '123-4567', '123', '')
    """
    if type(cell) is str:
        return cell
    if cell is None:
        return ""
    if isinstance(cell, NumberCell):
        return _masked(cell) or cell_text(cell.value)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, dt.datetime) and cell.time() == dt.time(0):
        return cell.date().isoformat()
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


def _masked(cell: NumberCell) -> str:
    """A whole number behind a mask of zeros, as part numbers are shown; empty where the format is another."""
    mask = cell.number_format.split(";")[0]
    if "00" not in mask or mask.startswith(("0.", ".")) or not _DIGITS_ONLY.fullmatch(mask) or re.search(r"0\.0*$", mask):
        return ""
    if not isinstance(cell.value, int | float) or not float(cell.value).is_integer() or cell.value < 0:
        return ""
    digits = str(int(cell.value)).zfill(mask.count("0"))
    spare = len(digits) - mask.count("0")
    shown, at = digits[:spare], spare
    for sign in mask:
        if sign == "0":
            shown, at = shown + digits[at], at + 1
        elif sign not in '\\"':
            shown += sign
    return shown


def neutral(text: str) -> str:
    """A text that a spreadsheet will not run as a formula: a leading ``=``, ``+``, ``-``, ``@`` gets an apostrophe; numbers stay.

    Examples
    --------
    >>> neutral("=1+1"), neutral("-5.2"), neutral("N52")
    ("'=1+1", '-5.2', 'N52')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.match(text) else text


def runs_in_spreadsheet(text: str) -> bool:
    """Whether a spreadsheet would take the text for a formula."""
    return neutral(text) != text
