"""Workbooks: XLSX, XLS, XLSB and ODS by calamine; formulas give their stored values and never run.

calamine does not tell display formats, nor which error a cell holds; in XLSX both are read from the sheet itself, so that a
part number shown as 00123 stays 00123. A sheet is held in memory as a whole.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any
from xml.etree import ElementTree

from tagger.catalogue.formats import format_of
from tagger.catalogue.tables.cells import Batch, NumberCell, cell_text
from tagger.errors import CatalogueError, UsageError

_MOST_UNPACKED = 4 << 30  # bytes
_BOMB = 200  # times the packed size, for a part of more than the size below: XML packs 10 to 50 times
_BOMB_FROM = 64 << 20
_PIECE = 1 << 20
_CELL = re.compile(rb"<c ([^<>]*?)(?:/>|>(?:<f[^<>]*/>|<f[^<>]*>[^<]*</f>)?(?:<v>([^<]*)</v>)?)")
_PLACE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
_STYLE = re.compile(rb'\bs="(\d{1,6})"')
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DOCUMENT = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_ZIPPED = (".xlsx", ".xlsm", ".xlsb", ".ods")
_Marks = dict[int, Any]  # column to the format of a number, or to an error as bytes


class WorkbookSource:
    """A sheet of a workbook."""

    def __init__(self, path: Path, sheet: str | None) -> None:
        self.path = path
        self._kind = format_of(path)[0].removeprefix(".").upper()
        if format_of(path)[0] in _ZIPPED:
            _check_size(path)
        names = sheet_names(path)
        if not names:
            raise CatalogueError(f"{path} has no sheet")
        if sheet is not None and sheet not in names:
            raise UsageError(f"{path} has no sheet {sheet!r}; the sheets are: {', '.join(names)}")
        self.sheet = sheet or ("all" if is_tagged_book(names) else names[0])
        self._loaded: Any = None
        header = next(self._rows(), None)
        if not header or not any(cell_text(c) for c in header):
            raise CatalogueError(f"{path}: sheet {self.sheet!r} has no column names in its first row")
        self.columns = [cell_text(c) or f"column_{i}" for i, c in enumerate(header, 1)]
        self.about = f"{self._kind}, sheet {self.sheet!r}" + (f" of {len(names)}" if len(names) > 1 else "")

    def close(self) -> None:
        """Let go of the sheet's memory; reading loads it again."""
        self._loaded = None

    def _load(self) -> Any:
        if self._loaded is None:
            try:
                self._loaded = _opened(self.path).get_sheet_by_name(self.sheet)
            except _faults() as error:
                raise _unreadable(self.path, error) from None
        return self._loaded

    def _rows(self) -> Iterator[list[Any]]:
        sheet = self._load()
        if sheet.start is None:
            return
        left = sheet.start[1]
        marks = _SheetMarks(self.path, self.sheet) if self._kind in ("XLSX", "XLSM") else None
        # a sheet that begins below or right of A1 is read from A1, as spreadsheets show it
        for number, values in enumerate(sheet.iter_rows(), 1):
            found = marks.row(number) if marks else {}
            cells = [_cell(value, found.get(i)) for i, value in enumerate(values, left)]
            yield [*([None] * left), *cells]

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of rows; short rows are filled up, as a sheet has no row lengths."""
        rows: list[Sequence[Any]] = []
        width = len(self.columns)
        reader = self._rows()
        next(reader)
        for row in reader:
            rows.append(row + [None] * (width - len(row)))
            if len(rows) == size:
                yield Batch(rows)
                rows = []
        if rows:
            yield Batch(rows)


def sheet_names(path: Path) -> list[str]:
    """Names of the sheets with cells, in order.

    Raises
    ------
    CatalogueError
        Where the file is no workbook, is damaged, or is behind a password.
    """
    from python_calamine import SheetTypeEnum

    book = _opened(path)
    return [s.name for s in book.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet]


def is_tagged_book(names: Sequence[str]) -> bool:
    """Whether the sheets are those of a workbook that `tagger batch` wrote; its rows stand in the sheets "all"."""
    return {"summary", "controlled", "review", "all"} <= set(names)


def _opened(path: Path) -> Any:
    from python_calamine import CalamineWorkbook

    try:
        return CalamineWorkbook.from_path(path)
    except _faults() as error:
        raise _unreadable(path, error) from None


def _faults() -> tuple[type[Exception], ...]:
    from python_calamine import CalamineError

    return (CalamineError, OSError, ValueError)


def _unreadable(path: Path, error: Exception) -> CatalogueError:
    from python_calamine import PasswordError

    if isinstance(error, PasswordError) or _encrypted(path):
        return CatalogueError(f"{path} is protected by a password: save it without one")
    kind = format_of(path)[0].removeprefix(".").upper()
    article = "a" if kind[0] not in "AEFHILMNORSX" else "an"
    return CatalogueError(f"{path} cannot be read as {article} {kind} workbook ({error}): save it again as .xlsx or .csv")


def _encrypted(path: Path) -> bool:
    """Whether a file is an encrypted Office package: an old Office container with a stream of that name."""
    with path.open("rb") as file:
        return file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" and "EncryptedPackage".encode("utf-16-le") in file.read(1 << 20)


def _check_size(path: Path) -> None:
    """Refuse an archive that unpacks to far more than a workbook would."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _unreadable(path, error) from None
    whole = sum(p.file_size for p in parts)
    if whole > _MOST_UNPACKED or any(p.file_size > max(_BOMB_FROM, _BOMB * p.compress_size) for p in parts):
        raise CatalogueError(f"{path} would unpack to {whole >> 20:,} MB, far more than a workbook holds: export it as .csv")


