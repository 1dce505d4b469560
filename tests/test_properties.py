"""Property tests: no text raises, spans slice the original, order and batch size change nothing."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tagger.facts.quantities import QuantityReader
from tagger.facts.text import normalise
from tagger.pipeline import Tagger
from tagger.records import Row
from tagger.rulebook import Rulebook

PIECES = [
    "6 m3", "≥5立方", "D50=15±2μm", "300-320Wh/kg", "3.6V5Ah68g", "10^-3 Pa", "1×10⁻³Pa", "325目", "W40", "4N5",
    "99,95 %", "Φ3.2×52m", "120x120x50mm", "约5吨", "up to 3000℃", "NdFeB", "Dy 0.18%", "立式造粒釜", "负极材料", "钕铁硼",
    "lithium-ion cell", "&nbsp;", "&lt;5um", "<br/>", "\x00", "\u200b", "３００Ｗｈ／ｋｇ", "½", "㎥", "磁石", "자석", "магнит",
    "-", "/", ";", "\n", "=1+1", "İ", "ﬁ", "e\u0301",
]  # fmt: skip
messy = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=12).map(" ".join)
glued = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=12).map("".join)
anything = st.one_of(messy, glued, st.text(max_size=200), st.text(st.characters(exclude_categories=()), max_size=60))
relaxed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@given(anything)
@settings(max_examples=400, deadline=None)
def test_normalised_text_maps_back_to_the_original(text: str) -> None:
    clean = normalise(text)
    assert len(clean.text) == len(clean.folded) == len(clean.starts) == len(clean.ends)
    assert all(0 <= a < b <= len(text) for a, b in zip(clean.starts, clean.ends, strict=True))
    assert list(clean.starts) == sorted(clean.starts)
    assert normalise(clean.text).folded == normalise(normalise(clean.text).text).folded


@given(text=anything)
@relaxed
def test_no_text_raises_and_spans_slice_the_original(tagger: Tagger, text: str) -> None:
    d = tagger.tag(text)
    json.dumps(d.as_dict(), ensure_ascii=False).encode("utf-8", "surrogatepass")
    for e in d.evidence:
        assert text[e.span.start : e.span.end] == e.text
        assert e.text
    for q in d.quantities:
        assert 0 <= q.span.start < q.span.end <= len(text)
        assert q.low <= q.high
        assert not math.isnan(q.low)
    if d.outcome == "controlled":
        assert any(r.truth == "MET" and r.code in d.codes for r in d.clauses)
    if d.outcome == "review":
        assert d.reasons
        assert d.questions
    else:
        assert not d.reasons
    assert 0 <= d.confidence <= 1


@given(texts=st.lists(anything, min_size=2, max_size=6), cut=st.integers(1, 5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_order_and_batch_size_do_not_change_an_answer(tagger: Tagger, texts: list[str], cut: int) -> None:
    rows = [Row(str(i), t) for i, t in enumerate(texts)]
    together = [d.as_dict() for d in tagger.tag_many(rows)]
    backwards = [d.as_dict() for d in reversed(tagger.tag_many(rows[::-1]))]
    pieces = [d.as_dict() for part in (rows[:cut], rows[cut:]) for d in tagger.tag_many(part)]
    assert together == backwards == pieces
    assert together[0] == {**tagger.tag(texts[0]).as_dict(), "row_id": "0"}


@given(low=st.floats(0.1, 5000), width=st.floats(0, 500), sign=st.sampled_from(["-", "~", " to ", "至"]))
@relaxed
def test_ranges_keep_their_ends(book: Rulebook, low: float, width: float, sign: str) -> None:
    low, high = round(low, 2), round(low + width, 2)
    found = QuantityReader(book.units, book.quantities).read(normalise(f"{low}{sign}{high}Wh/kg"))
    assert [(q.low, q.high) for q in found] == [(pytest.approx(low), pytest.approx(high))]


@given(value=st.floats(0.01, 9999), factor=st.sampled_from([("L", 0.001), ("m3", 1.0), ("立方", 1.0), ("升", 0.001)]))
@relaxed
def test_volumes_come_in_cubic_metres(book: Rulebook, value: float, factor: tuple[str, float]) -> None:
    value = round(value, 2)
    found = QuantityReader(book.units, book.quantities).read(normalise(f"容积{value}{factor[0]}"))
    assert [(q.kind, q.low, q.unit) for q in found] == [("vessel_volume", pytest.approx(value * factor[1]), "m3")]
