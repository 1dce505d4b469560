"""Texts that name no thing: "as per attached list", 样品, "Ersatzteil". Nothing follows from them, whatever they are alike.

The scan keeps them from the gate, and no decision clears them; both look at a text as :func:`tagger.scores.gate.fold` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from tagger.facts.text import fold_words
from tagger.facts.words import AnyOf
from tagger.scores.gate import Mask, Words, fold, read_column, words_of

_SKIPPED = re.compile(r"[\W\d_]|(?<![^\W\d_])[a-z](?![^\W\d_])")  # signs and numbers, and letters that stand alone


@lru_cache(maxsize=4)
def nothing_but(words: tuple[str, ...]) -> NothingBut:
    """The reader of some words, made once for all who ask."""
    return NothingBut(words)


class NothingBut:
    """Tells folded texts of nothing but some words, numbers, signs and single letters.

    Parameters
    ----------
    words : iterable of str

    Examples
    --------
    >>> names_nothing = NothingBut(("see", "drawing", "sample", "pcs", "größe", "样品"))
    >>> texts = ("see drawing 12-a, 3 pcs", "样品 2", "Größe 5", "sample bag", "samples", "")
    >>> [names_nothing.fits(fold(text)) for text in texts]
    [True, True, True, False, False, True]
    >>> names_nothing.may_fit(words_of(read_column(texts)), len(texts)).tolist()
    [True, True, True, False, False, True]
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._given = sorted(map(fold, fold_words(words)))
        self._words = AnyOf(self._given)

    @cached_property
    def _hashes(self) -> NDArray[np.uint64]:
        """Of all words that stand in the given ones."""
        words = words_of(read_column(self._given))
        return np.unique(words.hashes[words.of_letters])

    def may_fit(self, words: Words, count: int) -> Mask:
        """Which of ``count`` texts hold no other word than the given ones hold; all texts that name no thing are among them."""
        known = self._hashes
        places = np.minimum(np.searchsorted(known, words.hashes), len(known) - 1)
        found = np.ones(count, dtype=np.bool_)
        found[words.rows[words.of_letters & (known[places] != words.hashes)]] = False
        return found

    def fits(self, text: str) -> bool:
        """Whether a folded text names no thing."""
        at = 0
        while at < len(text):
            word = self._words.match(text, at)
            if word is None and not _SKIPPED.match(text, at):
                return False
            at = word.end if word else at + 1
        return True
