"""The training rows: enough of each kind, no templates, no page on two sides, labels that the clauses bear out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from tagger.decisions.clauses import ClauseJudge
from tagger.facts.reader import FactReader
from tagger.learning.dataset import Example, read_examples
from tagger.records import Row, Truth
from tagger.rulebook import Rulebook

PARTS = {"training": "", "calibration": "calibration", "evaluation": "evaluation"}
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*")
_FIRST_WIDE = 0x2E80
_PIECES = 50  # of the rows compared at once, for the sake of memory
_SYLLABLE = re.compile("[\u3040-\u9fff\uac00-\ud7af]")


@pytest.fixture(scope="module")
def parts(root: Path, book: Rulebook) -> dict[str, list[Example]]:
    return {name: read_examples(root / "training_data" / folder, book.labels) for name, folder in PARTS.items()}


def site(example: Example) -> str:
    return urlsplit(example.source).netloc.lower().removeprefix("www.")


def test_there_are_enough_rows_of_every_kind(parts: dict[str, list[Example]], book: Rulebook) -> None:
    rows = [e for part in parts.values() for e in part]
    by_category = Counter(e.category for e in rows)
    assert len(rows) >= 8000
    assert by_category["none"] >= 2500
    assert min(by_category[label] for label in book.labels) >= 250
    assert sum(bool(e.source) for e in rows) >= 1500
    assert sum(bool(e.source) for e in parts["evaluation"]) >= 500
    for lang in ("en", "zh"):
        assert sum(e.lang == lang for e in rows) / len(rows) > 0.33
    assert {e.lang for e in rows} == {"en", "zh", "ja", "de", "ko", "ru", "es"}


def test_the_datasheet_counts_the_rows_as_they_are(parts: dict[str, list[Example]], root: Path) -> None:
    told = (root / "training_data" / "README.md").read_text(encoding="utf-8")
    rows = [e for part in parts.values() for e in part]
    assert f"{sum(bool(e.source) for e in rows):,} of the {len(rows):,} rows carry facts" in told
    for part in parts.values():
        assert f"| {len(part):,} | {sum(bool(e.source) for e in part):,} |" in told
    english, chinese = (sum(e.lang == lang for e in rows) / len(rows) for lang in ("en", "zh"))
    assert f"English is {english:.0%}, Chinese {chinese:.0%}".replace("%", " %") in told
    long = sum(len(e.text.split()) >= 45 or len(_SYLLABLE.findall(e.text)) >= 80 for e in rows)
    assert f"{long / len(rows):.0%} of the texts are long".replace("%", " %") in told


def test_no_web_site_and_no_group_stands_on_two_sides(parts: dict[str, list[Example]]) -> None:
    for key in (site, lambda e: e.group):
        sides = defaultdict(set)
        for name, part in parts.items():
            for e in part:
                if key(e):
                    sides[key(e)].add(name)
        assert {k: v for k, v in sides.items() if len(v) > 1} == {}


def test_calibration_rows_carry_the_facts_of_pages(parts: dict[str, list[Example]]) -> None:
    assert all(e.source for e in parts["calibration"])


def near_pairs(texts: Sequence[str], sides: Sequence[str], least: float) -> list[tuple[int, int]]:
    """Pairs on two sides of which the character 4-grams have a Jaccard similarity of at least ``least``.

    Such texts share one of the rarest grams of either (prefix filter), so that few pairs have to be compared.
    """
    of_side = np.unique(sides, return_inverse=True)[1]
    bare = [re.sub(r"[\W\d_]+", " ", text.lower()).ljust(4, "_") for text in texts]  # a shorter text is one gram
    grams = CountVectorizer(analyzer="char", ngram_range=(4, 4), lowercase=False, binary=True, dtype=np.int32).fit_transform(bare)
    sizes = np.diff(grams.indptr)
    row = np.repeat(np.arange(len(texts)), sizes)
    order = np.lexsort((grams.indices, np.bincount(grams.indices)[grams.indices], row))  # text after text, the rarest gram first
    rarest = np.arange(len(order)) - grams.indptr[row] <= sizes[row] - np.floor(least * sizes[row])
    ones = np.ones(int(rarest.sum()), dtype=np.int32)
    prefixes = csr_matrix((ones, (row[rarest], grams.indices[order][rarest])), shape=grams.shape)
    found = []
    for side in range(1, int(of_side.max()) + 1):
        other = np.flatnonzero(of_side < side)
        for one in np.array_split(np.flatnonzero(of_side == side), _PIECES):
            pairs = (prefixes[one] @ prefixes[other].T).tocoo()
            i, j = one[pairs.row], other[pairs.col]
            alike = np.minimum(sizes[i], sizes[j]) >= least * np.maximum(sizes[i], sizes[j])
            i, j = i[alike], j[alike]
            shared = np.asarray(grams[i].multiply(grams[j]).sum(axis=1)).ravel()
            near = shared >= least * (sizes[i] + sizes[j] - shared)
            found += zip(i[near].tolist(), j[near].tolist(), strict=True)
    return found


def test_near_duplicates_never_stand_on_two_sides(parts: dict[str, list[Example]]) -> None:
    rows = [(name, e) for name, part in parts.items() for e in part]
    pairs = near_pairs([e.text for _, e in rows], [name for name, _ in rows], 0.7)
    assert [(rows[i][1].id, rows[j][1].id) for i, j in pairs] == []


def test_the_near_duplicate_check_finds_one() -> None:
    texts = ["Spherical graphite for lithium cells, 20 kg drum", "Spherical graphite for lithium cells, 25 kg drums", "Paper pulp"]
    assert near_pairs(texts, ["one", "two", "two"], 0.7) == [(1, 0)]
    assert near_pairs(texts, ["one", "one", "two"], 0.7) == []
    assert near_pairs(["碲", "Te", "碲"], ["one", "one", "two"], 0.7) == [(2, 0)]


def phrases(text: str, least: float = 6) -> set[str]:
    """Runs of six words (a wide character is half a word) that are not mostly figures; every figure is taken as one."""
    tokens = []
    for token in _TOKEN.findall(text.lower()):
        wide = ord(token[0]) >= _FIRST_WIDE
        tokens += list(token) if wide else ["0" if token[0].isdigit() else token]
    weights = [0.5 if ord(t[0]) >= _FIRST_WIDE else 1.0 for t in tokens]
    found = set()
    for start in range(len(tokens)):
        end, size = start, 0.0
        while end < len(tokens) and size < least:
            size += weights[end]
            end += 1
        run = tokens[start:end]
        words = sum(w for t, w in zip(run, weights[start:end], strict=True) if len(t) > 2 or ord(t[0]) >= _FIRST_WIDE)
        if size >= least and words >= 0.6 * least:
            found.add(" ".join(run))
    return found


def test_no_template_explains_more_than_two_percent_of_a_category(parts: dict[str, list[Example]]) -> None:
    by_category: dict[str, list[Example]] = defaultdict(list)
    for e in parts["training"]:
        by_category[e.category].append(e)
    worst = {}
    for category, rows in by_category.items():
        phrase, count = Counter(p for e in rows for p in phrases(e.text)).most_common(1)[0]
        if count > 0.02 * len(rows):
            worst[category] = (phrase, count, len(rows))
    assert worst == {}


def test_the_template_check_finds_one() -> None:
    made = [f"Supply of {metal} ingots in drums of {kg} kg each" for metal, kg in (("tin", 20), ("zinc", 25))]
    assert phrases(made[0]) & phrases(made[1]) == set()
    made = [f"Ingots of tin packed in steel drums of {kg} kg" for kg in (20, 25)]
    assert phrases(made[0]) & phrases(made[1])


def test_decisions_agree_with_the_clauses_or_the_row_says_why_not(parts: dict[str, list[Example]], book: Rulebook) -> None:
    """A label that a clause contradicts is rare, and its row gives a reason."""
    rows = parts["training"]
    judge = ClauseJudge(book)
    contradicted = []
    for e, facts in zip(rows, FactReader(book).read([Row(e.id, e.text) for e in rows]), strict=True):
        truths = {r.truth for r in judge.judge(facts).clauses if e.category == "none" or book.clause(r.code).category == e.category}
        wrong = {
            "controlled": bool(truths) and truths == {Truth.NOT_MET},
            "review": Truth.MET in truths or truths == {Truth.NOT_MET},
            "not_controlled": Truth.MET in truths,
            "unrelated": Truth.MET in truths,
        }
        if wrong[e.decision]:
            contradicted.append(e)
    assert len(contradicted) <= 0.015 * len(rows), [e.id for e in contradicted]
    assert [e.id for e in contradicted if len(e.why.split()) < 2] == []
