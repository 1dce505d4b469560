"""Read tagged catalogues again: what changed between two of them, and the questions grouped for those who can answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.catalogue.tables import Batch, NoSource, cell_text, open_sink, open_source
from tagger.errors import UsageError
from tagger.records import TAG_COLUMNS

_ROWS_AT_ONCE = 2_000
_WATCHED = ("tag_outcome", "tag_category", "tag_codes", "tag_legal_status")
_BETWEEN_QUESTIONS = " | "


@dataclass(frozen=True, slots=True)
class Change:
    """One row whose answer differs between two tagged catalogues.

    ``why`` names what differs beside the answer: text, model, rules, date, assumptions; rows that are only in one file are
    ``added`` or ``removed``.
    """

    row_id: str
    what: tuple[tuple[str, str, str], ...]
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed between two tagged catalogues."""

    rows: int
    changes: tuple[Change, ...]

    @property
    def moves(self) -> Counter[tuple[str, str]]:
        """How many rows went from one outcome to another."""
        pairs = (next(((a, b) for name, a, b in c.what if name == "tag_outcome"), None) for c in self.changes)
        return Counter(p for p in pairs if p)

    @property
    def reasons(self) -> Counter[str]:
        """How many changes have each reason."""
        return Counter(why for c in self.changes for why in c.why)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to one supplier, with the rows that wait for its answer."""

    supplier: str
    en: str
    zh: str
    rows: tuple[str, ...]


def read_tagged(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a tagged catalogue as texts by column.

    Raises
    ------
    CatalogueError
        Where the file cannot be read.
    UsageError
        Where it has no ``tag_`` columns.
    """
    table = open_source(path)
    missing = [c for c in ("tag_outcome", "tag_codes", "tag_questions") if c not in table.columns]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]}: name a file that `tagger batch` wrote")
    for batch in table.batches(_ROWS_AT_ONCE):
        for row in batch.rows:
            yield {name: cell_text(row[i]) if i < len(row) else "" for i, name in enumerate(table.columns)}


def compare_tagged(old: Path, new: Path, id: str | None = None) -> Comparison:
    """Compare two tagged catalogues row by row.

    Parameters
    ----------
    old, new : Path
        Files that ``tagger batch`` wrote.
    id : str, optional
        Column that names a row; the position by default. An id that stands several times is told apart by its order.

    Returns
    -------
    Comparison
        Changes in the order of ``new``, then rows that are only in ``old``.

    Raises
    ------
    UsageError
        Where a file has no such column.
    """
    before = _by_id(old, id)
    changes: list[Change] = []
    rows = 0
    for key, row in _keyed(new, id):
        rows += 1
        other = before.pop(key, None)
        change = _changed(key[0], other, row)
        if change:
            changes.append(change)
    gone = [Change(key[0], tuple((c, row.get(c, ""), "") for c in _WATCHED), ("removed",)) for key, row in before.items()]
    return Comparison(rows, (*changes, *gone))


def _by_id(path: Path, id: str | None) -> dict[tuple[str, int], dict[str, str]]:
    return dict(_keyed(path, id))


def _keyed(path: Path, id: str | None) -> Iterator[tuple[tuple[str, int], dict[str, str]]]:
    seen: Counter[str] = Counter()
    for number, row in enumerate(read_tagged(path), 1):
        _need(path, row, id)
        key = row[id] if id else str(number)
        seen[key] += 1
        yield (key, seen[key]), row


def _need(path: Path, row: Mapping[str, str], column: str | None) -> None:
    if column is not None and column not in row:
        raise UsageError(f"{path} has no column {column!r}; its columns are: {', '.join(map(repr, row))}")


def _changed(row_id: str, old: Mapping[str, str] | None, new: Mapping[str, str]) -> Change | None:
    if old is None:
        return Change(row_id, tuple((c, "", new.get(c, "")) for c in _WATCHED), ("added",))
    what = tuple((c, old.get(c, ""), new.get(c, "")) for c in _WATCHED if old.get(c, "") != new.get(c, ""))
    return Change(row_id, what, tuple(_why(old, new)) or ("unknown",)) if what else None


