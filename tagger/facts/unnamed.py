"""Texts that name no thing: "as per attached list", 样品, "Ersatzteil". Nothing follows from them, whatever they are alike."""

from __future__ import annotations

import re

from tagger.facts.numbers import any_of
from tagger.facts.text import normalise
from tagger.law import UnnamedWords

_LONGEST = 60  # characters; a longer text names something, or much of it would be of such words


class Unnamed:
    """Tells which texts hold nothing but words that name no thing, numbers, signs and single letters.

    Parameters
    ----------
    words : UnnamedWords

    Examples
    --------
    >>> unnamed = Unnamed(UnnamedWords(words=("see", "drawing", "sample", "pcs", "样品")))
    >>> [unnamed.fits(text) for text in ("see drawing 12-a, 3 pcs", "样品 2", "sample bag", "samples", "")]
    [True, True, False, False, True]
    """

    def __init__(self, words: UnnamedWords) -> None:
        single = r"(?<![^\W\d_])[a-z](?![^\W\d_])"
        spellings = {form for word in words.words for form in (word, normalise(word).folded)}  # 図面 is 图面 in a folded text
        self._pattern = re.compile(rf"(?:{any_of(sorted(spellings))}|[\W\d_]|{single})*+")

    def fits(self, text: str) -> bool:
        """Whether a text is such a one, in lower case or folded."""
        return len(text) <= _LONGEST and self._pattern.fullmatch(text) is not None
