"""Fit the networks over logits and flags, on logits from models that had not seen the rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagger.learning.calibration import Corpus, fit_calibration
from tagger.learning.folds import Fold, fit_apart
from tagger.learning.linear import as_csr
from tagger.scores.features import Matrix, flag_matrix
from tagger.scores.stack import Stack, together

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.neural_network import MLPClassifier


@dataclass(frozen=True, slots=True)
class StackRecipe:
    """Settings of the networks; they stand in the manifest."""

    networks: int = 2  # from different beginnings, averaged
    hidden: int = 128
    decay: float = 0.1
    epochs: int = 8
    step: float = 2e-3
    rows_at_once: int = 128
    logit_scale: float = 0.5  # of the calibrated logits, so that they are about as large as the flags
    share: float = 0.5  # of the networks in what they and the linear model say together


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
        flags = as_csr(flag_matrix(corpus.flags, names, 1.0))
        return cls(logits, temperature, flags, corpus.truth, np.rint(weights).astype(np.int64))


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
        flags = rows.flags[held]
        found = Matrix(
            flags.data, flags.indices.astype(np.int64), flags.indptr.astype(np.int64), flags.shape[1], np.zeros(len(held))
        )
        blended[held] = stack.blend(rows.logits[held], found)
    return whole, blended


def _fit(rows: Rows, kept: NDArray[np.int64], recipe: StackRecipe) -> Stack:
    repeated = np.repeat(kept, rows.times[kept])
    scale = recipe.logit_scale / rows.temperature
    x = np.hstack([(rows.logits * scale).astype(np.float32), rows.flags.toarray()])[repeated]
    networks = (_network(x, rows.truth[repeated], recipe, seed) for seed in range(recipe.networks))
    return together([_as_stack(network, scale, rows, recipe) for network in networks])


def _network(x: NDArray[np.float32], truth: NDArray[np.int64], recipe: StackRecipe, seed: int) -> MLPClassifier:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    network = MLPClassifier(
        (recipe.hidden,),
        alpha=recipe.decay,
        batch_size=recipe.rows_at_once,
        learning_rate_init=recipe.step,
        max_iter=recipe.epochs,
        random_state=seed,
    )
    with threadpool_limits(limits=1), warnings.catch_warnings():  # one thread: sums in one order, so the same bits
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs and no more is what is wanted
        return network.fit(x, truth)


def _as_stack(network: MLPClassifier, scale: float, rows: Rows, recipe: StackRecipe) -> Stack:
    labels = rows.logits.shape[1]
    inner, outer = network.coefs_
    return Stack(
        flag_weights=inner[labels:].astype(np.float32),
        logit_weights=(inner[:labels] * scale).astype(np.float32),
        hidden_bias=network.intercepts_[0].astype(np.float32),
        out_weights=(outer * recipe.share).astype(np.float32),
        out_bias=(network.intercepts_[1] * recipe.share).astype(np.float32),
        linear_share=(1.0 - recipe.share) / rows.temperature,
    )
