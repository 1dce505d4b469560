"""A running review page for tests and screenshots: a real server on a free port, and a real Chromium."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagger.pipeline import Tagger
from tagger.records import Row
from tagger.review.items import BatchName, Role
from tagger.review.store import ReviewStore
from tagger.review.users import Users
from tagger.review.web.app import create_app
from tagger.review.web.visit import Room

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PASSWORD = "a long enough password"  # noqa: S105
PEOPLE = {"mei": Role.REVIEWER, "jonas": Role.REVIEWER, "ada": Role.ADJUDICATOR, "otto": Role.AUDITOR}
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


@contextlib.contextmanager
def serving(room: Room) -> Iterator[str]:
    """Serve the page in a thread; gives its address."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(room), log_level="error", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            for _ in range(600):
                if server.started:
                    break
                time.sleep(0.05)
            else:
                raise RuntimeError("the server did not start")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def add_people(store: ReviewStore) -> Users:
    """Accounts of every role, all with the same password."""
    users = Users(store.engine)
    for name, role in PEOPLE.items():
        users.add(name, role, PASSWORD)
    return users


def fill(store: ReviewStore, tagger: Tagger, texts: Sequence[str], batch: str = "goods") -> int:
    """Tag texts and put those that are for review into the store, as `tagger batch --review` does."""
    rows = [Row(f"{batch}-{n:04}", text) for n, text in enumerate(texts, 1)]
    decisions = tagger.tag_many(rows)
    return store.add([(r, d, n) for n, (r, d) in enumerate(zip(rows, decisions, strict=True), 1)], BatchName(batch, batch))


def chromium_path() -> str | None:
    """Where the browser is; None where it is not installed."""
    named = os.environ.get("CHROMIUM")
    return named or next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A real browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium_path(), headless=True, args=_FLAGS)
        try:
            yield opened
        finally:
            opened.close()


def log_in(page: Any, address: str, name: str) -> None:
    """Log in as one of the people."""
    page.goto(f"{address}/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_url("**/queue")


def folder_of_pictures() -> Path:
    """Where the README's pictures are."""
    return Path(__file__).parent / "data" / "screenshots"
