"""Fit the same thing on the rows of each fold and on all rows, for whoever needs what a model says of rows it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows to fit on and rows to score; groups are kept together
Fitted = TypeVar("Fitted")


def fit_apart(fit: Callable[[NDArray[np.int64]], Fitted], folds: Sequence[Fold], rows: int) -> tuple[list[Fitted], Fitted]:
    """What a fit makes of the rows of each fold, and of all rows, two at a time in processes of their own.

    Parameters
    ----------
    fit : callable
        Takes the numbers of the rows to fit on.
    folds : sequence of tuple
    rows : int
        How many there are.

    Examples
    --------
    >>> halves = [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))]
    >>> fit_apart(lambda rows: int(rows.sum()), halves, 4)
    ([1, 5], 6)
    """
    from joblib import Parallel, delayed

    *of_folds, whole = Parallel(n_jobs=2)(delayed(fit)(kept) for kept in (*(kept for kept, _ in folds), np.arange(rows)))
    return of_folds, whole
