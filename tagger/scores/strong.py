"""Find the rows of a column that no gate may settle: words that name a listed item, or a figure that alone can meet a clause.

The words of the whole column become numbers by one dictionary, and numpy finds the rows that hold the words of a term with
which the subject of a clause begins. Where these may be all that a subject asks for ("artificial" names a diamond only beside
one), the matcher of the full road says which of them hold the terms themselves, so that the scan never misses a clause of which
the full road would speak. Of figures it is enough that one may be there.
"""

from __future__ import annotations

import contextlib
import re
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from typing import Any

import numpy as np

from tagger.cache import keep, recall
from tagger.collection import no_collection
from tagger.facts.reader import INDEX_FILES
from tagger.facts.text import fold_words, normalise
from tagger.facts.tokens import CJK, JOINTS, TermMatcher, stem, tokens
from tagger.law import Clause, QuantityFile, Units
from tagger.rulebook import DENIED, FIGURE, Rulebook
from tagger.scores.gate import Column, Gate, Indices, Mask, Words, fold, read_column, words_of
from tagger.scores.unnamed import nothing_but

_FEW = 32  # texts; below it looking at each is cheaper than numbering the words
_DEPTH = 5  # words of a phrase that are compared
_CACHED = (*INDEX_FILES, "scores/strong.py", "scores/gate.py")  # what the kept scan depends on
_TABLE_BITS = 19  # places for words whose numbers are remembered
_WIDE = re.compile(f"[{CJK}]")
_LETTER_FIRST, _LETTER_LAST = re.compile("[a-zа-яё]"), re.compile("[a-zа-яёäöüßéñμ]")
_OF_NOTATIONS = ("length", "tolerance", "temperature_uniformity")  # kinds that program code gives a figure
_TERM, _NAMED = "term", "named"
_SPELLED = "="  # between a concept and the spelling in which its term counts
_FIRST, _OTHER = "first of ", "other of "  # with a category: one of the first group of a subject, one of its other groups
Phrases = Iterable[tuple[Sequence[str], str, str]]  # stems, group, meaning
_LEVEL = "<i8"  # how the arrays of a level are kept


