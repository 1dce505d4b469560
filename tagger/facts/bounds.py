"""Numbers with a unit to figures: bounds, ranges and tolerances, by the words and signs beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from tagger.facts.figures import Figure, UnitPlace, in_base
from tagger.facts.notations import NotationReader
from tagger.facts.numbers import Number
from tagger.facts.words import any_of
from tagger.law import QuantityFile
from tagger.records import CleanText

TOLERANCE = r"±|\+\s?/\s?-|\+-"
_BETWEEN = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0:("
_LEFT = 28  # characters in front of a number in which a word that makes it a bound may stand
TOLERANCE_IN_FRONT = re.compile(rf"(?:{TOLERANCE}|正负|plus[\s/-]?(?:or\s)?minus)\s*$")
_LAST_NARROW = "\u2e7f"
_OF_THE_NEXT = re.compile(r"(?<=[a-z.])\s*:?\s*\d")  # "5 Ah max. 70 g": the word belongs to the figure behind it
_WIDTH = re.compile(rf"\+?(?:{TOLERANCE})")


class BoundReader:
    """Makes figures of numbers that share a unit.

    Parameters
    ----------
    quantities : QuantityFile
    notations : NotationReader
        Sieve numbers are ranges of sizes.
    """

    def __init__(self, quantities: QuantityFile, notations: NotationReader) -> None:
        self._notations = notations
        self._list = re.compile(any_of(quantities.words.list))
        self._before = {c.sign: re.compile(rf"(?:{any_of(c.before)})[\s:(]*$") for c in quantities.comparator}
        # the last two characters of each word: most figures have none of them in front, and need no pattern
        self._last = {word[-2:] for c in quantities.comparator for word in c.before}
        self._after = {c.sign: re.compile(rf"\s?\(?(?:{any_of(c.after)})") for c in quantities.comparator if c.after}
        wide = [w for c in quantities.comparator for w in c.after if w[0] > _LAST_NARROW]
        self._of_the_last = re.compile(rf"[0-9a-z%)]\s?(?:{any_of(wide)})\s?$")  # 10N以上13N以下
        self._passing = re.compile(rf"(?:(?<!\d)-|{any_of(quantities.words.passing)}\s*[:=]?)\s?$")
        self._about = next((c.share for c in quantities.comparator if c.sign == "~"), 0.0)

    def figure(self, clean: CleanText, members: Sequence[Number], signs: Sequence[str], place: UnitPlace) -> Figure:
        """One figure of a number, a range, a list or a number with a tolerance."""
        dimension, unit, end = place
        start = members[0].start
        if signs and _WIDTH.fullmatch(signs[-1]) and len(members) == 2:
            middle, width = members[0].value, members[1].value
            if clean.folded[members[1].end : end].strip().startswith("%") and dimension != "percent":
                width = middle * width / 100
            return Figure(start, end, in_base(middle - width, unit), in_base(middle + width, unit), dimension)
        if not signs:
            return self.single(clean, members[0], place)
        if dimension == "mesh":
            return self._notations.sieve(members, end)
        if TOLERANCE_IN_FRONT.search(clean.folded[max(0, start - _LEFT) : start]) and dimension == "temperature":
            widths = [n.value * unit.factor for n in members]  # ±2 to ±4 degC
            return Figure(start, end, min(widths), max(widths), dimension, kind="temperature_uniformity")
        values = [n.value if i and signs[i - 1] == "-" else _signed(clean.folded, n, dimension) for i, n in enumerate(members)]
        if values != sorted(values):
            if all(self._list.fullmatch(s) for s in signs):
                return Figure(start, end, in_base(min(values), unit), in_base(max(values), unit), dimension)
            if dimension == "pressure" and values[0] == 10 and list(signs) == ["-"]:  # 10-3 Pa, the power lost its place
                tiny = in_base(10.0 ** -values[1], unit)
                return Figure(start, end, tiny, tiny, dimension)
            return self.single(clean, members[-1], place)  # a model number in front: 18650-2600mAh
        return Figure(start, end, in_base(values[0], unit), in_base(values[-1], unit), dimension)

    def single(self, clean: CleanText, number: Number, place: UnitPlace) -> Figure:
        """One number, with the bound that stands beside it."""
        folded = clean.folded
        dimension, unit, end = place
        before = folded[max(0, number.start - _LEFT) : number.start]
        if dimension == "mesh":
            return self._notations.sieve([number], end, finer=bool(self._passing.search(before)))
        tolerance = TOLERANCE_IN_FRONT.search(before)
        if tolerance:
            kind = "temperature_uniformity" if dimension == "temperature" else "tolerance"
            width = number.value * unit.factor
            bounded = self._sign_in_front(before[: tolerance.start()]) in ("<=", "<")
            return Figure(number.start, end, 0.0 if bounded else width, width, dimension, kind=kind)
        base = in_base(_signed(folded, number, dimension), unit)
        sign, stop = self._comparator(folded, before, number.end, end)
        low, high = base, base
        floor = -math.inf if dimension == "temperature" else 0.0
        if sign in (">=", ">"):
            high = math.inf
        elif sign in ("<=", "<"):
            low = floor
        elif sign == "~":
            low, high = sorted((base * (1 - self._about), base * (1 + self._about)))
        return Figure(number.start, stop, low, high, dimension, open_low=sign == ">", open_high=sign == "<", sign=sign)

    def _comparator(self, folded: str, before: str, number_end: int, end: int) -> tuple[str, int]:
        """The bound that words beside a figure make it, and where the figure then ends."""
        sign = "" if self._of_the_last.search(before) else self._sign_in_front(before)
        if sign:
            return sign, end
        if folded[number_end : number_end + 1] == "+" or re.match(r"\+(?![\s/]*\d)", folded[end : end + 3]):
            return ">=", end
        for candidate, pattern in self._after.items():
            match = pattern.match(folded, end)
            if match and not _OF_THE_NEXT.match(folded, match.end()):
                return candidate, match.end()
        return "", end

    def _sign_in_front(self, before: str) -> str:
        """The bound that the longest word or sign at the end of a text makes; empty where there is none."""
        if before.rstrip(_BETWEEN)[-2:] not in self._last and before.rstrip(_BETWEEN)[-1:] not in self._last:
            return ""
        matches = ((pattern.search(before), sign) for sign, pattern in self._before.items())
        return max(((len(m.group()), sign) for m, sign in matches if m), default=(0, ""))[1]


def _signed(folded: str, number: Number, dimension: str) -> float:
    """The value, negative where a temperature has a minus sign in front that joins no range."""
    minus = dimension == "temperature" and re.search(r"(?:^|[\s(~:,至到])-\s?$", folded[max(0, number.start - 4) : number.start])
    return -number.value if minus else number.value
