"""From a batch run to the store: the memory answers what it knows, the rest waits in a spool until the run is complete."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tagger.errors import ReviewError
from tagger.records import Decision, Outcome, Row
from tagger.review.content import ReviewSettings, dump, load_settings
from tagger.review.filling import prepare
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


@dataclass(slots=True)
class Feed:
    """Takes the answered rows of a run; see :func:`feeding`."""

    batch: BatchName
    settings: ReviewSettings
    spool: IO[str]
    taken: list[range] = field(default_factory=list)

    def keep(self, row: Row, d: Decision, number: int) -> None:
        """Keep one answered row where it is for review."""
        if d.outcome == Outcome.REVIEW:
            self.spool.write(dump(prepare(row, d, number, self.settings)) + "\n")


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


@contextlib.contextmanager
def feeding(review: str | Path, batch: BatchName, book: Rulebook) -> Iterator[Feed]:
    """Fill a store from a run: nothing is queued before the block ends, and nothing at all where it fails.

    Parameters
    ----------
    review : str or Path
        SQLite file (made at the end where it is not there) or URL.
    batch : BatchName
    book : Rulebook

    Raises
    ------
    ReviewError
        Where the store cannot be opened or written.
    """
    with contextlib.ExitStack() as stack:
        store = None
        if _is_there(review):
            store = stack.enter_context(ReviewStore.open(review, book))
        spool = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n"))
        feed = Feed(batch, load_settings() if store is None else store.settings, spool)
        yield feed
        if store is None:
            store = stack.enter_context(ReviewStore.open(review, book))
        _pour(feed, store)


def _is_there(review: str | Path) -> bool:
    """Whether a store is there already; a queue of tagger 0.2, which held no answers and was made anew by every run, is none."""
    if "://" in str(review):
        return True
    path = Path(review)
    if not path.exists():
        if not path.absolute().parent.is_dir():
            raise ReviewError(f"no folder {path.parent} for the review store: make it first")
        return False
    if _is_old_queue(path):
        path.unlink()
        return False
    return True


def _is_old_queue(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return tables == ["items"] and connection.execute("PRAGMA user_version").fetchone() == (1,)
    except sqlite3.Error:
        return False  # what it is instead is told when it is opened


def _pour(feed: Feed, store: ReviewStore) -> None:
    feed.spool.seek(0)
    piece: list[dict[str, Any]] = []
    queued: set[int] = set()
    for line in feed.spool:
        piece.append(json.loads(line))
        queued.add(piece[-1]["row_number"])
        if len(piece) == _AT_ONCE:
            store.add_prepared(piece, feed.batch)
            piece = []
    store.add_prepared(piece, feed.batch)
    store.finish(feed.batch, feed.taken, queued)
