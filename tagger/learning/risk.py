"""Fit the model of risk: is a row controlled, or does it lack a fact, whatever its category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagger.learning.calibration import fit_odds
from tagger.learning.evened import EvenedRecipe, Linear, fit_evened
from tagger.learning.folds import Fold, fit_apart
from tagger.learning.networks import NetworkRecipe, fit_networks, over
from tagger.learning.stacking import Rows
from tagger.scores.risk import Risk

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class RiskRecipe:
    """Settings of the fit; they stand in the manifest."""

    wording: EvenedRecipe = field(default_factory=lambda: EvenedRecipe(iterations=12))
    network: NetworkRecipe = field(default_factory=lambda: NetworkRecipe(hidden=64, decay=0.03, share=0.75))
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
    labels, times = risky.astype(np.int64), rows.times.astype(np.float64)

    def hear(kept: NDArray[np.int64]) -> Linear:
        return fit_evened(wording[kept], labels[kept], times[kept], recipe.wording)

    of_folds, linear = fit_apart(hear, folds, len(risky))
    heard = np.zeros((len(risky), 1))
    for (_, held), hearer in zip(folds, of_folds, strict=True):
        heard[held] = hearer.logits(wording[held])
    inputs = np.hstack([rows.logits, heard])
    scale = np.full(inputs.shape[1], recipe.logit_scale / rows.temperature)
    scale[-1] = 1.0

    def fit(kept: NDArray[np.int64]) -> Risk:
        at = rows.repeated(kept)
        network = fit_networks(inputs[at] * scale, rows.flags[at], labels[at], recipe.network)
        return Risk(linear.weights.astype(np.float32), float(linear.intercept[0]), over(network, scale), 1.0 - recipe.network.share)

    models, whole = fit_apart(fit, folds, len(risky))
    logits = np.zeros(len(risky))
    for (_, held), model in zip(folds, models, strict=True):
        logits[held] = model.blend(heard[held], rows.logits[held], rows.flagged(held))
    slope, offset = fit_odds(logits, risky, times)
    return replace(whole, slope=slope, offset=offset), logits * slope + offset
