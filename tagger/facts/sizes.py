"""Sizes: lengths joined by times signs, with labels, with one unit or none: ``120 x 120 x 50 mm``, ``(L)1200*(W)800``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tagger.facts.bounds import TOLERANCE, BoundReader
from tagger.facts.figures import Figure, UnitPlace
from tagger.facts.numbers import Number
from tagger.facts.units import UnitFinder
from tagger.facts.words import any_of
from tagger.law import QuantityFile
from tagger.records import CleanText

_MOST_SIDES = 4
_HEADER = 40  # characters in front of a size in which the order of its sides may stand: L x W x H
_LETTER_BEFORE = re.compile(r"[a-zа-я]")


@dataclass(frozen=True, slots=True)
class _Side:
    """One side as written: its number, the number of its tolerance, its unit, its label."""

    number: Number
    width: Number | None
    place: UnitPlace | None
    label: str = ""


class SizeReader:
    """Reads sizes.

    Parameters
    ----------
    quantities : QuantityFile
        Its ``words.labels`` name the sides; ``words.drawing_unit`` is meant where labelled sides have no unit.
    finder : UnitFinder
    bounds : BoundReader
    """

    def __init__(self, quantities: QuantityFile, finder: UnitFinder, bounds: BoundReader) -> None:
        words = quantities.words
        self._labels = words.labels
        self._finder = finder
        self._bounds = bounds
        self._unit = finder.spelled(words.drawing_unit)
        self._assumed = f"no unit: {words.drawing_unit}"
        label = any_of(words.labels)
        diameter = any_of(words.diameter)
        self._label_before = re.compile(rf"(?:\(\s*({label})\s*\)|({label}))\s*[:=]?\s*$")
        self._label_behind = re.compile(rf"\s*(?:\(\s*({label})\s*\)|({label})(?=\s*[x*×)]|\s*$))")
        self._times = re.compile(
            rf"\s*(?:{diameter}\s*)?[x*×х]\s*(?:\(\s*(?P<a>{label})\s*\)|(?P<b>{label})\s*[:=]?)?\s*(?P<sign>[øφ])?\s*"
        )
        self._tolerance = re.compile(rf"\s*(?:{TOLERANCE})\s*")
        self._header = re.compile(rf"({label}(?:\s*[x*×/]\s*{label}){{1,2}})\s*\)?\s*(?:\(?mm\)?)?\s*[:=]?\s*$")
        self._each = re.compile(label)

    def read(self, clean: CleanText, numbers: Sequence[Number], at: int) -> tuple[list[Figure], int] | None:
        """Figures of a size that begins at a number, and how many numbers it takes; None where none begins there."""
        sides, taken, signed = self._sides(clean, numbers, at)
        if len(sides) < 2:
            return None
        folded = clean.folded
        end = sides[-1].place.end if sides[-1].place else sides[-1].number.end
        front = self._finder.in_front(clean, sides[0].number.start)
        common = sides[-1].place or next((s.place for s in sides if s.place), None) or (front[0] if front else None)
        header = [] if any(s.label for s in sides) else self._header_labels(folded, sides[0].number.start)
        if header and len(header) == len(sides):
            sides = [replace(s, label=name) for s, name in zip(sides, header, strict=True)]
        assumed = ""
        if common is None:
            if not signed and sum(1 for s in sides if s.label) < 2:
                return None
            common, assumed = UnitPlace(*self._unit, end), self._assumed
        if common.dimension != "length":
            return None
        figures = []
        for side in sides:
            place = side.place or common
            stop = side.place.end if side.place else (side.width or side.number).end
            members = [side.number, *([side.width] if side.width else [])]
            figure = self._bounds.figure(clean, members, ["±"] * (len(members) - 1), place._replace(end=stop))
            figures.append(replace(figure, kind=self._labels.get(side.label, ""), derived_from=assumed, product=at + 1))
        return figures, taken

    def _sides(self, clean: CleanText, numbers: Sequence[Number], at: int) -> tuple[list[_Side], int, bool]:
        """The sides of a size, how many numbers they take, and whether a diameter sign stands in front."""
        folded = clean.folded
        before = folded[max(0, numbers[at].start - 8) : numbers[at].start]
        front = self._label_before.search(before)
        glued = bool(_LETTER_BEFORE.match(before[-1:])) and before[-1:] not in "x"
        if glued and front is None:
            return [], 0, False
        label = (front.group(1) or front.group(2)) if front else ""
        signed = before.rstrip()[-1:] in ("ø", "φ") or (label in self._labels and self._labels[label] == "diameter")
        sides: list[_Side] = []
        position = at
        while position < len(numbers) and len(sides) < _MOST_SIDES:
            side, taken = self._side(clean, numbers, position, label)
            sides.append(side)
            position += taken
            last = numbers[position - 1]
            end = side.place.end if side.place else last.end
            behind = self._label_behind.match(folded, end)
            if behind and not side.label:
                sides[-1] = replace(side, label=behind.group(1) or behind.group(2))
            end = behind.end() if behind else end
            if sides[-1].place is None:
                place = self._finder.behind(clean, end)
                sides[-1] = replace(sides[-1], place=place)
                end = place.end if place else end
            joint = self._times.match(folded, end)
            if joint is None or position >= len(numbers) or joint.end() != numbers[position].start:
                break
            label = joint.group("a") or joint.group("b") or ""
        return sides, position - at, signed

    def _side(self, clean: CleanText, numbers: Sequence[Number], at: int, label: str) -> tuple[_Side, int]:
        number = numbers[at]
        end = number.end
        behind = self._label_behind.match(clean.folded, end)
        place = None if behind else self._finder.behind(clean, end)
        joint = self._tolerance.match(clean.folded, place.end if place else end)
        following = numbers[at + 1] if at + 1 < len(numbers) else None
        if joint and following and joint.end() == following.start:
            after = self._finder.behind(clean, following.end)
            same = after if after and after.dimension == "length" else None
            width = place._replace(end=same.end if same else following.end) if place else same
            return _Side(number, following, width, label), 2
        return _Side(number, None, place, label), 1

    def _header_labels(self, folded: str, start: int) -> list[str]:
        match = self._header.search(folded[max(0, start - _HEADER) : start])
        return self._each.findall(match.group(1)) if match else []
