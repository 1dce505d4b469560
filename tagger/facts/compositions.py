"""Compositions written as element and share: ``W93Ni4Fe3``, ``97W-2Ni-1Fe``, ``Bi50 Pb26.7 Sn13.3 Cd10``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_SHARE = r"\d{1,2}(?:[.,]\d{1,2})?"
_JOINT = r"\s?[/\-+,]?\s?"
_SUM = (98.0, 101.0)  # per cent; element and number pairs that add up to anything else are part numbers or formulae


class Share(NamedTuple):
    """One element of a composition, with its place in the text and its share in per cent."""

    start: int
    end: int
    element: str
    percent: float


class CompositionReader:
    """Finds compositions whose shares add up to a hundred.

    Parameters
    ----------
    elements : mapping
        Element symbol to the kind of figure that its share is.

    Examples
    --------
    >>> reader = CompositionReader({"W": "tungsten_content", "Ni": "other", "Fe": "other"})
    >>> [(s.element, s.percent) for s in reader.read("alloy W93Ni4Fe3 bar")]
    [('W', 93.0), ('Ni', 4.0), ('Fe', 3.0)]
    >>> [(s.element, s.percent) for s in reader.read("97W-2Ni-1Fe plate")]
    [('W', 97.0), ('Ni', 2.0), ('Fe', 1.0)]
    >>> list(reader.read("model W93Ni40"))
    []
    """

    def __init__(self, elements: Mapping[str, str]) -> None:
        symbol = "|".join(sorted(elements, key=len, reverse=True))
        first = rf"(?:{symbol})\s?{_SHARE}"
        behind = rf"{_SHARE}\s?(?:{symbol})"
        self._runs = (
            (
                re.compile(rf"(?<![A-Za-z0-9.]){first}(?:{_JOINT}{first})+(?![A-Za-z0-9])"),
                re.compile(rf"({symbol})\s?({_SHARE})"),
                1,
            ),
            (
                re.compile(rf"(?<![A-Za-z0-9.]){behind}(?:{_JOINT}{behind})+(?![a-z0-9])"),
                re.compile(rf"({_SHARE})\s?({symbol})"),
                2,
            ),
        )

    def read(self, text: str) -> Iterator[Share]:
        """Shares of every composition of a text (letter case kept), in order."""
        for run, pair, element in self._runs:
            for match in run.finditer(text):
                found = list(pair.finditer(text, match.start(), match.end()))
                shares = [Share(m.start(), m.end(), m.group(element), float(m.group(3 - element).replace(",", "."))) for m in found]
                if _SUM[0] <= sum(s.percent for s in shares) <= _SUM[1]:
                    yield from shares