class PhraseScan:
    """Finds the rows of a column that may hold phrases, by the first words of each.

    Parameters
    ----------
    words : list of str
        Those of all phrases.
    ends : list of list
        Group and meaning of each phrase that ends at one place; nothing for the first of them.
    levels : list
        The steps from word to word.

    Examples
    --------
    >>> from tagger.scores.gate import read_column, words_of
    >>> phrases = [(["mixing", "kettle"], "machine", "kettle"), (["石", "墨", "粉"], "powder", "graphite"), (["dy"], "metal", "Dy")]
    >>> words = words_of(read_column(["Mixing-kettles", "石墨块 Dy", "kettle"]))
    >>> hits = PhraseScan.of(phrases).find(words, 3)
    >>> {group: rows.tolist() for group, rows in hits.groups.items()}
    {'machine': [True, False, False], 'metal': [False, True, False], 'powder': [False, False, False]}
    >>> sorted(hits.meanings(np.array([True, True, True])).items())
    [(0, {'kettle'}), (1, {'Dy'})]
    """

    def __init__(self, words: list[str], ends: list[list[list[str]]], levels: list[_Level]) -> None:
        self._words, self._ends, self._levels = words, ends, levels
        self._groups = sorted({group for end in ends for group, _ in end})
        bit = {group: 1 << n for n, group in enumerate(self._groups)}
        self._bits = np.array([sum({bit[group] for group, _ in end}) for end in ends], dtype=np.uint64)
        self._numbers = _Numbers({word: n for n, word in enumerate(words, 1)})
        self._first = levels[0].places(np.arange(len(words) + 1))  # where each word stands with which a phrase begins

    @classmethod
    @no_collection()
    def of(cls, phrases: Phrases) -> PhraseScan:
        """Gather phrases: the stems of each, the name of its group, and what it means."""
        folds = _Folded()
        found = [(tuple(filter(None, map(folds.__getitem__, stems)))[:_DEPTH], group, means) for stems, group, means in phrases]
        words = sorted(set(chain.from_iterable(stems for stems, _, _ in found)))
        number = {word: n for n, word in enumerate(words, 1)}
        steps: list[dict[int, int]] = [{} for _ in range(_DEPTH)]
        ends: list[dict[int, set[tuple[str, str]]]] = [defaultdict(set) for _ in range(_DEPTH)]
        for stems, group, means in found:
            node = 0
            for step, word in zip(steps, stems, strict=False):
                node = step.setdefault(node * (len(words) + 1) + number[word], len(step))
            if stems:
                ends[len(stems) - 1][node].add((group, means))
        at_nodes = [{node: tuple(sorted(end)) for node, end in level.items()} for level in ends]
        number_of = {end: n for n, end in enumerate(sorted({(), *(end for level in at_nodes for end in level.values())}))}
        levels = [_Level.of(s, {node: number_of[e] for node, e in level.items()}) for s, level in zip(steps, at_nodes, strict=True)]
        return cls(words, [list(map(list, end)) for end in number_of], levels)

    @classmethod
    def kept(cls, plain: Any) -> PhraseScan:
        """A scan from what :attr:`plain` gave.

        Raises
        ------
        TypeError, ValueError, AttributeError
            Where it is something else.
        """
        words, ends, levels = plain
        return cls(words.split("\n"), ends, [_Level.kept(level) for level in levels])

    @property
    def plain(self) -> list[Any]:
        """The scan as plain JSON."""
        return ["\n".join(self._words), self._ends, [level.plain for level in self._levels]]

    def find(self, words: Words, count: int) -> Hits:
        """Rows of ``count`` that hold a phrase, group by group, and what each phrase means."""
        numbers, rows = self._numbers.of(words), words.rows
        found = np.zeros(count, dtype=np.uint64)
        of_rows, of_ends = [], []
        places = self._first[numbers]
        known = np.append(numbers > 0, False)  # a phrase goes on only where a word of one stands
        at = np.flatnonzero(places >= 0)
        begins, places = rows[at], places[at]
        for level, longer in zip_longest(self._levels, self._levels[1:]):
            ends = level.ends[places]
            last = np.flatnonzero(ends)
            np.bitwise_or.at(found, begins[last], self._bits[ends[last]])
            of_rows.append(begins[last])
            of_ends.append(ends[last])
            if longer is None:
                break
            inside = np.flatnonzero(known[at + 1])
            at, begins, nodes = at[inside] + 1, begins[inside], level.nodes[places[inside]]
            places = longer.places(nodes * (len(self._words) + 1) + numbers[at])
            hit = np.flatnonzero((places >= 0) & (rows[at] == begins))
            at, begins, places = at[hit], begins[hit], places[hit]
        groups = {group: (found & np.uint64(1 << n)) != 0 for n, group in enumerate(self._groups)}
        return Hits(groups, np.concatenate(of_rows), np.concatenate(of_ends), self._ends)


class _Folded(dict[str, str]):
    """Stems as the column writes words; each is folded once."""

    def __missing__(self, word: str) -> str:
        found = self[word] = fold(word).strip()
        return found


@dataclass(frozen=True, slots=True)
class Hits:
    """What a scan found in a column.

    Attributes
    ----------
    groups : dict
        Name of a group to the rows that hold one of its phrases.
    rows, ends : array of int64
        The row of each phrase, and its place in ``all_ends``.
    all_ends : list of list
        Those of the scan.
    """

    groups: dict[str, Mask]
    rows: Indices
    ends: Indices
    all_ends: list[list[list[str]]]

    def meanings(self, wanted: Mask) -> dict[int, set[str]]:
        """What the phrases of some rows mean."""
        found: dict[int, set[str]] = defaultdict(set)
        at = np.flatnonzero(wanted[self.rows])
        for row, end in zip(self.rows[at].tolist(), self.ends[at].tolist(), strict=True):
            found[row].update(means for _, means in self.all_ends[end])
        return dict(found)


