"""Find the rows of a column that no gate may settle: a word that names a listed item, or a figure that alone can meet a clause.

The words of the whole column become numbers by one dictionary, and numpy finds the rows that hold the first two words of such
a term. The matcher of the full road then says which of them hold the term itself, so that the scan never misses what the full
road would find. Of figures it is enough that one may be there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tagger.facts.text import normalise
from tagger.facts.tokens import CJK, GLUE, JOINTS, TermIndex, TermMatcher, stem, tokens
from tagger.law import QuantityFile, Units
from tagger.rulebook import FIGURE, Rulebook
from tagger.scores.gate import Column, Mask, fold, words_of

_FEW = 32  # texts; below it looking at each is cheaper than numbering the words
_MOST_WORDS = 1_000_000  # words whose numbers are remembered
_WIDE = re.compile(f"[{CJK}]")
_LETTER_FIRST, _LETTER_LAST = re.compile("[a-zа-яё]"), re.compile("[a-zа-яёäöüßéñμ]")
_OF_NOTATIONS = ("length", "tolerance", "temperature_uniformity")  # kinds that program code gives a figure
_TERM, _NAMED = "term", "named"
Phrases = Iterable[tuple[Sequence[str], str]]


class PhraseScan:
    """Finds the rows of a column that may hold phrases, by the first two words of each.

    Parameters
    ----------
    phrases : iterable
        The stems of each phrase, and the name of its group.

    Examples
    --------
    >>> from tagger.scores.gate import read_column
    >>> scan = PhraseScan([(["granulation", "kettle"], "machine"), (["石", "墨", "粉"], "powder"), (["dy"], "metal")])
    >>> found = scan.find(read_column(["Granulation-kettles", "石墨块 Dy", "kettle"]))
    >>> {group: rows.tolist() for group, rows in found.items()}
    {'machine': [True, False, False], 'metal': [False, True, False], 'powder': [False, True, False]}
    """

    def __init__(self, phrases: Phrases) -> None:
        found = [(tuple(filter(None, (fold(word).strip() for word in stems))), group) for stems, group in phrases]
        self._groups = sorted({group for _, group in found})
        number = {word: n for n, word in enumerate(sorted({w for words, _ in found for w in words[:2]}), 1)}
        bit = {group: 1 << n for n, group in enumerate(self._groups)}
        self._single = np.zeros(len(number) + 1, dtype=np.uint32)
        pairs: dict[int, int] = defaultdict(int)
        for words, group in found:
            if len(words) == 1:
                self._single[number[words[0]]] |= bit[group]
            elif words:
                pairs[number[words[0]] * len(self._single) + number[words[1]]] |= bit[group]
        self._pairs = np.array(sorted(pairs), dtype=np.int64)
        self._of_pairs = np.array([pairs[int(p)] for p in self._pairs], dtype=np.uint32)
        self._numbers = _Numbers(number)

    def find(self, column: Column) -> dict[str, Mask]:
        """Rows that hold the first two words of a phrase, group by group."""
        words, rows = words_of(column)
        if len(self._numbers) > _MOST_WORDS:
            self._numbers.clear()
        numbers = np.fromiter(map(self._numbers.__getitem__, words), dtype=np.int64, count=len(words))
        found = np.zeros(len(column.starts), dtype=np.uint32)
        single = self._single[numbers]
        at = np.flatnonzero(single)
        np.bitwise_or.at(found, rows[at], single[at])
        first = np.flatnonzero((numbers[:-1] > 0) & (numbers[1:] > 0) & (rows[:-1] == rows[1:]))
        if len(first) and len(self._pairs):
            keys = numbers[first] * len(self._single) + numbers[first + 1]
            places = np.minimum(np.searchsorted(self._pairs, keys), len(self._pairs) - 1)
            hit = self._pairs[places] == keys
            np.bitwise_or.at(found, rows[first[hit]], self._of_pairs[places[hit]])
        return {group: (found & np.uint32(1 << n)) != 0 for n, group in enumerate(self._groups)}


class _Numbers(dict[str, int]):
    """Folded words to the numbers of their stems, 0 for a stem of no phrase; worked out once a word."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        super().__init__()
        self._of_stems = numbers

    def __missing__(self, word: str) -> int:
        self[word] = number = self._of_stems.get(fold(stem(word)), 0)
        return number


