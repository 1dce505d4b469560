"""A figure of a text before it is known what it is a figure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tagger.law import Unit


class UnitPlace(NamedTuple):
    """A unit that was found for a number: its dimension, the unit, and where it ends in the text."""

    dimension: str
    unit: Unit
    end: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, or several with one unit, in the base unit of its dimension.

    ``product``: figures of one A x B x C share a number. ``sign``: the bound that stood beside it. ``kind``: empty until named.
    """

    start: int
    end: int
    low: float
    high: float
    dimension: str
    open_low: bool = False
    open_high: bool = False
    kind: str = ""
    derived_from: str = ""
    product: int = 0
    sign: str = ""


def in_base(value: float, unit: Unit) -> float:
    """The value in the base unit of its dimension."""
    return value * unit.factor + unit.offset