@dataclass(frozen=True, slots=True)
class _Level:
    """One step of all phrases: from the place that the words before lead to, and a word, to the next place.

    Attributes
    ----------
    keys, nodes : array of int64
        Place and word as one number, in order, and the place behind each.
    ends : array of int64
        The number of the phrases that end there; 0 where none does.
    """

    keys: Indices
    nodes: Indices
    ends: Indices

    @classmethod
    def of(cls, step: Mapping[int, int], ends: Mapping[int, int]) -> _Level:
        """The steps by key, and the number of what ends at a place."""
        keys = np.array(list(step), dtype=np.int64)
        order = np.argsort(keys)
        return cls(keys[order], order, np.array([ends.get(n, 0) for n in range(len(keys))], dtype=np.int64)[order])

    @classmethod
    def kept(cls, plain: Any) -> _Level:
        """A level from what :attr:`plain` gave."""
        level = cls(*(np.frombuffer(b64decode(part), dtype=_LEVEL) for part in plain))
        if not len(level.keys) == len(level.nodes) == len(level.ends):
            raise ValueError("arrays of different lengths")
        return level

    @property
    def plain(self) -> list[str]:
        """The arrays as texts."""
        return [b64encode(part.astype(_LEVEL).tobytes()).decode("ascii") for part in (self.keys, self.nodes, self.ends)]

    def places(self, keys: Indices) -> Indices:
        """Where keys stand in this step; -1 for one that is none of it."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


class _Numbers:
    """The numbers of the stems of words, 0 for a stem of no phrase.

    A stem is worked out once for a word that comes often: the place of a word in the table is a part of its hash, and the
    word that came last may have it. So no Python runs per word, and the table does not grow.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._of_stems = numbers
        self._hashes = np.zeros(1 << _TABLE_BITS, dtype=np.uint64)
        self._numbers = np.zeros(1 << _TABLE_BITS, dtype=np.int32)
        self._figures = words_of(read_column([word for word in numbers if word.isdecimal()])).hashes

    def of(self, words: Words) -> Indices:
        """The number of each word."""
        places = words.hashes >> np.uint64(64 - _TABLE_BITS)
        known = self._hashes[places] == words.hashes
        numbers: Indices = np.where(known, self._numbers[places], 0).astype(np.int64)
        new = np.flatnonzero(~known)
        new = new[~words.of_digits[new] | np.isin(words.hashes[new], self._figures)]  # catalogues are full of new numbers
        _, first, which = np.unique(words.hashes[new], return_index=True, return_inverse=True)
        found = np.array([self._of_stems.get(fold(stem(word)), 0) for word in words.texts(new[first])], dtype=np.int64)
        numbers[new] = found[which]
        at, last = np.unique(places[new], return_index=True)  # of words that share a place one has it
        self._hashes[at], self._numbers[at] = words.hashes[new[last]], numbers[new[last]]
        return numbers


