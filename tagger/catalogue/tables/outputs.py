"""Tables out, by suffix: text formats as bytes that can be appended, the others as a whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from tagger.catalogue.formats import DELIMITED, JSON_LINES, PACKED, WRITTEN, format_of, packs
from tagger.catalogue.packed import pack
from tagger.catalogue.tables.arrow import ParquetSink
from tagger.catalogue.tables.cells import Batch, Sink, Source
from tagger.catalogue.tables.delimited import CsvEncoder
from tagger.catalogue.tables.json_lines import JsonLinesEncoder
from tagger.catalogue.tables.sheets import SheetSink
from tagger.errors import UsageError
from tagger.files import replacing


class Encoder(Protocol):
    """Rows as bytes; what is written one after the other is the file."""

    def head(self) -> bytes:
        """What stands before the first row."""

    def rows(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> bytes:
        """Source rows with the cells of the added columns."""


def check_target(path: Path) -> None:
    """Refuse a name that cannot be written, before any work is done.

    Raises
    ------
    UsageError
        Where the format is unknown or only read, the folder is missing, or the name is a folder's.
    """
    suffix, packing = format_of(path)
    if suffix not in WRITTEN or (packing and not packs(suffix)):
        known = f"{', '.join(WRITTEN)}, and {', '.join(PACKED)} behind a text format"
        raise UsageError(f"{path} has suffix {(suffix + packing) or '(none)'!r}: known are {known}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name a file to write")
    if not path.parent.is_dir():
        raise UsageError(f"no folder {path.parent}: make it first")


def streams(path: Path) -> bool:
    """Whether a format can be written row by row; the others are put together when all answers are there."""
    return packs(format_of(path)[0])


def encoder_for(path: Path, source: Source, added: Sequence[str], *, safe_cells: bool = False) -> Encoder:
    """The encoder of a text format.

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
    suffix = format_of(path)[0]
    if suffix in DELIMITED:
        return CsvEncoder(suffix, source, added, safe_cells=safe_cells)
    if suffix in JSON_LINES:
        return JsonLinesEncoder(source, added)
    raise ValueError(f"{suffix} is not written row by row")


@contextlib.contextmanager
def open_sink(path: Path, source: Source, added: Sequence[str]) -> Iterator[Sink]:
    """Open a table for writing; it takes its final name when the block ends without an error.

    Parameters
    ----------
    path : Path
        Suffix chooses the format.
    source : Source
        Where the rows come from; its columns come first.
    added : sequence of str
        Names of the added columns.
    """
    check_target(path)
    with replacing(path) as temporary:
        sink: Sink
        if streams(path):
            sink = _EncodedSink(temporary, encoder_for(path, source, added), format_of(path)[1])
        elif format_of(path)[0] == ".xlsx":
            sink = SheetSink(temporary, source, added)
        else:
            sink = ParquetSink(temporary, source, added)
        try:
            yield sink
            sink.close()
        finally:
            sink.release()


class _EncodedSink:
    """A file of an encoder."""

    def __init__(self, path: Path, encoder: Encoder, packing: str) -> None:
        self._file = path.open("wb")
        self._encoder = encoder
        self._packing = packing
        self._file.write(pack(encoder.head(), packing))

    def write(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        self._file.write(pack(self._encoder.rows(batch, tags), self._packing))

    def close(self) -> None:
        """Write what is left."""
        self._file.flush()

    def release(self) -> None:
        """Close the file."""
        self._file.close()
