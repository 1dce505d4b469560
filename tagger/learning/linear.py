"""Fit the linear model: a multinomial logistic regression over the wording, the head of the text, and flags of facts and clauses.

More steps of the fit would know the flags too well: the words of the rulebook were written with the training rows in view.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from tagger.learning.calibration import Corpus
from tagger.learning.evened import EvenedRecipe, Linear, fit_evened
from tagger.learning.folds import Fold, fit_apart
from tagger.scores.features import Matrix, Vocabulary, flag_matrix, flag_positions, weigh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class LinearRecipe:
    """Settings of the fit; they stand in the manifest."""

    least_texts: int = 2
    most_ngrams: int = 300_000
    flag_least: int = 3
    flag_value: float = 0.07
    source_weight: float = 3.0  # a row with the facts of a real page counts as so many others
    fit: EvenedRecipe = field(default_factory=EvenedRecipe)


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
        return fit_evened(x[rows], truth[rows], weights[rows], recipe.fit)

    of_folds, whole = fit_apart(fit, folds, len(truth))
    logits = np.zeros((len(truth), whole.weights.shape[1]))
    for (_, held), linear in zip(folds, of_folds, strict=True):
        logits[held] = linear.logits(x[held])
    return Fitted(vocabulary, names, whole), logits


def flag_names(corpus: Corpus, least: int) -> tuple[str, ...]:
    """The flags that enough rows set."""
    seen = Counter(name for row in corpus.flags for name in row)
    return tuple(sorted(name for name, count in seen.items() if count >= least))


def matrix(corpus: Corpus, vocabulary: Vocabulary, names: Sequence[str], flag_value: float) -> csr_matrix:
    """Feature matrix of some rows for scikit-learn: n-grams first, flags behind."""
    from scipy.sparse import hstack

    text = as_csr(weigh(corpus.ngrams, vocabulary))
    marks = as_csr(flag_matrix(corpus.flags, flag_positions(names), flag_value))
    return cast("csr_matrix", hstack([text, marks], format="csr"))


def as_csr(m: Matrix) -> csr_matrix:
    """A matrix of features as scikit-learn takes it."""
    from scipy.sparse import csr_matrix

    return csr_matrix((m.data, m.columns, m.ends), shape=(len(m.ends) - 1, m.width))