class StrongRows:
    """Finds the rows that must take the full road.

    They hold a term of a listed item, or perhaps a figure that alone can meet a clause, or name no thing at all.

    Parameters
    ----------
    book : Rulebook
        The subjects of its clauses are what counts; those of unlisted neighbours open no clause.
    matcher : TermMatcher
        Of its terms.

    Examples
    --------
    >>> from tagger.facts.reader import term_matcher
    >>> from tagger.rulebook import load_rulebook
    >>> from tagger.scores.gate import read_column
    >>> book = load_rulebook()
    >>> strong = StrongRows(book, term_matcher(book))
    >>> texts = ["USB cable", "Granulation-kettles, 6 m3", "pouch 330 Wh/kg", "pouch 3.7 V 5 Ah 60 g", "pouch 60 g"]
    >>> strong.find(texts, read_column(texts)).tolist()
    [False, True, True, True, False]
    >>> texts = ["fabric of synthetic fibres", "synthetic diamond powder"]
    >>> strong.find(texts, read_column(texts)).tolist()
    [False, True]
    """

    def __init__(self, book: Rulebook, matcher: TermMatcher) -> None:
        subjects = [_Subject.of(clause) for clause in book.clauses]
        self._subjects = _by_concept(subjects)
        self._roles = _roles(subjects)
        self._matcher = matcher
        self._rules_id = book.rules_id
        self._unnamed = nothing_but(book.unnamed.words)
        kinds = {name.removeprefix(FIGURE) for c in book.clauses for name in c.subject[0] if name.startswith(FIGURE)}
        self._figures = _FigurePhrases(kinds, book.units, book.quantities)

    def find(self, texts: Sequence[str], column: Column) -> Mask:
        """Which of some readable texts are such rows; ``column`` holds the same texts."""
        few = len(texts) < _FEW
        words = words_of(column)
        hits = (self._figure_scan if few else self._scan).find(words, len(texts))
        figures = self._figures.may_be(hits.groups, len(texts)) & column.has_number
        terms = np.ones(len(texts), dtype=np.bool_) if few else _may_name_an_item(hits.groups)
        open_ = terms & ~figures
        meant = {} if few else hits.meanings(open_)
        for row in np.flatnonzero(open_).tolist():
            clean = normalise(texts[row])
            likely = few or self._names_an_item(_meant_in(clean.text.translate(JOINTS), meant[row]))
            terms[row] = likely and self._names_an_item({t.concept for t in self._matcher.find(clean)})
        unnamed = self._unnamed.may_fit(words, len(texts))
        rows = np.flatnonzero(unnamed)
        unnamed[rows] = [self._unnamed.fits(text.strip()) for text in column.part(rows).texts()]
        return np.asarray(terms | figures | unnamed)

    def _names_an_item(self, concepts: set[str]) -> bool:
        return any(
            all(not group.isdisjoint(concepts) for group in subject.others)
            for concept in concepts
            for subject in self._subjects.get(concept, ())
        )

    @cached_property
    def _scan(self) -> PhraseScan:
        """Kept from start to start: it takes longer to make than some thousand rows to scan."""
        kept = recall("scan", self._rules_id, _CACHED)
        with contextlib.suppress(TypeError, ValueError, AttributeError):  # none was kept, or something else
            return PhraseScan.kept(kept)
        scan = PhraseScan.of([*self._terms(), *self._figures])
        keep("scan", self._rules_id, _CACHED, scan.plain)
        return scan

    @cached_property
    def _figure_scan(self) -> PhraseScan:
        return PhraseScan.of(self._figures)

    def _terms(self) -> Iterator[tuple[list[str], str, str]]:
        index = self._matcher.index
        said = [[(role, f"{of}{_SPELLED}{spelling}") for role in self._roles.get(of, ())] for of, _, spelling in index.entries]
        for stems, numbers in index.phrases():
            for number in numbers:
                for role, means in said[number]:
                    yield stems, role, means


def _may_name_an_item(groups: Mapping[str, Mask]) -> Mask:
    """Rows with a term that names an item alone, or with both sides of the subjects of a category."""
    rows = groups[_TERM]
    for group in groups:
        if group.startswith(_FIRST) and (other := group.replace(_FIRST, _OTHER)) in groups:
            rows = rows | (groups[group] & groups[other])
    return rows


def _meant_in(text: str, meanings: Iterable[str]) -> set[str]:
    """The concepts that phrases of a text may mean; a term that counts in its own letter case must stand so (Tb, not TB)."""
    parts = (meaning.partition(_SPELLED) for meaning in meanings)
    return {concept for concept, _, spelling in parts if spelling in text}


