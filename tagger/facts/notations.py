"""Notations that are figures without a unit: sieve numbers, micropowder numbers, nines, compositions, cells in series."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tagger.facts.compositions import CompositionReader
from tagger.facts.cues import Cues
from tagger.facts.figures import Figure, in_base
from tagger.facts.numbers import Number
from tagger.facts.units import UnitFinder
from tagger.facts.words import any_of
from tagger.law import QuantityFile, Units
from tagger.records import CleanText

_FRACTION = re.compile(r"(?<![\d./a-z-])(\d{2,3})/(\d{2,3})(?P<sign>\s?#)?(?![\d./-])")
# "99.8 min" is a share and no time; with three nines behind the point it is one without a word ("InSb, 99.999"), and no price
_LEAST_SHARE = re.compile(
    r"(?<![\d.,/$€£¥-])(9\d[.,]\d{1,5})\s?min(?:imum)?(?=\.?(?:[\s,;)|]|$))(?!\.?\s(?:at|bei|por|cycle|run|per)\b)"
)
_NINES_WRITTEN = re.compile(r"(?<![\d.,/$€£¥a-z-])(99\.9{3,6}5?)(?![\d.,]*\d)")
# of several grades the sign of per cent stands behind the last: 99.5/99.8/99.99 %
_GRADES = re.compile(r"(?<![\d.,/$€£¥a-z-])9\d\.\d{1,6}(?:(?:\s?[/、,]\s?|\s)9\d\.\d{1,6}){1,6}\s?%")
_COARSEST_GRIT = 25  # coarser pairs, such as 16/18, are more often something else


class NotationReader:
    """Reads the notations of ``units.toml`` and ``quantities.toml``.

    Parameters
    ----------
    units : Units
    quantities : QuantityFile
    finder : UnitFinder
    """

    def __init__(self, units: Units, quantities: QuantityFile, finder: UnitFinder) -> None:
        self._units = units
        self._finder = finder
        self._elements = quantities.composition
        self._compositions = CompositionReader(quantities.composition)
        self._force = Cues(quantities.kind, "force")
        sizes = "|".join(re.escape(s) for s in sorted(units.micropowder.sizes, key=len, reverse=True))
        self._micropowder = re.compile(rf"(?<![A-Za-z0-9.])({re.escape(units.micropowder.letter)})({sizes})(?![A-Za-z0-9.])")
        grades = any_of(units.micropowder.pair_grades)
        self._pairs = re.compile(rf"(?<![^\W_])(?:{grades})[\s:]{{0,2}}(\d{{1,3}})/(\d{{1,3}})(?![\d./])", re.IGNORECASE)
        self._nines = re.compile(r"(?<![A-Za-z0-9.])([2-9])N(5?)(?![A-Za-z0-9])")
        pack = quantities.pack
        self._pack = pack
        self._charge = next(k.dimension for k in quantities.kind if k.name == pack.charge)
        series, parallel = (any_of(words, spaced=True) for words in (pack.series, pack.parallel))
        self._in_series = re.compile(
            rf"(?<![a-z0-9.])(\d{{1,3}})\s?{series}(?:\s?[x×*/-]?\s?(\d{{1,3}})\s?{parallel}(?![a-z0-9])|(?=[\s,;)(]|$))"
        )
        self._joined = re.compile(
            rf"(?<![a-z0-9.])(\d{{1,3}}){series}(?:(\d{{1,3}}){parallel})?(\d{{1,4}}(?:\.\d{{1,3}})?)(?![.\d])"
        )

    def read(self, clean: CleanText) -> list[Figure]:
        """Figures of all notations of one text."""
        return [
            *self._read_nines(clean),
            *self._read_shares(clean),
            *self._read_micropowder(clean),
            *self._read_fractions(clean),
            *self._read_compositions(clean),
            *self._read_cells(clean),
        ]

    def sieve(self, members: Sequence[Number], end: int, *, finer: bool = False) -> Figure:
        """Sieve numbers as a range of sizes; ``finer``: all that passes the sieve."""
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
        return Figure(members[0].start, end, low, high, "length", kind=self._units.mesh.kind, derived_from=derivation)

    def _read_fractions(self, clean: CleanText) -> Iterator[Figure]:
        """Two neighbouring sieve numbers are a grit size, also without the word mesh: ``MBD 140/170``, ``30/40#``."""
        if "/" not in clean.folded:
            return
        sieves = sorted(self._units.mesh.openings)
        for match in _FRACTION.finditer(clean.folded):
            coarse, fine = int(match.group(1)), int(match.group(2))
            steps = sieves.index(fine) - sieves.index(coarse) if coarse in sieves and fine in sieves else 0
            near = 0 < steps <= 2 and (coarse >= _COARSEST_GRIT or match.group("sign"))
            if near and self._finder.behind(clean, match.end()) is None:
                members = [Number(match.start(1), match.end(1), coarse), Number(match.start(2), match.end(2), fine)]
                yield self.sieve(members, match.end())

    def _read_compositions(self, clean: CleanText) -> Iterator[Figure]:
        for share in self._compositions.read(clean.text):
            kind = self._elements[share.element]
            written = clean.text[share.start : share.end]
            yield Figure(share.start, share.end, share.percent, share.percent, "percent", kind=kind, derived_from=written)

    def _read_micropowder(self, clean: CleanText) -> Iterator[Figure]:
        table = self._units.micropowder
        for match in self._micropowder.finditer(clean.text) if table.letter in clean.text else ():
            low, high = table.sizes[match.group(2)]
            derivation = f"{match.group()}, {table.standard}"
            yield Figure(match.start(), match.end(), low, high, "length", kind=table.kind, derived_from=derivation)
        for match in self._pairs.finditer(clean.text) if "/" in clean.text else ():
            high, low = int(match.group(1)), int(match.group(2))
            if high > low:
                yield Figure(
                    match.start(1), match.end(), low, high, "length", open_low=True, kind=table.kind, derived_from=match.group()
                )

    def _read_nines(self, clean: CleanText) -> Iterator[Figure]:
        for match in self._nines.finditer(clean.text) if "N" in clean.text else ():
            left = clean.folded[max(0, match.start() - 20) : match.start()]
            if self._force.last(left):
                continue
            nines, half = int(match.group(1)), match.group(2)
            value = 100 - 10.0 ** (2 - nines) * (0.5 if half else 1.0)
            kind = self._units.nines.kind
            yield Figure(match.start(), match.end(), value, value, "percent", kind=kind, derived_from=match.group())

    def _read_shares(self, clean: CleanText) -> Iterator[Figure]:
        """A purity that is written without a sign of per cent: ``99.8 min``, ``99.999``."""
        if "9." not in clean.folded and "9," not in clean.folded:
            return
        found = [*_LEAST_SHARE.finditer(clean.folded), *_NINES_WRITTEN.finditer(clean.folded)]
        for match in found:
            least = match.re is _LEAST_SHARE
            if not least and (self._finder.behind(clean, match.end()) or self._force.last(clean.folded[: match.start()][-20:])):
                continue
            value = float(match.group(1).replace(",", "."))
            kind = "" if least else self._units.nines.kind
            derivation = clean.text[match.start() : match.end()]
            yield Figure(match.start(), match.end(), value, value, "percent", kind=kind, derived_from=derivation)
        for match in _GRADES.finditer(clean.folded):
            for grade in re.finditer(r"9\d\.\d+", match.group()):
                value, start = float(grade.group()), match.start() + grade.start()
                yield Figure(start, start + len(grade.group()), value, value, "percent")

    def _read_cells(self, clean: CleanText) -> Iterator[Figure]:
        """``10S4P``: ten cells in series, four strings in parallel; their charge may be joined to them, as in ``6S27Ah``."""
        for match in self._in_series.finditer(clean.folded):
            yield from self._counts(match)
        for match in self._joined.finditer(clean.folded):
            unit = self._finder.behind(clean, match.end())
            if unit and unit.dimension == self._charge:
                yield from self._counts(match)
                charge = in_base(float(match.group(3)), unit.unit)
                yield Figure(match.start(3), unit.end, charge, charge, unit.dimension)

    def _counts(self, match: re.Match[str]) -> Iterator[Figure]:
        for group, kind in ((1, self._pack.series_kind), (2, self._pack.parallel_kind)):
            if match.group(group):
                count = float(match.group(group))
                yield Figure(match.start(group), match.end(group), count, count, "count", kind=kind)
