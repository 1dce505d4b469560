"""When Python need not look for garbage, or not as often as it does."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

_RARE = 100_000  # new objects, those that are gone again not counted; Python looks after 700


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Do not look for cycles of objects for a while: there are none among records, and looking takes a tenth of the time.

    Examples
    --------
    >>> with no_collection():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


@contextlib.contextmanager
def rare_collection() -> Iterator[None]:
    """Look for cycles of objects more rarely for a while: most rows of a table are gone before it would be worth it.

    Examples
    --------
    >>> before = gc.get_threshold()
    >>> with rare_collection():
    ...     gc.get_threshold() == before
    False
    >>> gc.get_threshold() == before
    True
    """
    before = gc.get_threshold()
    gc.set_threshold(max(_RARE, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
