"""Wh/kg of a pack whose text states its cells in series and in parallel: ``10S4P``, ``13串4并``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tagger.facts.intervals import derivation, hull, product_of
from tagger.facts.readable import readable
from tagger.law import Kind, Pack
from tagger.records import CleanText, Quantity, Span

_BESIDE = 28  # characters in front of a figure in which a word says whether it is the cell's or the pack's


class PackReader:
    """Derives the specific energy of packs.

    A figure that may be the cell's or the pack's makes a range, never a point.

    Parameters
    ----------
    pack : Pack
    kinds : mapping of Kind by name
    unit : str
        Base unit of the derived figure.
    """

    def __init__(self, pack: Pack, kinds: dict[str, Kind], unit: str) -> None:
        self._pack = pack
        self._kinds = kinds
        self._unit = unit

    def read(self, quantities: Sequence[Quantity], clean: CleanText) -> Iterator[Quantity]:
        """The specific energy of the pack, and of its cell where the cell's mass is stated."""
        series = self._count(self._pack.series_kind, quantities)
        if not series:
            return
        parallel = self._count(self._pack.parallel_kind, quantities) or 1.0
        charge = self._one(self._pack.charge, quantities)
        voltage = self._voltage(quantities, series)
        if charge and voltage:
            yield from self._of_cell(voltage, charge, series, parallel, quantities)
        mass = next((m for name in self._pack.mass if (m := self._one(name, quantities, alone=name))), None)
        energy = self._energy(quantities, clean, series, parallel)
        if energy is None and charge and voltage:
            energy = self._from_charge(voltage, self._charge(charge, voltage, parallel, clean, quantities), series)
        if mass and energy:
            found = list(self._per_mass(energy, mass))
            stated = self._one(self._pack.energy, quantities)
            if not found and stated:  # "10S1P 21700 4.0Ah, 144 Wh": too much for one cell, so it is the pack's
                found = list(self._per_mass((stated, derivation([(stated, 1)])), mass))
            yield from found

    def _count(self, kind: str, quantities: Sequence[Quantity]) -> float:
        return next((q.low for q in quantities if q.kind == kind), 0.0)

    def _one(self, name: str, quantities: Sequence[Quantity], *, alone: str = "") -> Quantity | None:
        found = readable(self._kinds[name], quantities)
        if alone:
            found = [q for q in found if q.kind in ("", alone)]
        return hull(found) if found else None

    def _voltage(self, quantities: Sequence[Quantity], series: float) -> tuple[Quantity, bool] | None:
        """The voltage, and whether it is the cell's; of several, one that fits the cells in series."""
        low, high = self._pack.cell_voltage
        found = readable(self._kinds[self._pack.voltage], quantities)
        of_pack = [q for q in found if low <= q.low / series and q.high / series <= high and not q.high <= high]
        of_cell = [q for q in found if low <= q.low and q.high <= high]
        if of_cell:
            return hull(of_cell), True
        return (hull(of_pack), False) if of_pack else None

    def _charge(
        self,
        charge: Quantity,
        voltage: tuple[Quantity, bool],
        parallel: float,
        clean: CleanText,
        quantities: Sequence[Quantity],
    ) -> Quantity:
        """The charge of the pack: a range from once to `parallel` times where the text does not say whose charge it is."""
        voltages = readable(self._kinds[self._pack.voltage], quantities)  # "18V 5.0Ah, charged with 21V": either is the pack's
        owner = self._owner(charge, clean, () if voltage[1] else voltages)
        if owner == "cell" or (owner == "" and voltage[1]):
            low = charge.low * (parallel if owner == "cell" else 1.0)
            return replace(charge, low=low, high=charge.high * parallel)
        return charge

    def _energy(
        self, quantities: Sequence[Quantity], clean: CleanText, series: float, parallel: float
    ) -> tuple[Quantity, str] | None:
        energy = self._one(self._pack.energy, quantities)
        if energy is None:
            return None
        if self._owner(energy, clean, ()) != "cell":
            return energy, derivation([(energy, 1)])
        times = series * parallel
        return replace(energy, low=energy.low * times, high=energy.high * times), f"{times:g} x {derivation([(energy, 1)])}"

    def _from_charge(self, voltage: tuple[Quantity, bool], charge: Quantity, series: float) -> tuple[Quantity, str]:
        volts, is_cell = voltage
        times = series if is_cell else 1.0
        low, high = product_of([(volts, 1), (charge, 1)])
        shown = derivation([(volts, 1), (charge, 1)])
        span = Span(min(volts.span.start, charge.span.start), max(volts.span.end, charge.span.end))
        return replace(volts, low=low * times, high=high * times, span=span), f"{times:g} x {shown}" if is_cell else shown

    def _of_cell(
        self, voltage: tuple[Quantity, bool], charge: Quantity, series: float, parallel: float, quantities: Sequence[Quantity]
    ) -> Iterator[Quantity]:
        mass = next((q for q in quantities if q.kind == self._pack.cell_mass), None)
        if mass is None:
            return
        volts, is_cell = voltage
        cell_volts = volts if is_cell else replace(volts, low=volts.low / series, high=volts.high / series)
        cell_charge = charge if is_cell else replace(charge, low=charge.low / parallel)
        low, high = product_of([(cell_volts, 1), (cell_charge, 1)])
        yield from self._per_mass((replace(charge, low=low, high=high), derivation([(cell_volts, 1), (cell_charge, 1)])), mass)

    def _per_mass(self, energy: tuple[Quantity, str], mass: Quantity) -> Iterator[Quantity]:
        low, high = product_of([(energy[0], 1), (mass, -1)])
        if high < self._pack.plausible[0] or low > self._pack.plausible[1]:
            return
        kind = self._kinds[self._pack.kind]
        span = Span(min(energy[0].span.start, mass.span.start), max(energy[0].span.end, mass.span.end))
        yield Quantity(kind.name, low, high, self._unit, kind.dimension, span, f"{energy[1]} / {derivation([(mass, 1)])}")

    def _owner(self, q: Quantity, clean: CleanText, voltages: Sequence[Quantity]) -> str:
        """``cell`` or ``pack`` by the nearest word in front of a figure; behind the pack's voltage it is the pack's."""
        begin = max(0, q.span.start - _BESIDE)
        begin = max([begin, *(v.span.end for v in voltages if v.span.end <= q.span.start)])
        left = clean.original[begin : q.span.start].lower()
        places = {
            name: max(left.rfind(word) for word in words)
            for name, words in (("cell", self._pack.cell_words), ("pack", self._pack.pack_words))
        }
        name = max(places, key=places.__getitem__)
        if places[name] < 0:
            return ""
        most = next((m for word, m in self._pack.most_charge.items() if left.startswith(word, places[name])), math.inf)
        if q.dimension != self._kinds[self._pack.charge].dimension:
            most *= self._pack.cell_voltage[1]  # an energy
        return "pack" if q.low > most else name