def _why(old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[str]:
    """What differs beside the answer."""
    own = [c for c in new if c not in TAG_COLUMNS and c in old]
    if any(old[c] != new[c] for c in own):
        yield "text"
    for name, column in (("model", "tag_model"), ("rules", "tag_rules"), ("date", "tag_as_of"), ("assumptions", "tag_assumptions")):
        if old.get(column, "") != new.get(column, ""):
            yield name


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "rows": comparison.rows,
        "changed": len(comparison.changes),
        "moves": [{"from": a, "to": b, "rows": n} for (a, b), n in comparison.moves.most_common()],
        "reasons": dict(comparison.reasons.most_common()),
        "changes": [
            {"row_id": c.row_id, "why": list(c.why), "what": {name: {"old": a, "new": b} for name, a, b in c.what}}
            for c in comparison.changes
        ],
    }


def questions_of(path: Path, by: str | None = None, id: str | None = None) -> list[Ask]:
    """The questions of a tagged catalogue, each once for each supplier, with the rows that wait for it.

    Parameters
    ----------
    path : Path
        A file that ``tagger batch`` wrote.
    by : str, optional
        Column with the supplier; all questions together by default.
    id : str, optional
        Column that names a row; the row number by default.

    Returns
    -------
    list of Ask
        By supplier in alphabetical order, the question that most rows wait for first.

    Raises
    ------
    UsageError
        Where the file has no such column.
    """
    asked: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for number, row in enumerate(read_tagged(path), 1):
        for column in (by, id):
            _need(path, row, column)
        if row["tag_outcome"] != "review":
            continue
        name = row[id] if id else str(number)
        for en, zh in _pairs(row["tag_questions"]):
            asked[row[by].strip() if by else "", en, zh].append(name)
    asks = [Ask(supplier, en, zh, tuple(rows)) for (supplier, en, zh), rows in asked.items()]
    return sorted(asks, key=lambda a: (a.supplier.casefold(), -len(a.rows), a.en))


def _pairs(cell: str) -> Iterator[tuple[str, str]]:
    """Questions of a cell: English and Chinese in turn."""
    texts = [t for t in cell.split(_BETWEEN_QUESTIONS) if t.strip()]
    yield from zip(texts[::2], texts[1::2], strict=False)


def write_questions(asks: Sequence[Ask], target: Path) -> None:
    """Write the questions as a table, one a line, with an empty column for the answer; the suffix chooses the format."""
    columns = ("supplier", "question_en", "question_zh", "items", "answer")
    with open_sink(target, NoSource(target), columns) as sink:
        sink.write(Batch([[] for _ in asks]), [[a.supplier, a.en, a.zh, ", ".join(a.rows), ""] for a in asks])


def letters(asks: Sequence[Ask]) -> str:
    """The questions as text to send, supplier by supplier, in English and Chinese.

    Examples
    --------
    >>> print(letters([Ask("Magnet Co", "Does it contain dysprosium?", "是否含镝？", ("A1", "A2"))]))
    == Magnet Co: 1 question on 2 items ==
    <BLANKLINE>
    1. Does it contain dysprosium?
       是否含镝？
       Items 商品: A1, A2
    <BLANKLINE>
    """
    suppliers: dict[str, list[Ask]] = defaultdict(list)
    for ask in asks:
        suppliers[ask.supplier].append(ask)
    lines: list[str] = []
    for supplier, own in suppliers.items():
        items = {row for ask in own for row in ask.rows}
        counts = f"{len(own)} question{'s'[: len(own) != 1]} on {len(items)} item{'s'[: len(items) != 1]}"
        lines += [f"== {supplier or '(no supplier named)'}: {counts} ==", ""]
        for number, ask in enumerate(own, 1):
            lines += [f"{number}. {ask.en}", f"   {ask.zh}", f"   Items 商品: {', '.join(ask.rows)}", ""]
    return "\n".join(lines)
