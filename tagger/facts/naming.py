"""What a figure is a figure of: by the words beside it, by a label in a size, or by its place in a product."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tagger.facts.cues import CueBook, Cues
from tagger.facts.figures import Figure
from tagger.facts.words import any_of
from tagger.law import QuantityFile

_DIAMETERS = ("diameter", "kiln_diameter", "barrel_diameter")  # diameter x length, as in φ3.2×52m
# A full stop ends what a word can name, unless it ends a short form: max. temperature, approx. weight.
_HARD_BREAK = re.compile(r"[;|\n!?]|(?<=[a-z]{5})(?<!pprox)\. (?=[a-z])|(?<=\))\. (?=[a-z])")
_SPACED_HAN = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")  # 容 积, set wide in a column
_LEFT, _RIGHT, _COMMA = 44, 30, 12  # characters looked at beside a figure, and what a comma in between counts as
_GAP_LEFT, _GAP_RIGHT = 24, 6
_SIGNS = r"[\s:=<>≤≥≈~]*"
_FILLERS = " :=<>≤≥≈~()[]"  # signs that do not count as distance between a word and its figure


class Namer:
    """Names figures by the words of ``quantities.toml``.

    Parameters
    ----------
    quantities : QuantityFile
    cues : CueBook
    """

    def __init__(self, quantities: QuantityFile, cues: CueBook) -> None:
        self._kinds = {k.name: k for k in quantities.kind}
        self._cues = cues
        self._of_noun = {
            c.sign: re.compile(rf"(?:{any_of(c.noun)})\s*(?:[a-zа-яäöü]+\s)?$") for c in quantities.comparator if c.noun
        }
        self._typical = re.compile(rf"{any_of(quantities.words.typical)}\s*[:=]?\s*$")
        self._list = re.compile(rf"\s*{any_of(quantities.words.list)}\s*")
        self._contexts = [(c, re.compile(any_of(c.words)), re.compile(any_of(c.without))) for c in quantities.context]
        self._at = re.compile(rf"\s*\(?\s*(?:{any_of(quantities.words.at)})\s*")
        saying = rf"{_SIGNS}(?:{any_of((*quantities.words.saying, *self._bounds(quantities)))}\s*)?{_SIGNS}"
        self._bracket_end = re.compile(rf"[^()\d;|\n]{{0,16}}\){saying}")  # what is left of a bracket
        self._condition = re.compile(rf"(?:{any_of(quantities.words.at)})\s*$")
        self._condition_end = re.compile(rf"\s*(?:{any_of(quantities.words.under)})?{saying}")
        self._instead = {k.name: k.instead_of for k in quantities.kind if k.instead_of}
        self._sides = next((k.sides for k in quantities.kind if k.sides), ())

    @staticmethod
    def _bounds(quantities: QuantityFile) -> list[str]:
        return [word for c in quantities.comparator for word in c.before]

    def ends_at(self, folded: str, at: int, dimension: str) -> bool:
        """Whether a word that names a figure of the dimension is glued to the number at a place: ``Dy0.36%``."""
        cues = self._cues.of(dimension)
        begin = max(0, at - _LEFT)
        found = cues.last(folded[begin:at] + " ") if cues else None
        return found is not None and not folded[begin + found[2] : at].strip(" :=")

    def named(self, folded: str, figures: Sequence[Figure]) -> list[Figure]:
        """The figures with their kinds, and the sides of blocks behind them."""
        named: list[Figure] = []
        for i, figure in enumerate(figures):
            before = figures[i - 1] if i else None
            left_from = before.end if before else 0
            following = figures[i + 1] if i + 1 < len(figures) else None
            kind, sign = (figure.kind, "") if figure.kind else self._kind(folded, figure, before, following)
            previous = named[-1] if named else None
            in_product = previous is not None and previous.product == figure.product != 0 and not figure.kind
            if previous and in_product and previous.kind in _DIAMETERS and kind in ("", previous.kind):
                kind = "length"
            if previous and not kind and previous.dimension == figure.dimension:
                between = folded[left_from : figure.start]
                if self._typical.search(between) or self._list.fullmatch(between):
                    kind = previous.kind  # breaking load >= 4.6 N (typ 5.1 N); 厚度3mm、5mm
            reference = self._reference(folded, named[-1], figure) if named and not kind else ""
            kind = kind or reference or (self._reached(folded, previous, figure) if previous else "")
            named.append(self._capped(self._within(_bounded(figure if kind == figure.kind else replace(figure, kind=kind), sign))))
            if len(named) > 1:
                named[-2] = self._measured_at(folded, named[-2], named[-1])
        named = [self._by_context(folded, figure) for figure in named]
        return [*named, *self._blocks(named)]

    def _reached(self, folded: str, previous: Figure, figure: Figure) -> str:
        """The kind of a time behind the temperature that is reached in it: ``cools to 80 C inside 18 min``."""
        if figure.dimension != "time" or previous.dimension != "temperature" or figure.start - previous.end > _GAP_LEFT:
            return ""
        cues = self._cues.of(figure.dimension)
        left = folded[max(0, previous.start - _LEFT) : previous.start]
        found = cues.last(left) if cues and not _HARD_BREAK.search(folded[previous.end : figure.start]) else None
        return found[0] if found and not left[found[2] :].strip(_FILLERS) else ""

    def _by_context(self, folded: str, figure: Figure) -> Figure:
        """The kind that a figure has by what else the text is about."""
        for context, words, without in self._contexts:
            low, high = context.window
            if figure.kind in context.of and low <= figure.high <= high and words.search(folded) and not without.search(folded):
                return replace(figure, kind=context.kind, low=figure.high if figure.sign == "<=" else figure.low)
        return figure

    def _kind(self, folded: str, figure: Figure, before: Figure | None, following: Figure | None) -> tuple[str, str]:
        """Kind of a figure, and the bound that stands in front of the word that names it: ``max. discharge current 15 A``."""
        cues = self._cues.of(figure.dimension)
        if cues is None:
            return "", ""
        left_from = before.end if before else 0
        behind, gap_behind = self._by_word_behind(folded, figure, following, cues)
        left = _SPACED_HAN.sub("", folded[max(left_from, figure.start - _LEFT) : figure.start])
        cell = left[_last_break(left) :]
        if not cell.strip(_FILLERS):
            return self._by_cell_before(left, cues) or self._before_condition(folded, figure, before, cues) or behind, ""
        found = cues.last(cell)
        if found is None:
            return self._before_condition(folded, figure, before, cues) or behind, ""
        if left_from and _belongs_to_previous(cell, found):
            return behind, ""
        kind, start, end = found
        between = cell[end:]
        gap = _gap(between) + (_COMMA if "," in between else 0)
        if gap > _GAP_LEFT or (behind and gap_behind < gap) or kind in self._instead.get(behind, ()):
            return behind, ""
        return kind, next((sign for sign, pattern in self._of_noun.items() if pattern.search(cell[:start])), "")

    def _before_condition(self, folded: str, figure: Figure, before: Figure | None, cues: Cues) -> str:
        """The word before a figure of how it was measured: ``compaction density (220 MPa): 2.6 g/cm3``, ``在220MPa下为2.6``."""
        if before is None or before.dimension == figure.dimension:
            return ""
        if self._bracket_end.fullmatch(folded, before.end, figure.start):
            opened = folded.rfind("(", max(0, before.end - _LEFT), before.end)
            end = -1 if ")" in folded[opened : before.end] else opened
        else:
            joint = self._condition_end.fullmatch(folded, before.end, figure.start)
            found = self._condition.search(folded[max(0, before.start - _GAP_RIGHT) : before.start]) if joint else None
            end = max(0, before.start - _GAP_RIGHT) + found.start() if found else -1
        if end < 0:
            return ""
        name = folded[max(0, end - _LEFT) : end]
        cell = name[_last_break(name) :].rstrip()
        cue = cues.last(cell)
        return cue[0] if cue and cue[2] == len(cell) else ""

    def _by_word_behind(self, folded: str, figure: Figure, following: Figure | None, cues: Cues) -> tuple[str, int]:
        """Kind by the word behind a figure, and its distance; none where the word stands right in front of the next figure."""
        right_to = following.start if following else len(folded)
        right = folded[figure.end : min(right_to, figure.end + _RIGHT)]
        behind = cues.first(right)
        if behind is None:
            return "", _GAP_RIGHT + 1
        kind, start, end = behind
        between = right[:start]
        gap = _gap(between)
        if following and following.dimension == figure.dimension and not folded[figure.end + end : right_to].strip(_FILLERS):
            return "", _GAP_RIGHT + 1
        near = "," not in between and not _HARD_BREAK.search(between) and gap <= _GAP_RIGHT
        return (kind, gap) if near else ("", _GAP_RIGHT + 1)

    def _by_cell_before(self, left: str, cues: Cues) -> str:
        """The name in the cell before, of a figure that begins a cell: ``Volume; 5000 L``."""
        cells = _HARD_BREAK.split(left)
        name = cells[-2].strip() if len(cells) > 1 else ""
        found = cues.last(name)
        return found[0] if found and not name[found[2] :].strip(_FILLERS) else ""

    def _within(self, figure: Figure) -> Figure:
        """No kind outside its limits; of a width, half of the range: ``uniformity 1000 ±3 degC``."""
        kind = self._kinds.get(figure.kind)
        if kind is None or kind.limits is None:
            return figure
        low, high = kind.limits
        if kind.width and figure.low > high and 0 < figure.high - figure.low <= 2 * high:
            half = (figure.high - figure.low) / 2
            return replace(figure, low=half, high=half)
        inside = low <= figure.low <= high or low <= figure.high <= high
        return figure if inside else replace(figure, kind=kind.outside)

    def _reference(self, folded: str, previous: Figure, figure: Figure) -> str:
        """What a figure behind "at" is: ``uniformity ±3 degC at 1000 degC`` states no working temperature."""
        kind = self._kinds.get(previous.kind)
        joined = kind is not None and kind.outside and previous.dimension == figure.dimension
        return kind.outside if kind and joined and self._at.fullmatch(folded[previous.end : figure.start]) else ""

    def _measured_at(self, folded: str, previous: Figure, figure: Figure) -> Figure:
        """The figure in front of a name and its figure, as in ``1000℃温度均匀性±2℃``."""
        kind = self._kinds.get(figure.kind)
        if kind is None or not kind.outside or previous.kind or previous.dimension != figure.dimension:
            return previous
        between = folded[previous.end : figure.start].strip(_FILLERS + "±≤")
        cues = self._cues.of(figure.dimension)
        found = cues.last(between) if cues else None
        return replace(previous, kind=kind.outside) if found and found[1] == 0 and found[2] == len(between) else previous

    def _capped(self, figure: Figure) -> Figure:
        """For kinds that are maxima, ``up to 3000 degC`` gives the figure itself."""
        kind = self._kinds.get(figure.kind)
        if kind and kind.maximum and figure.sign == "<=":
            return replace(figure, low=figure.high, kind=kind.capped or kind.name)
        return figure

    def _blocks(self, figures: Sequence[Figure]) -> Iterator[Figure]:
        """Three lengths joined by a times sign are the sides of a block, longest first."""
        products: dict[int, list[Figure]] = defaultdict(list)
        for figure in figures:
            if figure.product and figure.dimension == "length":
                products[figure.product].append(figure)
        for group in products.values():
            if len(group) == len(self._sides) == 3:
                for name, side in zip(self._sides, sorted(group, key=lambda f: -f.high), strict=True):
                    yield replace(side, kind=name)


def _bounded(figure: Figure, sign: str) -> Figure:
    """A figure with the bound of the word that names it, where it has none of its own."""
    if not sign or figure.sign or figure.low != figure.high:
        return figure
    if sign == "<=":
        floor = -math.inf if figure.dimension == "temperature" else 0.0
        return replace(figure, low=floor, sign=sign)
    return replace(figure, high=math.inf, sign=sign)


def _gap(between: str) -> int:
    """How much stands between a word and its figure; a Han character says as much as two letters."""
    stripped = between.strip(_FILLERS)
    return len(stripped) + sum(1 for c in stripped if "\u3400" <= c <= "\u9fff")


def _belongs_to_previous(left: str, cue: tuple[str, int, int]) -> bool:
    """Whether a cue stands right behind the figure before, parted from this one by a comma: ``6 GPa pressure, 110 MPa``."""
    return not left[: cue[1]].strip(" )") and "," in left[cue[2] :]


def _last_break(text: str) -> int:
    ends = [m.end() for m in _HARD_BREAK.finditer(text)]
    return ends[-1] if ends else 0
