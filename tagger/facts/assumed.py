"""Figures that a user's standing assumptions add to the facts of a row."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import replace

from tagger.assumptions import AssumedFigure, Assumption, Assumptions
from tagger.facts.text import normalise
from tagger.records import Facts, Quantity, Row, Span
from tagger.rulebook import Rulebook


class Assumer:
    """Adds assumed figures.

    Parameters
    ----------
    assumptions : Assumptions
    book : Rulebook
    as_of : datetime.date
        Assumptions of another time are left out.
    """

    def __init__(self, assumptions: Assumptions, book: Rulebook, as_of: dt.date) -> None:
        self.columns = assumptions.columns
        self._items = [(a, _pattern(a.words), _pattern(a.without)) for a in assumptions.items if a.holds(as_of)]
        self._figures = {a.id: [_quantity(a, f, book) for f in a.figures] for a in assumptions.items}

    def add(self, facts: Sequence[Facts]) -> list[Facts]:
        """The facts of each row, with the figures of the assumptions that speak of it."""
        if not self._items:
            return list(facts)
        return [self._one(f) for f in facts]

    def _one(self, facts: Facts) -> Facts:
        text = facts.clean.folded
        added = [
            figure
            for item, words, without in self._items
            if (words is None or words.search(text)) and not (without and without.search(text)) and _where(item, facts.row)
            for figure in self._figures[item.id]
        ]
        return replace(facts, quantities=(*facts.quantities, *added)) if added else facts


def _where(item: Assumption, row: Row) -> bool:
    return all(
        str(row.extra.get(column, "")).strip().casefold() == value.strip().casefold() for column, value in item.where.items()
    )


def _quantity(item: Assumption, figure: AssumedFigure, book: Rulebook) -> Quantity:
    kind = book.kinds[figure.kind]
    floor = -math.inf if kind.dimension == "temperature" else 0.0
    low = next((v for v in (figure.equals, figure.at_least, figure.above) if v is not None), None)
    high = next((v for v in (figure.equals, figure.at_most, figure.below) if v is not None), None)
    base = next(d.base for d in book.units.dimension if d.name == kind.dimension)
    return Quantity(
        kind=figure.kind,
        low=floor if low is None else book.to_base(low, figure.unit),
        high=math.inf if high is None else book.to_base(high, figure.unit),
        unit=base,
        dimension=kind.dimension,
        span=Span(0, 0),
        derived_from=f"standing assumption {item.id} of {item.owner}, {item.dated}",
        open_low=figure.above is not None,
        open_high=figure.below is not None,
        assumed=item.id,
    )


def _pattern(words: Sequence[str]) -> re.Pattern[str] | None:
    """Whole words: N35 is not in N35SH."""
    if not words:
        return None
    bounded = []
    for word in words:
        folded = re.escape(normalise(word).folded)
        left = r"(?<![a-z0-9])" if re.match(r"[a-z0-9]", folded) else ""
        right = r"(?![a-z0-9])" if re.search(r"[a-z0-9]$", folded) else ""
        bounded.append(f"{left}{folded}{right}")
    return re.compile("|".join(bounded))
