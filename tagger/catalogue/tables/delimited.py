"""CSV and TSV: delimiter, quotes and encoding are found out; rows that cannot be read as rows are marked and kept."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tagger.catalogue.encodings import ESCAPED, Encoding, find_encoding, to_bytes
from tagger.catalogue.formats import format_of
from tagger.catalogue.packed import unpacking
from tagger.catalogue.tables.cells import Batch, Source, cell_text, neutral
from tagger.errors import CatalogueError

_DELIMITERS = ",;\t|"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_LONGEST = 1 << 26  # characters of a cell or line; more is no table, and would fill the memory
_BATCH = 1 << 23  # characters of a batch, whatever its rows are
_SNIFFED = 40  # rows
_KEPT = 4096  # rendered answers that are kept: everyday rows have few distinct ones
_BROKEN = re.compile(f"{ESCAPED.pattern}|\ufffd")


class CsvSource:
    """A CSV or TSV file."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        csv.field_size_limit(_LONGEST)
        self.path = path
        self._read = self._done = 0
        self.encoding: Encoding = find_encoding(path, encoding)
        with unpacking(path) as file, self._text(file) as text:
            head = text.read(1 << 16)
        suffix, packing = format_of(path)
        self.delimiter = "\t" if suffix == ".tsv" else _sniff(head)
        self.newline = "\r\n" if "\r\n" in head[:4096] else "\r" if "\r" in head and "\n" not in head else "\n"
        with self._reading() as reader:
            first: list[str] = next(reader, [])
        if not first:
            raise CatalogueError(f"{path} has no column names in its first row")
        self.columns = list(first)
        self.about = f"CSV{packing}, {self.encoding.shown}, {_NAMES[self.delimiter]}"

    @property
    def broken(self) -> bool:
        """Whether some bytes could not be decoded."""
        return self.encoding.errors == "surrogateescape"

    def _text(self, file: Any) -> io.TextIOWrapper:
        return io.TextIOWrapper(file, encoding=self.encoding.name, errors=self.encoding.errors, newline="")

    def _lines(self, file: io.TextIOWrapper) -> Iterator[str]:
        """Lines of bounded length: a file without line ends must not fill the memory."""
        self._read = 0
        for number, line in enumerate(iter(functools.partial(file.readline, _LONGEST), ""), 1):
            size = len(line)
            if size == _LONGEST and line[-1] not in "\r\n":
                raise CatalogueError(
                    f"{self.path}: line {number} has more than {_LONGEST >> 20} million characters: this is no table"
                )
            self._read += size
            yield line

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Any]:
        """The rows of the file, as the csv package reads them; ``_done`` is the last line of the latest one."""
        self._done = 0
        with unpacking(self.path) as file, self._text(file) as text:
            reader = csv.reader(self._lines(text), delimiter=self.delimiter)
            try:
                yield reader
            except csv.Error:
                raise CatalogueError(
                    f"{self.path}: line {self._done + 1}: a cell of more than {_LONGEST >> 20} million characters, "
                    "or a quote that is never closed: mend the line"
                ) from None

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of rows; a row of another length than the header, or with broken bytes, is marked and kept."""
        rows: list[Sequence[Any]] = []
        faults: dict[int, str] = {}
        width = len(self.columns)
        check = self.encoding.errors != "strict"
        with self._reading() as reader:
            next(reader)
            before, self._done = self._read, reader.line_num
            for cells in reader:
                row = cells or [""] * (width if width == 1 else 0)
                if len(row) != width:
                    faults[len(rows)] = f"line {self._done + 1} has {len(row)} cells, the header has {width}"
                elif check and any(_BROKEN.search(cell) for cell in row):
                    faults[len(rows)] = f"line {self._done + 1} has bytes that are not {self.encoding.name}"
                rows.append(row)
                self._done = reader.line_num
                if len(rows) == size or self._read - before > _BATCH:
                    yield Batch(rows, faults)
                    rows, faults, before = [], {}, self._read
        if rows:
            yield Batch(rows, faults)


def _sniff(head: str) -> str:
    """Delimiter: the one that most evenly splits the first rows; comma where none does."""
    complete = head[: head.rfind("\n") + 1] or head
    best, score = ",", 0.0
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(complete, newline=""), delimiter=delimiter)
        rows = [row for row in itertools.islice(reader, _SNIFFED) if row]
        counts = [len(row) - 1 for row in rows]
        if counts and counts[0] > 0:
            even = sum(1 for c in counts if c == counts[0]) / len(counts)
            rank = even * (1 + min(counts[0], 50) / 1000)
            if rank > score:
                best, score = delimiter, rank
    return best


class CsvEncoder:
    """Rows as bytes of a CSV or TSV file: UTF-8, with a byte order mark where the source had one.

    Bytes of the source that could not be decoded come out as they were.
    """

    def __init__(self, suffix: str, source: Source, added: Sequence[str], *, safe_cells: bool = False) -> None:
        own = source if isinstance(source, CsvSource) else None
        self._of_text = own is not None
        self._mark = b"\xef\xbb\xbf" if own and own.encoding.name == "utf-8-sig" else b""
        self._broken = getattr(source, "broken", False)
        self._delimiter = own.delimiter if own and format_of(own.path)[0] != ".tsv" else ","
        self._delimiter = "\t" if suffix == ".tsv" else self._delimiter
        self._newline = own.newline if own else "\n"
        self._keep = [i for i, name in enumerate(source.columns) if name not in added]
        self._whole = len(self._keep) == len(source.columns)
        self._width = len(source.columns)
        self._safe = safe_cells
        self._head = [*(source.columns[i] for i in self._keep), *added]
        self._rendered: dict[tuple[Any, ...], str] = {}

    def head(self) -> bytes:
        """The header."""
        return self._mark + to_bytes(self._line(self._head) + self._newline, broken=self._broken)

    def rows(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> bytes:
        """Rows; cells beyond the header stand behind the added columns."""
        if not batch.rows:
            return b""
        distinct = dict(zip(map(id, tags), tags, strict=True))  # everyday rows share one answer
        rendered = {key: self._tags(tuple(tag)) for key, tag in distinct.items()}
        added = [rendered[id(tag)] for tag in tags]
        for at, row in enumerate(batch.rows) if max(map(len, batch.rows)) > self._width else ():
            if len(row) > self._width:
                added[at] += self._delimiter + self._line(self._safely([cell_text(c) for c in row[self._width :]]))
        lines = [own + tag for own, tag in zip(self._own_lines(batch.rows), added, strict=True)]
        return to_bytes(self._newline.join(lines) + self._newline, broken=self._broken)

    def _own_lines(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """The cells of the source and a delimiter, a line a row."""
        if not self._keep:
            return [""] * len(rows)
        return [self._line(self._cells(row)) + self._delimiter for row in rows]

    def _cells(self, row: Sequence[Any]) -> Sequence[str]:
        if self._whole and len(row) == self._width:
            cells = row if self._of_text else [cell_text(c) for c in row]
        else:
            cells = [cell_text(row[i]) if i < len(row) else "" for i in self._keep]
        return self._safely(cells)

    def _safely(self, cells: Sequence[str]) -> Sequence[str]:
        return [neutral(c) for c in cells] if self._safe else cells

    def _tags(self, tag: tuple[Any, ...]) -> str:
        line = self._rendered.get(tag)
        if line is None:
            if len(self._rendered) >= _KEPT:
                self._rendered.clear()
            line = self._rendered[tag] = self._line([neutral(cell_text(t)) for t in tag])
        return line

    def _line(self, cells: Sequence[str]) -> str:
        """Cells as the csv package writes them, in less than half of the time: that looks at each character several times."""
        line = self._delimiter.join(cells)
        if line.count(self._delimiter) == len(cells) - 1 and line and not ('"' in line or "\n" in line or "\r" in line):
            return line
        return self._delimiter.join(map(self._quoted, cells)) or '""' * len(cells)  # a lone empty cell is no empty line

    def _quoted(self, cell: str) -> str:
        if self._delimiter in cell or '"' in cell or "\n" in cell or "\r" in cell:
            return '"' + cell.replace('"', '""') + '"'
        return cell
