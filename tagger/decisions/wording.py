"""Words of the rulebook as patterns: some scripts write spaces around a word, others do not. For the modules beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tagger.facts.text import fold_words

FIRST_WIDE = 0x2E80  # from here on characters (Han, Kana, Hangul) stand without spaces


def alternation(words: Iterable[str], *, wide: bool = False) -> str:
    r"""Alternation of the words that are written with (or, ``wide``, without) spaces between words; of none it matches nothing.

    The words are folded as the texts are in which they are looked for.

    Examples
    --------
    >>> alternation(["or", "Or else", "或"]), alternation(["or", "或", "或者"], wide=True), alternation(["或"])
    ('or\\ else|or', '或者|或', '(?!)')
    """
    chosen = [w for w in fold_words(words) if (ord(w[0]) >= FIRST_WIDE) == wide]
    return "|".join(sorted(map(re.escape, chosen), key=len, reverse=True)) or "(?!)"