class StrongRows:
    """Finds the rows that must take the full road: with a term that names a listed item, or perhaps a figure that alone can meet a clause.

    Parameters
    ----------
    book : Rulebook
        Its ``nouns`` are what counts.
    index : TermIndex
        Of its terms.

    Examples
    --------
    >>> from tagger.facts.reader import term_index
    >>> from tagger.rulebook import load_rulebook
    >>> from tagger.scores.gate import read_column
    >>> book = load_rulebook()
    >>> strong = StrongRows(book, term_index(book))
    >>> texts = ["USB cable", "Granulation-kettles, 6 m3", "pouch 330 Wh/kg", "pouch 3.7 V 5 Ah 60 g", "pouch 60 g"]
    >>> strong.find(texts, read_column(texts)).tolist()
    [False, True, True, True, False]
    """

    def __init__(self, book: Rulebook, index: TermIndex) -> None:
        self._concepts = book.nouns
        self._index = index
        self._matcher = TermMatcher(index)
        kinds = {name.removeprefix(FIGURE) for name in book.nouns if name.startswith(FIGURE)}
        self._figures = _FigurePhrases(kinds, book.units, book.quantities)

    def find(self, texts: Sequence[str], column: Column) -> Mask:
        """Which of some readable texts are such rows; ``column`` holds the same texts."""
        found = self._scan.find(column)
        figures = self._figures.may_be(found) & column.has_digit
        terms = np.ones(len(texts), dtype=np.bool_) if len(texts) < _FEW else found.get(_TERM, np.zeros(len(texts), dtype=np.bool_))
        for row in np.flatnonzero(terms & ~figures):
            terms[row] = any(t.concept in self._concepts for t in self._matcher.find(normalise(texts[row])))
        return np.asarray(terms | figures)

    @cached_property
    def _scan(self) -> PhraseScan:
        return PhraseScan([*self._terms(), *self._figures])

    def _terms(self) -> Iterator[tuple[list[str], str]]:
        strong = {n for n, entry in enumerate(self._index.entries) if entry[0] in self._concepts}
        for table in (self._index.single, self._index.longer):
            for key, numbers in table.items():
                if not strong.isdisjoint(numbers):
                    yield key.split(GLUE), _TERM


class _FigurePhrases:
    """The words by which a figure of some kinds is named, and the units of what it is derived from."""

    def __init__(self, kinds: Iterable[str], units: Units, quantities: QuantityFile) -> None:
        self._units = units
        self._quantities = quantities
        self._kinds = _sources(kinds, quantities)
        cues = [c for k in quantities.kind if k.name in self._kinds for c in k.cues]
        of_notation = {units.mesh.kind, units.micropowder.kind, units.nines.kind, *_OF_NOTATIONS, *quantities.words.labels.values()}
        of_notation |= {quantities.pack.series_kind, quantities.pack.parallel_kind}
        # a figure that is named by no whole word may be anywhere
        self._anywhere = not of_notation.isdisjoint(self._kinds) or not all(map(_is_whole, cues))
        self._cues = cues

    def may_be(self, found: Mapping[str, NDArray[np.bool_]]) -> Mask:
        """Rows that may hold such a figure, by the groups of phrases that they hold."""
        rows = np.asarray(np.full_like(found[_TERM], self._anywhere))
        rows |= found.get(_NAMED, False)
        for dimensions in self._recipes:
            rows |= np.logical_and.reduce([found[dimension] for dimension in dimensions])
        return rows

    def __iter__(self) -> Iterator[tuple[list[str], str]]:
        for cue in self._cues:
            yield _stems(cue), _NAMED
        for symbol, kind in self._quantities.composition.items():
            if kind in self._kinds:
                yield _stems(symbol), _NAMED
        needed = {d for dimensions in self._recipes for d in dimensions}
        for dimension in self._units.dimension:
            if dimension.name in needed:
                for form in (f for unit in dimension.units for f in (*unit.forms, *unit.exact)):
                    yield _stems(form), dimension.name
                    yield _stems("".join(form.split())), dimension.name  # a space inside a unit may be left out

    @cached_property
    def _recipes(self) -> list[list[str]]:
        """Dimensions that must all be there for a figure to be derived."""
        kinds = {k.name: k for k in self._quantities.kind}
        found = [sorted({kinds[f.kind].dimension for f in d.factors}) for d in self._quantities.derived if d.kind in self._kinds]
        pack = self._quantities.pack
        if pack.kind in self._kinds:
            mass = kinds[pack.cell_mass].dimension
            found += [sorted({kinds[source].dimension, mass}) for source in (pack.energy, pack.charge)]
        return found


def _sources(kinds: Iterable[str], quantities: QuantityFile) -> set[str]:
    """Some kinds, and all that a figure of them may first be taken for."""
    found = set(kinds)
    while True:
        more = {k.name for k in quantities.kind if not found.isdisjoint((k.outside, k.capped))}
        more |= {c.of for c in quantities.conversion if c.kind in found}
        more |= {of for c in quantities.complement if c.kind in found for of in c.of}
        more |= {of for c in quantities.context if c.kind in found for of in c.of}
        if more <= found:
            return found
        found |= more


def _stems(word: str) -> list[str]:
    """The stems of a word of the data files."""
    return [stem(piece) for piece in tokens(normalise(word).folded.translate(JOINTS).strip())[0]]


def _is_whole(cue: str) -> bool:
    """Whether a word that names a figure is found as whole words only."""
    folded = normalise(cue).folded
    ends = ((folded[0], _LETTER_FIRST), (folded[-1], _LETTER_LAST))
    return all(letters.match(c) or _WIDE.match(c) or not c.isalpha() for c, letters in ends)
