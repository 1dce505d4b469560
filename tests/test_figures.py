"""Figures as the market writes them: golden lines, judged by hand (tests/golden/README.md has the conventions)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tagger.facts.quantities import QuantityReader
from tagger.facts.text import normalise
from tagger.rulebook import Rulebook

GOLDEN = Path(__file__).parent / "golden"
LEAST_F1 = 0.97


@pytest.fixture(scope="module")
def reader(book: Rulebook) -> QuantityReader:
    return QuantityReader(book.units, book.quantities)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def figures(reader: QuantityReader, text: str) -> list[list[Any]]:
    """What is read, without counts (which no clause asks for) and without the sides of blocks (each length told a second time)."""
    return [
        [q.kind, *(None if math.isinf(end) else end for end in (q.low, q.high)), q.unit]
        for q in reader.read(normalise(text))
        if q.unit != "pcs" and not q.kind.startswith("block_side")
    ]


def same(one: list[Any], other: list[Any]) -> bool:
    def close(a: float | None, b: float | None) -> bool:
        return a is b if a is None or b is None else math.isclose(a, b, rel_tol=2e-4, abs_tol=1e-12)

    return one[0] == other[0] and one[3] == other[3] and close(one[1], other[1]) and close(one[2], other[2])


def matched(read: list[list[Any]], expected: list[list[Any]]) -> tuple[int, list[Any], list[Any]]:
    """How many figures are the same, which are missed, which are too many."""
    rest, missed = list(read), []
    for wanted in expected:
        hit = next((f for f in rest if same(f, wanted)), None)
        if hit is None:
            missed.append(wanted)
        else:
            rest.remove(hit)
    return len(expected) - len(missed), missed, rest


@pytest.mark.parametrize("path", sorted((GOLDEN / "figures").glob("*.jsonl")), ids=lambda p: p.stem)
def test_golden_figures(reader: QuantityReader, path: Path) -> None:
    wrong = []
    for line in lines(path):
        _, missed, extra = matched(figures(reader, line["text"]), line["figures"])
        if missed or extra:
            wrong.append(f"{line['text']!r}: missed {missed}, read instead {extra}")
    assert not wrong, "\n".join(wrong)


def test_there_are_enough_golden_figures() -> None:
    assert sum(len(lines(p)) for p in (GOLDEN / "figures").glob("*.jsonl")) >= 400


def test_exact_match_f1_on_lines_written_apart(reader: QuantityReader) -> None:
    """Lines that were written before the code was tuned, by people who had not seen it, and were not looked at while tuning."""
    apart = lines(GOLDEN / "figures_apart.jsonl")
    hits = missed = extra = 0
    wrong = []
    for line in apart:
        same_ones, not_read, too_many = matched(figures(reader, line["text"]), line["figures"])
        hits, missed, extra = hits + same_ones, missed + len(not_read), extra + len(too_many)
        if not_read or too_many:
            wrong.append(f"{line['text']!r}: missed {not_read}, read instead {too_many}")
    f1 = 2 * hits / (2 * hits + missed + extra)
    print(f"F1 {f1:.4f} on {len(apart)} lines; misses:", *wrong, sep="\n")
    assert len(apart) >= 200
    assert f1 >= LEAST_F1, "\n".join(wrong)


def test_block_sides_are_told_longest_first(reader: QuantityReader) -> None:
    sides = {q.kind: q.low for q in reader.read(normalise("120 x 50 x 200 mm")) if q.kind}
    assert sides == {"block_side_1": 200_000, "block_side_2": 120_000, "block_side_3": 50_000}


def test_a_derived_figure_shows_its_derivation(reader: QuantityReader) -> None:
    pack = reader.read(normalise("10S4P pack, cell 3.6V, 5Ah cells, pack weight 9.6kg"))
    assert [(q.low, q.derived_from) for q in pack if q.kind == "specific_energy"] == [(75.0, "10 x 3.6 V x 20 Ah / 9.6 kg")]
    mesh = reader.read(normalise("325目"))[0]
    assert "ASTM E11" in mesh.derived_from
    assert reader.read(normalise("Φ0.65"))[0].derived_from == "no unit: mm"


def test_a_figure_of_unknown_owner_makes_a_range(reader: QuantityReader) -> None:
    """Whether 5 Ah are those of a cell or of the pack, the text does not say."""
    energy = next(q for q in reader.read(normalise("10S4P 3.6V 5Ah 9.6kg")) if q.kind == "specific_energy")
    assert (energy.low, energy.high) == (pytest.approx(18.75), pytest.approx(75.0))
