"""Arithmetic with ranges: products, hulls, and how a derivation is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from tagger.records import Quantity, Span, show_range


def hull(quantities: Sequence[Quantity]) -> Quantity:
    """One range over several figures of the same thing; of a single figure, itself."""
    first = quantities[0]
    if len(quantities) == 1:
        return first
    spans = [q.span for q in quantities]
    return replace(
        first,
        low=min(q.low for q in quantities),
        high=max(q.high for q in quantities),
        span=Span(min(s.start for s in spans), max(s.end for s in spans)),
    )


def product_of(factors: Sequence[tuple[Quantity, int]]) -> tuple[float, float]:
    """Least and greatest product of powers of positive ranges."""
    low = high = 1.0
    for q, power in factors:
        ends = [_power(q.low, power), _power(q.high, power)]
        corners = [_times(a, b) for a, b in product((low, high), ends)]
        low, high = min(corners), max(corners)
    return low, high


def derivation(factors: Sequence[tuple[Quantity, int]]) -> str:
    """The derivation as people write it: ``3.6 V x 5 Ah / 0.068 kg``."""
    above = " x ".join(show_range(q) for q, power in factors if power > 0)
    below = " x ".join(show_range(q) for q, power in factors if power < 0)
    return f"{above} / {below}" if below else above


def _power(value: float, power: int) -> float:
    value = max(value, 0.0)
    if power < 0 and value == 0.0:
        return math.inf
    return float(value**power)


def _times(a: float, b: float) -> float:
    return 0.0 if 0.0 in (a, b) else a * b
