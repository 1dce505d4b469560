"""The review queue: an SQLite file beside the tagged catalogue with every row that a person has to decide."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from tagger.errors import ReviewError
from tagger.files import replacing
from tagger.records import Decision, Outcome, Row, quantity_dict

SCHEMA_VERSION = 1
_TABLE = """
CREATE TABLE items (
    row_number INTEGER PRIMARY KEY,
    row_id TEXT NOT NULL,
    text TEXT NOT NULL,
    category TEXT NOT NULL,
    confidence REAL NOT NULL,
    codes TEXT NOT NULL,
    reasons TEXT NOT NULL,
    questions TEXT NOT NULL,
    quantities TEXT NOT NULL,
    note TEXT NOT NULL,
    model_id TEXT NOT NULL,
    rules_id TEXT NOT NULL,
    as_of TEXT NOT NULL
)
"""


def review_path(target: Path) -> Path:
    """Name of the queue that belongs to a tagged file: ``tagged.csv`` -> ``tagged.review.sqlite``.

    Examples
    --------
    >>> review_path(Path("tagged.csv")).name
    'tagged.review.sqlite'
    """
    return target.with_name(f"{target.stem}.review.sqlite")


class ReviewQueue:
    """Writes the rows to be reviewed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextlib.contextmanager
    def replacing(cls, path: Path) -> Iterator[ReviewQueue]:
        """A new queue that takes the place of ``path`` when the block ends without an error.

        Raises
        ------
        ReviewError
            Where the file cannot be written.
        """
        try:
            with replacing(path) as temporary, contextlib.closing(sqlite3.connect(temporary)) as connection:
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.execute(_TABLE)
                yield cls(connection)
                connection.commit()
        except sqlite3.Error as error:
            raise ReviewError(f"the review queue {path} cannot be written ({error}): name an output in another folder") from None

    def add(self, answers: Iterable[tuple[Row, Decision, int]]) -> None:
        """Add those answers that are ``review``; each with its row and its row number."""
        self._connection.executemany(
            "INSERT INTO items VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (_item(row, d, number) for row, d, number in answers if d.outcome == Outcome.REVIEW),
        )


def _item(row: Row, d: Decision, number: int) -> tuple[object, ...]:
    def dump(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    id, text = (value.encode("utf-8", "replace").decode("utf-8") for value in (row.id, row.text))
    return (
        number,
        id,
        text,
        d.category,
        d.confidence,
        dump(d.codes),
        dump([str(r) for r in d.reasons]),
        dump(d.questions),
        dump([quantity_dict(q) for q in d.quantities]),
        d.note,
        d.model_id,
        d.rules_id,
        d.as_of,
    )
