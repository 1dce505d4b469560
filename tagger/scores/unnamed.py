"""Texts that name no thing: "as per attached list", 样品, "Ersatzteil". Nothing follows from them, whatever they are alike.

The scan keeps them from the gate, and no decision clears them; both look at a text as :func:`tagger.scores.gate.fold` writes it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tagger.facts.text import normalise
from tagger.facts.words import any_of
from tagger.scores.gate import fold


@lru_cache(maxsize=4)
def nothing_but(words: tuple[str, ...]) -> re.Pattern[str]:
    """Pattern that fits a whole folded text of nothing but some words, numbers, signs and single letters.

    Examples
    --------
    >>> pattern = nothing_but(("see", "drawing", "sample", "pcs", "größe", "样品"))
    >>> texts = ("see drawing 12-a, 3 pcs", "样品 2", "Größe 5", "sample bag", "samples", "")
    >>> [pattern.fullmatch(fold(text)) is not None for text in texts]
    [True, True, True, False, False, True]
    """
    single = r"(?<![^\W\d_])[a-z](?![^\W\d_])"
    return re.compile(rf"(?:{any_of(fold(normalise(word).text) for word in words)}|[\W\d_]|{single})*+")
