"""Tables in and out, chosen by suffix: CSV, TSV, XLSX, Parquet, JSON Lines; read and written in batches.

A cell is kept as its file had it (text stays text, ``00123`` stays ``00123``); only a change of format converts it. Output
goes to a temporary file beside the target and is moved into place when it is complete.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

from tagger.catalogue.encodings import check_encoding, detect_encoding
from tagger.errors import CatalogueError, UsageError
from tagger.files import replacing

SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet", ".jsonl", ".ndjson")
_DELIMITERS = ",;\t|"
_XLSX_ROWS = 1_048_576
_XLSX_CELL = 32_767
_XLSX_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_NUMBER = re.compile(r"^[+-]?[\d\s.,()/-]*\d[\d\s.,()%/-]*$")


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


class Source(Protocol):
    """A table that is read in batches."""

    path: Path
    columns: list[str]
    about: str

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of up to ``size`` rows, in order."""


class Sink(Protocol):
    """A table that is written in batches."""

    def write(self, batch: Batch, tags: list[list[Any]]) -> None:
        """Write source rows with the cells of the added columns."""

    def close(self) -> None:
        """Write what is left and let go of the file."""

    def release(self) -> None:
        """Let go of the file, also after an error."""


def cell_text(cell: Any) -> str:
    """A cell as text: what a person sees in it.

    Examples
    --------
    >>> cell_text(NumberCell(123, "00000")), cell_text(123.0), cell_text(None), cell_text(True)
    ('00123', '123', '', 'True')
    """
    if cell is None:
        return ""
    if isinstance(cell, NumberCell):
        if re.fullmatch(r"0+", cell.number_format) and isinstance(cell.value, int | float) and float(cell.value).is_integer():
            return str(int(cell.value)).zfill(len(cell.number_format))
        return cell_text(cell.value)
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    if isinstance(cell, dt.datetime) and cell.time() == dt.time(0):
        return cell.date().isoformat()
    if isinstance(cell, dt.datetime | dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False)
    return str(cell)


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


def open_source(path: Path, encoding: str | None = None, sheet: str | None = None) -> Source:
    """Open a table for reading.

    Parameters
    ----------
    path : Path
    encoding : str, optional
        Of a text file; detected by default.
    sheet : str, optional
        Of a workbook; the first one by default.

    Raises
    ------
    CatalogueError
        Where the file is missing, empty, of an unknown format, or unreadable.
    """
    if not path.exists():
        raise CatalogueError(f"no file {path}")
    if path.is_dir():
        raise CatalogueError(f"{path} is a folder, not a file: name one file")
    if path.suffix.lower() not in SUFFIXES:
        raise CatalogueError(f"{path} has suffix {path.suffix or '(none)'!r}: known are {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise CatalogueError(f"{path} is empty: it needs at least a row of column names")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", ".txt"):
        return CsvSource(path, encoding)
    if suffix in (".jsonl", ".ndjson"):
        return JsonLinesSource(path, encoding)
    return XlsxSource(path, sheet) if suffix == ".xlsx" else ParquetSource(path)


