"""Fixtures: the shipped rulebook and model, loaded once, on a fixed day."""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tagger.pipeline import Tagger
from tagger.rulebook import Rulebook, load_rulebook

from .servers import database, postgres, postgres_bin

ROOT = Path(__file__).parent.parent
DAY = dt.date(2026, 11, 21)


class Result(NamedTuple):
    """What a command line printed and how it ended."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own: no user's files are read or written."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAGGER_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def book() -> Rulebook:
    return load_rulebook()


@pytest.fixture(scope="session")
def tagger(book: Rulebook) -> Tagger:
    return Tagger.load(as_of=DAY)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A running PostgreSQL server, as the folder of its socket."""
    programs = postgres_bin()
    if programs is None:
        message = "no PostgreSQL server is installed (apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with postgres(programs) as socket:
        yield socket


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new review store is to be, on each database."""
    if request.param == "sqlite":
        return str(tmp_path / "review.sqlite")
    return database(request.getfixturevalue("postgres_server"), f"t{uuid.uuid4().hex}")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command line in this process, as `tagger ...` would."""
    from tagger import cli

    def call(*arguments: object) -> Result:
        monkeypatch.setattr("sys.argv", ["tagger", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call
