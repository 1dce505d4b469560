"""Fit the linear model: a multinomial logistic regression over the wording, the head of the text, and flags of facts and clauses.

Its features are evened out first: each is divided by the root of its mean square, so that what every text has and what few have
are learned at the same pace, and the fit ends after a few dozen steps. More steps fit the flags more closely than they deserve:
the words of the rulebook were written with the training rows in view, so the flags know these rows better than any others.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from tagger.learning.calibration import Corpus
from tagger.learning.folds import Fold, fit_apart
from tagger.scores.features import Matrix, Vocabulary, flag_matrix, weigh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class LinearRecipe:
    """Settings of the fit; they stand in the manifest."""

    least_texts: int = 2
    most_ngrams: int = 300_000
    flag_least: int = 3
    flag_value: float = 0.07
    inverse_regularisation: float = 0.1  # of evened weights
    least_mean_square: float = 4e-6  # features that are rarer than this are not evened further: they would be too loud
    source_weight: float = 3.0  # a row with the facts of a real page counts as so many others
    iterations: int = 25  # and no more: see above


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
    """Fit the classifier on all rows, and say what it says of rows that it has not seen.

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
        Logits of every row, from classifiers that were fitted on neither it nor its group.
    """
    vocabulary = Vocabulary.fit(corpus.ngrams, recipe.least_texts, recipe.most_ngrams)
    names = flag_names(corpus, recipe.flag_least)
    x = matrix(corpus, vocabulary, names, recipe.flag_value)
    truth, weights = corpus.truth, corpus.weights(recipe.source_weight)

    def fit(rows: NDArray[np.int64]) -> Linear:
        return fit_one(x[rows], truth[rows], weights[rows], recipe)

    of_folds, whole = fit_apart(fit, folds, len(truth))
    logits = np.zeros((len(truth), whole.weights.shape[1]))
    for (_, held), linear in zip(folds, of_folds, strict=True):
        logits[held] = linear.logits(x[held])
    return Fitted(vocabulary, names, whole), logits


def fit_one(x: csr_matrix, truth: NDArray[np.int64], weights: NDArray[np.float64], recipe: LinearRecipe) -> Linear:
    """Fit on some rows.

    Parameters
    ----------
    x : csr_matrix, rows x features
    truth : array of int64
        The number of each row's label.
    weights : array of float64
        How often each row counts.
    recipe : LinearRecipe
    """
    from scipy.sparse import diags
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    scale = evening(x, weights, recipe.least_mean_square)
    classifier = LogisticRegression(C=recipe.inverse_regularisation, max_iter=recipe.iterations, class_weight="balanced", tol=1e-9)
    with threadpool_limits(limits=1), warnings.catch_warnings():  # one thread: sums in one order, so the same bits
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many steps and no more is what is wanted
        classifier.fit((x @ diags(scale)).tocsr(), truth, sample_weight=weights)
    return Linear(classifier.coef_.T * scale[:, None].astype(np.float64), classifier.intercept_.astype(np.float64))


def evening(x: csr_matrix, weights: NDArray[np.float64], least: float) -> NDArray[np.float32]:
    """What each feature is multiplied by, so that common and rare ones are about as large on the whole.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> x = csr_matrix([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    >>> evening(x, np.ones(4), 0.0).tolist(), evening(x, np.ones(4), 3.75).tolist()[1]
    ([1.0, 2.0], 0.5)
    """
    squares = x.copy()
    squares.data = squares.data.astype(np.float64) ** 2
    return np.asarray(1.0 / np.sqrt(squares.T @ (weights / weights.sum()) + least), dtype=np.float32)


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


def as_csr(m: Matrix) -> csr_matrix:
    """A matrix of features as scikit-learn takes it."""
    from scipy.sparse import csr_matrix

    return csr_matrix((m.data, m.columns, m.ends), shape=(len(m.ends) - 1, m.width))
