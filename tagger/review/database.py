"""Open a review database: SQLite by file name, PostgreSQL by URL; brought to the present version by migrations."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tagger.errors import ReviewError

BUSY_SECONDS = 60
_WRITES = "tagger_writes"
_MIGRATION_LOCK = 7_424_837  # any number that all clients share


def database_url(target: str | Path) -> sa.URL:
    """URL of a store: a file name is SQLite; ``postgresql://`` and ``postgres://`` mean the psycopg driver.

    Raises
    ------
    ReviewError
        Where the URL cannot be read or is of another database.

    Examples
    --------
    >>> database_url("queue.sqlite").render_as_string()
    'sqlite:///queue.sqlite'
    >>> database_url("postgresql://ann@db/review").drivername
    'postgresql+psycopg'
    >>> database_url("mysql://db/review")
    Traceback (most recent call last):
    ...
    tagger.errors.ReviewError: the review store cannot be a mysql database: name an SQLite file or a postgresql+psycopg:// URL
    """
    if "://" not in str(target):
        return sa.URL.create("sqlite", database=str(target))
    try:
        url = sa.make_url(str(target))
    except sa.exc.ArgumentError:
        raise ReviewError("the URL of the review store cannot be read: it is like postgresql+psycopg://user@host/name") from None
    backend = url.drivername.split("+")[0]
    if backend in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return url
    raise ReviewError(f"the review store cannot be a {backend} database: name an SQLite file or a postgresql+psycopg:// URL")


def open_engine(target: str | Path, *, create: bool = True) -> sa.Engine:
    """Connect to a store and bring it to the present version.

    Parameters
    ----------
    target : str or Path
        File or URL.
    create : bool
        Make the tables where there are none; otherwise a missing store is an error.

    Raises
    ------
    ReviewError
        Where the database cannot be reached, is no review store, or is of a newer version.
    """
    url = database_url(target)
    if url.get_backend_name() == "sqlite":
        _check_file(url, create=create)
    engine = _engine(url)
    try:
        _migrate(engine, create=create)
    except (sa.exc.DBAPIError, OSError) as error:
        engine.dispose()
        raise ReviewError(f"the review store {shown(url)} cannot be opened: {reason(error)}") from None
    except ReviewError:
        engine.dispose()
        raise
    return engine


def shown(url: sa.URL) -> str:
    """A URL for people, without its password; an SQLite file by its name."""
    return url.database or "in memory" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def reason(error: BaseException) -> str:
    """Why a database refused, on one line."""
    original = getattr(error, "orig", None) or error
    return " ".join(str(original).split()) or type(original).__name__


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes; on SQLite it takes the write lock at once, so that nothing read in it can grow stale.

    Raises
    ------
    ReviewError
        Where the database fails.
    """
    with _told(engine), engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that only reads.

    Raises
    ------
    ReviewError
        Where the database fails.
    """
    with _told(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def _told(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise ReviewError(f"the review store {shown(engine.url)} failed: {reason(error)}") from None


def _check_file(url: sa.URL, *, create: bool) -> None:
    if not url.database or url.database == ":memory:":
        raise ReviewError("the review store needs a file: one in memory is lost at the end")
    path = Path(url.database)
    if path.is_dir():
        raise ReviewError(f"the review store {path} is a folder: name a file")
    if not path.exists():
        if not create:
            raise ReviewError(f"no review store {path}: `tagger batch ... --review {path}` makes one")
        if not path.parent.is_dir():
            raise ReviewError(f"no folder {path.parent} for the review store: make it first")
    elif path.stat().st_size and not path.read_bytes()[:16].startswith(b"SQLite format 3\x00"):
        raise ReviewError(f"{path} is no SQLite file: name another review store")


def _engine(url: sa.URL) -> sa.Engine:
    try:
        if url.get_backend_name() != "sqlite":
            return sa.create_engine(url, pool_pre_ping=True)
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    except ModuleNotFoundError:
        raise ReviewError("PostgreSQL needs its driver: pip install 'tagger[postgres]'") from None
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # the driver's own transactions begin too late for a safe claim
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def versions() -> list[str]:
    """Revisions of the migrations, oldest first, by the names of their files (``0001_store.py``)."""
    folder = resources.files("tagger.review.migrations").joinpath("versions")
    return sorted(f.name.partition("_")[0] for f in folder.iterdir() if f.name[:4].isdigit() and f.name.endswith(".py"))


def _version(connection: sa.Connection) -> str:
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or ""


def _migrate(engine: sa.Engine, *, create: bool) -> None:
    known = versions()
    with reading_raw(engine) as connection:
        found = _version(connection)
        tables = sa.inspect(connection).get_table_names()
    if found == known[-1]:
        return
    if found and found not in known:
        raise ReviewError(f"the review store {shown(engine.url)} is of a newer version ({found}): update tagger")
    if not found and tables and engine.dialect.name == "sqlite":
        raise ReviewError(f"{shown(engine.url)} is an SQLite file, but no review store of this version: name another one")
    if not found and not create:
        raise ReviewError(f"{shown(engine.url)} holds no review store: `tagger batch ... --review` makes one")
    _upgrade(engine)


@contextlib.contextmanager
def reading_raw(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A reading transaction whose database errors come as they are."""
    with engine.connect() as connection, connection.begin():
        yield connection


def _upgrade(engine: sa.Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tagger:review/migrations")
    with engine.connect().execution_options(**{_WRITES: True}) as connection, connection.begin():
        if engine.dialect.name == "postgresql":  # two clients may open a new store at once
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
