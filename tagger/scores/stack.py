"""A small network over the logits of the linear classifier and the flags of a text.

A linear model cannot say that a flag means one thing beside another: that a text is about a part where it also points at the
machine, say. What the network says of this is averaged with what the linear model says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.scores.features import Matrix


@dataclass(frozen=True)
class Stack:
    """A fitted network with one hidden layer of rectified units, as plain arrays.

    Attributes
    ----------
    flag_weights : array of float32, shape (n_flags, n_hidden)
    logit_weights : array of float32, shape (n_labels, n_hidden)
    hidden_bias : array of float32, shape (n_hidden,)
    out_weights : array of float32, shape (n_hidden, n_labels)
    out_bias : array of float32, shape (n_labels,)
    linear_share : float
        What the logits of the linear model are multiplied by before those of the network are added.

    Examples
    --------
    One hidden unit that takes a flag, and adds twice its value to the second label:

    >>> one = np.ones((1, 1), dtype=np.float32)
    >>> stack = Stack(one, np.zeros((2, 1)), np.zeros(1), np.array([[0.0, 2.0]]), np.zeros(2), linear_share=0.5)
    >>> flags = Matrix(np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64), np.array([0, 1, 1]), 1, np.zeros(2))
    >>> stack.blend(np.array([[4.0, 0.0], [4.0, 0.0]]), flags).tolist()
    [[2.0, 2.0], [2.0, 0.0]]
    """

    flag_weights: NDArray[np.float32]
    logit_weights: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    out_weights: NDArray[np.float32]
    out_bias: NDArray[np.float32]
    linear_share: float

    def blend(self, logits: NDArray[np.float64], flags: Matrix) -> NDArray[np.float64]:
        """Logits of both together, rows x labels; of ``flags`` only counts which are set."""
        hidden = logits @ self.logit_weights + self.hidden_bias
        filled = np.flatnonzero(np.diff(flags.ends))
        if len(filled):
            hidden[filled] += np.add.reduceat(self.flag_weights[flags.columns], flags.ends[:-1][filled], axis=0)
        return np.asarray(logits * self.linear_share + np.maximum(hidden, 0.0) @ self.out_weights + self.out_bias)


def together(stacks: Sequence[Stack]) -> Stack:
    """The average of several networks, as one whose hidden layer holds the units of all.

    Examples
    --------
    >>> one = np.ones((1, 1), dtype=np.float32)
    >>> a, b = (Stack(one, np.zeros((2, 1)), np.zeros(1), np.array([[0.0, x]]), np.zeros(2), linear_share=0.5) for x in (2.0, 4.0))
    >>> flags = Matrix(np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.int64), np.array([0, 1]), 1, np.zeros(1))
    >>> together([a, b]).blend(np.array([[4.0, 0.0]]), flags).tolist()
    [[2.0, 3.0]]
    """
    share = np.float32(1.0 / len(stacks))
    return Stack(
        flag_weights=np.concatenate([s.flag_weights for s in stacks], axis=1),
        logit_weights=np.concatenate([s.logit_weights for s in stacks], axis=1),
        hidden_bias=np.concatenate([s.hidden_bias for s in stacks]),
        out_weights=np.concatenate([s.out_weights for s in stacks]) * share,
        out_bias=np.stack([s.out_bias for s in stacks]).sum(axis=0) * share,
        linear_share=stacks[0].linear_share,
    )