def _cell(value: Any, mark: Any) -> Any:
    """A cell as calamine reads it, with its format; whole numbers are whole again."""
    if value == "":
        return mark.decode("ascii", "replace") if isinstance(mark, bytes) else None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    shown = mark if isinstance(mark, str) else _FORMATS.get(type(value), "General")
    return NumberCell(value, shown)


_FORMATS: Mapping[type, str] = {dt.datetime: "yyyy-mm-dd hh:mm:ss", dt.time: "hh:mm:ss", dt.timedelta: "[h]:mm:ss"}


class _SheetMarks:
    """Display formats of numbers and texts of errors, read from the XML of a sheet beside calamine, row by row."""

    def __init__(self, path: Path, sheet: str) -> None:
        self._found = _marks(path, sheet)
        self._ahead: tuple[int, _Marks] | None = next(self._found, None)

    def row(self, number: int) -> _Marks:
        """Marks of a row; rows are asked for in order."""
        while self._ahead and self._ahead[0] < number:
            self._ahead = next(self._found, None)
        return self._ahead[1] if self._ahead and self._ahead[0] == number else {}


def _marks(path: Path, sheet: str) -> Iterator[tuple[int, _Marks]]:
    try:
        with zipfile.ZipFile(path) as archive:
            styles = _styles(archive)
            part = _part_of(archive, sheet)
            if part is None:
                return
            with archive.open(part) as file:
                yield from _marked(file, styles)
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, OSError, EOFError) as error:
        raise CatalogueError(f"{path} is damaged ({error}): save it again as .xlsx or .csv") from None


def _marked(file: IO[bytes], styles: Mapping[int, str]) -> Iterator[tuple[int, _Marks]]:
    """Rows with their marks."""
    number, found = 0, _Marks()
    for attributes, content in _cells(file):
        error = b't="e"' in attributes
        style = _STYLE.search(attributes)
        shown = styles.get(int(style.group(1))) if style else None
        if not error and shown is None:
            continue
        place = _PLACE.search(attributes)
        if place is None:
            continue
        row = int(place.group(2))
        if row != number:
            if found:
                yield number, found
            number, found = row, {}
        found[_column(place.group(1))] = content if error else shown
    if found:
        yield number, found


def _cells(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Attributes and stored value of every cell; read in pieces that end between rows."""
    rest = b""
    while piece := file.read(_PIECE):
        data = rest + piece
        cut = data.rfind(b"</row>") + 1
        for match in _CELL.finditer(data, 0, cut):
            yield match.group(1), match.group(2) or b""
        rest = data[cut:]
    for match in _CELL.finditer(rest):
        yield match.group(1), match.group(2) or b""


def _column(letters: bytes) -> int:
    at = 0
    for letter in letters:
        at = at * 26 + letter - 64
    return at - 1


def _styles(archive: zipfile.ZipFile) -> dict[int, str]:
    """Number format of each cell style that has one."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    if "xl/styles.xml" not in archive.namelist():
        return {}
    root = ElementTree.fromstring(archive.read("xl/styles.xml"))  # noqa: S314  expat refuses entities that grow
    own = {int(f.get("numFmtId", 0)): f.get("formatCode", "") for f in root.iter(f"{_MAIN}numFmt")}
    cells = root.find(f"{_MAIN}cellXfs")
    ids = [int(x.get("numFmtId", 0)) for x in cells] if cells is not None else []
    named = {i: own.get(n) or BUILTIN_FORMATS.get(n, "General") for i, n in enumerate(ids)}
    return {i: shown for i, shown in named.items() if shown not in ("General", "@")}


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """Where the XML of a sheet stands in the archive."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
    wanted = next((s.get(f"{_DOCUMENT}id") for s in book.iter(f"{_MAIN}sheet") if s.get("name") == sheet), None)
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    target = next((link.get("Target", "") for link in links if link.get("Id") == wanted), None)
    if target is None:
        return None
    return target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
