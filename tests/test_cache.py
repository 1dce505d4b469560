"""What is kept from start to start is plain JSON under a fingerprint; nothing of it is needed, and no old file is met."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tagger import cache
from tagger.errors import RulebookError
from tagger.facts.reader import FactReader
from tagger.law import plain, restored
from tagger.pipeline import Tagger
from tagger.records import Row
from tagger.rulebook import DATA, Rulebook, load_rulebook

from .conftest import DAY

TEXTS = ["6 m3 vertical granulation kettle for graphite anode material", "leather wallet", "стержни из гольмия", "氧化镓粉 99.999%"]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def _answers() -> list[dict[str, object]]:
    return [d.as_dict() for d in Tagger.load(as_of=DAY).tag_many(TEXTS)]


def test_answers_are_the_same_with_and_without_what_was_kept(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _answers()
    assert {p.name.split("-")[0] for p in own.glob("*.json")} >= {"rulebook", "terms"}
    assert _answers() == first
    monkeypatch.setenv(cache.VARIABLE, "off")
    assert _answers() == first


def test_the_kept_rulebook_is_the_rulebook(own: Path) -> None:
    fresh = load_rulebook()
    kept = load_rulebook()
    assert kept.terms[:3] == tuple(fresh.terms[:3])
    assert len(kept.terms) == len(fresh.terms)
    assert tuple(kept.terms) == tuple(fresh.terms)
    names = [n for n in Rulebook.__dataclass_fields__ if n != "terms"]
    assert [getattr(kept, n) for n in names] == [getattr(fresh, n) for n in names]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"tables": {}, "terms": 3}', '{"tables": {"clauses": {"type": "Path", "values": []}}}']
)
def test_a_damaged_file_is_made_anew(own: Path, content: str) -> None:
    expected = load_rulebook().rules_id
    for path in own.glob("*.json"):
        path.write_text(content, encoding="utf-8")
    book = load_rulebook()
    assert (book.rules_id, len(book.clauses)) == (expected, 286)
    assert FactReader(book).read([Row("", TEXTS[0])])[0].terms


def test_a_file_of_parts_that_lost_or_changed_a_byte_is_made_anew(own: Path) -> None:
    first = _answers()
    [kept] = own.glob("terms-*.json")
    whole = kept.read_bytes()
    for damaged in (whole[:-10], whole[:-10] + b"0" * 10, whole.partition(b"\n")[0], b"[1, 2]\n", b"[[], [], 0]\n"):
        kept.write_bytes(damaged)
        assert _answers() == first
        assert kept.read_bytes() == whole


def test_parts_come_back_one_by_one(own: Path) -> None:
    cache.keep_parts("parts", "rules-1", (), {"é": 1}, [[1, "锂"], {}, "x"])
    found = cache.recall_parts("parts", "rules-1", ())
    assert found is not None
    value, parts = found
    assert (value, list(parts), parts[1:], parts[-1], len(parts)) == ({"é": 1}, [[1, "锂"], {}, "x"], [{}, "x"], "x", 3)


def test_the_kept_scan_finds_the_same_rows(own: Path) -> None:
    goods = ("ladies leather wallet with coin pocket", "wallet insert of synthetic diamond powder", "氧化镓粉")
    texts = [f"{word}, brown {n}" for n in range(40) for word in goods]
    fresh = Tagger.load(as_of=DAY).settles(texts)
    [kept] = own.glob("scan-*.json")
    assert Tagger.load(as_of=DAY).settles(texts) == fresh
    kept.write_text('[["term"], "a", [["AA==", "", ""]]]', encoding="utf-8")
    assert Tagger.load(as_of=DAY).settles(texts) == fresh
    assert sum(fresh) == 40


def test_a_changed_law_never_meets_an_old_file(own: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(DATA, folder)
    before = load_rulebook(folder)
    settings = folder / "settings.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("conflict = 0.90", "conflict = 0.91"), encoding="utf-8")
    with pytest.raises(RulebookError, match="changed since it was sealed"):
        load_rulebook(folder)
    after = load_rulebook(folder, sealed=False)
    assert (before.settings.decision.conflict, after.settings.decision.conflict) == (0.90, 0.91)
    settings.write_text("[decision]\nwrong = 1\n", encoding="utf-8")
    with pytest.raises(RulebookError, match="fault"):
        load_rulebook(folder, sealed=False)


def test_words_that_change_while_a_rulebook_is_in_use_are_refused(own: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(DATA, folder)
    load_rulebook(folder)
    book = load_rulebook(folder)
    path = folder / "lexicon" / "common.csv"
    path.write_text(path.read_text(encoding="utf-8") + "wallet_word,en,wallet,any,\n", encoding="utf-8")
    with pytest.raises(RulebookError, match="changed while it was in use"):
        list(book.terms)


def test_a_folder_that_cannot_be_written_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    assert load_rulebook().clauses


def test_old_files_are_thrown_away(own: Path) -> None:
    for n in range(40):
        cache.keep("rulebook", f"rules-{n}", (), n)
    assert len(list(own.glob("*.json"))) < 20
    assert cache.recall("rulebook", "rules-39", ()) == 39
    assert not list(own.glob("*.new"))


def test_tables_go_through_json_unchanged(book: Rulebook) -> None:
    for table in (book.clauses, book.units, book.quantities, book.settings, book.announcements):
        assert restored(json.loads(json.dumps(plain(table)))) == table


def test_an_answer_needs_no_heavy_package() -> None:
    code = "import sys, tagger; t = tagger.Tagger.load(); t.tag('21700 cell 3.6V 5.0Ah 68g'); print(sorted(sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not [name for name in ("sklearn", "pandas", "scipy", "spacy", "pydantic", "joblib", "pyarrow") if f"'{name}'" in loaded]
