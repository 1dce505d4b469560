"""Which figures of a text may be read as a kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tagger.law import Kind
from tagger.records import Quantity


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
    beside = [q for q in same if q.kind in kind.beside]
    if stated:
        # a working volume above the vessel's is that of another vessel, or of one that replaces it
        largest = max(q.high for q in stated)
        others = [q for q in same if q.kind in kind.stretch and q.low > largest]
        return [*stated, *others, *derived, *beside]
    accepted = [q for q in same if q.kind in kind.accepts]
    if all(
        q.kind in kind.stretch for q in accepted
    ):  # a working volume says little of the vessel, unless the text has its volume too
        accepted = [replace(q, high=q.high * kind.stretch[q.kind]) for q in accepted]
    # a figure whose unit was only assumed counts for another kind only inside its window: a wire of Φ38 is 38 um, not mm
    accepted = [q for q in accepted if not q.derived_from or _inside(q, kind)]
    if accepted:
        return [*accepted, *derived, *(q for q in beside if q.kind not in kind.accepts)]
    if not bare or kind.bare is None:
        return derived
    return [*(q for q in same if not q.kind and _inside(q, kind)), *derived]


def _inside(q: Quantity, kind: Kind) -> bool:
    if kind.bare is None:
        return False
    low, high = kind.bare
    return low <= q.low <= high or low <= q.high <= high
