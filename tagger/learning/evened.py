"""A logistic regression over features that are evened out first.

Each feature is divided by the root of its mean square, so that what every text has and what few have are learned at the same
pace, and the fit ends after a few dozen steps. More steps fit the features of few texts more closely than they deserve.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class EvenedRecipe:
    """Settings of a fit; they stand in the manifest."""

    inverse_regularisation: float = 0.1  # of evened weights
    least_mean_square: float = 4e-6  # features that are rarer than this are not evened further: they would be too loud
    iterations: int = 25  # and no more: see above


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights of features, one row a feature and one column an output, and intercepts.

    Of two labels there is one output, the log-odds of the second.
    """

    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def logits(self, x: csr_matrix) -> NDArray[np.float64]:
        """Logits of some rows, rows x outputs."""
        return np.asarray(x @ self.weights + self.intercept)


def fit_evened(x: csr_matrix, truth: NDArray[np.int64], weights: NDArray[np.float64], recipe: EvenedRecipe) -> Linear:
    """Fit on some rows.

    Parameters
    ----------
    x : csr_matrix, rows x features
    truth : array of int64
        The number of each row's label; labels are weighted alike.
    weights : array of float64
        How often each row counts.
    recipe : EvenedRecipe
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
