"""Read the figures of a text: numbers, ranges, bounds and tolerances with units, in base units, and what they are figures of.

A character scanner and not a tokenizer: figures stand glued together (``3.6V5Ah68g``), and what belongs together is decided by
signs between them. Units, words and derivations are data (``units.toml``, ``quantities.toml``). This file owns the order:
notations -> sizes and numbers with units -> names -> derived figures.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tagger.facts.bounds import TOLERANCE, TOLERANCE_IN_FRONT, BoundReader
from tagger.facts.cues import with_folded_cues
from tagger.facts.derived import Deriver
from tagger.facts.figures import Figure, UnitPlace, in_base
from tagger.facts.naming import Namer
from tagger.facts.notations import NotationReader
from tagger.facts.numbers import Number, numbers
from tagger.facts.numerals import in_digits
from tagger.facts.sizes import SizeReader
from tagger.facts.text import fold_words, has_digit
from tagger.facts.units import UnitFinder
from tagger.facts.words import AnyOf, any_of
from tagger.law import QuantityFile, Unit, Units
from tagger.records import CleanText, Quantity

_COMMA_RATIO = 5  # "300, 500 L" are two sizes, "21700, 3.6 V" is a model and a figure
_MOST_MEMBERS = 6
_WIDEST = 20  # times the smaller of two tolerances, the greater; more is the figure that the tolerance is at
_TOLERANCE_REACH = 18  # behind "plus or minus" even a small number with a C is a temperature
_LETTER = re.compile(r"[^\W\d_]", re.UNICODE)
_GLUED_SIGNS = "xøφ×x"
_CJK = re.compile("[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WIDE_COMMA = re.compile("[0-9][，、]")
_TIMES_NEAR = re.compile(r"[x*×х]\s?[(\w]{0,6}\)?\s?[øφ=:]?\s?\d")  # without it a text has no sizes
_HEAD_OF_SHARES = re.compile(r"[(\[]\s*(?:wt\.?|mass|at\.?|质量)?\s?%\s*[)\]]\s*[:=;]")
_HEAD_REACH = 160
_UNEVEN = re.compile(r"\s*\+\s?\d+(?:[.,]\d+)?\s?/\s?-\s?\d+(?:[.,]\d+)?\s*")
_IN_A_WORD = re.compile(r"[\w;|\n]")  # signs that may not stand between a word and its figure
_ENDS_THE_TEXT = r"(?=[^\w;|\n]{0,4}\Z)"  # but for a few signs
_DIAMETER_SIGN = re.compile(r"[øφ]\s*$")


class QuantityReader:
    """Reads the figures of normalised texts.

    Parameters
    ----------
    units : Units
    quantities : QuantityFile

    Examples
    --------
    >>> from tagger.facts.text import normalise
    >>> from tagger.rulebook import load_rulebook
    >>> book = load_rulebook()
    >>> reader = QuantityReader(book.units, book.quantities)
    >>> [(q.kind, q.low, q.high, q.unit) for q in reader.read(normalise("D50=15±2μm, 压实密度≥2.50g/cm³"))]
    [('mean_particle_size', 13.0, 17.0, 'um'), ('compaction_density', 2.5, inf, 'g/cm3')]
    >>> cell = reader.read(normalise("21700 cell 3.6V 5.0Ah 68g"))[-1]
    >>> cell.kind, round(cell.low, 1), cell.derived_from
    ('specific_energy', 264.7, '3.6 V x 5 Ah / 0.068 kg')
    """

    def __init__(self, units: Units, quantities: QuantityFile) -> None:
        quantities = with_folded_cues(quantities)
        words = quantities.words
        self._multipliers = words.multipliers
        self._finder = UnitFinder(units, quantities)
        self._notations = NotationReader(units, quantities, self._finder)
        self._bounds = BoundReader(quantities, self._notations)
        self._sizes = SizeReader(quantities, self._finder, self._bounds)
        self._namer = Namer(quantities, self._finder.cues)
        self._steel = re.compile(rf"(?:{any_of(fold_words(words.steels))})(?![a-z0-9])")
        self._deriver = Deriver(units, quantities)
        self._base = {d.name: d.base for d in units.dimension}
        self._kinds = {k.name: k for k in quantities.kind}
        signs = rf"\+?(?:{TOLERANCE})|{any_of(words.range)}|{any_of(words.list)}"
        self._separator = re.compile(rf"\s*(?P<sign>{signs})\s*(?:[ø(φ<≤≥>≈±]\s*)?")
        self._range = re.compile(rf"(?:{TOLERANCE}|{any_of(words.range)})")
        at_most = any_of(w for c in quantities.comparator if c.sign in ("<=", "<") for w in c.before)
        self._but_at_most = re.compile(rf"\s*(?:{any_of(words.but)})?\s*(?:{at_most})?[\s:(]*")
        # "capacity" alone may be a vessel's or a cell's
        several = Counter(cue for cue, _ in {(c, k.name_en) for k in quantities.kind for c in k.cues})
        self._unitless = {cue: k.name for k in quantities.kind if k.unitless for cue in k.cues if several[cue] == 1}
        self._unitless_cues = AnyOf(self._unitless, behind=_ENDS_THE_TEXT)
        self._unitless_ends = {cue[-2:] for cue in self._unitless}
        self._saying = re.compile(rf"\s*{any_of(words.saying)}\s*$")
        self._saying_words = tuple(fold_words(words.saying))
        self._drawing_unit = self._finder.spelled(words.drawing_unit)
        self._assumed = f"no unit: {words.drawing_unit}"

    def read(self, clean: CleanText) -> tuple[Quantity, ...]:
        """Figures of one text in order of their place, derived ones last."""
        clean = in_digits(clean, self._unit_end)
        if not has_digit(clean.folded):
            return ()
        special = self._notations.read(clean)
        found = _outside(numbers(_with_wide_commas_apart(clean), self._multipliers), special)
        named = self._namer.named(clean.folded, self._between_bounds(clean.folded, self._figures(clean, found)))
        read = sorted([*special, *named], key=lambda f: (f.start, f.end, f.kind))
        quantities = [self._quantity(clean, f) for f in read]
        return (*quantities, *self._deriver.derive(quantities, clean))

    def _unit_end(self, clean: CleanText, at: int) -> int:
        found = self._finder.behind(clean, at)
        return found.end if found else 0

    def _figures(self, clean: CleanText, numbers: Sequence[Number]) -> list[Figure]:
        figures: list[Figure] = []
        at, last_end = 0, -1
        sizes = _TIMES_NEAR.search(clean.folded) is not None
        while at < len(numbers):
            read = (
                (self._sizes.read(clean, numbers, at) if sizes else None)
                or self._with_unit(clean, numbers, at, last_end)
                or self._without_unit(clean, numbers, at)
            )
            if read is None:
                at += 1
                continue
            made, taken = read
            figures += made
            last_end = max(f.end for f in made)
            at += taken
        return figures

    def _between_bounds(self, folded: str, figures: Sequence[Figure]) -> list[Figure]:
        """Two bounds that follow each other are one range: ``≥12N且≤15N``, ``min. 12 N, max. 15 N``, ``10N以上13N以下``."""
        joined: list[Figure] = []
        for figure in figures:
            last = joined[-1] if joined else None
            if (
                last is not None
                and last.dimension == figure.dimension
                and last.sign in (">=", ">")
                and figure.sign in ("<=", "<")
                and last.low < figure.high
                and self._but_at_most.fullmatch(folded, last.end, figure.start)
            ):
                joined[-1] = replace(last, end=figure.end, high=figure.high, open_high=figure.open_high, sign="")
            else:
                joined.append(figure)
        return joined

    def _with_unit(self, clean: CleanText, numbers: Sequence[Number], at: int, last_end: int) -> tuple[list[Figure], int] | None:
        """A figure whose unit stands behind it, and how many numbers it takes."""
        uneven = self._uneven(clean, numbers, at)
        if uneven:
            return uneven
        group = self._group(clean, numbers, at)
        if group is None:
            return None
        members, signs, place = group
        first = numbers[at]
        if self._steel.match(clean.folded, first.start) and not self._namer.ends_at(clean.folded, first.start, place.dimension):
            return None
        before = clean.folded[first.start - 1 : first.start]
        glued = _LETTER.match(before) and before not in _GLUED_SIGNS and not _CJK.match(before)
        if glued and first.start != last_end and not self._namer.ends_at(clean.folded, first.start, place.dimension):
            return None
        return [self._bounds.figure(clean, members, signs, place)], numbers.index(members[-1], at) - at + 1

    def _uneven(self, clean: CleanText, numbers: Sequence[Number], at: int) -> tuple[list[Figure], int] | None:
        """A figure with two tolerances: ``120 +2/-0 mm``."""
        number = numbers[at]
        match = _UNEVEN.match(clean.folded, number.end)
        place = self._finder.behind(clean, match.end()) if match else None
        if match is None or place is None or len(numbers) < at + 3:
            return None
        low, high = number.value - numbers[at + 2].value, number.value + numbers[at + 1].value
        dimension, unit, end = place
        return [Figure(number.start, end, in_base(low, unit), in_base(high, unit), dimension)], 3

    def _group(self, clean: CleanText, numbers: Sequence[Number], at: int) -> tuple[list[Number], list[str], UnitPlace] | None:
        """Numbers joined by signs up to a unit: ``300-320Wh/kg``, ``15±2μm``, ``100/200/300 L``."""
        members: list[Number] = [numbers[at]]
        signs: list[str] = []
        while True:
            last = members[-1]
            width = TOLERANCE_IN_FRONT.search(clean.folded[max(0, last.start - _TOLERANCE_REACH) : last.start])
            found = self._finder.behind(clean, _skip_plus(clean.folded, last.end), math.inf if width else last.value)
            if found:
                behind = _next_from(numbers, at + len(members), found.end)  # the 3 of m3 is none
                tail = self._tail(clean, last, found, behind, signs) if behind else None
                if tail is None or behind is None or (width and behind.value > _WIDEST * last.value):  # "±3 °C a 1000 °C"
                    return members, signs, found
                sign, place = tail
                return [*(_in_unit(n, found.unit, place.unit) for n in members), behind], [*signs, sign], place
            following = numbers[at + len(members)] if at + len(members) < len(numbers) else None
            joint = self._separator.match(clean.folded, last.end)
            if following is None or joint is None or joint.end() != following.start or len(members) >= _MOST_MEMBERS:
                cell = self._finder.in_next_cell(clean, last.end, last.value)
                return (members, signs, cell) if cell else None
            if joint.group("sign") == "," and not (
                last.value < following.value <= last.value * _COMMA_RATIO and joint.group().rstrip()[-1] == ","
            ):
                return None
            members.append(following)
            signs.append(joint.group("sign"))

    def _tail(
        self, clean: CleanText, last: Number, found: UnitPlace, following: Number, signs: list[str]
    ) -> tuple[str, UnitPlace] | None:
        """What goes on behind a unit: ``5mm±0.1``, ``300Wh/kg-320Wh/kg``, ``500 g - 1 kg``."""
        joint = self._separator.match(clean.folded, found.end)
        if signs or joint is None or joint.end() != following.start:
            return None
        sign = joint.group("sign")
        unit = self._finder.behind(clean, following.end)
        if re.fullmatch(TOLERANCE, sign):
            if unit is None:
                return sign, found._replace(end=following.end)
            return (sign, found._replace(end=unit.end)) if unit.dimension in (found.dimension, "percent") else None
        if unit is None or unit.dimension != found.dimension or not self._range.fullmatch(sign) or following.value <= 0:
            return None
        if unit.unit == found.unit:
            return sign, unit
        degrees = unit.unit.offset or found.unit.offset
        return (sign, unit) if not degrees and in_base(last.value, found.unit) < in_base(following.value, unit.unit) else None

    def _without_unit(self, clean: CleanText, numbers: Sequence[Number], at: int) -> tuple[list[Figure], int] | None:
        """A figure without a unit behind it: ``压实密度2.55``, ``D50: 12-15``, ``Wh/kg=330``, ``Capacity (Ah): 5``, ``Φ0.65``."""
        members = [numbers[at]]
        joint = self._separator.match(clean.folded, members[0].end)
        following = numbers[at + 1] if at + 1 < len(numbers) else None
        signs = []
        if joint and following and joint.end() == following.start and self._range.fullmatch(joint.group("sign")):
            members.append(following)
            signs.append(joint.group("sign"))
        end = members[-1].end
        if (
            self._finder.behind(clean, end)
            or self._finder.is_rate(clean, end)
            or (_LETTER.match(clean.folded[end : end + 1]) and not _CJK.match(clean.folded[end]))
        ):
            return None  # it has a unit of another dimension, or is part of a name
        figure = (
            self._in_front(clean, members, signs) or self._by_name(clean, members, signs) or self._under_head(clean, members, signs)
        )
        return ([figure], len(members)) if figure else None

    def _in_front(self, clean: CleanText, members: Sequence[Number], signs: Sequence[str]) -> Figure | None:
        """A figure whose unit stands in front, or whose diameter sign means the unit of drawings."""
        start, end = members[0].start, members[-1].end
        front = self._finder.in_front(clean, start)
        if front:
            return replace(self._bounds.figure(clean, members, signs, front[0]._replace(end=end)), kind=front[1])
        if _DIAMETER_SIGN.search(clean.folded[max(0, start - 3) : start]):
            figure = self._bounds.figure(clean, members, signs, UnitPlace(*self._drawing_unit, end))
            return replace(figure, derived_from=self._assumed)
        return None

    def _by_name(self, clean: CleanText, members: Sequence[Number], signs: Sequence[str]) -> Figure | None:
        """A figure right behind a word that has a usual unit, if it then lies in the usual window."""
        start = members[0].start
        left = clean.folded[max(0, start - 26) : start]
        said = self._saying.search(left) if left.rstrip().endswith(self._saying_words) else None
        if said:
            start -= len(said.group())
            left = left[: said.start()]
        cue = next(self._unitless_cues.finditer(left), None) if self._may_name(left) else None
        if cue is None or self._is_unit_of_another(clean, start - len(left) + cue.start):
            return None
        kind = self._kinds[self._unitless[cue.text]]
        place = UnitPlace(*self._finder.spelled(kind.unitless), members[-1].end)
        figure = self._bounds.figure(clean, members, signs, place)
        low, high = kind.bare or (-math.inf, math.inf)
        return replace(figure, kind=kind.name) if any(low <= end <= high for end in (figure.low, figure.high)) else None

    def _may_name(self, left: str) -> bool:
        """Whether a text may end with a word that has a usual unit: a look at two characters, before the pattern is tried."""
        for end in range(len(left), max(0, len(left) - 5), -1):
            if left[max(0, end - 2) : end] in self._unitless_ends or left[end - 1] in self._unitless_ends:
                return True
            if _IN_A_WORD.match(left[end - 1]):
                return False
        return False

    def _under_head(self, clean: CleanText, members: Sequence[Number], signs: Sequence[str]) -> Figure | None:
        """A share whose unit stands once, at the head of a list: ``Composition (wt%): Nd 29.5, Dy 1.5, B 1.0``."""
        start = members[0].start
        head = _HEAD_OF_SHARES.search(clean.folded[max(0, start - _HEAD_REACH) : start])
        if head is None or not self._namer.ends_at(clean.folded, start, "percent"):
            return None
        return self._bounds.figure(clean, members, signs, UnitPlace(*self._finder.spelled("%"), members[-1].end))

    def _is_unit_of_another(self, clean: CleanText, at: int) -> bool:
        """Whether the word at a place is the unit of the number in front of it: the Wh/kg of ``300 Wh/kg 24 pcs``."""
        return clean.folded[:at].rstrip()[-1:].isdigit() and self._finder.behind(clean, at) is not None

    def _quantity(self, clean: CleanText, figure: Figure) -> Quantity:
        return Quantity(
            kind=figure.kind,
            low=figure.low,
            high=figure.high,
            unit=self._base[figure.dimension],
            dimension=figure.dimension,
            span=clean.span(figure.start, figure.end),
            derived_from=figure.derived_from,
            open_low=figure.open_low,
            open_high=figure.open_high,
        )


def _in_unit(number: Number, of: Unit, into: Unit) -> Number:
    """A number of one unit as one of another."""
    return number if of == into else replace(number, value=number.value * of.factor / into.factor)


def _outside(found: Iterable[Number], special: Sequence[Figure]) -> list[Number]:
    """Numbers that are no part of a notation."""
    inside = {place for f in special for place in range(f.start, f.end)}
    return [n for n in found if n.start not in inside]


def _next_from(numbers: Sequence[Number], at: int, place: int) -> Number | None:
    """The first number at or behind a place."""
    while at < len(numbers) and numbers[at].start < place:
        at += 1
    return numbers[at] if at < len(numbers) else None


def _with_wide_commas_apart(clean: CleanText) -> str:
    """The folded text with Chinese commas between ASCII digits as spaces: ``GSH-10，10L`` holds no 10.10 L."""
    if not _WIDE_COMMA.search(clean.original):
        return clean.folded
    places = [i for i, c in enumerate(clean.folded) if c == "," and _WIDE_COMMA.match(clean.original, clean.starts[i] - 1)]
    characters = list(clean.folded)
    for i in places:
        characters[i] = " "
    return "".join(characters)


def _skip_plus(text: str, at: int) -> int:
    """Behind a plus sign, as in ``300+ Wh/kg``."""
    return at + 1 if text[at : at + 1] == "+" else at
