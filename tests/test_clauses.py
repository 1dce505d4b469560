"""Three-valued logic of clauses on texts: a missing figure is never NOT_MET, a crossing range is UNKNOWN."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from tagger.decisions.clauses import ClauseJudge
from tagger.facts.reader import FactReader
from tagger.records import ClauseResult, Row
from tagger.rulebook import Rulebook


@pytest.fixture(scope="module")
def judge(book: Rulebook) -> ClauseJudge:
    return ClauseJudge(book)


@pytest.fixture(scope="module")
def reader(book: Rulebook) -> FactReader:
    return FactReader(book)


def result(judge: ClauseJudge, reader: FactReader, code: str, text: str) -> ClauseResult | None:
    return next((r for r in judge.judge(reader.read([Row("1", text)])[0]).clauses if r.code == code), None)


CASES = [
    ("3A001", "Li-ion cell 300 Wh/kg", "MET"),
    ("3A001", "Li-ion cell 299.9 Wh/kg", "NOT_MET"),
    ("3A001", "Li-ion cell 290 to 310 Wh/kg", "UNKNOWN"),
    ("3A001", "Li-ion cell 300±5 Wh/kg", "UNKNOWN"),
    ("3A001", "Li-ion cell >= 300 Wh/kg", "MET"),
    ("3A001", "Li-ion cell < 300 Wh/kg", "NOT_MET"),
    ("3A001", "Li-ion cell > 250 Wh/kg", "UNKNOWN"),
    ("3A001", "Li-ion cell up to 350 Wh/kg", "UNKNOWN"),
    ("3A001", "Li-ion cell 700 Wh/L", "UNKNOWN"),
    ("3A001", "Li-ion cell", "UNKNOWN"),
    ("3A001", "锂离子电芯 能量密度３０５Ｗｈ／ｋｇ", "MET"),
    ("3A001", "锂离子电芯 3.7V 10Ah 165g", "NOT_MET"),
    ("3A001", "锂离子电芯 3.7V 10Ah", "UNKNOWN"),
    ("3B901.c.1.a", "vertical granulation kettle, 5000 L, graphite anode material", "MET"),
    ("3B901.c.1.a", "vertical granulation kettle, 4900 L, graphite anode material", "NOT_MET"),
    ("3B901.c.1.a", "vertical granulation kettle, 6 m3", "UNKNOWN"),
    ("3B901.c.1.a", "granulation kettle, 6 m3, graphite anode material", "UNKNOWN"),
    ("3B901.c.1.a", "vertical granulation kettle, working volume 4500 L, graphite anode material", "UNKNOWN"),
    ("3B901.c.1.a", "vertical granulation kettle, working volume 2000 L, graphite anode material", "NOT_MET"),
    ("3B901.c.1.a", "立式造粒釜 有效容积5.5立方 石墨负极材料", "MET"),
    ("3B901.c.3.a", "融合包覆机 300L 石墨负极包覆", "NOT_MET"),
    ("3B901.c.3.a", "融合包覆机 500L 石墨负极包覆", "MET"),
    ("3C901.a.1", "LFP cathode powder, compaction density 2.5 g/cm3, specific capacity 156 mAh/g", "MET"),
    ("3C901.a.1", "LFP cathode powder, compaction density 2.6 g/cm3, specific capacity 150 mAh/g", "NOT_MET"),
    ("3C901.a.1", "LFP cathode powder, tap density 2.6 g/cm3, specific capacity 160 mAh/g", "UNKNOWN"),
    ("3C901.a.1", "磷酸铁锂 压实密度2.6g/cm3", "UNKNOWN"),
    ("1C108.b", "isostatic graphite, purity 99.99 %, flexural strength 45 MPa, density 1.85 g/cm3", "MET"),
    ("1C108.b", "isostatic graphite, purity 99.99 %, flexural strength 25 MPa, density 1.85 g/cm3", "NOT_MET"),
    ("1C108.b", "isostatic graphite, purity 99.9 %, flexural strength 45 MPa, density 1.85 g/cm3", "NOT_MET"),
    ("1C108.b", "isostatic graphite, density 1.85 g/cm3", "UNKNOWN"),
    ("2C902.a", "synthetic diamond micropowder D50 8 um", "MET"),
    ("2C902.a", "人造金刚石微粉 D50 60μm", "NOT_MET"),
    ("2C902.a", "synthetic diamond micropowder", "UNKNOWN"),
    ("2C902.c", "diamond wire saw, core wire diameter 38 um, grit 5-8 um, breaking force 7 N", "MET"),
    ("2C902.c", "diamond wire saw, core wire diameter 60 um, grit 5-8 um, breaking force 7 N", "NOT_MET"),
    ("2C902.c", "diamond wire saw, core wire diameter 38 um", "UNKNOWN"),
    ("2B901", "cubic press, cylinder diameter 650 mm", "MET"),
    ("2B901", "cubic press, cylinder diameter 400 mm, design pressure 6 GPa", "MET"),
    ("2B901", "cubic press, cylinder diameter 400 mm", "UNKNOWN"),
    ("1C905.a.4", "NdFeB magnet N35", "UNKNOWN"),
    ("1C905.a.4", "NdFeB magnet, dysprosium 0.18 %", "MET"),
    ("1C905.a.4", "NdFeB magnet, heavy rare earth free", "NOT_MET"),
    ("1C905.a.4", "钕铁硼 不含镝", "NOT_MET"),
    ("3C003.c", "antimony trioxide 99.99 %", "MET"),
    ("3C003.c", "antimony trioxide 99.8 %", "NOT_MET"),
    ("1C117.c.1.a", "tungsten block 99.95 % W, 130 x 125 x 60 mm", "MET"),
    ("2C902.d", "resin bond wheel, man-made diamond or CBN", "UNKNOWN"),
    ("2B902.u", "全自動ホットプレス 不活性雰囲気 希土類かフェライトか記録なし", "UNKNOWN"),
    ("2B902.u", "全自動ホットプレス 不活性雰囲気 フェライト用", "NOT_MET"),
    ("3C004.b", "bubbler with TMIn, 6N", "MET"),
    ("3C004.b", "bubbler with TMIn or TMAl, 6N", "UNKNOWN"),
    ("3C004.b", "bubbler with TMIn or more of it, 6N", "MET"),
    ("1C904.a.4", "permanent magnet NdFeB without Tb or Dy", "NOT_MET"),
    ("2B902.y.1", "sputter coater for grain boundary diffusion, Dy or Tb film on sintered NdFeB", "MET"),
    ("3A001", "Li-ion battery pack 48 V with active balancer and BMS", "UNKNOWN"),
    ("3A001", "锂离子电池组48V 带主动均衡板", "UNKNOWN"),
    ("3A001", "battery pack housing 48 V, no cells inside", "NOT_MET"),
    ("1C904.a.1", "terbium metal 99.9 %, with wall chart", "UNKNOWN"),
    ("1C904.a.1", "terbium metal 99.9 % and wall chart", "UNKNOWN"),
    ("1C904.a.1", "金属铽 99.9% 和挂图", "UNKNOWN"),
    ("2C902.b", "Synthetic monocrystalline diamond, mean grain 400 um, not intended for jewellery", "MET"),
    ("2C902.b", "人造金刚石单晶，平均粒径400μm，首饰用途除外", "MET"),
    ("2C902.b", "Diamante sintético monocristalino, tamaño medio de grano 400 µm, no apto para joyería", "MET"),
    ("2C902.b", "합성 단결정 다이아몬드 평균 400㎛, 보석용이 아니고 공업용", "MET"),
    ("2C902.b", "合成ダイヤモンド単結晶、平均粒径400μm、宝飾用ではありません", "MET"),
    ("1C904.a.1", "wall chart: terbium metal and its uses", "NOT_MET"),
    ("1C902.b", "氧化钐 99.9% 附挂图", "UNKNOWN"),
]


@pytest.mark.parametrize(("code", "text", "truth"), CASES)
def test_truth(judge: ClauseJudge, reader: FactReader, code: str, text: str, truth: str) -> None:
    found = result(judge, reader, code, text)
    assert found is not None, f"{code} is not addressed"
    assert found.truth == truth, found


def test_unknown_names_the_missing_fact(judge: ClauseJudge, reader: FactReader) -> None:
    found = result(judge, reader, "3C901.a.1", "LFP cathode powder, compaction density 2.6 g/cm3")
    assert found is not None
    assert [q.en for q in found.questions] == ["What is the specific capacity, in mAh/g? (3C901.a.1: >= 156 mAh/g)"]
    assert found.questions[0].zh == "克容量是多少mAh/g？（3C901.a.1：>= 156 mAh/g）"


def test_margin_is_the_signed_distance(judge: ClauseJudge, reader: FactReader) -> None:
    inside = result(judge, reader, "3A001", "Li-ion cell 330 Wh/kg")
    outside = result(judge, reader, "3A001", "Li-ion cell 270 Wh/kg")
    assert inside is not None
    assert inside.margin == pytest.approx(0.1)
    assert outside is not None
    assert outside.margin == pytest.approx(-0.1)


def test_a_part_for_a_machine_is_asked_about(judge: ClauseJudge, reader: FactReader) -> None:
    found = result(judge, reader, "3B901.a.1", "replacement part for lithium-ion battery winding machine")
    assert found is None or found.truth != "MET"


def test_evidence_slices_the_text(judge: ClauseJudge, reader: FactReader) -> None:
    text = "石墨负极材料　立式造粒釜，容积６㎥"
    found = result(judge, reader, "3B901.c.1.a", text)
    assert found is not None
    assert found.truth == "MET"
    assert "６㎥" in {e.text for e in found.evidence}
    assert all(text[e.span.start : e.span.end] == e.text for e in found.evidence)


GOLDEN = Path(__file__).parent / "golden" / "clauses"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.jsonl")), ids=lambda p: p.stem)
def test_golden_clauses(judge: ClauseJudge, reader: FactReader, book: Rulebook, path: Path) -> None:
    """Rows judged by hand from the law; a clause that a text does not speak of at all counts as not met."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    wrong = []
    for row, facts in zip(rows, reader.read([Row("1", r["text"]) for r in rows]), strict=True):
        code = book.clause(row["code"]).code
        found = next((r for r in judge.judge(facts).clauses if r.code == code), None)
        truth = str(found.truth) if found else "NOT_MET"
        if truth != row["truth"]:
            wrong.append(f"{row['code']} {row['text']!r}: {row['truth']} expected ({row['why']}), got {truth} {found}")
    assert not wrong, "\n".join(wrong)


