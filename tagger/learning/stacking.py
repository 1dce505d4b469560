"""Fit the networks over logits and flags, on logits from models that had not seen the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagger.learning.calibration import Corpus, fit_calibration
from tagger.learning.folds import Fold, fit_apart
from tagger.learning.linear import as_csr
from tagger.learning.networks import NetworkRecipe, fit_networks, over
from tagger.scores.features import Matrix, flag_matrix, flag_positions
from tagger.scores.network import Stack

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class StackRecipe:
    """Settings of the fit; they stand in the manifest."""

    network: NetworkRecipe = field(default_factory=NetworkRecipe)
    logit_scale: float = 0.5  # of the calibrated logits, so that they are about as large as the flags


@dataclass(frozen=True)
class Rows:
    """What the networks are fitted on: held-out logits and their temperature, flags, labels, and how often each row counts."""

    logits: NDArray[np.float64]
    temperature: float
    flags: csr_matrix
    truth: NDArray[np.int64]
    times: NDArray[np.int64]

    @classmethod
    def of(cls, corpus: Corpus, logits: NDArray[np.float64], names: Sequence[str], source_weight: float) -> Rows:
        """The rows of a corpus with their held-out logits."""
        weights = corpus.weights(source_weight)
        temperature, _ = fit_calibration(logits, corpus.truth, weights)
        flags = as_csr(flag_matrix(corpus.flags, flag_positions(names), 1.0))
        return cls(logits, temperature, flags, corpus.truth, np.rint(weights).astype(np.int64))

    def repeated(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Some rows, each as often as it counts."""
        return np.repeat(kept, self.times[kept])

    def flagged(self, rows: NDArray[np.int64]) -> Matrix:
        """The flags of some rows, as a network takes them."""
        flags = self.flags[rows]
        return Matrix(
            flags.data, flags.indices.astype(np.int64), flags.indptr.astype(np.int64), flags.shape[1], np.zeros(len(rows))
        )


def fit_stack(rows: Rows, folds: Sequence[Fold], recipe: StackRecipe) -> tuple[Stack, NDArray[np.float64]]:
    """Fit the networks on all rows, and say what they and the linear model say together of rows that none of them had seen.

    Parameters
    ----------
    rows : Rows
    folds : sequence of tuple
        Rows to fit on and rows to score, groups kept together.
    recipe : StackRecipe

    Returns
    -------
    Stack
    array of float64, rows x labels
        Held-out logits of both.
    """
    of_folds, whole = fit_apart(lambda kept: _fit(rows, kept, recipe), folds, len(rows.truth))
    blended = np.zeros_like(rows.logits)
    for (_, held), stack in zip(folds, of_folds, strict=True):
        blended[held] = stack.blend(rows.logits[held], rows.flagged(held))
    return whole, blended


def _fit(rows: Rows, kept: NDArray[np.int64], recipe: StackRecipe) -> Stack:
    at = rows.repeated(kept)
    scale = np.full(rows.logits.shape[1], recipe.logit_scale / rows.temperature)
    network = fit_networks(rows.logits[at] * scale, rows.flags[at], rows.truth[at], recipe.network)
    return Stack(over(network, scale), linear_share=(1.0 - recipe.network.share) / rows.temperature)