@dataclass(frozen=True, slots=True)
class _Subject:
    """What names the item of a clause: one concept of ``first``, and one of each of the ``others``."""

    category: str
    first: frozenset[str]
    others: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, clause: Clause) -> _Subject:
        """The subject of a clause by its words; a figure may always be there."""
        first, *others = (frozenset(c.removeprefix(DENIED) for c in group if not c.startswith(FIGURE)) for group in clause.subject)
        with_figure = [any(c.startswith(FIGURE) for c in group) for group in clause.subject[1:]]
        return cls(clause.category, first, tuple(group for group, figure in zip(others, with_figure, strict=True) if not figure))


def _by_concept(subjects: Iterable[_Subject]) -> dict[str, list[_Subject]]:
    found: dict[str, list[_Subject]] = defaultdict(list)
    for subject in subjects:
        for concept in subject.first:
            found[concept].append(subject)
    return dict(found)


def _roles(subjects: Iterable[_Subject]) -> dict[str, set[str]]:
    """The groups of phrases in which the scan looks for the terms of each concept."""
    found: dict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        for concept in subject.first:
            found[concept].add(_FIRST + subject.category if subject.others else _TERM)
        for concept in frozenset().union(*subject.others):
            found[concept].add(_OTHER + subject.category)
    return {concept: {_TERM} if _TERM in roles else roles for concept, roles in found.items()}


class Settler:
    """The gate and what it may not settle, together.

    Parameters
    ----------
    gate : Gate
    strong : StrongRows
    """

    def __init__(self, gate: Gate, strong: StrongRows) -> None:
        self._gate = gate
        self._strong = strong

    def settles(self, texts: Sequence[str]) -> Mask:
        """Which texts are everyday goods beyond doubt, as a column: it does not depend on what else is in it."""
        column = read_column(texts)
        rows = np.flatnonzero(self._gate.passes(column))
        found = np.zeros(len(texts), dtype=np.bool_)
        if len(rows):
            found[rows] = ~self._strong.find([texts[row] for row in rows.tolist()], column.part(rows))
        return found


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
        self._anywhere = not of_notation.isdisjoint(self._kinds) or not all(map(_is_whole, fold_words(cues)))
        self._cues = cues

    def may_be(self, found: Mapping[str, Mask], count: int) -> Mask:
        """Which of ``count`` rows may hold such a figure, by the groups of phrases that they hold."""
        rows = np.full(count, self._anywhere)
        if _NAMED in found:
            rows |= found[_NAMED]
        for dimensions in self._recipes:
            rows |= np.logical_and.reduce([found[dimension] for dimension in dimensions])
        return rows

    def __iter__(self) -> Iterator[tuple[list[str], str, str]]:
        phrases = list(self._phrases())
        for (_, group), folded in zip(phrases, fold_words(phrase for phrase, _ in phrases), strict=True):
            yield _stems(folded), group, group

    def _phrases(self) -> Iterator[tuple[str, str]]:
        yield from ((cue, _NAMED) for cue in self._cues)
        yield from ((symbol, _NAMED) for symbol, kind in self._quantities.composition.items() if kind in self._kinds)
        needed = {d for dimensions in self._recipes for d in dimensions}
        for dimension in self._units.dimension:
            if dimension.name in needed:
                for form in (f for unit in dimension.units for f in (*unit.forms, *unit.exact)):
                    yield form, dimension.name
                    yield "".join(form.split()), dimension.name  # a space inside a unit may be left out

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


def _stems(folded: str) -> list[str]:
    """The stems of a normalised word of the data files."""
    return [stem(piece) for piece in tokens(folded.translate(JOINTS).strip())[0]]


def _is_whole(folded: str) -> bool:
    """Whether a normalised word that names a figure is found as whole words only."""
    ends = ((folded[0], _LETTER_FIRST), (folded[-1], _LETTER_LAST))
    return all(letters.match(c) or _WIDE.match(c) or not c.isalpha() for c, letters in ends)