def test_what_comes_with_an_item_or_is_denied_fails_no_clause(judge: ClauseJudge, reader: FactReader, book: Rulebook) -> None:
    """Beside goods that meet a clause, whatever excludes them as the goods themselves: ``with wall chart``, 和挂图, 不用于首饰."""
    shortest: dict[tuple[str, str], str] = {}
    for term in sorted(book.terms, key=lambda t: (-len(t.term), t.term)):
        shortest[term.concept, term.lang] = term.term
    beside = {"en": ("{}; with {}", "{} and {}", "{}; not suitable for {}"), "zh": ("{}，另配{}", "{}和{}", "{}，不用于{}")}
    texts: list[tuple[str, str]] = []
    for row in (json.loads(line) for p in sorted(GOLDEN.glob("*.jsonl")) for line in p.read_text(encoding="utf-8").splitlines()):
        if row["truth"] == "MET" and row["lang"] in beside:
            clause = book.clause(row["code"])
            assumed = {concept for c in clause.conditions if c.assumed_by for concept in c.denied_by}
            words = [shortest.get((concept, row["lang"])) for concept in sorted({*clause.excluded_by, *assumed})]
            texts += [(clause.code, how.format(row["text"], word)) for word in words if word for how in beside[row["lang"]]]
    assert len(texts) > 600
    failed = []
    for (code, text), facts in zip(texts, reader.read([Row("1", text) for _, text in texts]), strict=True):
        failed += [text for r in judge.judge(facts).clauses if r.code == code and r.truth == "NOT_MET"]
    assert not failed, "\n".join(failed)


def test_golden_clauses_cover_every_category_and_threshold(book: Rulebook) -> None:
    rows = [json.loads(line) for p in GOLDEN.glob("*.jsonl") for line in p.read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 300
    category = {c.code: c.category for c in book.clauses}
    count = Counter((category[book.clause(r["code"]).code], r["lang"]) for r in rows)
    assert all(count[name, lang] for name in set(book.labels) - {"none"} for lang in ("en", "zh"))
    cases: dict[str, set[str]] = defaultdict(set)
    for r in rows:
        cases[book.clause(r["code"]).code].add(r["case"])
    figured = [c.code for c in book.clauses if any(p.unit for p in c.parameters)]
    needed = {"at", "above", "crossing", "missing"}
    assert not [code for code in figured if not needed <= cases[code]]
