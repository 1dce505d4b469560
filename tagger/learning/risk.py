"""Fit the model of risk: is a row controlled, or does it lack a fact, whatever its category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagger.learning.calibration import fit_odds
from tagger.learning.folds import Fold, fit_apart
from tagger.learning.networks import NetworkRecipe, fit_networks, over
from tagger.learning.stacking import Rows
from tagger.scores.risk import Risk

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True, slots=True)
class RiskRecipe:
    """Settings of the fit; they stand in the manifest."""

    inverse_regularisation: float = 10.0
    iterations: int = 300
    tolerance: float = 1e-4
    network: NetworkRecipe = field(default_factory=lambda: NetworkRecipe(hidden=64, epochs=5))
    logit_scale: float = 0.5  # of the categories' calibrated logits


def fit_risk(
    rows: Rows, wording: csr_matrix, risky: NDArray[np.bool_], folds: Sequence[Fold], recipe: RiskRecipe
) -> tuple[Risk, NDArray[np.float64]]:
    """Fit the model on all rows, and say what it says of rows that it has not seen.

    Parameters
    ----------
    rows : Rows
        With the held-out logits of the categories.
    wording : csr_matrix, rows x n-grams
    risky : array of bool
        Which rows must not be cleared.
    folds : sequence of tuple
        Rows to fit on and rows to score, groups kept together.
    recipe : RiskRecipe

    Returns
    -------
    Risk
    array of float64
        Held-out log-odds.
    """
    of_folds, linear = fit_apart(lambda kept: _fit_wording(wording, risky, rows, kept, recipe), folds, len(risky))
    heard = np.zeros((len(risky), 1))
    for (_, held), model in zip(folds, of_folds, strict=True):
        heard[held, 0] = model.decision_function(wording[held])
    inputs = np.hstack([rows.logits, heard])
    scale = np.full(inputs.shape[1], recipe.logit_scale / rows.temperature)
    scale[-1] = 1.0

    def fit(kept: NDArray[np.int64]) -> Risk:
        at = rows.repeated(kept)
        network = fit_networks(inputs[at] * scale, rows.flags[at], risky[at].astype(np.int64), recipe.network)
        return Risk(
            linear.coef_.T.astype(np.float32), float(linear.intercept_[0]), over(network, scale), 1.0 - recipe.network.share
        )

    models, whole = fit_apart(fit, folds, len(risky))
    logits = np.zeros(len(risky))
    for (_, held), model in zip(folds, models, strict=True):
        logits[held] = model.blend(heard[held], rows.logits[held], rows.flagged(held))
    slope, offset = fit_odds(logits, risky, rows.times.astype(np.float64))
    return replace(whole, slope=slope, offset=offset), logits * slope + offset


def _fit_wording(
    wording: csr_matrix, risky: NDArray[np.bool_], rows: Rows, kept: NDArray[np.int64], recipe: RiskRecipe
) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    classifier = LogisticRegression(
        C=recipe.inverse_regularisation, max_iter=recipe.iterations, tol=recipe.tolerance, class_weight="balanced"
    )
    with threadpool_limits(limits=1):  # one thread: sums in one order, so the same bits
        return classifier.fit(wording[kept], risky[kept], sample_weight=rows.times[kept])
