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
from tagger.learning.folds import Fold, fit_apart
from tagger.scores.features import Matrix, Vocabulary, flag_matrix, weigh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True, slots=True)
class LinearRecipe:
    """Settings of the fit; they stand in the manifest."""

    least_texts: int = 2
    most_ngrams: int = 300_000
    flag_least: int = 3
    flag_value: float = 0.07
    inverse_regularisation: float = 30.0
    wording_inverse_regularisation: float = 10.0
    source_weight: float = 3.0  # a row with the facts of a real page counts as so many others
    iterations: int = 400
    tolerance: float = 1e-4
    wording_tolerance: float = 5e-4  # it begins where the other ended; more steps change little


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights of features, one row a feature and one column a label, and intercepts."""

    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def logits(self, x: csr_matrix) -> NDArray[np.float64]:
        """Logits of some rows, rows x labels."""
        return np.asarray(x @ self.weights + self.intercept)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A linear model, and the vocabulary and flags that are its features."""

    vocabulary: Vocabulary
    flag_names: tuple[str, ...]
    linear: Linear


def fit_linear(corpus: Corpus, folds: Sequence[Fold], recipe: LinearRecipe) -> tuple[Fitted, NDArray[np.float64]]:
    """Fit both classifiers on all rows, and average them.

    Each is divided by the temperature at which its probabilities of held-out rows are likeliest, so that both speak as loudly.
    Vocabulary and flags are those of all rows; of the labels a classifier sees those of its own rows only.

    Parameters
    ----------
    corpus : Corpus
    folds : sequence of tuple
        Rows to fit on and rows to score, groups kept together.
    recipe : LinearRecipe

    Returns
    -------
    Fitted
    array of float64, rows x labels
        The average's logits of every row, from classifiers that were fitted on neither it nor its group.
    """
    vocabulary = Vocabulary.fit(corpus.ngrams, recipe.least_texts, recipe.most_ngrams)
    names = flag_names(corpus, recipe.flag_least)
    x = matrix(corpus, vocabulary, names, recipe.flag_value)
    is_wording = np.append(~vocabulary.of_heads, np.zeros(len(names), dtype=np.bool_))
    truth, weights = corpus.truth, corpus.weights(recipe.source_weight)

    def fit(rows: NDArray[np.int64]) -> tuple[Linear, Linear]:
        return fit_both(x[rows], truth[rows], weights[rows], is_wording, recipe)

    of_folds, both = fit_apart(fit, folds, len(truth))
    logits = np.zeros((len(both), len(truth), both[0].weights.shape[1]))
    for (_, held), pair in zip(folds, of_folds, strict=True):
        logits[:, held] = [model.logits(x[held]) for model in pair]
    temperatures = [fit_calibration(own, truth, weights)[0] for own in logits]
    held_out = np.mean([own / t for own, t in zip(logits, temperatures, strict=True)], axis=0)
    return Fitted(vocabulary, names, averaged(both, temperatures)), held_out


def fit_both(
    x: csr_matrix, truth: NDArray[np.int64], weights: NDArray[np.float64], is_wording: NDArray[np.bool_], recipe: LinearRecipe
) -> tuple[Linear, Linear]:
    """The classifier that hears everything, and the one that hears the wording alone.

    Parameters
    ----------
    x : csr_matrix, rows x features
    truth : array of int64
        The number of each row's label.
    weights : array of float64
        How often each row counts.
    is_wording : array of bool
        Which features both hear.
    recipe : LinearRecipe
    """
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    wording = (x @ diags(is_wording.astype(np.float32))).tocsr()
    wording.eliminate_zeros()
    classifier = LogisticRegression(
        C=recipe.inverse_regularisation,
        max_iter=recipe.iterations,
        class_weight="balanced",
        tol=recipe.tolerance,
        warm_start=True,
    )
    with threadpool_limits(limits=1):  # one thread: sums in one order, so the same bits
        full = _as_linear(classifier.fit(x, truth, sample_weight=weights))
        classifier.set_params(C=recipe.wording_inverse_regularisation, class_weight=None, tol=recipe.wording_tolerance)
        heard = _as_linear(classifier.fit(wording, truth, sample_weight=weights))
    return full, Linear(heard.weights * is_wording[:, None], heard.intercept)


def averaged(models: Sequence[Linear], temperatures: Sequence[float]) -> Linear:
    """The average of linear models over the same features, each divided by its temperature.

    Examples
    --------
    >>> loud, calm = (Linear(np.full((1, 2), w), np.zeros(2)) for w in (4.0, 1.0))
    >>> averaged([loud, calm], [2.0, 1.0]).weights
    array([[1.5, 1.5]])
    """
    weights = [m.weights / t for m, t in zip(models, temperatures, strict=True)]
    intercepts = [m.intercept / t for m, t in zip(models, temperatures, strict=True)]
    return Linear(np.mean(weights, axis=0), np.mean(intercepts, axis=0))


def flag_names(corpus: Corpus, least: int) -> tuple[str, ...]:
    """The flags that enough rows set."""
    seen = Counter(name for row in corpus.flags for name in row)
    return tuple(sorted(name for name, count in seen.items() if count >= least))


def matrix(corpus: Corpus, vocabulary: Vocabulary, names: Sequence[str], flag_value: float) -> csr_matrix:
    """Feature matrix of some rows for scikit-learn: n-grams first, flags behind."""
    from scipy.sparse import hstack

    text = as_csr(weigh(corpus.ngrams, vocabulary))
    marks = as_csr(flag_matrix(corpus.flags, names, flag_value))
    return cast("csr_matrix", hstack([text, marks], format="csr"))


def _as_linear(classifier: LogisticRegression) -> Linear:
    return Linear(classifier.coef_.T.astype(np.float64), classifier.intercept_.astype(np.float64))


def as_csr(m: Matrix) -> csr_matrix:
    """A matrix of features as scikit-learn takes it."""
    from scipy.sparse import csr_matrix

    return csr_matrix((m.data, m.columns, m.ends), shape=(len(m.ends) - 1, m.width))
