"""Labelled rows from any table, for measuring: a column with the text, the right decision and the category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger.catalogue.tables import cell_text, open_source
from tagger.errors import TrainingDataError, UsageError
from tagger.learning.dataset import Example, label_fault

_ROWS_AT_ONCE = 2_000
_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Names of the columns; those that may be missing are left empty where they are."""

    text: str = "text"
    decision: str = "decision"
    category: str = "category"
    code: str = "code"
    lang: str = "lang"
    id: str = "id"


def read_labelled(path: Path, labels: Sequence[str], columns: LabelColumns | None = None) -> list[Example]:
    """Read labelled rows.

    Parameters
    ----------
    path : Path
        A table of any known format, or a folder of ``*.jsonl`` files.
    labels : sequence of str
        Allowed categories.
    columns : LabelColumns, optional
        Text, decision and category have to be there; code, language and id may be missing.

    Returns
    -------
    list of Example

    Raises
    ------
    UsageError
        Where a column is missing.
    TrainingDataError
        With the faults of the labels, each with its row.
    """
    named = columns or LabelColumns()
    paths = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if not paths:
        raise TrainingDataError(f"no *.jsonl files in {path}")
    examples: list[Example] = []
    faults: list[str] = []
    for file in paths:
        for number, cells in enumerate(_rows(file, named), 1):
            fault = _fault(cells, named, labels)
            if fault:
                faults.append(f"{file.name}: row {number}: {fault}")
            else:
                examples.append(_example(cells, named, f"{file.stem}-{number}"))
    if faults:
        shown = "; ".join(faults[:_MOST_FAULTS])
        raise TrainingDataError(f"{path} has {len(faults)} fault(s) in its labels: {shown}")
    if not examples:
        raise TrainingDataError(f"{path} has no rows")
    return examples


def _rows(path: Path, named: LabelColumns) -> list[dict[str, str]]:
    table = open_source(path)
    for column in (named.text, named.decision, named.category):
        if column not in table.columns:
            raise UsageError(f"{path} has no column {column!r}; its columns are: {', '.join(map(repr, table.columns))}")
    return [
        {name: cell_text(row[i]) if i < len(row) else "" for i, name in enumerate(table.columns)}
        for batch in table.batches(_ROWS_AT_ONCE)
        for row in batch.rows
    ]


def _fault(cells: Mapping[str, str], named: LabelColumns, labels: Sequence[str]) -> str:
    decision, category = ((name, cells[name].strip()) for name in (named.decision, named.category))
    return label_fault(decision, category, labels)


def _example(cells: Mapping[str, str], named: LabelColumns, fallback: str) -> Example:
    return Example(
        id=cells.get(named.id, "").strip() or fallback,
        lang=cells.get(named.lang, "").strip(),
        text=cells[named.text],
        category=cells[named.category].strip(),
        decision=cells[named.decision].strip(),
        code=cells.get(named.code, "").strip(),
        why="",
        source="",
        group="",
    )
