"""Prediction sets from class-conditional conformal thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def conformalize(probabilities: NDArray[np.float64], truth: NDArray[np.int64], coverage: float) -> NDArray[np.float64]:
    """Least probability, per label, at which a label belongs to the prediction set.

    For each label the threshold is the finite-sample quantile of the probability that held-out rows of this label gave to
    it, so that a new row of the label keeps it in its set with at least ``coverage`` (Mondrian split conformal prediction;
    Vovk et al. 2005, Sadinle et al. 2019).

    Parameters
    ----------
    probabilities : array, shape (rows, labels)
        Of rows that the model was not fitted on.
    truth : array of int, shape (rows,)
    coverage : float
        Between 0 and 1.

    Returns
    -------
    array, shape (labels,)
        0 where a label has too few rows for the coverage: it is then always in the set.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])
    >>> conformalize(p, np.array([0, 0, 0, 1]), 0.5)
    array([0.7, 0.8])
    """
    thresholds = np.zeros(probabilities.shape[1])
    for label in range(probabilities.shape[1]):
        own = np.sort(probabilities[truth == label, label])
        rank = int(np.floor((len(own) + 1) * (1 - coverage)))
        thresholds[label] = own[rank - 1] if rank >= 1 else 0.0
    return thresholds


def prediction_sets(probabilities: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which labels are in each row's set; the likeliest one always is.

    Examples
    --------
    >>> prediction_sets(np.array([[0.6, 0.3, 0.1]]), np.array([0.7, 0.2, 0.2]))
    array([[ True,  True, False]])
    """
    inside = probabilities >= thresholds
    inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
    return np.asarray(inside)
