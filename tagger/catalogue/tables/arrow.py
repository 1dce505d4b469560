"""Parquet and Arrow (Feather) files; columns keep their types."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tagger.catalogue.formats import ARROW, format_of
from tagger.catalogue.tables.cells import Batch, Source, cell_text
from tagger.errors import CatalogueError
from tagger.records import NUMBER_TAGS, YES_NO_TAGS

_TYPED_TAGS = {**dict.fromkeys(NUMBER_TAGS, "float64"), **dict.fromkeys(YES_NO_TAGS, "bool")}


def _pyarrow() -> Any:
    """Import pyarrow where Parquet is wanted; only some users need it."""
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise CatalogueError("Parquet and Arrow need the package pyarrow: pip install 'tagger[parquet]', or use CSV") from None
    return pyarrow


@contextlib.contextmanager
def _telling(path: Path, name: str) -> Iterator[None]:
    pa = _pyarrow()
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise CatalogueError(f"{path} cannot be read as {name} ({first})") from None


class ParquetSource:
    """A Parquet file, or an Arrow file or stream."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = "Arrow" if format_of(path)[0] in ARROW else "Parquet"
        with _telling(path, self._name):
            self.schema, rows = self._head()
        self.columns = list(self.schema.names)
        self.about = f"{self._name}, {rows:,} rows" if rows is not None else self._name
        self.rows = rows

    def _head(self) -> tuple[Any, int | None]:
        if self._name == "Parquet":
            with _pyarrow().parquet.ParquetFile(self.path) as file:
                return file.schema_arrow, file.metadata.num_rows
        with self._arrow() as file:
            return file.schema, None

    def _arrow(self) -> Any:
        pa = _pyarrow()
        with self.path.open("rb") as file:
            is_file = file.read(6) == b"ARROW1"
        mapped = pa.memory_map(str(self.path))
        return pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped)

    def _batches(self, size: int) -> Iterator[Any]:
        if self._name == "Parquet":
            with _pyarrow().parquet.ParquetFile(self.path, pre_buffer=False) as file:
                yield from file.iter_batches(batch_size=size)
            return
        with self._arrow() as file:
            count = getattr(file, "num_record_batches", None)
            whole = iter(file) if count is None else (file.get_batch(i) for i in range(count))
            for batch in whole:
                for start in range(0, batch.num_rows, size):
                    yield batch.slice(start, size)

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of rows."""
        with _telling(self.path, self._name):
            for batch in self._batches(size):
                columns = [column.to_pylist() for column in batch.columns]
                yield Batch([list(r) for r in zip(*columns, strict=True)] if columns else [], raw=[batch])


class ParquetSink:
    """Writes Parquet or an Arrow file; columns that came from such a file keep their types, others are text."""

    def __init__(self, path: Path, source: Source, added: Sequence[str]) -> None:
        pa = self._pa = _pyarrow()
        self._keep = [i for i, name in enumerate(source.columns) if name not in added]
        schema = getattr(source, "schema", None)
        fields = [schema.field(i) if schema is not None else pa.field(source.columns[i], pa.string()) for i in self._keep]
        self._tags = [pa.field(name, pa.type_for_alias(_TYPED_TAGS.get(name, "string"))) for name in added]
        self._schema = pa.schema([*fields, *self._tags], metadata=schema.metadata if schema is not None else None)
        self._typed = schema is not None
        arrow = format_of(path)[0] in ARROW
        self._writer = pa.ipc.new_file(str(path), self._schema) if arrow else pa.parquet.ParquetWriter(path, self._schema)

    def write(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> None:
        """Write rows."""
        pa = self._pa
        if self._typed and batch.raw is not None:
            columns = [batch.raw[0].column(i) for i in self._keep]
        else:
            columns = [pa.array([_text(r, i) for r in batch.rows], pa.string()) for i in self._keep]
        added = [pa.array([_valid(t[k]) for t in tags], f.type) for k, f in enumerate(self._tags)]
        self._writer.write_batch(pa.record_batch([*columns, *added], schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    def release(self) -> None:
        """Close the file."""
        self._writer.close()


def _text(row: Sequence[Any], i: int) -> str | None:
    return None if i >= len(row) or row[i] is None else str(_valid(cell_text(row[i])))


def _valid(value: Any) -> Any:
    """Text without half characters (lone surrogates), which Arrow cannot hold."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value
