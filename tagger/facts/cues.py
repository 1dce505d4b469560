"""The words that name what a figure is a figure of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tagger.facts.numbers import any_of
from tagger.facts.text import normalise
from tagger.law import Kind


class Cues:
    """Words that name the kinds of one dimension."""

    def __init__(self, kinds: Iterable[Kind], dimension: str) -> None:
        self._kind = {normalise(cue).folded: k.name for k in kinds if k.dimension == dimension for cue in k.cues}
        self._pattern = re.compile(any_of(self._kind)) if self._kind else None

    def _all(self, text: str) -> list[tuple[str, int, int]]:
        if self._pattern is None:
            return []
        return [(self._kind[m.group()], m.start(), m.end()) for m in self._pattern.finditer(text)]

    def last(self, text: str) -> tuple[str, int, int] | None:
        """Kind, start and end of the cue that ends last."""
        found = self._all(text)
        return found[-1] if found else None

    def first(self, text: str) -> tuple[str, int, int] | None:
        """Kind, start and end of the cue that starts first."""
        found = self._all(text)
        return found[0] if found else None
