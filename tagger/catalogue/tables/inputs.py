"""Which tables a run reads: one file, several, a folder, a pattern, one or more sheets, read as one table."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tagger.catalogue.formats import DELIMITED, JSON_LINES, READ, WORKBOOKS, format_of, packs
from tagger.catalogue.tables.arrow import ParquetSource
from tagger.catalogue.tables.cells import Batch, Source
from tagger.catalogue.tables.delimited import CsvSource
from tagger.catalogue.tables.json_lines import JsonLinesSource
from tagger.catalogue.tables.workbooks import WorkbookSource, is_tagged_book, sheet_names
from tagger.errors import CatalogueError

ALL_SHEETS = "*"
ORIGIN_COLUMN = "tag_source"


def open_source(path: Path, encoding: str | None = None, sheet: str | None = None) -> Source:
    """Open one table for reading.

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
    UsageError
        Where the workbook has no such sheet.
    """
    if not path.exists():
        raise CatalogueError(f"no file {path}")
    if path.is_dir():
        raise CatalogueError(f"{path} is a folder, not a file: name one file")
    suffix, packing = format_of(path)
    if suffix not in READ:
        raise CatalogueError(f"{path} has suffix {suffix or '(none)'!r}: known are {', '.join(READ)}")
    if packing and not packs(suffix):
        raise CatalogueError(f"{path}: {suffix} is read as it is, not packed: unpack it first")
    if path.stat().st_size == 0:
        raise CatalogueError(f"{path} is empty: it needs at least a row of column names")
    if suffix in DELIMITED:
        return CsvSource(path, encoding)
    if suffix in JSON_LINES:
        return JsonLinesSource(path, encoding)
    return WorkbookSource(path, sheet) if suffix in WORKBOOKS else ParquetSource(path)


def find_inputs(given: Sequence[Path], but: Path | None = None) -> list[Path]:
    """The files that are meant: each file, the tables of each folder by name, what fits each pattern, in this order.

    Parameters
    ----------
    given : sequence of Path
    but : Path, optional
        A file that is left out of folders and patterns: the output of the run.

    Raises
    ------
    CatalogueError
        Where a folder or pattern holds no table.
    """
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            own = [p for p in sorted(path.iterdir()) if _is_table(p, but)]
            if not own:
                raise CatalogueError(f"{path} is a folder without a table: known are {', '.join(READ)}")
            found += own
        elif not path.exists() and glob.has_magic(str(path)):
            own = [p for p in map(Path, sorted(glob.glob(str(path), recursive=True))) if p.is_file() and not _same(p, but)]
            if not own:
                raise CatalogueError(f"no file fits {path}")
            found += own
        else:
            found.append(path)
    return found


def _is_table(path: Path, but: Path | None) -> bool:
    suffix, packing = format_of(path)
    hidden = path.name.startswith((".", "~$"))
    return path.is_file() and not hidden and suffix in READ and (not packing or packs(suffix)) and not _same(path, but)


def _same(path: Path, other: Path | None) -> bool:
    return other is not None and other.exists() and path.samefile(other)


def open_inputs(paths: Sequence[Path], encoding: str | None = None, sheets: Sequence[str] = ()) -> Source:
    """Open tables as one: rows in the order of the files and sheets, columns by name.

    Parameters
    ----------
    paths : sequence of Path
    encoding : str, optional
        Of text files; detected for each by default.
    sheets : sequence of str
        Of workbooks; the first one by default, ``*`` for all that have cells.

    Returns
    -------
    Source
        A :class:`JoinedSource` where there is more than one table.

    Raises
    ------
    CatalogueError, UsageError
        Where one of them cannot be read; see :func:`open_source`.
    """
    wanted: list[tuple[Path, str | None]] = []
    for path in paths:
        wanted += [(path, name) for name in _sheets_of(path, sheets)]
    parts = [open_source(path, encoding, sheet) for path, sheet in wanted]
    return parts[0] if len(parts) == 1 else JoinedSource(parts)


def _sheets_of(path: Path, sheets: Sequence[str]) -> Sequence[str | None]:
    if not path.is_file() or format_of(path)[0] not in WORKBOOKS or path.stat().st_size == 0:
        return (None,)
    if sheets and ALL_SHEETS not in sheets:
        return sheets
    names = sheet_names(path)
    if is_tagged_book(names):  # its other sheets repeat rows
        return [n for n in names if n.split(" ")[0] == "all"]
    return names if sheets else (None,)


class JoinedSource:
    """Several tables as one; a column that one of them lacks is empty there."""

    def __init__(self, parts: Sequence[Source]) -> None:
        self.parts = parts
        self.path = parts[0].path.parent
        self.columns = _union(parts)
        first = getattr(parts[0], "schema", None)
        same = first is not None and all(getattr(p, "schema", None) == first for p in parts)
        self.schema = first if same else None
        self.about = "; ".join(f"{origin}: {part.about}" for origin, part in zip(self.origins, parts, strict=True))
        for part in parts:
            _close(part)

    @property
    def origins(self) -> list[str]:
        """Name of each table: its file, with the sheet where a workbook gives several."""
        files = Counter(part.path for part in self.parts)
        names = Counter(path.name for path in files)
        shown = [str(p.path) if names[p.path.name] > 1 else p.path.name for p in self.parts]
        return [f"{n}#{getattr(p, 'sheet', '')}" if files[p.path] > 1 else n for n, p in zip(shown, self.parts, strict=True)]

    @property
    def broken(self) -> bool:
        """Whether some bytes of a part could not be decoded."""
        return any(getattr(part, "broken", False) for part in self.parts)

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of rows, each from one table."""
        for origin, part in zip(self.origins, self.parts, strict=True):
            for batch in part.batches(size):
                yield self._fitted(batch, part.columns, origin)
            _close(part)

    def _fitted(self, batch: Batch, columns: list[str], origin: str) -> Batch:
        if columns == self.columns:
            return Batch(batch.rows, batch.faults, batch.raw, origin)
        places = dict(zip(_numbered(columns), range(len(columns)), strict=True))
        at = [places.get(name) for name in _numbered(self.columns)]
        rows: list[Sequence[Any]] = [_moved(row, at, len(columns)) for row in batch.rows]
        lines = batch.raw if batch.raw and isinstance(batch.raw[0], str) else None
        return Batch(rows, batch.faults, lines, origin)


def _moved(row: Sequence[Any], at: Sequence[int | None], width: int) -> list[Any]:
    """A row in the order of the joined columns; cells beyond its own header stay behind."""
    return [*(None if i is None or i >= len(row) else row[i] for i in at), *row[width:]]


def _numbered(columns: Sequence[str]) -> list[tuple[str, int]]:
    """Names told apart where one stands several times."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in columns:
        numbered.append((name, seen[name]))
        seen[name] += 1
    return numbered


def _union(parts: Sequence[Source]) -> list[str]:
    return [name for name, _ in dict.fromkeys(key for part in parts for key in _numbered(part.columns))]


def _close(part: Source) -> None:
    if isinstance(part, WorkbookSource):
        part.close()
