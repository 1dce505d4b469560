"""Figures as the market writes them: golden lines in tests/figures/figures.jsonl (null: open end)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tagger.facts.quantities import QuantityReader
from tagger.facts.text import normalise
from tagger.rulebook import Rulebook

LINES = [
    json.loads(line) for line in (Path(__file__).parent / "figures" / "figures.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["text"])
def test_figures(book: Rulebook, line: dict[str, Any]) -> None:
    found = QuantityReader(book.units, book.quantities).read(normalise(line["text"]))
    read = [(q.kind, q.low, q.high, q.unit) for q in found]
    expected = [
        (kind, pytest.approx(low, rel=1e-6, abs=1e-9), math.inf if high is None else pytest.approx(high, rel=1e-6, abs=1e-9), unit)
        for kind, low, high, unit in line["figures"]
    ]
    assert read == expected