def check_target(path: Path) -> None:
    """Refuse a name that cannot be written, before any work is done.

    Raises
    ------
    UsageError
        Where the format is unknown, the folder is missing, or the name is a folder's.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} has suffix {path.suffix or '(none)'!r}: known are {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file to write")
    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent}: make it first")


@contextlib.contextmanager
def open_sink(path: Path, source: Source, added: Sequence[str], *, safe_cells: bool = False) -> Iterator[Sink]:
    """Open a table for writing; it takes its final name when the block ends without an error.

    Parameters
    ----------
    path : Path
        Suffix chooses the format.
    source : Source
        Where the rows come from; its columns come first.
    added : sequence of str
        Names of the added columns.
    safe_cells : bool
        Whether source cells that a spreadsheet would run are neutralised in CSV and TSV. Added columns always are.
    """
    check_target(path)
    suffix = path.suffix.lower()
    with replacing(path) as temporary:
        sink: Sink
        if suffix in (".csv", ".tsv", ".txt"):
            sink = CsvSink(temporary, suffix, source, added, safe_cells=safe_cells)
        elif suffix in (".jsonl", ".ndjson"):
            sink = JsonLinesSink(temporary, source, added)
        elif suffix == ".xlsx":
            sink = XlsxSink(temporary, source, added)
        else:
            sink = ParquetSink(temporary, source, added)
        try:
            yield sink
            sink.close()
        finally:
            sink.release()


# --- CSV and TSV ----------------------------------------------------------------------------------------------------------


class CsvSource:
    """A CSV or TSV file; delimiter and encoding are found out."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        csv.field_size_limit(sys.maxsize)
        self.path = path
        self.encoding = check_encoding(path, encoding) if encoding else detect_encoding(path)
        with path.open(encoding=self.encoding, newline="") as file:
            head = file.read(1 << 16)
        self.delimiter = "\t" if path.suffix.lower() == ".tsv" else _sniff(head)
        self.newline = "\r\n" if "\r\n" in head[:4096] else "\n"
        first = next(self._reader(), None)
        if not first:
            raise CatalogueError(f"{path} has no column names in its first row")
        self.columns = list(first)
        named = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
        self.about = f"CSV, {self.encoding}, {named[self.delimiter]}"

    def _reader(self) -> Iterator[list[str]]:
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter)
            while True:
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    raise CatalogueError(f"{self.path}: line {reader.line_num}: not readable as CSV ({error})") from None
                if row is None:
                    return
                yield row

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of rows; a row of another length than the header is marked and kept."""
        rows: list[Sequence[Any]] = []
        faults: dict[int, str] = {}
        width = len(self.columns)
        reader = self._reader()
        next(reader)
        for number, cells in enumerate(reader, 2):
            row = cells or [""] * (width if width == 1 else 0)
            if len(row) != width:
                faults[len(rows)] = f"row {number} has {len(row)} cells, the header has {width}"
            rows.append(row)
            if len(rows) == size:
                yield Batch(rows, faults)
                rows, faults = [], {}
        if rows:
            yield Batch(rows, faults)


def _sniff(head: str) -> str:
    """Delimiter: the one that most evenly splits the first lines; comma where none does."""
    lines = [line for line in head.splitlines()[:30] if line.strip()]
    best, score = ",", 0.0
    for delimiter in _DELIMITERS:
        counts = [len(row) - 1 for row in csv.reader(lines, delimiter=delimiter)]
        if counts and counts[0] > 0:
            even = sum(1 for c in counts if c == counts[0]) / len(counts)
            rank = even * (1 + min(counts[0], 50) / 1000)
            if rank > score:
                best, score = delimiter, rank
    return best


class CsvSink:
    """Writes UTF-8 (with a byte order mark where the source had one)."""

    def __init__(self, path: Path, suffix: str, source: Source, added: Sequence[str], *, safe_cells: bool) -> None:
        csv_like = source if isinstance(source, CsvSource) else None
        encoding = "utf-8-sig" if csv_like and csv_like.encoding == "utf-8-sig" else "utf-8"
        delimiter = "\t" if suffix == ".tsv" else csv_like.delimiter if csv_like and source.path.suffix != ".tsv" else ","
        self._file = path.open("w", encoding=encoding, newline="", errors="surrogatepass")
        self._writer = csv.writer(self._file, delimiter=delimiter, lineterminator=csv_like.newline if csv_like else "\n")
        self._keep = [i for i, name in enumerate(source.columns) if name not in added]
        self._width = len(source.columns)
        self._safe = safe_cells
        self._writer.writerow([*(source.columns[i] for i in self._keep), *added])

    def write(self, batch: Batch, tags: list[list[Any]]) -> None:
        """Write rows; cells beyond the header stand behind the added columns."""
        for row, tag in zip(batch.rows, tags, strict=True):
            cells = [cell_text(row[i]) if i < len(row) else "" for i in self._keep]
            extra = [cell_text(c) for c in row[self._width :]]
            if self._safe:
                cells, extra = [neutral(c) for c in cells], [neutral(c) for c in extra]
            self._writer.writerow([*cells, *(neutral(cell_text(t)) for t in tag), *extra])

    def close(self) -> None:
        """Write what is left."""
        self._file.flush()

    def release(self) -> None:
        """Close the file."""
        self._file.close()


# --- JSON Lines -----------------------------------------------------------------------------------------------------------


class JsonLinesSource:
    """A file with one JSON object a line."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.path = path
        self.encoding = check_encoding(path, encoding) if encoding else detect_encoding(path)
        names: dict[str, None] = {}
        for batch in self._objects(10_000):
            for _, item, _ in batch:
                names.update(dict.fromkeys(item))
        if not names:
            raise CatalogueError(f"{path} holds no JSON object: expected one object a line")
        self.columns = list(names)
        self.about = f"JSON Lines, {self.encoding}"

    def _objects(self, size: int) -> Iterator[list[tuple[str, Mapping[str, Any], str]]]:
        found: list[tuple[str, Mapping[str, Any], str]] = []
        with self.path.open(encoding=self.encoding, newline="\n") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                found.append(_json_line(line.strip(), number))
                if len(found) == size:
                    yield found
                    found = []
        if found:
            yield found

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of rows; a line that is no JSON object is marked and kept."""
        for found in self._objects(size):
            rows = [[item.get(name) for name in self.columns] for _, item, _ in found]
            faults = {i: fault for i, (_, _, fault) in enumerate(found) if fault}
            yield Batch(list(rows), faults, raw=[line for line, _, _ in found])


def _json_line(line: str, number: int) -> tuple[str, Mapping[str, Any], str]:
    try:
        item = json.loads(line)
    except json.JSONDecodeError as error:
        return line, {}, f"line {number} is not JSON ({error.msg})"
    return (line, item, "") if isinstance(item, dict) else (line, {}, f"line {number} is not a JSON object")


class JsonLinesSink:
    """Writes one JSON object a line; an object that came from JSON Lines keeps its own text."""

    def __init__(self, path: Path, source: Source, added: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n", errors="surrogatepass")
        self._columns = source.columns
        self._added = list(added)
        self._again = any(name in added for name in source.columns)

    def write(self, batch: Batch, tags: list[list[Any]]) -> None:
        """Write rows."""
        raw = batch.raw if batch.raw is not None and not self._again else None
        for i, (row, tag) in enumerate(zip(batch.rows, tags, strict=True)):
            extra = json.dumps(dict(zip(self._added, tag, strict=True)), ensure_ascii=False)
            if i in batch.faults and batch.raw is not None:
                line = json.dumps({"unreadable_line": batch.raw[i]}, ensure_ascii=False)[:-1] + ", " + extra[1:]
            elif raw is not None:
                inner = raw[i].rstrip()[:-1].rstrip()
                line = inner + (", " if len(inner) > 1 else "") + extra[1:]
            else:
                cells = {n: _json_value(c) for n, c in zip(self._columns, row, strict=False) if n not in self._added}
                spare = {f"extra_{k}": _json_value(c) for k, c in enumerate(row[len(self._columns) :], 1)}
                line = json.dumps({**cells, **spare, **json.loads(extra)}, ensure_ascii=False)
            self._file.write(line + "\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.flush()

    def release(self) -> None:
        """Close the file."""
        self._file.close()


def _json_value(cell: Any) -> Any:
    if isinstance(cell, NumberCell):
        text = cell_text(cell)
        return text if isinstance(cell.value, dt.date | dt.time) or (text.startswith("0") and len(text) > 1) else cell.value
    return cell if cell is None or isinstance(cell, str | int | float | bool | list | dict) else cell_text(cell)


# --- XLSX -----------------------------------------------------------------------------------------------------------------


class XlsxSource:
    """A sheet of a workbook; formulas give their stored values and never run."""

    def __init__(self, path: Path, sheet: str | None) -> None:
        import zipfile

        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException

        try:
            self._book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
            raise CatalogueError(f"{path} cannot be read as an XLSX workbook ({error}): save it again as .xlsx or .csv") from None
        names = self._book.sheetnames
        if sheet is not None and sheet not in names:
            raise UsageError(f"{path} has no sheet {sheet!r}; the sheets are: {', '.join(names)}")
        self._sheet = self._book[sheet or names[0]]
        self._sheet.reset_dimensions()
        self.path = path
        header = next(self._rows(), None)
        if not header or not any(cell_text(c) for c in header):
            raise CatalogueError(f"{path}: sheet {self._sheet.title!r} has no column names in its first row")
        self.columns = [cell_text(c) or f"column_{i}" for i, c in enumerate(header, 1)]
        self.about = f"XLSX, sheet {self._sheet.title!r}" + (f" of {len(names)}" if len(names) > 1 else "")

    def _rows(self) -> Iterator[list[Any]]:
        for row in self._sheet.iter_rows():
            yield [_xlsx_cell(cell) for cell in row]

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


def _xlsx_cell(cell: Any) -> Any:
    value = cell.value
    if isinstance(value, bool) or not isinstance(value, int | float | dt.date | dt.time):
        return value
    return NumberCell(value, cell.number_format or "General")


class XlsxSink:
    """Writes a workbook with a frozen header and filters; text is written as text and is never a formula."""

    def __init__(self, path: Path, source: Source, added: Sequence[str]) -> None:
        import openpyxl

        self._path = path
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("tagged")
        self._sheet.freeze_panes = "A2"
        self._columns = source.columns
        self._keep = [i for i, name in enumerate(source.columns) if name not in added]
        self._rows = 0
        self._width = len(self._keep) + len(added)
        self._append([*(source.columns[i] for i in self._keep), *added])

    def _append(self, cells: Sequence[Any]) -> None:
        self._rows += 1
        if self._rows > _XLSX_ROWS:
            raise CatalogueError(f"an XLSX sheet holds {_XLSX_ROWS:,} rows and the table has more: write .csv or .parquet instead")
        self._sheet.append([self._cell(c) for c in cells])

    def _cell(self, value: Any) -> Any:
        from openpyxl.cell import WriteOnlyCell

        number_format = "General"
        if isinstance(value, NumberCell):
            value, number_format = value
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float | dt.date | dt.time):
            cell = WriteOnlyCell(self._sheet, value=cast(Any, value))
            if number_format != "General":
                cell.number_format = number_format
            return cell
        text = _XLSX_FORBIDDEN.sub("\ufffd", cell_text(value))
        if len(text) > _XLSX_CELL:
            raise CatalogueError(
                f"row {self._rows} has a cell of {len(text):,} characters, XLSX holds {_XLSX_CELL:,}: write .csv instead"
            )
        cell = WriteOnlyCell(self._sheet, value=text)
        cell.data_type = "s"
        cell.number_format = "@"
        return cell

    def write(self, batch: Batch, tags: list[list[Any]]) -> None:
        """Write rows."""
        width = len(self._columns)
        for row, tag in zip(batch.rows, tags, strict=True):
            cells = [row[i] if i < len(row) else None for i in self._keep]
            self._append([*cells, *tag, *row[width:]])

    def close(self) -> None:
        """Write the workbook."""
        from openpyxl.utils import get_column_letter

        self._sheet.auto_filter.ref = f"A1:{get_column_letter(self._width)}{self._rows}"
        self._book.save(self._path)

    def release(self) -> None:
        """Close the sheet, which after an error still waits for rows, and the workbook."""
        if not self._sheet.closed:
            self._sheet.close()
        self._book.close()


# --- Parquet --------------------------------------------------------------------------------------------------------------


def _pyarrow() -> tuple[Any, Any]:
    """Import pyarrow where Parquet is wanted; only some users need it."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise CatalogueError("Parquet needs the package pyarrow: pip install 'tagger[parquet]', or use CSV") from None
    return pyarrow, pyarrow.parquet


