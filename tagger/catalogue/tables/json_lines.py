"""JSON Lines: one object a line; an object keeps its own text."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tagger.catalogue.encodings import ESCAPED, Encoding, find_encoding, to_bytes
from tagger.catalogue.formats import format_of
from tagger.catalogue.packed import unpacking
from tagger.catalogue.tables.cells import Batch, NumberCell, Source, cell_text
from tagger.errors import CatalogueError

_AT_ONCE = 10_000
_LONGEST = 1 << 26


class JsonLinesSource:
    """A file with one JSON object a line."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        self.path = path
        self.encoding: Encoding = find_encoding(path, encoding)
        names: dict[str, None] = {}
        for batch in self._objects(_AT_ONCE):
            for _, item, _ in batch:
                names.update(dict.fromkeys(item))
        if not names:
            raise CatalogueError(f"{path} holds no JSON object: expected one object a line")
        self.columns = list(names)
        self.about = f"JSON Lines{format_of(path)[1]}, {self.encoding.shown}"

    @property
    def broken(self) -> bool:
        """Whether some bytes could not be decoded."""
        return self.encoding.errors == "surrogateescape"

    def _objects(self, size: int) -> Iterator[list[tuple[str, Mapping[str, Any], str]]]:
        found: list[tuple[str, Mapping[str, Any], str]] = []
        name, errors = self.encoding.name, self.encoding.errors
        with unpacking(self.path) as packed, io.TextIOWrapper(packed, encoding=name, errors=errors, newline="\n") as file:
            number = 0
            while line := file.readline(_LONGEST):
                number += 1
                if len(line) == _LONGEST and not line.endswith("\n"):
                    raise CatalogueError(f"{self.path}: line {number} has more than {_LONGEST >> 20} million characters")
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
    except (RecursionError, ValueError):  # nested without end, a number of thousands of digits
        return line, {}, f"line {number} is not JSON that can be read (too deep, or a number too long)"
    if not isinstance(item, dict):
        return line, {}, f"line {number} is not a JSON object"
    return line, item, f"line {number} has broken bytes" if ESCAPED.search(line) else ""


class JsonLinesEncoder:
    """Rows as lines of JSON, in UTF-8."""

    def __init__(self, source: Source, added: Sequence[str]) -> None:
        self._columns = source.columns
        self._added = list(added)
        self._again = any(name in added for name in source.columns)
        self._broken = getattr(source, "broken", False)

    def head(self) -> bytes:
        """Nothing stands before the first line."""
        return b""

    def rows(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> bytes:
        """Rows; an object that came from JSON Lines keeps its own text, a line that is none is kept as a text."""
        lines = [self._line(batch, i, tag) for i, tag in enumerate(tags)]
        return to_bytes("".join(f"{line}\n" for line in lines), broken=self._broken)

    def _line(self, batch: Batch, i: int, tag: Sequence[Any]) -> str:
        extra = json.dumps(dict(zip(self._added, tag, strict=True)), ensure_ascii=False)
        raw: str | None = batch.raw[i] if batch.raw and isinstance(batch.raw[0], str) else None
        if raw is not None and i in batch.faults and all(cell is None for cell in batch.rows[i]):
            return json.dumps({"unreadable_line": raw}, ensure_ascii=False)[:-1] + ", " + extra[1:]
        if raw is not None and not self._again:
            inner = raw.rstrip()[:-1].rstrip()
            return inner + (", " if len(inner) > 1 else "") + extra[1:]
        row = batch.rows[i]
        cells = {n: _json_value(c) for n, c in zip(self._columns, row, strict=False) if n not in self._added}
        spare = {f"extra_{k}": _json_value(c) for k, c in enumerate(row[len(self._columns) :], 1)}
        return json.dumps({**cells, **spare, **json.loads(extra)}, ensure_ascii=False)


def _json_value(cell: Any) -> Any:
    if isinstance(cell, NumberCell):  # its text where that tells more than the number: leading zeros, a mask, a date
        text = cell_text(cell)
        return cell.value if isinstance(cell.value, int | float) and text == cell_text(cell.value) else text
    return cell if cell is None or isinstance(cell, str | int | float | bool | list | dict) else cell_text(cell)
