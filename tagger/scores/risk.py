"""How likely a text is of an item that must not be cleared, whatever its category.

The categories say what a thing is; that it may be cleared is then said by its clauses. Where a clause is taken for failed that the
text leaves open, or where the thing goes by a name that no one wrote down, the category's probability does not tell. So a model of
its own is fitted on whether rows are controlled or lack a fact: a linear one that hears the wording alone, and a network that hears
it beside the logits of the categories and the flags. Nothing is cleared that this model thinks too likely to be such a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagger.scores.features import Matrix, times
from tagger.scores.network import Network


@dataclass(frozen=True)
class Risk:
    """A fitted model of risk, as plain arrays.

    Attributes
    ----------
    weights : array of float32, shape (n_ngrams, 1)
        Of the wording.
    intercept : float
    network : Network
        Over the linear logits of the categories and the wording's logit; its one output already carries its share.
    wording_share : float
        What the wording's logit is multiplied by before the network's is added.
    slope, offset : float
        The sum is multiplied by the one and the other added, so that the probabilities are those of rows that were not fitted on.
    """

    weights: NDArray[np.float32]
    intercept: float
    network: Network
    wording_share: float
    slope: float = 1.0
    offset: float = 0.0

    def logits(self, text: Matrix, categories: NDArray[np.float64], flags: Matrix) -> NDArray[np.float64]:
        """Log-odds of each row that it is controlled or lacks a fact.

        Parameters
        ----------
        text : Matrix
            Weighted n-grams.
        categories : array of float64, rows x labels
            Linear logits.
        flags : Matrix
        """
        return self.blend(times(text, self.weights) + self.intercept, categories, flags)

    def blend(self, wording: NDArray[np.float64], categories: NDArray[np.float64], flags: Matrix) -> NDArray[np.float64]:
        """The same of the wording's logits, rows x 1."""
        both = wording * self.wording_share + self.network.outputs(np.hstack([categories, wording]), flags)
        return np.asarray(both[:, 0] * self.slope + self.offset)
