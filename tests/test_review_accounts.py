"""Accounts and the server from the command line."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from .review_page import PASSWORD

Run = Callable[..., Any]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What comes on standard input."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))


def test_accounts_are_made_listed_and_closed(run: Run, typed: Callable[[str], None], tmp_path: Path) -> None:
    store = tmp_path / "review.sqlite"
    typed(PASSWORD)
    assert run("review", "user", "add", "mei", "--review", store, "--password-stdin").out == "mei: reviewer\n"
    typed(PASSWORD + "!")
    assert run("review", "user", "passwd", "mei", "--review", store, "--password-stdin").out == "mei: password changed\n"
    assert run("review", "user", "role", "mei", "--review", store, "--role", "adjudicator").status == 0
    assert run("review", "user", "disable", "mei", "--review", store).out == "mei: disabled\n"
    assert re.fullmatch(
        r"mei +adjudicator +since \d{4}-\d\d-\d\d +disabled\n", run("review", "user", "list", "--review", store).out
    )
    assert run("review", "user", "enable", "mei", "--review", store).status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "mei", "--role", "boss"), "no role 'boss'"),
        (("add", "a b"), "is no user name"),
        (("disable", "nobody"), "no user 'nobody'"),
        (("passwd", "nobody"), "no user 'nobody'"),
    ],
)
def test_wrong_calls_are_told_on_one_line(
    run: Run, typed: Callable[[str], None], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    store = tmp_path / "review.sqlite"
    typed(PASSWORD)
    run("review", "user", "add", "first", "--review", store, "--password-stdin")
    typed(PASSWORD)
    stdin = ("--password-stdin",) if arguments[0] in ("add", "passwd") else ()
    done = run("review", "user", *arguments, "--review", store, *stdin)
    assert done.status in (1, 2)
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_page_for_the_network_wants_https(run: Run, tmp_path: Path) -> None:
    done = run("review", "serve", "--review", tmp_path / "review.sqlite", "--host", "192.0.2.1")
    assert (done.status, "https" in done.err) == (2, True)


def test_the_server_starts_and_stops(run: Run, typed: Callable[[str], None], tmp_path: Path) -> None:
    store = tmp_path / "review.sqlite"
    typed(PASSWORD)
    run("review", "user", "add", "mei", "--review", store, "--password-stdin")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tagger", "review", "serve", "--review", str(store), "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "default"})
    try:
        for _ in range(300):
            try:
                page = httpx.get(f"http://127.0.0.1:{port}/queue", follow_redirects=True)
                break
            except httpx.ConnectError:
                assert server.poll() is None
                time.sleep(0.1)
        assert page.url.path == "/login"
        assert "server" not in page.headers
    finally:
        server.send_signal(signal.SIGINT)
        _, err = server.communicate(timeout=30)
    assert f"http://127.0.0.1:{port}" in err
    assert "Traceback" not in err
