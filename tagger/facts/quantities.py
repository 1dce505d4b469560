"""Read the figures of a text: numbers, ranges, bounds and tolerances with units, in base units, and what they are figures of.

A character scanner and not a tokenizer: figures stand glued together (``3.6V5Ah68g``), and what belongs together is decided by
signs between them. Units, words and derivations are data (``units.toml``, ``quantities.toml``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from tagger.facts.text import normalise
from tagger.law import Complement, Derived, Kind, QuantityFile, Unit, Units
from tagger.records import CleanText, Quantity, Span, show_range

_NUMBER = re.compile(
    r"10\^[-+]?\d{1,2}"
    r"|(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:[.,]\d+)?|(?<![\d.])\.\d+)"
    r"(?:\s?[x×*·]\s?10\s?\^?\s?[-+]?\d{1,2}(?!\d)|e[-+]\d{1,2}(?![\d.])|e\d{1,2}(?![\w.]))?"
)
# Where a text has a decimal comma or is German, Spanish or Russian, a dot or space before three digits groups thousands: 6.000 L.
_CONTINENTAL = re.compile(r"(?<![\d,])\d{1,3},\d{1,2}(?!\d)|[äöüßñ¿áéíóú]|[а-яё]{3}")
_CONTINENTAL_THOUSANDS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:[. ]\d{3})+(?:,\d+)?(?![\d.,]|\s?[x×*])")
_POWER_ONLY = re.compile(r"10\^([-+]?\d{1,2})$")
_MANTISSA = re.compile(r"^([\d.,]+)(?:\s?[x×*·]\s?10\s?\^?\s?([-+]?\d{1,2})|e([-+]?\d{1,2}))?$")
_MULTIPLIER = re.compile(r"\s?(万|千万|百万|亿|万m(?=ah))(?=\s?\S)")
_MULTIPLIERS = {"万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "万m": 1e4}
_TOLERANCE = r"±|\+\s?/\s?-|\+-"
_RANGE = r"-|~|to\b|bis\b|до|a\b|至|到|\.{2,3}|…"
_LIST = r"/|,|and\b|or\b|und\b|oder\b|и\b|или\b|y\b|和|与|或|及|및|と"
_COMMA_RATIO = 5  # "300, 500 L" are two sizes, "21700, 3.6 V" is a model and a figure
_SEPARATOR = re.compile(
    rf"\s*(?:(?:dia\.?|diameter|直径)\s*(?=[x×*]))?(?P<sign>\+?(?:{_TOLERANCE})|{_RANGE}|x|\*|×|{_LIST})\s*(?:[ø(φ<≤≥>≈]\s*)?"
)
_LETTER_BEFORE = re.compile(r"[^\W\d_]", re.UNICODE)
_GLUED_SIGNS = "xøφ×x"
_CJK = re.compile("[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_RATE = re.compile(  # what stands behind makes it a rate or a content per something, not the thing's own mass or volume
    r"\s?(?:/|每|per\s)\s?(?:h\b|hr|hour|min|s\b|sec|d\b|day|week|month|y\b|yr|year|小时|时|分|秒|天|日|年|月|周|ч\b|час|сут|мин|год"
    r"|stunde|tag|jahr|시간|일|년|hora|día|año|bag|carton|box|drum|pallet|sack|袋|箱|桶|包|盒|托|m2|m3|m\b|l\b|kg|ton|t\b|м3|м2|л\b)"
)
_TYPICAL = re.compile(r"(?:typ\.?|typical|typically|average|avg\.?|mean|measured|实测|典型|平均|实际|typisch)\s*[:=]?\s*$")
_DIAMETERS = ("diameter", "kiln_diameter", "barrel_diameter")  # diameter x length, as in φ3.2×52m
_HARD_BREAK = re.compile(r"[;|\n!?]|\. (?=[a-z])")
_LEFT, _RIGHT, _COMMA = 44, 30, 12  # characters looked at beside a figure, and what a comma in between counts as
_GAP_LEFT, _GAP_RIGHT = 24, 6
_FILLERS = " :=<>≤≥≈~()[]"  # signs that do not count as distance between a word and its figure


@dataclass(frozen=True, slots=True)
class _Number:
    start: int
    end: int
    value: float


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
    bound: str = ""
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
        self._base = {d.name: d.base for d in units.dimension}
        self._kinds = {k.name: k for k in quantities.kind}
        self._derived = quantities.derived
        self._complements = quantities.complement
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
        self._unit = re.compile(_any_of([*spellings, *(normalise(f).folded for f in units.mesh.forms)], spaced=True))
        self._cues = {d: _Cues(quantities.kind, d) for d in self._base}
        self._any_cue = re.compile(_any_of(normalise(c).folded for k in quantities.kind for c in k.cues))
        self._unitless = {normalise(cue).folded: k.name for k in quantities.kind if k.unitless for cue in k.cues}
        named = _any_of(self._unitless)
        self._unitless_cue = re.compile(rf"({named})[^\w;|\n]{{0,4}}$") if self._unitless else None
        self._before = {c.sign: re.compile(rf"(?:{_any_of(c.before)})[\s:]*$") for c in quantities.comparator}
        self._after = {c.sign: re.compile(rf"\s?(?:{_any_of(c.after)})") for c in quantities.comparator if c.after}
        self._about = next((c.share for c in quantities.comparator if c.sign == "~"), 0.0)
        sizes = "|".join(re.escape(s) for s in sorted(units.micropowder.sizes, key=len, reverse=True))
        self._micropowder = re.compile(rf"(?<![A-Za-z0-9.])({re.escape(units.micropowder.letter)})({sizes})(?![A-Za-z0-9.])")
        self._nines = re.compile(r"(?<![A-Za-z0-9.])([2-9])N(5?)(?![A-Za-z0-9])")

    def read(self, clean: CleanText) -> tuple[Quantity, ...]:
        """Figures of one text in order of their place, derived ones last."""
        if not any(c.isdigit() for c in clean.folded):
            return ()
        special = [*self._read_nines(clean), *self._read_micropowder(clean)]
        taken = [(f.start, f.end) for f in special]
        numbers = [n for n in _numbers(clean.folded) if not any(a <= n.start < b for a, b in taken)]
        figures = self._figures(clean, numbers)
        named = self._named(clean.folded, figures)
        read = sorted([*special, *named, *self._sides(named)], key=lambda f: (f.start, f.end, f.kind))
        quantities = [self._quantity(clean, f) for f in read]
        derived = [d for spec in self._derived for d in self._derive(spec, quantities)]
        return (*quantities, *derived, *(c for spec in self._complements for c in self._complement(spec, quantities)))

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
        if entry[0] in ("mass", "volume", "length", "count") and _RATE.match(clean.folded, end):
            return None
        return entry[0], entry[1], end

    def _figures(self, clean: CleanText, numbers: Sequence[_Number]) -> list[_Figure]:
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
            members, signs, found, used = group
            product = 0
            if signs and all(s in "x*×" for s in signs):
                products += 1
                product = products
            made = [f if not product else replace(f, product=product) for f in self._bounds(clean, members, signs, found)]
            figures += made
            last_end = max(f.end for f in made)
            at += used
        return figures

    def _group(
        self, clean: CleanText, numbers: Sequence[_Number], at: int
    ) -> tuple[list[_Number], list[str], tuple[str, Unit, int], int] | None:
        """Numbers joined by signs up to a unit: ``300-320Wh/kg``, ``120 x 120 x 50 mm``, ``15±2μm``."""
        members: list[_Number] = [numbers[at]]
        signs: list[str] = []
        while True:
            last = members[-1]
            found = self._unit_at(clean, _skip_plus(clean.folded, last.end), last.value)
            following = numbers[at + len(members)] if at + len(members) < len(numbers) else None
            if found:
                tail = self._tail(clean, found, following, signs) if following else None
                if tail is None or following is None:
                    return members, signs, found, len(members)
                sign, found = tail
                members.append(following)
                signs.append(sign)
                if sign in "x*×":
                    continue
                return members, signs, found, len(members)
            joint = _SEPARATOR.match(clean.folded, last.end)
            if following is None or joint is None or joint.end() != following.start or len(members) >= 6:
                return None
            if joint.group("sign") == "," and not last.value < following.value <= last.value * _COMMA_RATIO:
                return None
            members.append(following)
            signs.append(joint.group("sign"))

    def _tail(
        self, clean: CleanText, found: tuple[str, Unit, int], following: _Number | None, signs: list[str]
    ) -> tuple[str, tuple[str, Unit, int]] | None:
        """What goes on behind a unit: ``5mm±0.1``, ``300Wh/kg-320Wh/kg``, ``120mm x 50mm``."""
        joint = _SEPARATOR.match(clean.folded, found[2])
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

    def _bounds(self, clean: CleanText, members: list[_Number], signs: list[str], found: tuple[str, Unit, int]) -> list[_Figure]:
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
            if all(re.fullmatch(_LIST, s) for s in signs):
                return [_Figure(start, end, _base(min(values), unit), _base(max(values), unit), dimension)]
            if dimension == "pressure" and values[0] == 10 and signs == ["-"]:  # 10-3 Pa, the power lost its place
                tiny = _base(10.0 ** -values[1], unit)
                return [_Figure(start, end, tiny, tiny, dimension)]
            return [self._single(clean, members[-1], unit, dimension, end)]  # a model number in front: 18650-2600mAh
        return [_Figure(start, end, _base(values[0], unit), _base(values[-1], unit), dimension)]

    def _single(self, clean: CleanText, number: _Number, unit: Unit, dimension: str, end: int) -> _Figure:
        folded = clean.folded
        if dimension == "mesh":
            finer = folded[number.start - 1 : number.start] == "-"
            return self._sieve([number], end, finer=finer)
        value = _signed(folded, number, dimension)
        before = folded[max(0, number.start - 28) : number.start]
        if re.search(r"(?:±|\+\s?/\s?-|\+-)\s*$", before):
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

    def _without_unit(self, clean: CleanText, numbers: Sequence[_Number], at: int) -> tuple[_Figure, int] | None:
        """A figure without a unit behind the word that names it: ``压实密度2.55``, ``D50: 12-15``, ``Wh/kg=330``."""
        first = numbers[at]
        left = clean.folded[max(0, first.start - 26) : first.start]
        match = self._unitless_cue.search(left) if self._unitless_cue else None
        if match is None:
            return None
        kind = self._kinds[self._unitless[match.group(1)]]
        dimension, unit = self._exact.get(kind.unitless) or self._folded[_squeeze(kind.unitless.lower())]
        members = [first]
        joint = _SEPARATOR.match(clean.folded, first.end)
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

    def _sieve(self, members: Sequence[_Number], end: int, *, finer: bool = False) -> _Figure:
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
                and _TYPICAL.search(folded[left_from : figure.start])
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

    # --- figures that follow from others -----------------------------------------------------------------------------------

    def _derive(self, spec: Derived, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
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
    accepted = [q for q in same if q.kind in kind.accepts]
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


class _Cues:
    """Words that name the kinds of one dimension."""

    def __init__(self, kinds: Iterable[Kind], dimension: str) -> None:
        self._kind = {normalise(cue).folded: k.name for k in kinds if k.dimension == dimension for cue in k.cues}
        self._pattern = re.compile(_any_of(self._kind)) if self._kind else None

    def _all(self, text: str) -> list[tuple[str, int, int]]:
        if self._pattern is None:
            return []
        return [(self._kind[m.group()], m.start(), m.end()) for m in self._pattern.finditer(text)]

    def last(self, text: str) -> tuple[str, int, int] | None:
        """Kind, start and end of the cue that ends last."""
        found = self._all(text)
        return found[-1] if found else None

    def first(self, text: str) -> tuple[str, int, int] | None:
        """Kind, start and end of the cue that starts first."""
        found = self._all(text)
        return found[0] if found else None


def _numbers(folded: str) -> Iterator[_Number]:
    thousands = {m.start(): m for m in _CONTINENTAL_THOUSANDS.finditer(folded)} if _CONTINENTAL.search(folded) else {}
    done = 0
    for plain in _NUMBER.finditer(folded):
        if plain.start() < done:
            continue
        match = thousands.get(plain.start(), plain)
        grouped = match is not plain
        value = float(re.sub("[. ]", "", match.group()).replace(",", ".")) if grouped else _value(match.group())
        end = done = match.end()
        multiplier = _MULTIPLIER.match(folded, end)
        if multiplier:
            value *= _MULTIPLIERS[multiplier.group(1)]
            end = multiplier.end() - (1 if multiplier.group(1).endswith("m") else 0)
        yield _Number(match.start(), end, value)


def _signed(folded: str, number: _Number, dimension: str) -> float:
    """The value, negative where a temperature has a minus sign in front that joins no range."""
    minus = dimension == "temperature" and re.search(r"(?:^|[\s(~:,至到])-\s?$", folded[max(0, number.start - 4) : number.start])
    return -number.value if minus else number.value


def _value(text: str) -> float:
    """Value of a number as written; a comma before exactly three digits groups thousands, else it is a decimal comma.

    Examples
    --------
    >>> _value("5,000"), _value("99,95"), _value("0,350"), _value("1×10^-3"), _value("10^-3")
    (5000.0, 99.95, 0.35, 0.001, 0.001)
    """
    power_only = _POWER_ONLY.match(text)
    if power_only:
        return float(10.0 ** int(power_only.group(1)))
    match = _MANTISSA.match(text.strip())
    if match is None:
        return math.nan
    mantissa = match.group(1)
    grouped = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", mantissa)
    number = float(mantissa.replace(",", "") if grouped else mantissa.replace(",", "."))
    power = match.group(2) or match.group(3)
    return float(f"{number!r}e{int(power)}") if power else number


def _any_of(words: Iterable[str], *, spaced: bool = False) -> str:
    """Alternation of words as a prefix tree, longest first; a Latin or Cyrillic letter at an end must be the word's end.

    Parameters
    ----------
    words : iterable of str
        Lower-case words.
    spaced : bool
        Units: a space inside is optional in the text, and letters may stand directly in front.
    """
    tree: dict[str, Any] = {}
    for word in words:
        if not word:
            continue
        steps = [r"\s?" if c == " " and spaced else re.escape(c) for c in word]
        if not spaced and re.match(r"[a-zа-яё]", word):
            steps.insert(0, r"(?<![a-zа-яё])")
        elif not spaced and word[0].isdigit():
            steps.insert(0, r"(?<![\d.,])")
        node = tree
        for step in steps:
            node = node.setdefault(step, {})
        ends = r"(?![a-zа-яёäöüßéñ])" if re.search(r"[a-zа-яёäöüßéñ]$", word) else r"(?!\d)" if word[-1].isdigit() else ""
        node[f"end{ends}"] = {}
    return _pattern(tree)


def _pattern(tree: dict[str, Any]) -> str:
    longer = [step + _pattern(below) for step, below in tree.items() if not step.startswith("end")]
    ends = [step[3:] for step in tree if step.startswith("end")]
    branches = [*longer, *ends]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


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
