"""Golden rows: what a catalogue line is answered, category by category, in English and Chinese."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tagger.pipeline import Tagger
from tagger.rulebook import Rulebook

GOLDEN = Path(__file__).parent / "golden" / "rows"


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl")), ids=lambda p: p.stem)
def test_golden_rows(path: Path, tagger: Tagger) -> None:
    wrong = []
    golden = rows(path)
    for row, d in zip(golden, tagger.tag_many(r["text"] for r in golden), strict=True):
        same = d.outcome == row["outcome"] and (d.category == row["category"] or row["outcome"] == "unrelated")
        if not same or not set(row["codes"]) <= set(d.codes):
            wrong.append(f"{row['text']!r}: {row['outcome']} {row['category']} {row['codes']} expected, got {d.as_dict()}")
    assert not wrong, "\n".join(wrong)


def test_every_category_has_golden_rows_of_each_outcome_in_english_and_chinese(book: Rulebook) -> None:
    count = Counter((r["category"], r["lang"], r["outcome"]) for p in GOLDEN.glob("*.jsonl") for r in rows(p))
    with_figure = {c.category for c in book.clauses if c.parameters}
    for category in set(book.labels) - {"none"}:
        outcomes = ["controlled", "review", *(["not_controlled"] if category in with_figure else [])]
        for lang in ("en", "zh"):
            for outcome in outcomes:
                assert count[category, lang, outcome] >= 1, (category, lang, outcome)


ISSUE = [
    ("6 m3 vertical granulation kettle for anode material", "controlled", "graphite_anode_equipment", ["3B901.c.1.a"]),
    ("cell of 3.6 V, 5.0 Ah, 68 g, lithium-ion", "not_controlled", "high_energy_cell", ["3A001"]),
    ("plastics granulator", "unrelated", "none", []),
    ("NdFeB magnet N52, 20 x 10 x 5 mm", "review", "ndfeb_magnet", ["1C904.a.4", "1C905.a.4"]),
]


@pytest.mark.parametrize(("text", "outcome", "category", "codes"), ISSUE)
def test_promised_answers(tagger: Tagger, text: str, outcome: str, category: str, codes: list[str]) -> None:
    d = tagger.tag(text)
    assert (d.outcome, d.category, d.codes) == (outcome, category, codes)


def test_magnet_without_a_statement_asks_for_dysprosium_and_terbium(tagger: Tagger) -> None:
    d = tagger.tag("NdFeB magnet N52, 20 x 10 x 5 mm")
    asked = " ".join(d.questions)
    assert "dysprosium" in asked
    assert "terbium" in asked
    assert "镝" in asked


def test_specific_energy_is_computed_and_its_derivation_shown(tagger: Tagger) -> None:
    d = tagger.tag("Lithium-ion cell 3.6 V, 5.0 Ah, 68 g")
    derived = [q for q in d.quantities if q.derived_from]
    assert [(round(q.low, 1), q.unit, q.derived_from) for q in derived] == [(264.7, "Wh/kg", "3.6 V x 5 Ah / 0.068 kg")]


@pytest.mark.parametrize(
    "text",
    [
        "钕铁硼 N42SH 含镝0.18%",
        "NdFeB N42SH, Dy 0.18 %",
        "NdFeB magnet 38UH containing dysprosium",
    ],
)
def test_any_share_of_dysprosium_is_a_hit(tagger: Tagger, text: str) -> None:
    d = tagger.tag(text)
    assert d.outcome == "controlled"
    assert "1C905.a.4" in d.codes


def test_remark_near_a_threshold_states_the_figures(tagger: Tagger) -> None:
    d = tagger.tag("Lithium-ion pouch cell, energy density 285 Wh/kg")
    assert (d.outcome, d.near_threshold) == ("not_controlled", True)
    assert d.remark_zh == "不属于管制物项，质量能量密度285Wh/kg"


@pytest.mark.parametrize(
    ("text", "outcome", "remark"),
    [
        ("NdFeB magnet N42SH, Dy 0.18 %", "controlled", "属于两用物项 1C905.a.4"),
        ("Sintered NdFeB magnet N42, heavy rare earth free, 10 x 5 mm", "not_controlled", "不属于管制物项"),
        ("烧结钕铁硼 N35 镝0% 铽0%", "not_controlled", "不属于管制物项，铽含量0wt%，镝含量0wt%"),
        ("NdFeB magnet N52, 20 x 10 x 5 mm", "review", ""),
        ("6 m3 vertical granulation kettle for anode material", "controlled", "属于两用物项 3B901.c.1.a"),
        ("Li-ion cell, 290 to 310 Wh/kg", "review", ""),
        ("Gallium arsenide wafer, 4 inch, semi-insulating, epi-ready", "controlled", ""),
    ],
)
def test_remarks_as_the_announcements_ask(tagger: Tagger, text: str, outcome: str, remark: str) -> None:
    d = tagger.tag(text)
    assert (d.outcome, d.remark_zh) == (outcome, remark)


def test_no_remark_far_from_a_threshold(tagger: Tagger) -> None:
    d = tagger.tag("Lithium-ion pouch cell, energy density 160 Wh/kg")
    assert (d.outcome, d.near_threshold, d.remark_zh) == ("not_controlled", False, "")


def test_a_range_across_the_threshold_is_for_a_person(tagger: Tagger) -> None:
    d = tagger.tag("Lithium-ion pouch cell, energy density 280-320 Wh/kg")
    assert d.outcome == "review"
    assert "NEAR_THRESHOLD" in d.reasons


def test_unfamiliar_script_is_for_a_person(tagger: Tagger) -> None:
    d = tagger.tag("เครื่องบดกราไฟท์สำหรับแบตเตอรี่")
    assert d.outcome == "review"
    assert d.reasons == ["UNFAMILIAR_TEXT"]


@pytest.mark.parametrize(
    "text",
    [
        "as per attached list",
        "样品 2 个",
        "Ersatzteil Nr. 7",
        "MODEL X",
        "см. приложение",
        "図面通り",
        "별첨 참조",
        "<div>sample</div>",
    ],
)
def test_a_text_that_names_no_thing_is_never_cleared(tagger: Tagger, text: str) -> None:
    d = tagger.tag(text)
    assert d.outcome == "review"
    assert d.questions
    assert tagger.tag(f"{text}, leather wallet with coin pocket").outcome == "unrelated"
