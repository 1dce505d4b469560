"""Between a batch run and the store: the memory answers what it knows, and a complete run sends what people have to decide."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tagger.errors import ReviewError
from tagger.review.content import placed
from tagger.review.items import BatchName
from tagger.review.store import ReviewStore
from tagger.rulebook import Rulebook

_AT_ONCE = 1_000


def batch_of(target: Path, source: Path, text: Sequence[str] = (), id: str | None = None) -> BatchName:
    """What a run is called in the store: by the file that it writes, told from others of that name by its folder.

    Examples
    --------
    >>> batch_of(Path("tagged.csv"), Path("goods.csv")).name
    'tagged.csv'
    """
    key = hashlib.sha256(str(target.resolve()).encode("utf-8", "replace")).hexdigest()[:16]
    return BatchName(target.name, key, source.name, tuple(text), id or "")


class Waiting(NamedTuple):
    """A row that a person has to decide: its number, its id, and what :func:`tagger.review.content.found_in` says of its text."""

    number: int
    row_id: str
    found: Mapping[str, Any]


@contextlib.contextmanager
def remembering(review: str | Path, book: Rulebook) -> Iterator[ReviewStore | None]:
    """The store whose memory answers what people decided before; None where there is none yet.

    Raises
    ------
    ReviewError
        Where it cannot be opened.
    """
    if not _is_there(review):
        yield None
        return
    with ReviewStore.open(review, book) as store:
        yield store


def fill(review: str | Path, batch: BatchName, book: Rulebook, waiting: Iterable[Waiting], rows: int) -> None:
    """Send a complete run to the store.

    Parameters
    ----------
    review : str or Path
        SQLite file (made where it is not there) or URL.
    batch : BatchName
    book : Rulebook
    waiting : iterable of Waiting
        The rows that are for review, as they follow each other.
    rows : int
        How many rows the run has; what still waits for any other of them is superseded.

    Raises
    ------
    ReviewError
        Where the store cannot be opened or written.
    """
    _make_room(review)
    queued: set[int] = set()
    with ReviewStore.open(review, book) as store:
        settings, items = store.settings, iter(waiting)
        while piece := [placed(w.found, w.row_id, w.number, settings) for w in itertools.islice(items, _AT_ONCE)]:
            queued.update(values["row_number"] for values in piece)
            store.add_prepared(piece, batch)
        store.finish(batch, [range(1, rows + 1)], queued)


def _is_there(review: str | Path) -> bool:
    """Whether a store is there already."""
    if "://" in str(review):
        return True
    _make_room(review)
    path = Path(review)
    if not path.absolute().parent.is_dir():
        raise ReviewError(f"no folder {path.parent} for the review store: make it first")
    return path.exists()


def _make_room(review: str | Path) -> None:
    """Take away a queue of tagger 0.2, which held no answers and was made anew by every run."""
    path = Path(review)
    if "://" not in str(review) and path.exists() and _is_old_queue(path):
        path.unlink()


def _is_old_queue(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return tables == ["items"] and connection.execute("PRAGMA user_version").fetchone() == (1,)
    except sqlite3.Error:
        return False  # what it is instead is told when it is opened
