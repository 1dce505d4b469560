"""Fit small networks over logits and flags with scikit-learn, as plain arrays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagger.scores.network import Network, together

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.neural_network import MLPClassifier


@dataclass(frozen=True, slots=True)
class NetworkRecipe:
    """Settings of a fit; they stand in the manifest."""

    networks: int = 2  # from different beginnings, averaged
    hidden: int = 128
    decay: float = 0.01
    epochs: int = 8
    step: float = 4e-3
    rows_at_once: int = 512
    share: float = 0.5  # of the networks in what they and the linear model say together


def fit_networks(inputs: NDArray[np.float64], flags: csr_matrix, truth: NDArray[np.int64], recipe: NetworkRecipe) -> Network:
    """Fit networks and average them; the outputs of the average carry the share of the recipe.

    Parameters
    ----------
    inputs : array of float64, rows x inputs
    flags : csr_matrix, rows x flags
        Ones where a flag is set.
    truth : array of int64
        The number of each row's label. Of two labels the networks have one output, the log-odds of the second.
    recipe : NetworkRecipe
    """
    from scipy.sparse import csr_matrix, hstack

    x = hstack([csr_matrix(inputs.astype(np.float32)), flags], format="csr")
    return together([_as_network(_fit(x, truth, recipe, seed), inputs.shape[1], recipe.share) for seed in range(recipe.networks)])


def over(network: Network, scale: NDArray[np.float64]) -> Network:
    """A network that was fitted on scaled inputs, as one over the inputs themselves."""
    return replace(network, input_weights=(network.input_weights * scale[:, None]).astype(np.float32))


def _fit(x: csr_matrix, truth: NDArray[np.int64], recipe: NetworkRecipe, seed: int) -> MLPClassifier:
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


def _as_network(network: MLPClassifier, inputs: int, share: float) -> Network:
    inner, outer = network.coefs_
    return Network(
        flag_weights=inner[inputs:].astype(np.float32),
        input_weights=inner[:inputs].astype(np.float32),
        hidden_bias=network.intercepts_[0].astype(np.float32),
        out_weights=(outer * share).astype(np.float32),
        out_bias=(network.intercepts_[1] * share).astype(np.float32),
    )
