"""Fit the linear model: two logistic regressions over the same features, whose weights are averaged.

One hears everything: the wording, the head of the text, and the flags of terms, figures and clauses. The other hears the wording
alone. The words of the rulebook were written with the training rows in view, so the flags know these rows better than any others,
and the first classifier trusts them more than it should; the second cannot. Both are linear in the same features, so their average
is one linear model and costs nothing when it answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from tagger.learning.calibration import Corpus, fit_calibration
from tagger.learning.dataset import Fold
from tagger.scores.features import Matrix, Vocabulary, flag_matrix, weigh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True, slots=True)
class LinearRecipe:
    """Settings of the fit; they stand in the manifest."""

    least_texts: int = 2
    most_ngrams: int = 130_000
    flag_least: int = 3
    flag_value: float = 0.07
    inverse_regularisation: float = 30.0
    wording_inverse_regularisation: float = 10.0
    source_weight: float = 3.0  # a row with the facts of a real page counts as so many others
    iterations: int = 400
    tolerance: float = 1e-4
    wording_tolerance: float = 3e-4  # it begins where the other ended; more steps change nothing that can be measured


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear model over a vocabulary and flags, as plain arrays: ``weights`` has one row a feature and one column a label."""

    vocabulary: Vocabulary
    flag_names: tuple[str, ...]
    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def logits(self, corpus: Corpus, recipe: LinearRecipe) -> NDArray[np.float64]:
        """Logits of some rows, rows x labels."""
        return np.asarray(matrix(corpus, self.vocabulary, self.flag_names, recipe.flag_value) @ self.weights + self.intercept)


def fit_linear(corpus: Corpus, folds: Sequence[Fold], recipe: LinearRecipe) -> tuple[Linear, NDArray[np.float64]]:
    """Fit both classifiers on all rows, and average them.

    Each is divided by the temperature at which its probabilities of held-out rows are likeliest, so that both speak as loudly.

    Parameters
    ----------
    corpus : Corpus
    folds : sequence of tuple
        Rows to fit on and rows to score, groups kept together.
    recipe : LinearRecipe

    Returns
    -------
    Linear
    array of float64, rows x labels
        The average's logits of every row, from classifiers that saw neither it nor its group.
    """
    from joblib import Parallel, delayed

    jobs = [delayed(_held_out)(corpus.take(kept).bare(), corpus.take(held).bare(), recipe) for kept, held in folds]
    *parts, both = Parallel(n_jobs=2)([*jobs, delayed(fit_both)(corpus.bare(), recipe)])
    weights = corpus.weights(recipe.source_weight)
    average = np.zeros((len(corpus.truth), int(corpus.truth.max()) + 1))
    temperatures = []
    for which in range(len(both)):
        logits = np.zeros_like(average)
        for (_, held), part in zip(folds, parts, strict=True):
            logits[held] = part[which]
        temperatures.append(fit_calibration(logits, corpus.truth, weights)[0])
        average += logits / temperatures[-1] / len(both)
    return averaged(both, temperatures), average


def fit_both(corpus: Corpus, recipe: LinearRecipe) -> tuple[Linear, Linear]:
    """The classifier that hears everything, and the one that hears the wording alone."""
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    vocabulary = Vocabulary.fit(corpus.ngrams, recipe.least_texts, recipe.most_ngrams)
    names = flag_names(corpus, recipe.flag_least)
    x = matrix(corpus, vocabulary, names, recipe.flag_value)
    is_wording = np.append(~vocabulary.of_heads, np.zeros(len(names), dtype=np.bool_))
    wording = (x @ diags(is_wording.astype(np.float32))).tocsr()
    wording.eliminate_zeros()
    weights = corpus.weights(recipe.source_weight)
    classifier = LogisticRegression(
        C=recipe.inverse_regularisation,
        max_iter=recipe.iterations,
        class_weight="balanced",
        tol=recipe.tolerance,
        warm_start=True,
    )
    with threadpool_limits(limits=1):  # one thread: sums in one order, so the same bits
        full = _as_linear(classifier.fit(x, corpus.truth, sample_weight=weights), vocabulary, names)
        classifier.set_params(C=recipe.wording_inverse_regularisation, class_weight=None, tol=recipe.wording_tolerance)
        heard = _as_linear(classifier.fit(wording, corpus.truth, sample_weight=weights), vocabulary, names)
    return full, Linear(vocabulary, names, heard.weights * is_wording[:, None], heard.intercept)


def averaged(models: Sequence[Linear], temperatures: Sequence[float]) -> Linear:
    """The average of linear models over the same features, each divided by its temperature."""
    shares = [1.0 / (t * len(models)) for t in temperatures]
    return Linear(
        models[0].vocabulary,
        models[0].flag_names,
        sum((m.weights * share for m, share in zip(models[1:], shares[1:], strict=True)), models[0].weights * shares[0]),
        sum((m.intercept * share for m, share in zip(models[1:], shares[1:], strict=True)), models[0].intercept * shares[0]),
    )


def flag_names(corpus: Corpus, least: int) -> tuple[str, ...]:
    """The flags that enough rows set."""
    seen = Counter(name for row in corpus.flags for name in row)
    return tuple(sorted(name for name, count in seen.items() if count >= least))


def matrix(corpus: Corpus, vocabulary: Vocabulary, names: Sequence[str], flag_value: float) -> csr_matrix:
    """Feature matrix of some rows for scikit-learn: n-grams first, flags behind."""
    from scipy.sparse import hstack

    text = _csr(weigh(corpus.ngrams, vocabulary))
    marks = _csr(flag_matrix(corpus.flags, names, flag_value))
    return cast("csr_matrix", hstack([text, marks], format="csr"))


def _held_out(kept: Corpus, held: Corpus, recipe: LinearRecipe) -> list[NDArray[np.float64]]:
    return [model.logits(held, recipe) for model in fit_both(kept, recipe)]


def _as_linear(classifier: LogisticRegression, vocabulary: Vocabulary, names: tuple[str, ...]) -> Linear:
    return Linear(vocabulary, names, classifier.coef_.T.astype(np.float64), classifier.intercept_.astype(np.float64))


def _csr(m: Matrix) -> csr_matrix:
    from scipy.sparse import csr_matrix

    return csr_matrix((m.data, m.columns, m.ends), shape=(len(m.ends) - 1, m.width))
