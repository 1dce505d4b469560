"""A reviewer without a face: takes items and answers them until none waits. Run as: python -m tests.review_worker URL NAME"""

from __future__ import annotations

import sys
import time

from tagger.errors import ReviewConflictError, ReviewRightError
from tagger.review.items import Answer, Role, Who
from tagger.review.store import ReviewStore


def main(url: str, name: str) -> None:
    """Answer whatever comes; a line for each answer."""
    with ReviewStore.open(url) as store:
        who = Who(name, Role.ADJUDICATOR)
        while True:
            item = store.next(who)
            if item is None:
                if store.count() == 0:
                    return
                time.sleep(0.05)
                continue
            try:
                store.decide(item.id, who, Answer("controlled", "ndfeb_magnet", ("1C905.a.4",), "worker"))
            except (ReviewConflictError, ReviewRightError):
                continue  # the claim lapsed and somebody else was faster
            print(item.id, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
