"""Figures that follow from others: Wh/kg from V x Ah / kg, purity from ash; ranges go through."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from tagger.law import Complement, Derived, Kind, QuantityFile, Units
from tagger.records import Quantity, Span, show_range


class Deriver:
    """Derives figures by the recipes of ``quantities.toml``.

    Parameters
    ----------
    units : Units
    quantities : QuantityFile
    """

    def __init__(self, units: Units, quantities: QuantityFile) -> None:
        self._base = {d.name: d.base for d in units.dimension}
        self._kinds = {k.name: k for k in quantities.kind}
        self._derived = quantities.derived
        self._complements = quantities.complement

    def derive(self, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
        """Figures that follow from those read, each with its derivation."""
        for spec in self._derived:
            yield from self._product(spec, quantities)
        for complement in self._complements:
            yield from self._complement(complement, quantities)

    def _product(self, spec: Derived, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
        chosen: list[tuple[Quantity, int]] = []
        for factor in spec.factors:
            candidates = readable(self._kinds[factor.kind], quantities)
            if not candidates:
                return
            chosen.append((_hull(candidates), factor.power))
        low, high = _interval_product(chosen)
        if high < spec.plausible[0] or low > spec.plausible[1]:
            return
        kind = self._kinds[spec.kind]
        spans = [q.span for q, _ in chosen]
        yield Quantity(
            kind=spec.kind,
            low=low,
            high=high,
            unit=self._base[kind.dimension],
            dimension=kind.dimension,
            span=Span(min(s.start for s in spans), max(s.end for s in spans)),
            derived_from=_derivation(chosen),
        )

    def _complement(self, spec: Complement, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
        """What is left of a hundred per cent: 20 ppm ash is a purity of 99.998 %."""
        for q in quantities:
            if q.kind in spec.of:
                scale = spec.scale.get(q.unit, 1.0)
                low, high = 100 - q.high * scale, 100 - q.low * scale
                derivation = f"100 % - {show_range(q)} {q.kind.replace('_', ' ')}"
                kind = self._kinds[spec.kind]
                unit = self._base[kind.dimension]
                yield Quantity(spec.kind, max(low, 0.0), high, unit, kind.dimension, q.span, derivation)


def readable(kind: Kind, quantities: Iterable[Quantity], *, bare: bool = True) -> list[Quantity]:
    """Figures that may be read as a kind: those named so, else of an accepted kind, else unnamed ones inside the window.

    Parameters
    ----------
    kind : Kind
    quantities : iterable of Quantity
    bare : bool
        Whether unnamed figures count.
    """
    same = [q for q in quantities if q.dimension == kind.dimension]
    stated = [q for q in same if q.kind == kind.name and not q.derived_from]
    derived = [q for q in same if q.kind == kind.name and q.derived_from]
    if stated:
        return [*stated, *derived]
    accepted = [
        replace(q, high=q.high * kind.stretch[q.kind]) if q.kind in kind.stretch else q for q in same if q.kind in kind.accepts
    ]
    if accepted or not bare or kind.bare is None:
        return [*accepted, *derived]
    low, high = kind.bare
    return [*(q for q in same if not q.kind and (low <= q.low <= high or low <= q.high <= high)), *derived]


def _hull(quantities: Sequence[Quantity]) -> Quantity:
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


def _interval_product(factors: Sequence[tuple[Quantity, int]]) -> tuple[float, float]:
    """Least and greatest product of powers of positive ranges."""
    low = high = 1.0
    for q, power in factors:
        ends = [_power(q.low, power), _power(q.high, power)]
        corners = [_times(a, b) for a, b in product((low, high), ends)]
        low, high = min(corners), max(corners)
    return low, high


def _power(value: float, power: int) -> float:
    value = max(value, 0.0)
    if power < 0 and value == 0.0:
        return math.inf
    return float(value**power)


def _times(a: float, b: float) -> float:
    return 0.0 if 0.0 in (a, b) else a * b


def _derivation(factors: Sequence[tuple[Quantity, int]]) -> str:
    """The derivation as people write it: ``3.6 V x 5 Ah / 0.068 kg``."""
    above = " x ".join(show_range(q) for q, power in factors if power > 0)
    below = " x ".join(show_range(q) for q, power in factors if power < 0)
    return f"{above} / {below}" if below else above
