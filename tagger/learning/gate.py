"""Fit the gate on the training rows, and set its threshold so that few rows that matter look like everyday goods to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tagger.facts.reader import term_matcher
from tagger.law import GateSettings
from tagger.learning.dataset import RISKY, Example
from tagger.learning.evaluation import LEVEL, upper_bound
from tagger.learning.folds import Fold, fit_apart
from tagger.rulebook import Rulebook
from tagger.scores.gate import BITS, Column, Gate, Mask, ngrams, read_column
from tagger.scores.strong import StrongRows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_LEAST_TEXTS = 2
_REGULARISATION = 10.0
_STRONG_WEIGHT = 0.1  # of harmless rows that the scan keeps back anyway: the gate is fitted for the others
_ITERATIONS = 200
_LARGEST = 32767
_THRESHOLDS = np.linspace(20.0, 0.0, 801)  # log-odds, fixed before any row is looked at; below 0 a row is likelier not everyday


def train_gate(examples: Sequence[Example], folds: Sequence[Fold], book: Rulebook) -> tuple[Gate, dict[str, Any]]:
    """Fit a gate, and measure it on rows that it has not seen.

    The scores of all rows come from gates that saw neither them nor their groups. Thresholds are then tried from the strictest
    on, and the last one at which the upper bound (Clopper and Pearson, one-sided) of the share of open rows at or above it
    still lies below ``settings.gate.most_alike`` is taken: as the order is fixed before the labels are looked at, the bound
    holds for the threshold that is chosen (fixed-sequence testing; Angelopoulos et al. 2021, Learn then Test).

    Parameters
    ----------
    examples : sequence of Example
    folds : sequence of tuple
        Rows to fit on and rows to score, groups kept together.
    book : Rulebook

    Returns
    -------
    Gate
    dict
        Rows that are open (controlled or for review), how many of them look like everyday goods, with the bound, and how many
        the gate settles; everyday rows and how many of them it settles.
    """
    texts = [e.text for e in examples]
    column = read_column(texts)
    everyday = np.array([e.decision == "unrelated" for e in examples])
    open_ = np.array([e.decision in RISKY for e in examples])
    controlled = np.array([e.decision == "controlled" for e in examples])
    settings = book.settings.gate
    strong = StrongRows(book, term_matcher(book)).find(texts, column)
    scores, familiar = np.zeros(len(texts)), np.zeros(len(texts))

    def fit(rows: NDArray[np.int64]) -> Gate:
        return _fit(column.part(rows), everyday[rows], strong[rows], settings)

    of_folds, whole = fit_apart(fit, folds, len(texts))
    for (_, held), fitted in zip(folds, of_folds, strict=True):
        scores[held], familiar[held] = fitted.scores(column.part(held))
    threshold = certified_threshold(scores[open_], settings.most_alike)
    alike = scores >= threshold
    settled = column.readable & ~strong & (familiar >= settings.familiar_share) & alike
    wrong = upper_bound(int((settled & ~everyday).sum()), int(settled.sum()))
    gate = replace(whole, threshold=threshold, confidence=1.0 - wrong)
    return gate, {
        "how": "rows held out by page and near-duplicate; thresholds tried from the strictest on",
        "open_rows": int(open_.sum()),
        "open_rows_alike": int((alike & open_).sum()),
        "upper_bound": round(upper_bound(int((alike & open_).sum()), int(open_.sum())), 5),
        "bound_level": LEVEL,
        "bound_allowed": settings.most_alike,
        "open_rows_settled": int((settled & open_).sum()),
        "controlled_rows_settled": int((settled & controlled).sum()),
        "everyday_rows": int(everyday.sum()),
        "everyday_rows_settled": int((settled & everyday).sum()),
        "settled_rows_unrelated_at_least": round(gate.confidence, 5),
        "open_rows_without_a_strong_word": int((open_ & ~strong).sum()),
    }


def certified_threshold(scores: NDArray[np.float64], most_alike: float) -> float:
    """The lowest threshold, tried from above, up to which the bound of the share of open rows at or above it stays allowed.

    Parameters
    ----------
    scores : array
        Of held-out open rows.
    most_alike : float

    Returns
    -------
    float
        Infinite where not even settling none of them keeps the bound: there are too few rows.

    Examples
    --------
    >>> scores = np.array([5.0, 1.0, *[-3.0] * 998])
    >>> certified_threshold(scores, 0.004) > 5.0, 1.0 < certified_threshold(scores, 0.005) <= 5.0
    (True, True)
    >>> certified_threshold(scores[:100], 0.004)
    inf
    """
    best = float("inf")
    for threshold in _THRESHOLDS:
        if upper_bound(int((scores >= threshold).sum()), len(scores)) > most_alike:
            break
        best = float(threshold)
    return best


def _fit(column: Column, everyday: Mask, strong: Mask, settings: GateSettings) -> Gate:
    """Fit the weights; those of n-grams that too few texts have are left out."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    x = _matrix(column).astype(np.float32)
    texts_with = np.asarray((x > 0).sum(axis=0)).ravel()
    used = np.flatnonzero(texts_with >= _LEAST_TEXTS)
    classifier = LogisticRegression(C=_REGULARISATION, max_iter=_ITERATIONS, class_weight="balanced", tol=1e-4)
    with threadpool_limits(limits=1):  # one thread: sums in one order, so the same bits
        classifier.fit(x[:, used], everyday, sample_weight=np.where(everyday & strong, _STRONG_WEIGHT, 1.0))
    weights = classifier.coef_[0]
    unit = float(np.abs(weights).max()) / _LARGEST
    whole = np.rint(weights / unit).astype(np.int16)
    table = np.zeros(1 << BITS, dtype=np.int16)
    table[used] = np.where(whole == 0, 1, whole)  # 0 means never seen
    return Gate(table, unit, float(classifier.intercept_[0]), float("inf"), settings.familiar_share, 0.0, 1.0)


def _matrix(column: Column) -> csr_matrix:
    """Counts of the hashes of each text over the root of how many of their family it has, as a gate weighs them."""
    from scipy.sparse import csr_matrix

    grams = ngrams(column)
    texts = np.arange(len(column.starts))
    rows = np.concatenate([np.repeat(texts, of.counts) for of in grams])
    columns = np.concatenate([of.hashes for of in grams])
    shares = []
    for family in (grams[:1], grams[1:]):
        share = 1.0 / np.sqrt(np.maximum(sum(of.counts for of in family), 1))
        shares += [np.repeat(share, of.counts) for of in family]
    return csr_matrix((np.concatenate(shares), (rows, columns)), shape=(len(texts), 1 << BITS))
