"""The words that name what a figure is a figure of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from itertools import islice

from tagger.facts.text import fold_words
from tagger.facts.words import AnyOf
from tagger.law import Kind, QuantityFile

_ONE_HAN = re.compile("[\u4e00-\u9fff]")
_JOINTS = " :=("


def with_folded_cues(quantities: QuantityFile) -> QuantityFile:
    """The same, with the words that name kinds as a normalised text has them."""
    folded = iter(fold_words(cue for kind in quantities.kind for cue in kind.cues))
    kinds = (replace(kind, cues=tuple(islice(folded, len(kind.cues)))) for kind in quantities.kind)
    return replace(quantities, kind=tuple(kinds))


class CueBook:
    """The words of every dimension; those of one are gathered when a text first has a figure of it.

    Parameters
    ----------
    quantities : QuantityFile
        Its cues are folded.
    dimensions : iterable of str
    """

    def __init__(self, quantities: QuantityFile, dimensions: Iterable[str]) -> None:
        self._quantities = quantities
        self._dimensions = frozenset(dimensions)
        self._made: dict[str, Cues] = {}

    def of(self, dimension: str) -> Cues | None:
        """The words of a dimension; None where it is none of the units file."""
        if dimension not in self._dimensions:
            return None
        if dimension not in self._made:
            self._made[dimension] = Cues(self._quantities.kind, dimension, self._quantities.words.head)
        return self._made[dimension]

    @cached_property
    def any(self) -> AnyOf:
        """Any word of any dimension."""
        return AnyOf(c for k in self._quantities.kind for c in k.cues)


class Cues:
    """Words that name the kinds of one dimension.

    Parameters
    ----------
    kinds : iterable of Kind
        Their cues are folded.
    dimension : str
    heads : iterable of str
        Words that say no more than the dimension (volume, density): right behind a word that says more they yield to it.
    """

    def __init__(self, kinds: Iterable[Kind], dimension: str, heads: Iterable[str] = ()) -> None:
        own = [(cue, k) for k in kinds if k.dimension == dimension for cue in k.cues]
        self._kind = {cue.removeprefix("*"): k.name for cue, k in own}
        self._compounds = tuple(cue[1:] for cue, _ in own if cue[0] == "*")
        self._instead = {k.name: k.instead_of for _, k in own if k.instead_of}
        self._heads = frozenset(fold_words(heads))
        alone = [cue for cue, _ in own if dimension == "length" and _ONE_HAN.fullmatch(cue)]
        self._words = AnyOf((cue for cue, _ in own if cue not in alone), alone=alone)

    def _all(self, text: str) -> list[tuple[str, int, int]]:
        found: list[tuple[str, int, int]] = []
        for start, end, word in self._words.finditer(text):
            kind = self._of(word)
            joined = bool(found) and not text[found[-1][2] : start].strip(_JOINTS)
            if joined and (
                word in self._heads or kind in self._instead.get(found[-1][0], ())
            ):  # "mixing chamber volume", "缸径：φ700": the first word is the special one
                found[-1] = (found[-1][0], found[-1][1], end)
            else:
                found.append((kind, start, end))
        return found

    def _of(self, word: str) -> str:
        """The kind that a word names; of a compound, by its end."""
        return self._kind[word] if word in self._kind else next(self._kind[c] for c in self._compounds if word.endswith(c))

    def last(self, text: str) -> tuple[str, int, int] | None:
        """Kind, start and end of the cue that ends last; its kind yields to one before it that stands instead of it."""
        found = self._all(text)
        if not found:
            return None
        kind, start, end = found[-1]
        instead = next((k for k, *_ in reversed(found[:-1]) if kind in self._instead.get(k, ())), kind)
        return instead, start, end

    def first(self, text: str) -> tuple[str, int, int] | None:
        """Kind, start and end of the cue that starts first."""
        found = self._all(text)
        return found[0] if found else None
