"""Figures that follow from others: Wh/kg from V x Ah / kg, purity from ash; ranges go through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tagger.facts.assays import AssayReader
from tagger.facts.intervals import derivation, hull, product_of
from tagger.facts.packs import PackReader
from tagger.facts.readable import readable
from tagger.law import Complement, Conversion, Derived, QuantityFile, Units
from tagger.records import CleanText, Quantity, Span, show_range

_OF_PACKS = {"count", "mass"}  # dimensions without which there is no pack to work out


class Deriver:
    """Derives figures by the recipes of ``quantities.toml``.

    Parameters
    ----------
    units : Units
    quantities : QuantityFile
    """

    def __init__(self, units: Units, quantities: QuantityFile) -> None:
        self._base = {d.name: d.base for d in units.dimension}
        self._kinds = {k.name: k for k in quantities.kind}
        self._derived = [(spec, {self._kinds[f.kind].dimension for f in spec.factors}) for spec in quantities.derived]
        self._complements = quantities.complement
        self._conversions = quantities.conversion
        self._packs = PackReader(quantities.pack, self._kinds, self._base[self._kinds[quantities.pack.kind].dimension])
        self._assays = AssayReader(quantities.assay, quantities.kind, units)

    def derive(self, quantities: Sequence[Quantity], clean: CleanText) -> Iterator[Quantity]:
        """Figures that follow from those read, each with its derivation."""
        present, dimensions = {q.kind for q in quantities}, {q.dimension for q in quantities}
        for spec, needed in self._derived:
            if needed <= dimensions and present.isdisjoint(spec.unless):
                yield from self._product(spec, quantities)
        if dimensions >= _OF_PACKS:
            yield from self._packs.read(quantities, clean)
        for complement in self._complements:
            yield from self._complement(complement, quantities)
        for conversion in self._conversions:
            yield from self._converted(conversion, quantities)
        yield from self._assays.read(clean)

    def _product(self, spec: Derived, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
        chosen: list[tuple[Quantity, int]] = []
        for factor in spec.factors:
            candidates = readable(self._kinds[factor.kind], quantities)
            if not candidates:
                return
            chosen.append((hull(candidates), factor.power))
        low, high = product_of(chosen)
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
            derived_from=derivation(chosen),
        )

    def _converted(self, spec: Conversion, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
        kind = self._kinds[spec.kind]
        for q in quantities:
            if q.kind == spec.of:
                unit = self._base[kind.dimension]
                yield Quantity(spec.kind, q.low * spec.factor, q.high * spec.factor, unit, kind.dimension, q.span, show_range(q))

    def _complement(self, spec: Complement, quantities: Sequence[Quantity]) -> Iterator[Quantity]:
        """What is left of a hundred per cent: 20 ppm ash is a purity of 99.998 %."""
        for q in quantities:
            if q.kind in spec.of:
                scale = spec.scale.get(q.unit, 1.0)
                low, high = 100 - q.high * scale, 100 - q.low * scale
                shown = f"100 % - {show_range(q)} {q.kind.replace('_', ' ')}"
                kind = self._kinds[spec.kind]
                unit = self._base[kind.dimension]
                yield Quantity(spec.kind, max(low, 0.0), high, unit, kind.dimension, q.span, shown)
