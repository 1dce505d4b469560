"""Small networks over the logits of linear models and the flags of a text.

A linear model cannot say that a flag means one thing beside another: that a text is about a part where it also points at the
machine, say. A network can; what it says is averaged with what the linear model says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.scores.features import Matrix

_FEW_NUMBERS = 1 << 17  # products of a piece; OpenBLAS works in one thread up to twice as many


@dataclass(frozen=True)
class Network:
    """A fitted network with one hidden layer of rectified units, as plain arrays.

    Attributes
    ----------
    flag_weights : array of float32, shape (n_flags, n_hidden)
    input_weights : array of float32, shape (n_inputs, n_hidden)
    hidden_bias : array of float32, shape (n_hidden,)
    out_weights : array of float32, shape (n_hidden, n_outputs)
    out_bias : array of float32, shape (n_outputs,)

    Examples
    --------
    One hidden unit that takes a flag, and adds twice its value to the second output:

    >>> one = np.ones((1, 1), dtype=np.float32)
    >>> network = Network(one, np.zeros((2, 1)), np.zeros(1), np.array([[0.0, 2.0]]), np.zeros(2))
    >>> flags = Matrix(np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64), np.array([0, 1, 1]), 1, np.zeros(2))
    >>> network.outputs(np.zeros((2, 2)), flags).tolist()
    [[0.0, 2.0], [0.0, 0.0]]
    """

    flag_weights: NDArray[np.float32]
    input_weights: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    out_weights: NDArray[np.float32]
    out_bias: NDArray[np.float32]

    def outputs(self, inputs: NDArray[np.float64], flags: Matrix) -> NDArray[np.float64]:
        """Logits, rows x outputs; of ``flags`` only counts which are set."""
        hidden = _product(inputs, self.input_weights) + self.hidden_bias
        filled = np.flatnonzero(flags.counts)
        if len(filled):
            hidden[filled] += np.add.reduceat(self.flag_weights[flags.columns], flags.ends[:-1][filled], axis=0)
        return np.asarray(_product(np.maximum(hidden, 0.0), self.out_weights) + self.out_bias)


def _product(rows: NDArray[np.float64], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows times weights, a few rows at once.

    For more of them BLAS wakes its threads, which cost more than they save on matrices so small, and take the cores that other
    processes of a run are at work on.
    """
    step = max(1, _FEW_NUMBERS // weights.size)
    pieces = [rows[start : start + step] @ weights for start in range(0, len(rows), step)]
    return np.concatenate(pieces) if pieces else np.zeros((0, weights.shape[1]))


def together(networks: Sequence[Network]) -> Network:
    """The average of several networks, as one whose hidden layer holds the units of all.

    Examples
    --------
    >>> one = np.ones((1, 1), dtype=np.float32)
    >>> a, b = (Network(one, np.zeros((2, 1)), np.zeros(1), np.array([[0.0, x]]), np.zeros(2)) for x in (2.0, 4.0))
    >>> flags = Matrix(np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64), np.array([0, 1]), 1, np.zeros(1))
    >>> together([a, b]).outputs(np.zeros((1, 2)), flags).tolist()
    [[0.0, 3.0]]
    """
    share = np.float32(1.0 / len(networks))
    return Network(
        flag_weights=np.concatenate([n.flag_weights for n in networks], axis=1),
        input_weights=np.concatenate([n.input_weights for n in networks], axis=1),
        hidden_bias=np.concatenate([n.hidden_bias for n in networks]),
        out_weights=np.concatenate([n.out_weights for n in networks]) * share,
        out_bias=np.stack([n.out_bias for n in networks]).sum(axis=0) * share,
    )


@dataclass(frozen=True)
class Stack:
    """Linear logits averaged with those of a network over them.

    Attributes
    ----------
    network : Network
        Its outputs already carry their share.
    linear_share : float
        What the linear logits are multiplied by.
    """

    network: Network
    linear_share: float

    def blend(self, logits: NDArray[np.float64], flags: Matrix) -> NDArray[np.float64]:
        """Logits of both together, rows x labels."""
        return np.asarray(logits * self.linear_share + self.network.outputs(logits, flags))
