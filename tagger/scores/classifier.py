"""The classifier at inference: arrays only, no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tagger.records import Facts, Scores
from tagger.scores.clearing import Clearing
from tagger.scores.conformal import prediction_sets
from tagger.scores.features import Matrix, Vocabulary, flag_matrix, flags, ngrams, weigh
from tagger.scores.gate import Gate
from tagger.scores.stack import Stack

_AT_ONCE = 512  # texts scored together; bounds the memory of the gathered weights


@dataclass(frozen=True)
class Model:
    """A fitted linear model as plain arrays.

    Attributes
    ----------
    model_id : str
        Fingerprint of the arrays.
    labels : tuple of str
    vocabulary : Vocabulary
    flag_names : tuple of str
    flag_value : float
    weights : array of float32, shape (n_grams + n_flags, n_labels)
    intercept : array of float32, shape (n_labels,)
    temperature : float
        Logits are divided by it.
    bias : array of float64, shape (n_labels,)
        Added to the divided logits.
    set_thresholds : array of float64, shape (n_labels,)
        A label is in the prediction set where its probability is at least its threshold.
    clearing : Clearing
        How many risky rows the answers let pass, by strictness, on rows that the model was not fitted on.
    stack : Stack, optional
        The network whose logits are averaged with the linear ones; None: the linear model alone.
    gate : Gate, optional
        The cheap pass over a whole column; None in a model that was trained without it.
    """

    model_id: str
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    flag_names: tuple[str, ...]
    flag_value: float
    weights: NDArray[np.float32]
    intercept: NDArray[np.float32]
    temperature: float
    bias: NDArray[np.float64]
    set_thresholds: NDArray[np.float64]
    clearing: Clearing = field(default_factory=Clearing)
    stack: Stack | None = None
    gate: Gate | None = None

    def logits(self, facts: Sequence[Facts], marks: Sequence[frozenset[str]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logits (rows x labels) and the share of familiar n-grams of each row; ``marks`` is what the rulebook says of each."""
        logits = np.empty((len(facts), len(self.labels)))
        familiar = np.empty(len(facts))
        for start in range(0, len(facts), _AT_ONCE):
            piece = facts[start : start + _AT_ONCE]
            text = weigh(ngrams(piece), self.vocabulary)
            flagged = [flags(*row) for row in zip(piece, marks[start : start + _AT_ONCE], strict=True)]
            flag = flag_matrix(flagged, self.flag_names, self.flag_value)
            grams = len(self.vocabulary)
            scores = _times(text, self.weights[:grams]) + _times(flag, self.weights[grams:]) + self.intercept
            logits[start : start + _AT_ONCE] = scores if self.stack is None else self.stack.blend(scores, flag)
            familiar[start : start + _AT_ONCE] = text.familiar_share
        return logits, familiar

    def predict_proba(self, facts: Sequence[Facts], marks: Sequence[frozenset[str]]) -> NDArray[np.float64]:
        """Calibrated probabilities, rows x labels."""
        return softmax(self.logits(facts, marks)[0] / self.temperature + self.bias)

    def score(self, facts: Sequence[Facts], marks: Sequence[frozenset[str]]) -> list[Scores]:
        """Scores of each row, in order."""
        if not facts:
            return []
        logits, familiar = self.logits(facts, marks)
        probabilities = softmax(logits / self.temperature + self.bias)
        return as_scores(self.labels, probabilities, self.set_thresholds, familiar)


def as_scores(
    labels: Sequence[str], probabilities: NDArray[np.float64], thresholds: NDArray[np.float64], familiar: NDArray[np.float64]
) -> list[Scores]:
    """Rows of probabilities as records, with their prediction sets."""
    sets = prediction_sets(probabilities, thresholds)
    return [
        Scores(
            probabilities=dict(zip(labels, (float(v) for v in p), strict=True)),
            labels=tuple(label for label, inside in zip(labels, chosen, strict=True) if inside),
            familiar_share=float(share),
        )
        for p, chosen, share in zip(probabilities, sets, familiar, strict=True)
    ]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits, row by row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _times(matrix: Matrix, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sparse rows times dense weights, one label after the other: sums along a row of an array are the quick ones in numpy."""
    product = np.zeros((len(matrix.ends) - 1, weights.shape[1]))
    filled = np.flatnonzero(np.diff(matrix.ends))
    if len(filled):
        starts = matrix.ends[:-1][filled]
        for label, own in enumerate(weights.T):
            product[filled, label] = np.add.reduceat(own[matrix.columns] * matrix.data, starts, dtype=np.float64)
    return product
