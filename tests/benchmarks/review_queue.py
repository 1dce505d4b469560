"""Server-side times of a long review queue: python tests/benchmarks/review_queue.py [--items 100000] [--postgres]

Fills a store with items of the shipped model and measures what the web page asks of it: first page, filters, next item, answers.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tagger.pipeline import Tagger
from tagger.records import Row
from tagger.review.items import Answer, BatchName, Filters, Role, Stage, State, Who
from tagger.review.store import ReviewStore
from tests.servers import database, postgres, postgres_bin

_AT_ONCE = 2_000
_TEXTS = (
    "NdFeB magnet N42, zinc plated, lot {n}",
    "钕铁硼磁钢 N45 镀镍 {n}",
    "LFP cathode powder for Li-ion battery, bag {n}",
    "Li-ion pouch cell 3.7 V, 30 Ah, {g} to 420 g",
    "Isostatic graphite block, part {n}",
    "Roller hearth kiln RHK-{n}, 1050 degC",
    "Diamond micron powder W5, order {n}",
    "Li-ion cell sample {n}",
)


def fill(store: ReviewStore, count: int) -> float:
    """Add items with random risks; the seconds it took."""
    tagger = Tagger.load()
    found = [(text, tagger.tag(text.format(n=7, g=360))) for text in _TEXTS]
    kept = [(text, d) for text, d in found if d.outcome == "review"]
    chance = random.Random(1)  # noqa: S311  figures for a benchmark
    began = time.perf_counter()
    for start in range(0, count, _AT_ONCE):
        answers = []
        for n in range(start + 1, min(count, start + _AT_ONCE) + 1):
            text, d = kept[chance.randrange(len(kept))]
            none = chance.random()
            share = {name: p * (1 - none) for name, p in d.probabilities.items()} | {"none": none}
            row = Row(f"{n:06d}", text.format(n=n, g=chance.randrange(300, 419)))
            answers.append((row, replace(d, probabilities=share), n))
        store.add(answers, BatchName(f"batch {start // 25_000}", f"batch {start // 25_000}"))
    return time.perf_counter() - began


def timed(name: str, call: Callable[[], object], times: int = 20) -> None:
    """Print median and worst of some calls."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    print(f"{name:<46} median {statistics.median(taken):8.1f} ms   worst {max(taken):8.1f} ms", flush=True)


def measure(store: ReviewStore, count: int) -> None:
    """Fill and measure."""
    print(f"{store.engine.dialect.name}: {count:,} items added in {fill(store, count):.1f} s")
    ann, cleo = Who("ann"), Who("cleo", Role.ADJUDICATOR)
    timed("first page", store.page)
    timed("first page, counts and values to filter by", lambda: (store.page(), store.count(), store.facets()), 5)
    facets = store.facets().counts
    filters = {
        "category": Filters(category=next(iter(facets["category"]))),
        "rare category": Filters(category=list(facets["category"])[-1]),
        "reason": Filters(reason=next(iter(facets["reason"]))),
        "missing fact": Filters(missing=list(facets["missing"])[-1]),
        "batch": Filters(batch=next(iter(facets["batch"]))),
        "language": Filters(lang="zh"),
        "margin": Filters(margin=0.05),
        "words that stand nowhere": Filters(words="zzzzzz"),
        "in dispute (none)": Filters(stages=(Stage.ADJUDICATION,)),
        "decided (none)": Filters(states=(State.DECIDED,)),
    }
    for name, chosen in filters.items():
        timed(f"page by {name}", lambda chosen=chosen: store.page(chosen), 5)
    answer = Answer("controlled", "none", ("x",), "why")

    def work(who: Who) -> None:
        item = store.next(who)
        assert item is not None
        store.decide(item.id, who, replace(answer, category=item.category, codes=item.codes or ("x",)))

    timed("next item", lambda: store.next(ann))
    timed("next item for an adjudicator", lambda: store.next(cleo))
    for name, chosen in filters.items():
        if name not in ("in dispute (none)", "decided (none)", "words that stand nowhere"):
            timed(f"next item by {name}", lambda chosen=chosen: store.next(ann, chosen), 5)
    timed("next item and answer", lambda: work(ann), 200)
    item = store.next(ann)
    assert item is not None
    timed("one item, with past decisions", lambda: (store.item(item.id), store.similar(item.id), store.history(item.id)))
    timed("figures of the day", store.stats, 5)
    timed("check of the whole log", store.verify, 1)


def main() -> None:
    """Run on SQLite, or on a PostgreSQL server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if options.postgres:
            programs = postgres_bin()
            assert programs is not None, "apt-get install postgresql"
            target = database(stack.enter_context(postgres(programs)), "review")
        else:
            target = str(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "review.sqlite")
        measure(stack.enter_context(ReviewStore.open(target)), options.items)


if __name__ == "__main__":
    main()
