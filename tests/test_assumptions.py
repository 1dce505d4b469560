"""Standing assumptions: validated, dated, named in the answer, never above the text."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.assumptions import load_assumptions
from tagger.errors import AssumptionError
from tagger.pipeline import Tagger
from tagger.rulebook import Rulebook

from .conftest import DAY, Result

FILE = """format = "tagger assumptions, version 1"

[[assumption]]
id = "shop-power-banks"
says = "Power banks of this shop are below 300 Wh/kg"
reason = "Data sheets of all models on file, checked 2026-10-30"
owner = "A. Example, trade compliance"
dated = 2026-11-01
until = 2027-10-31
words = ["power bank", "移动电源"]
figures = [{ kind = "specific_energy", below = 300, unit = "Wh/kg" }]

[[assumption]]
id = "supplier-x-magnets"
says = "N35 to N52 without suffix from supplier X hold no Dy or Tb"
reason = "Declaration of supplier X of 2026-10-12"
owner = "A. Example, trade compliance"
dated = 2026-11-01
words = ["N35", "N38", "N40", "N42", "N45", "N48", "N50", "N52"]
where = { supplier = "Supplier X" }
figures = [
  { kind = "dysprosium_content", equals = 0, unit = "%" },
  { kind = "terbium_content", equals = 0, unit = "%" },
]
"""
POWER_BANK = "Power bank 20000 mAh lithium-ion, USB-C, 65 W"
MAGNET = "Sintered NdFeB magnet N42, 20 x 10 x 5 mm, nickel plated"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "assumptions.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def assuming(tagger: Tagger, file: Path) -> Tagger:
    return Tagger(tagger.book, tagger.model, DAY, load_assumptions(file, tagger.book))


def test_none_is_switched_on_by_default(tagger: Tagger) -> None:
    assert tagger.assumptions.items == ()
    d = tagger.tag(POWER_BANK)
    assert (d.outcome, d.assumptions) == ("review", ())


def test_an_answer_that_rests_on_one_names_it(assuming: Tagger) -> None:
    d = assuming.tag(POWER_BANK)
    assert (d.outcome, d.codes) == ("not_controlled", ["3A001"])
    assert d.assumptions == (f"shop-power-banks ({assuming.assumptions.id})",)
    assert any("standing assumption shop-power-banks of A. Example" in e.says for e in d.evidence)
    assert (d.near_threshold, d.remark_zh) == (False, "")


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (f"{POWER_BANK}, energy density 310 Wh/kg", "controlled"),
        (f"{POWER_BANK}, 290 to 320 Wh/kg", "review"),
        (f"{POWER_BANK}, energy density 310 Wh/kg or less than 250 Wh/kg", "review"),
    ],
)
def test_it_never_overrules_a_figure_of_the_text(assuming: Tagger, text: str, outcome: str) -> None:
    d = assuming.tag(text)
    assert (d.outcome, d.assumptions) == (outcome, ())


def test_it_never_overrules_a_word_of_the_text(assuming: Tagger) -> None:
    d = assuming.tag(f"{MAGNET}, containing dysprosium", supplier="Supplier X")
    assert d.outcome == "controlled"
    assert "1C905.a.4" in d.codes


def test_it_looks_at_the_columns_that_it_names(assuming: Tagger) -> None:
    assert assuming.tag(MAGNET, supplier="Supplier X").outcome == "not_controlled"
    assert assuming.tag(MAGNET, supplier="Supplier Y").outcome == "review"
    assert assuming.tag(MAGNET).outcome == "review"
    rows = [{"text": MAGNET, "supplier": s} for s in ("Supplier X", "Supplier Y", "supplier x ")]
    assert [d.outcome for d in assuming.tag_many(rows)] == ["not_controlled", "review", "not_controlled"]


def test_words_are_whole_words(assuming: Tagger) -> None:
    assert assuming.tag(MAGNET.replace("N42", "N42SH"), supplier="Supplier X").outcome == "review"


@pytest.mark.parametrize(("day", "outcome"), [("2026-10-31", "review"), ("2026-11-01", "not_controlled"), ("2027-11-01", "review")])
def test_it_counts_on_its_days_only(tagger: Tagger, file: Path, day: str, outcome: str) -> None:
    t = Tagger(tagger.book, tagger.model, dt.date.fromisoformat(day), load_assumptions(file, tagger.book))
    assert t.tag(POWER_BANK).outcome == outcome


def test_the_fingerprint_changes_with_the_file(file: Path, book: Rulebook) -> None:
    first = load_assumptions(file, book).id
    file.write_text(FILE.replace("until = 2027-10-31", "until = 2027-10-30"), encoding="utf-8")
    assert load_assumptions(file, book).id != first


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('id = "supplier-x-magnets"', 'id = "shop-power-banks"', "stands twice"),
        ('kind = "specific_energy"', 'kind = "energie"', "unknown kind"),
        ('unit = "Wh/kg"', 'unit = "kg"', "is no unit of specific_energy"),
        ("below = 300", "below = 300, above = 200", "give one of"),
        ("dated = 2026-11-01", 'dated = "soon"', "dated"),
        ("until = 2027-10-31", "until = 2025-01-01", "lies before dated"),
        ('words = ["power bank", "移动电源"]', "words = []", "needs words or where"),
        ('reason = "Data sheets of all models on file, checked 2026-10-30"', 'reason = " "', "reason: is empty"),
        ('owner = "A. Example, trade compliance"\ndated = 2026-11-01\nuntil', "dated = 2026-11-01\nuntil", "owner"),
        ("version 1", "version 9", "format"),
        ("[[assumption]]", "[[assumption]]\nweight = 3", "weight"),
        ("format", "format =", "not valid TOML"),
    ],
)
def test_faults_say_what_and_where(file: Path, book: Rulebook, old: str, new: str, expected: str) -> None:
    file.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(AssumptionError, match=expected):
        load_assumptions(file, book)


def test_in_a_batch_and_on_the_command_line(run: Callable[..., Result], file: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f'sku,name,supplier\n1,"{MAGNET}",Supplier X\n2,"{MAGNET}",Supplier Y\n', encoding="utf-8")
    out = tmp_path / "out.csv"
    assert run("batch", source, out, "--text", "name", "--assumptions", file, "--as-of", DAY).status == 0
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [r["tag_outcome"] for r in rows] == ["not_controlled", "review"]
    assert rows[0]["tag_assumptions"].startswith("supplier-x-magnets (assumptions-")
    assert rows[1]["tag_assumptions"] == ""
    assert "assumed" in run("tag", POWER_BANK, "--assumptions", file, "--as-of", DAY).out


def test_a_missing_column_or_file_is_told(run: Callable[..., Result], file: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("sku,name\n1,x\n", encoding="utf-8")
    done = run("batch", source, tmp_path / "out.csv", "--text", "name", "--assumptions", file, "--as-of", DAY)
    assert (done.status, "no column 'supplier'" in done.err) == (2, True)
    done = run("tag", "x", "--assumptions", tmp_path / "none.toml")
    assert (done.status, "no such file" in done.err) == (1, True)
