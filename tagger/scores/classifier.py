"""The classifier at inference: arrays only, no scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagger.records import Facts, Scores
from tagger.scores.clearing import Clearing
from tagger.scores.conformal import prediction_sets
from tagger.scores.features import Vocabulary, flag_matrix, flag_positions, flags, ngrams, times, weigh
from tagger.scores.gate import Gate
from tagger.scores.network import Stack
from tagger.scores.risk import Risk

_AT_ONCE = 512  # texts scored together; bounds the memory of the gathered weights
_DECIMALS = 9  # a product of matrices differs in its last bits with the number of rows; an answer must not


class Logits(NamedTuple):
    """What a model says of some rows before its probabilities are calibrated.

    Attributes
    ----------
    categories : array of float64, rows x labels
    risk : array of float64
        Calibrated log-odds that a row is controlled or lacks a fact; minus infinity in a model without that opinion.
    familiar_share : array of float64
        Share of each row's basic n-grams that the model knows.
    """

    categories: NDArray[np.float64]
    risk: NDArray[np.float64]
    familiar_share: NDArray[np.float64]


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
    risk : Risk, optional
        How likely a row must not be cleared, whatever its category; None: the categories and clauses alone decide.
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
    risk: Risk | None = None
    gate: Gate | None = None

    @cached_property
    def _flag_positions(self) -> dict[str, int]:
        """Made once: for one text it takes longer to look the names up than to use them."""
        return flag_positions(self.flag_names)

    def logits(self, facts: Sequence[Facts], marks: Sequence[frozenset[str]]) -> Logits:
        """Logits of some rows; ``marks`` is what the rulebook says of each."""
        starts = range(0, len(facts), _AT_ONCE)
        pieces = [self._piece(facts[start : start + _AT_ONCE], marks[start : start + _AT_ONCE]) for start in starts]
        if not pieces:
            return Logits(np.zeros((0, len(self.labels))), np.zeros(0), np.zeros(0))
        return Logits(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))

    def _piece(self, facts: Sequence[Facts], marks: Sequence[frozenset[str]]) -> Logits:
        text = weigh(ngrams(facts), self.vocabulary)
        flagged = [flags(*row) for row in zip(facts, marks, strict=True)]
        flag = flag_matrix(flagged, self._flag_positions, self.flag_value)
        grams = len(self.vocabulary)
        linear = times(text, self.weights[:grams]) + times(flag, self.weights[grams:]) + self.intercept
        risk = np.full(len(facts), -np.inf) if self.risk is None else self.risk.logits(text, linear, flag)
        categories = linear if self.stack is None else self.stack.blend(linear, flag)
        return Logits(np.round(categories, _DECIMALS), np.round(risk, _DECIMALS), text.familiar_share)

    def predict_proba(self, facts: Sequence[Facts], marks: Sequence[frozenset[str]]) -> NDArray[np.float64]:
        """Calibrated probabilities, rows x labels."""
        return softmax(self.logits(facts, marks).categories / self.temperature + self.bias)

    def score(self, facts: Sequence[Facts], marks: Sequence[frozenset[str]]) -> list[Scores]:
        """Scores of each row, in order."""
        logits = self.logits(facts, marks)
        probabilities = softmax(logits.categories / self.temperature + self.bias)
        return as_scores(self.labels, self.set_thresholds, probabilities, logits)


def as_scores(
    labels: Sequence[str], thresholds: NDArray[np.float64], probabilities: NDArray[np.float64], logits: Logits
) -> list[Scores]:
    """Rows of probabilities as records, with their prediction sets, and what the logits say of risk and familiarity."""
    sets = prediction_sets(probabilities, thresholds)
    risks = 1.0 / (1.0 + np.exp(-logits.risk))
    return [
        Scores(
            probabilities=dict(zip(labels, (float(v) for v in p), strict=True)),
            labels=tuple(label for label, inside in zip(labels, chosen, strict=True) if inside),
            familiar_share=float(share),
            risk=float(risk),
        )
        for p, chosen, share, risk in zip(probabilities, sets, logits.familiar_share, risks, strict=True)
    ]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits, row by row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
