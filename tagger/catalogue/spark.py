"""Tag a Spark data frame, or a folder of Parquet or CSV files with Spark: rows stay where they are, the model goes to them.

Spark is the optional extra ``tagger[spark]``. Every worker loads the model once, from the installed package or from a folder
that is sent along.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagger.catalogue.answers import Setup
from tagger.catalogue.tables import cell_text, neutral
from tagger.errors import CatalogueError, UsageError
from tagger.pipeline import Tagger
from tagger.records import NUMBER_TAGS, TAG_COLUMNS, YES_NO_TAGS, Row, join_columns

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

FORMATS = ("parquet", "csv")
_DRIVER_ADVICE = 'Spark is missing: pip install "tagger[spark]", and a Java runtime of version 17 or newer'


@dataclass(frozen=True, slots=True)
class _Cells:
    """Where the cells of a row stand, and whether the answers go where a spreadsheet would run them."""

    text: tuple[str, ...]
    id: str | None
    trade: tuple[tuple[str, str], ...]
    for_spreadsheets: bool = False


def tag(
    df: DataFrame,
    text: str | Sequence[str],
    id: str | None = None,
    setup: Setup | None = None,
    trade: Mapping[str, str] | None = None,
) -> DataFrame:
    """Tag the rows of a Spark data frame.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
    text : str or sequence of str
        Columns that hold the description; several are joined.
    id : str, optional
        Column with the row's id.
    setup : Setup, optional
        Model, rulebook, day and assumptions; the shipped ones and today by default.
    trade : mapping of str, optional
        What the row tells of the trade (``origin``, ``value_share``, ``destination``, ``end_use``) to the column that holds it.

    Returns
    -------
    pyspark.sql.DataFrame
        The same rows in the same partitions and order, with the ``tag_`` columns behind the others.

    Raises
    ------
    UsageError
        Where a column is not in the data frame.
    """
    return _with_tags(df, _cells(text, id, trade), setup or Setup())


def _cells(text: str | Sequence[str], id: str | None, trade: Mapping[str, str] | None) -> _Cells:
    return _Cells((text,) if isinstance(text, str) else tuple(text), id, tuple((trade or {}).items()))


def _with_tags(df: DataFrame, cells: _Cells, setup: Setup) -> DataFrame:
    for name in [*cells.text, *([cells.id] if cells.id else []), *(column for _, column in cells.trade)]:
        if name not in df.columns:
            raise UsageError(f"no column {name!r}; the columns are: {', '.join(df.columns)}")
    kept = [name for name in df.columns if name not in TAG_COLUMNS]
    return df.select(*(f"`{name}`" for name in kept)).mapInArrow(_mapper(cells, _sent(df.sparkSession, setup)), _schema(df, kept))


def tag_folder(source: Path, target: Path, cells: Mapping[str, Any], setup: Setup, master: str) -> dict[str, Any]:
    """Tag a folder (or one file) of Parquet or CSV with Spark and write a folder of the same format.

    Parameters
    ----------
    source, target : Path
        The target must not be there; it gets one file for each partition.
    cells : mapping
        ``text``, ``id`` and ``trade`` as :func:`tag` takes them.
    setup : Setup
    master : str
        URL of the Spark master, such as ``local[2]`` or ``spark://host:7077``.

    Returns
    -------
    dict
        Rows and outcomes.

    Raises
    ------
    UsageError
        Where a column is unknown, or the target is there.
    CatalogueError
        Where Spark is missing, or the source holds neither Parquet nor CSV.
    """
    kind = _kind(source)
    if target.exists():
        raise UsageError(f"{target} is already there: name a folder that is not")
    session = _session(master)
    try:
        reader = session.read.option("header", True).option("multiLine", True).option("quote", '"').option("escape", '"')
        frame = reader.csv(str(source)) if kind == "csv" else session.read.parquet(str(source))
        tagged = _with_tags(frame, replace(_cells(**cells), for_spreadsheets=kind == "csv"), setup)
        writer = tagged.write.option("header", True).option("quote", '"').option("escape", '"')
        (writer.csv if kind == "csv" else writer.parquet)(str(target))
        written = session.read.option("header", True).option("multiLine", True).option("escape", '"')
        done = written.csv(str(target)) if kind == "csv" else session.read.parquet(str(target))
        outcomes = {str(row[0]): int(row[1]) for row in done.groupBy("tag_outcome").count().collect()}
    finally:
        session.stop()
    return {
        "source": str(source),
        "target": str(target),
        "rows": sum(outcomes.values()),
        "outcomes": dict(sorted(outcomes.items())),
    }


def _kind(source: Path) -> str:
    """Format of a folder or file."""
    if not source.exists():
        raise CatalogueError(f"no folder or file {source}")
    names = [p.name for p in source.iterdir()] if source.is_dir() else [source.name]
    found = {kind for kind in FORMATS if any(name.lower().endswith(f".{kind}") for name in names)}
    if len(found) != 1:
        held = "both Parquet and" if found else "neither Parquet nor"
        raise CatalogueError(f"{source} holds {held} CSV files: Spark tags a folder of one kind")
    return found.pop()


def _session(master: str) -> SparkSession:
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
    except ImportError:
        raise CatalogueError(_DRIVER_ADVICE) from None
    builder = SparkSession.builder.master(master).appName("tagger").config("spark.ui.enabled", False)
    if master.startswith("local"):  # workers on this machine run in this environment
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        return builder.getOrCreate()
    except (PySparkException, OSError) as error:
        raise CatalogueError(f"Spark at {master} cannot be reached or started ({error}): {_DRIVER_ADVICE}") from None


def _schema(df: DataFrame, kept: Sequence[str]) -> Any:
    from pyspark.sql.types import BooleanType, DoubleType, StringType, StructField, StructType

    def kind(name: str) -> Any:
        return DoubleType() if name in NUMBER_TAGS else BooleanType() if name in YES_NO_TAGS else StringType()

    return StructType([*(df.schema[name] for name in kept), *(StructField(name, kind(name)) for name in TAG_COLUMNS)])


def _sent(session: SparkSession, setup: Setup) -> Setup:
    """Send folders and files to the workers; what is left of each path is its name there."""
    names: dict[str, Any] = {}
    for part in ("model", "rules", "assumptions"):
        path = getattr(setup, part)
        if path is not None:
            session.sparkContext.addFile(str(Path(path).resolve()), recursive=Path(path).is_dir())
            names[part] = Path(path).resolve().name
    return replace(setup, **names)


def _mapper(cells: _Cells, setup: Setup) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def tagged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tagger = _tagger(setup)
        for batch in batches:
            yield _tagged(batch, cells, tagger)

    return tagged


@lru_cache(maxsize=2)
def _tagger(setup: Setup) -> Tagger:
    """The tagger of a worker process: loaded once, kept for all tasks that it runs."""
    from pyspark import SparkFiles

    def here(name: str | None) -> str | None:
        return SparkFiles.get(name) if name is not None else None

    return replace(setup, model=here(setup.model), rules=here(setup.rules), assumptions=here(setup.assumptions)).load()


def _tagged(batch: pa.RecordBatch, cells: _Cells, tagger: Tagger) -> pa.RecordBatch:
    import pyarrow as pa

    def column(name: str) -> list[str]:
        return [cell_text(value) for value in batch.column(name).to_pylist()]

    texts = [join_columns(values) for values in zip(*map(column, cells.text), strict=True)]
    ids = column(cells.id) if cells.id else [""] * len(texts)
    extra = {name: column(place) for name, place in cells.trade}
    extra |= {name: column(name) for name in tagger.assumptions.columns}
    rows = [Row(ids[n], text, {name: values[n] for name, values in extra.items()}) for n, text in enumerate(texts)]
    tags = tagger.tag_table(rows)
    kinds = {
        **dict.fromkeys(TAG_COLUMNS, pa.string()),
        **dict.fromkeys(NUMBER_TAGS, pa.float64()),
        **dict.fromkeys(YES_NO_TAGS, pa.bool_()),
    }
    if cells.for_spreadsheets:
        tags = {name: list(map(neutral, map(str, v))) if kinds[name] == pa.string() else v for name, v in tags.items()}
    arrays = [pa.array(values, type=kinds[name]) for name, values in tags.items()]
    return pa.RecordBatch.from_arrays([*batch.columns, *arrays], [*batch.schema.names, *tags])
