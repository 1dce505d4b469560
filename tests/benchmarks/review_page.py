"""Times of the review page on a long queue: python tests/benchmarks/review_page.py [--items 100000]

Fills a store, serves the page and measures whole requests from the first byte sent to the last one received, on this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from tagger.review.store import ReviewStore
from tests.benchmarks.review_queue import fill
from tests.review_page import PASSWORD, add_people


@contextlib.contextmanager
def serving(path: Path) -> Iterator[str]:
    """Serve the page in a process of its own, as people do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "tagger", "review", "serve", "--review", path, "--port", str(port)])
    try:
        for _ in range(300):
            with contextlib.suppress(httpx.ConnectError):
                httpx.get(f"http://127.0.0.1:{port}/login")
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def log_in(address: str, name: str) -> httpx.Client:
    """A client with a session."""
    client = httpx.Client(base_url=address, timeout=120)
    form = {"name": name, "password": PASSWORD, "csrf": _csrf(client.get("/login").text)}
    assert client.post("/login", data=form).status_code == 303
    return client


def _csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def timed(name: str, call: Callable[[], httpx.Response], times: int) -> httpx.Response:
    """Print the first, the median and the worst time of some requests."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        response = call()
        taken.append((time.perf_counter() - began) * 1000)
        assert response.status_code in (200, 303), response.text
    print(
        f"{name:<44} first {taken[0]:7.1f} ms   median {statistics.median(taken):7.1f} ms   worst {max(taken):7.1f} ms", flush=True
    )
    return response


def measure(address: str) -> None:
    """Ask for the pages that a reviewer asks for."""
    mei, ada = log_in(address, "mei"), log_in(address, "ada")
    timed("queue, first page", lambda: mei.get("/queue"), 20)
    for query in ("category=ndfeb_magnet", "reason=MISSING_FACT", "lang=zh", "margin=0.05", "batch=batch+1", "words=zzzzzz"):
        timed(f"queue, {query}", lambda query=query: mei.get(f"/queue?{query}"), 5)
    timed("progress", lambda: mei.get("/progress"), 5)
    timed("audit", lambda: ada.get("/audit"), 5)
    secret = _csrf(mei.get("/queue").text)
    taken = timed("next item: claimed", lambda: mei.post("/next", data={"csrf": secret}), 20)
    timed("item page", lambda: mei.get(taken.headers["location"]), 20)
    state = {"at": taken.headers["location"]}

    def answer() -> httpx.Response:
        page = mei.get(state["at"]).text
        choice = re.search(r'name="choice" value="([^"]+)"', page)
        assert choice
        began = time.perf_counter()
        id = state["at"].split("?")[0]
        done = mei.post(f"{id}/decide", data={"csrf": secret, "choice": choice[1], "why": "benchmark"})
        shown = mei.get(done.headers["location"])
        state["at"] = done.headers["location"]
        spent.append((time.perf_counter() - began) * 1000)
        return shown

    spent: list[float] = []
    for _ in range(100):
        answer()
    print(f"{'answer, next item claimed and drawn':<44} median {statistics.median(spent):7.1f} ms   worst {max(spent):7.1f} ms")


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="Store to fill once and use again.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "review.sqlite"
        if not path.exists():
            with ReviewStore.open(path) as store:
                print(f"{options.items:,} items added in {fill(store, options.items):.1f} s")
                add_people(store)
        with serving(path) as address:
            measure(address)


if __name__ == "__main__":
    main()