class ParquetSource:
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        pa, pq = _pyarrow()
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise CatalogueError(f"{path} cannot be read as Parquet ({str(error).splitlines()[0]})") from None
        self.path = path
        self.schema = self._file.schema_arrow
        self.columns = list(self.schema.names)
        self.about = f"Parquet, {self._file.metadata.num_rows:,} rows"

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of rows."""
        for batch in self._file.iter_batches(batch_size=size):
            columns = [column.to_pylist() for column in batch.columns]
            yield Batch([list(r) for r in zip(*columns, strict=True)] if columns else [], raw=[batch])


class ParquetSink:
    """Writes Parquet; columns that came from Parquet keep their types, others are text."""

    def __init__(self, path: Path, source: Source, added: Sequence[str]) -> None:
        pa, pq = _pyarrow()
        self._pa = pa
        self._keep = [i for i, name in enumerate(source.columns) if name not in added]
        self._columns = source.columns
        schema = getattr(source, "schema", None)
        fields = [schema.field(i) if schema is not None else pa.field(source.columns[i], pa.string()) for i in self._keep]
        types = {"tag_confidence": pa.float64(), "tag_margin": pa.float64(), "tag_near_threshold": pa.bool_()}
        self._tags = [pa.field(name, types.get(name, pa.string())) for name in added]
        self._schema = pa.schema([*fields, *self._tags], metadata=schema.metadata if schema is not None else None)
        self._typed = schema is not None
        self._writer = pq.ParquetWriter(path, self._schema)

    def write(self, batch: Batch, tags: list[list[Any]]) -> None:
        """Write rows."""
        pa = self._pa
        if self._typed and batch.raw is not None:
            columns = [batch.raw[0].column(i) for i in self._keep]
        else:
            columns = [pa.array([_parquet_text(r, i) for r in batch.rows], pa.string()) for i in self._keep]
        added = [pa.array([_valid(t[k]) for t in tags], f.type) for k, f in enumerate(self._tags)]
        self._writer.write_batch(pa.record_batch([*columns, *added], schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    def release(self) -> None:
        """Close the file."""
        self._writer.close()


def _parquet_text(row: Sequence[Any], i: int) -> str | None:
    return None if i >= len(row) or row[i] is None else str(_valid(cell_text(row[i])))


def _valid(value: Any) -> Any:
    """Text without half characters (lone surrogates), which Arrow cannot hold."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
