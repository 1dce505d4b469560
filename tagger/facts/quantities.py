"""Read the figures of a text: numbers, ranges, bounds and tolerances with units, in base units, and what they are figures of.

A character scanner and not a tokenizer: figures stand glued together (``3.6V5Ah68g``), and what belongs together is decided by
signs between them. Units, words and derivations are data (``units.toml``, ``quantities.toml``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tagger.facts.compositions import CompositionReader
from tagger.facts.cues import Cues
from tagger.facts.derived import Deriver
from tagger.facts.numbers import Number, any_of, numbers
from tagger.facts.text import normalise
from tagger.law import QuantityFile, Unit, Units
from tagger.records import CleanText, Quantity

_TOLERANCE = r"±|\+\s?/\s?-|\+-"
_COMMA_RATIO = 5  # "300, 500 L" are two sizes, "21700, 3.6 V" is a model and a figure
_LETTER_BEFORE = re.compile(r"[^\W\d_]", re.UNICODE)
_GLUED_SIGNS = "xøφ×x"
_CJK = re.compile("[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_DIAMETERS = ("diameter", "kiln_diameter", "barrel_diameter")  # diameter x length, as in φ3.2×52m
_HARD_BREAK = re.compile(r"[;|\n!?]|\. (?=[a-z])")
_LEFT, _RIGHT, _COMMA = 44, 30, 12  # characters looked at beside a figure, and what a comma in between counts as
_GAP_LEFT, _GAP_RIGHT = 24, 6
_FRACTION = re.compile(r"(?<![\d./a-z-])(\d{2,3})/(\d{2,3})(?![\d./-])")
_COARSEST_GRIT = 25  # coarser pairs, such as 16/18, are more often something else
_FILLERS = " :=<>≤≥≈~()[]"  # signs that do not count as distance between a word and its figure


@dataclass(frozen=True, slots=True)
class _Figure:
    """A number or several with one unit, before it is known what they are figures of."""

    start: int
    end: int
    low: float
    high: float
    dimension: str
    open_low: bool = False
    open_high: bool = False
    kind: str = ""
    derived_from: str = ""
    product: int = 0  # figures of one A x B x C share a number
    sign: str = ""


class QuantityReader:
    """Reads the figures of normalised texts.

    Parameters
    ----------
    units : Units
    quantities : QuantityFile

    Examples
    --------
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
        self._units = units
        words = quantities.words
        self._multipliers = words.multipliers
        self._list = re.compile(any_of(words.list))
        signs = rf"\+?(?:{_TOLERANCE})|{any_of(words.range)}|x|\*|×|{any_of(words.list)}"
        diameter = rf"(?:{any_of(words.diameter)}\s*(?=[x×*]))?"
        self._separator = re.compile(rf"\s*{diameter}(?P<sign>{signs})\s*(?:[ø(φ<≤≥>≈]\s*)?")
        self._rate = re.compile(rf"\s?(?:/|每|per\s)\s?{any_of(words.rate)}")
        self._typical = re.compile(rf"{any_of(words.typical)}\s*[:=]?\s*$")
        self._base = {d.name: d.base for d in units.dimension}
        self._kinds = {k.name: k for k in quantities.kind}
        self._elements = quantities.composition
        self._compositions = CompositionReader(quantities.composition)
        self._deriver = Deriver(units, quantities)
        self._folded: dict[str, tuple[str, Unit]] = {}
        self._exact: dict[str, tuple[str, Unit]] = {}
        for dimension in units.dimension:
            for unit in dimension.units:
                for form in unit.forms:
                    self._folded.setdefault(_squeeze(normalise(form).folded), (dimension.name, unit))
                for form in unit.exact:
                    self._exact.setdefault(_squeeze(normalise(form).text), (dimension.name, unit))
        mesh_unit = Unit(factor=1.0)
        for form in units.mesh.forms:
            self._folded[_squeeze(normalise(form).folded)] = ("mesh", mesh_unit)
        spellings = [normalise(f).folded for d in units.dimension for u in d.units for f in (*u.forms, *u.exact)]
        self._unit = re.compile(any_of([*spellings, *(normalise(f).folded for f in units.mesh.forms)], spaced=True))
        self._cues = {d: Cues(quantities.kind, d) for d in self._base}
        self._any_cue = re.compile(any_of(normalise(c).folded for k in quantities.kind for c in k.cues))
        self._unitless = {normalise(cue).folded: k.name for k in quantities.kind if k.unitless for cue in k.cues}
        named = any_of(self._unitless)
        self._unitless_cue = re.compile(rf"({named})[^\w;|\n]{{0,4}}$") if self._unitless else None
        self._before = {c.sign: re.compile(rf"(?:{any_of(c.before)})[\s:]*$") for c in quantities.comparator}
        self._after = {c.sign: re.compile(rf"\s?(?:{any_of(c.after)})") for c in quantities.comparator if c.after}
        self._about = next((c.share for c in quantities.comparator if c.sign == "~"), 0.0)
        sizes = "|".join(re.escape(s) for s in sorted(units.micropowder.sizes, key=len, reverse=True))
        self._micropowder = re.compile(rf"(?<![A-Za-z0-9.])({re.escape(units.micropowder.letter)})({sizes})(?![A-Za-z0-9.])")
        self._nines = re.compile(r"(?<![A-Za-z0-9.])([2-9])N(5?)(?![A-Za-z0-9])")

    def read(self, clean: CleanText) -> tuple[Quantity, ...]:
        """Figures of one text in order of their place, derived ones last."""
        if not any(c.isdigit() for c in clean.folded):
            return ()
        special = [
            *self._read_nines(clean),
            *self._read_micropowder(clean),
            *self._read_fractions(clean),
            *self._read_compositions(clean),
        ]
        taken = [(f.start, f.end) for f in special]
        found = [n for n in numbers(clean.folded, self._multipliers) if not any(a <= n.start < b for a, b in taken)]
        figures = self._figures(clean, found)
        named = self._named(clean.folded, figures)
        read = sorted([*special, *named, *self._sides(named)], key=lambda f: (f.start, f.end, f.kind))
        quantities = [self._quantity(clean, f) for f in read]
        return (*quantities, *self._deriver.derive(quantities))

    # --- numbers with units -------------------------------------------------------------------------------------------

    def _unit_at(self, clean: CleanText, at: int, value: float = math.inf) -> tuple[str, Unit, int] | None:
        """Dimension, unit and end of the unit that stands at a place, spaces before it allowed."""
        match = self._unit.match(clean.folded, _skip_spaces(clean.folded, at))
        if match is None:
            return None
        end = match.end()
        entry = self._exact.get(_squeeze(clean.text[match.start() : end])) or self._folded.get(_squeeze(match.group()))
        if entry is None or value < entry[1].least:
            return None
        if end - match.start() == 1 and match.start() > at and clean.folded[end : end + 1].isdigit():
            return None  # a model name: ProBook 450 G5
        word = self._any_cue.match(clean.folded, match.start()) if _CJK.match(match.group()[-1]) else None
        if word and word.end() > end:
            return None  # the first character of a word: 2.55 克容量
        if entry[0] in ("mass", "volume", "length", "count") and self._rate.match(clean.folded, end):
            return None
        return entry[0], entry[1], end

    def _figures(self, clean: CleanText, numbers: Sequence[Number]) -> list[_Figure]:
        figures: list[_Figure] = []
        at, last_end, products = 0, -1, 0
        while at < len(numbers):
            first = numbers[at]
            before = clean.folded[first.start - 1 : first.start]
            glued = _LETTER_BEFORE.match(before) and before not in _GLUED_SIGNS and not _CJK.match(before)
            group = self._group(clean, numbers, at)
            if group is None or (
                glued and first.start != last_end and not self._cue_ends_at(clean.folded, first.start, group[2][0])
            ):
                unitless = self._without_unit(clean, numbers, at)
                if unitless is None:
                    at += 1
                    continue
                figures.append(unitless[0])
                last_end = unitless[0].end
                at += unitless[1]
                continue
            members, signs, found = group
            product = 0
            if signs and all(s in "x*×" for s in signs):
                products += 1
                product = products
            made = [f if not product else replace(f, product=product) for f in self._bounds(clean, members, signs, found)]
            figures += made
            last_end = max(f.end for f in made)
            at += len(members)
        return figures

    def _group(
        self, clean: CleanText, numbers: Sequence[Number], at: int
    ) -> tuple[list[Number], list[str], tuple[str, Unit, int]] | None:
        """Numbers joined by signs up to a unit: ``300-320Wh/kg``, ``120 x 120 x 50 mm``, ``15±2μm``."""
        members: list[Number] = [numbers[at]]
        signs: list[str] = []
        while True:
            last = members[-1]
            found = self._unit_at(clean, _skip_plus(clean.folded, last.end), last.value)
            following = numbers[at + len(members)] if at + len(members) < len(numbers) else None
            if found:
                tail = self._tail(clean, found, following, signs) if following else None
                if tail is None or following is None:
                    return members, signs, found
                sign, found = tail
                members.append(following)
                signs.append(sign)
                if sign in "x*×":
                    continue
                return members, signs, found
            joint = self._separator.match(clean.folded, last.end)
            if following is None or joint is None or joint.end() != following.start or len(members) >= 6:
                return None
            if joint.group("sign") == "," and not last.value < following.value <= last.value * _COMMA_RATIO:
                return None
            members.append(following)
            signs.append(joint.group("sign"))

    def _tail(
        self, clean: CleanText, found: tuple[str, Unit, int], following: Number | None, signs: list[str]
    ) -> tuple[str, tuple[str, Unit, int]] | None:
        """What goes on behind a unit: ``5mm±0.1``, ``300Wh/kg-320Wh/kg``, ``120mm x 50mm``."""
        joint = self._separator.match(clean.folded, found[2])
        if joint is None or following is None or joint.end() != following.start:
            return None
        sign = joint.group("sign")
        unit = self._unit_at(clean, following.end)
        if re.fullmatch(_TOLERANCE, sign):
            if signs:
                return None
            if unit is None:
                return sign, (found[0], found[1], following.end)
            return (sign, (found[0], found[1], unit[2])) if unit[0] in (found[0], "percent") else None
        if unit and unit[0] == found[0] and unit[1] == found[1]:
            joined = sign in "x*×" or (not signs and sign != "," and following.value > 0)
            return (sign, unit) if joined else None
        return None

    def _bounds(self, clean: CleanText, members: list[Number], signs: list[str], found: tuple[str, Unit, int]) -> list[_Figure]:
        dimension, unit, end = found
        start = members[0].start
        if signs and all(s in "x*×" for s in signs):
            return [self._single(clean, n, unit, dimension, n.end if n is not members[-1] else end) for n in members]
        if signs and re.fullmatch(rf"\+?(?:{_TOLERANCE})", signs[-1]) and len(members) == 2:
            middle, width = members[0].value, members[1].value
            if clean.folded[members[1].end : end].strip().startswith("%") and dimension != "percent":
                width = middle * width / 100
            return [_Figure(start, end, _base(middle - width, unit), _base(middle + width, unit), dimension)]
        if not signs:
            return [self._single(clean, members[0], unit, dimension, end)]
        values = [_signed(clean.folded, n, dimension) for n in members]
        if dimension == "mesh":
            return [self._sieve(members, end)]
        if values != sorted(values):
            if all(self._list.fullmatch(s) for s in signs):
                return [_Figure(start, end, _base(min(values), unit), _base(max(values), unit), dimension)]
            if dimension == "pressure" and values[0] == 10 and signs == ["-"]:  # 10-3 Pa, the power lost its place
                tiny = _base(10.0 ** -values[1], unit)
                return [_Figure(start, end, tiny, tiny, dimension)]
            return [self._single(clean, members[-1], unit, dimension, end)]  # a model number in front: 18650-2600mAh
        return [_Figure(start, end, _base(values[0], unit), _base(values[-1], unit), dimension)]

    def _single(self, clean: CleanText, number: Number, unit: Unit, dimension: str, end: int) -> _Figure:
        folded = clean.folded
        if dimension == "mesh":
            finer = folded[number.start - 1 : number.start] == "-"
            return self._sieve([number], end, finer=finer)
        value = _signed(folded, number, dimension)
        before = folded[max(0, number.start - 28) : number.start]
        if re.search(rf"(?:{_TOLERANCE})\s*$", before):
            kind = "temperature_uniformity" if dimension == "temperature" else "tolerance"
            width = number.value * unit.factor
            return _Figure(number.start, end, width, width, dimension, kind=kind)
        base = _base(value, unit)
        sign, stop = self._comparator(folded, before, number.end, end)
        low, high = base, base
        floor = -math.inf if dimension == "temperature" else 0.0
        if sign in (">=", ">"):
            high = math.inf
        elif sign in ("<=", "<"):
            low = floor
        elif sign == "~":
            low, high = sorted((base * (1 - self._about), base * (1 + self._about)))
        return _Figure(number.start, stop, low, high, dimension, open_low=sign == ">", open_high=sign == "<", sign=sign)

    def _comparator(self, folded: str, before: str, number_end: int, end: int) -> tuple[str, int]:
        """The bound that words beside a figure make it, and where the figure then ends."""
        longest, sign = 0, ""
        for candidate, pattern in self._before.items():
            match = pattern.search(before)
            if match and len(match.group()) > longest:
                longest, sign = len(match.group()), candidate
        if sign:
            return sign, end
        if folded[number_end : number_end + 1] == "+" or re.match(r"\+(?![\s/]*\d)", folded[end : end + 3]):
            return ">=", end
        for candidate, pattern in self._after.items():
            match = pattern.match(folded, end)
            if match:
                return candidate, match.end()
        return "", end

    def _cue_ends_at(self, folded: str, at: int, dimension: str) -> bool:
        """Whether a word that names the figure is glued to it: ``Dy0.36%``."""
        cues = self._cues.get(dimension)
        found = cues.last(folded[max(0, at - _LEFT) : at] + " ") if cues else None
        return found is not None and found[2] == at - max(0, at - _LEFT)

    def _without_unit(self, clean: CleanText, numbers: Sequence[Number], at: int) -> tuple[_Figure, int] | None:
        """A figure without a unit behind the word that names it: ``压实密度2.55``, ``D50: 12-15``, ``Wh/kg=330``."""
        first = numbers[at]
        left = clean.folded[max(0, first.start - 26) : first.start]
        match = self._unitless_cue.search(left) if self._unitless_cue else None
        if match is None:
            return None
        kind = self._kinds[self._unitless[match.group(1)]]
        dimension, unit = self._exact.get(kind.unitless) or self._folded[_squeeze(kind.unitless.lower())]
        members = [first]
        joint = self._separator.match(clean.folded, first.end)
        following = numbers[at + 1] if at + 1 < len(numbers) else None
        if joint and following and joint.end() == following.start and joint.group("sign") in ("-", "~", "to", "至", "±"):
            members.append(following)
        if self._unit_at(clean, members[-1].end) or _LETTER_BEFORE.match(clean.folded[members[-1].end : members[-1].end + 1]):
            return None  # it has a unit of another dimension, or is part of a name
        signs = [joint.group("sign")] if joint and len(members) == 2 else []
        figure = self._bounds(clean, members, signs, (dimension, unit, members[-1].end))[0]
        low, high = kind.bare or (-math.inf, math.inf)
        if not any(low <= end <= high for end in (figure.low, figure.high)):
            return None
        return replace(figure, kind=kind.name), len(members)

    # --- sieve numbers, micropowder numbers, nines ----------------------------------------------------------------------

    def _sieve(self, members: Sequence[Number], end: int, *, finer: bool = False) -> _Figure:
        openings = self._units.mesh.openings
        meshes = sorted(openings)
        values = sorted(n.value for n in members)
        coarse, fine = values[0], values[-1]
        if finer:
            low, high = 0.0, openings[max((m for m in meshes if m <= coarse), default=meshes[0])]
        elif len(values) > 1:
            high = openings[max((m for m in meshes if m <= coarse), default=meshes[0])]
            low = openings[min((m for m in meshes if m >= fine), default=meshes[-1])]
        else:
            high = openings[max((m for m in meshes if m < coarse), default=meshes[0])]
            low = openings[min((m for m in meshes if m > coarse), default=meshes[-1])]
        text = "/".join(f"{n.value:g}" for n in members)
        derivation = f"{text} mesh, {self._units.mesh.standard}"
        return _Figure(members[0].start, end, low, high, "length", kind=self._units.mesh.kind, derived_from=derivation)

    def _read_fractions(self, clean: CleanText) -> Iterator[_Figure]:
        """Two neighbouring sieve numbers are a grit size, also without the word mesh: ``MBD 140/170``."""
        sieves = sorted(self._units.mesh.openings)
        for match in _FRACTION.finditer(clean.folded):
            coarse, fine = int(match.group(1)), int(match.group(2))
            near = coarse in sieves and fine in sieves and 0 < sieves.index(fine) - sieves.index(coarse) <= 2
            if near and coarse >= _COARSEST_GRIT and self._unit_at(clean, match.end()) is None:
                members = [Number(match.start(1), match.end(1), coarse), Number(match.start(2), match.end(2), fine)]
                yield self._sieve(members, match.end())

    def _read_compositions(self, clean: CleanText) -> Iterator[_Figure]:
        for share in self._compositions.read(clean.text):
            kind = self._elements[share.element]
            written = clean.text[share.start : share.end]
            yield _Figure(share.start, share.end, share.percent, share.percent, "percent", kind=kind, derived_from=written)

    def _read_micropowder(self, clean: CleanText) -> Iterator[_Figure]:
        table = self._units.micropowder
        for match in self._micropowder.finditer(clean.text):
            low, high = table.sizes[match.group(2)]
            derivation = f"{match.group()}, {table.standard}"
            yield _Figure(match.start(), match.end(), low, high, "length", kind=table.kind, derived_from=derivation)

    def _read_nines(self, clean: CleanText) -> Iterator[_Figure]:
        force = self._cues.get("force")
        for match in self._nines.finditer(clean.text):
            left = clean.folded[max(0, match.start() - 20) : match.start()]
            if force and force.last(left):
                continue
            nines, half = int(match.group(1)), match.group(2)
            value = 100 - 10.0 ** (2 - nines) * (0.5 if half else 1.0)
            yield _Figure(
                match.start(), match.end(), value, value, "percent", kind=self._units.nines.kind, derived_from=match.group()
            )

    # --- what the figures are figures of ----------------------------------------------------------------------------------

    def _named(self, folded: str, figures: list[_Figure]) -> list[_Figure]:
        named: list[_Figure] = []
        for i, figure in enumerate(figures):
            left_from = figures[i - 1].end if i else 0
            right_to = figures[i + 1].start if i + 1 < len(figures) else len(folded)
            kind = figure.kind or self._kind(folded, figure, left_from, right_to)
            if (
                i
                and figures[i - 1].product == figure.product != 0
                and named[-1].kind in _DIAMETERS
                and kind in ("", named[-1].kind)
            ):
                kind = "length"
            if (
                not kind
                and i
                and figures[i - 1].dimension == figure.dimension
                and self._typical.search(folded[left_from : figure.start])
            ):
                kind = named[-1].kind  # breaking load >= 4.6 N (typ 5.1 N)
            named.append(self._capped(replace(figure, kind=kind)))
        return named

    def _kind(self, folded: str, figure: _Figure, left_from: int, right_to: int) -> str:
        cues = self._cues.get(figure.dimension)
        if cues is None:
            return ""
        left = folded[max(left_from, figure.start - _LEFT) : figure.start]
        left = left[_last_break(left) :]
        right = folded[figure.end : min(right_to, figure.end + _RIGHT)]
        found = cues.last(left)
        best, kind = _GAP_LEFT + 1, ""
        if found and not _belongs_to_previous(left, found):
            between = left[found[2] :]
            gap = len(between.strip(_FILLERS)) + (_COMMA if "," in between else 0)
            if gap < best:
                best, kind = gap, found[0]
        behind = cues.first(right)
        if behind:
            between = right[: behind[1]]
            gap = len(between.strip(_FILLERS))
            if "," not in between and not _HARD_BREAK.search(between) and gap <= _GAP_RIGHT and gap < best:
                kind = behind[0]
        return kind

    def _capped(self, figure: _Figure) -> _Figure:
        """For kinds that are maxima, ``up to 3000 degC`` gives the figure itself."""
        kind = self._kinds.get(figure.kind)
        if kind and kind.maximum and figure.sign == "<=":
            return replace(figure, low=figure.high)
        return figure

    def _sides(self, figures: list[_Figure]) -> Iterator[_Figure]:
        """Three lengths joined by a times sign are the sides of a block, longest first."""
        names = next((k.sides for k in self._kinds.values() if k.sides), ())
        for number in sorted({f.product for f in figures if f.product}):
            group = [f for f in figures if f.product == number and f.dimension == "length"]
            if len(group) == len(names) == 3:
                for name, side in zip(names, sorted(group, key=lambda f: -f.high), strict=True):
                    yield replace(side, kind=name)

    def _quantity(self, clean: CleanText, figure: _Figure) -> Quantity:
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


def _signed(folded: str, number: Number, dimension: str) -> float:
    """The value, negative where a temperature has a minus sign in front that joins no range."""
    minus = dimension == "temperature" and re.search(r"(?:^|[\s(~:,至到])-\s?$", folded[max(0, number.start - 4) : number.start])
    return -number.value if minus else number.value


def _base(value: float, unit: Unit) -> float:
    return value * unit.factor + unit.offset


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _skip_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at


def _belongs_to_previous(left: str, cue: tuple[str, int, int]) -> bool:
    """Whether a cue stands right behind the figure before, parted from this one by a comma: ``6 GPa pressure, 110 MPa``."""
    return not left[: cue[1]].strip(" )") and "," in left[cue[2] :]


def _skip_plus(text: str, at: int) -> int:
    """Behind a plus sign, as in ``300+ Wh/kg``."""
    return at + 1 if text[at : at + 1] == "+" else at


def _last_break(text: str) -> int:
    ends = [m.end() for m in _HARD_BREAK.finditer(text)]
    return ends[-1] if ends else 0
