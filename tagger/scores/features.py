"""Features of a text: hashed character and word n-grams over a whole column at once, and flags from its facts.

The head of a text, what stands before the first word of purpose or break ("flow meter" of "flow meter for filling machine"),
tells best what the thing itself is; its words count once more, apart and as much as all the rest. No Python runs per n-gram:
the texts are joined to one array of code points, every n-gram gets a 32-bit hash by numpy, and a vocabulary of hashes (kept
from training) says which ones count. Training and inference call the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.facts.tokens import CJK
from tagger.records import Facts

LONGEST_NGRAM = 5  # characters
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2**64
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SPACE = ord(" ")
_HEAD = np.uint32(1)  # the last bit of a hash
_FIRST_WIDE = 0x2E80  # from here on a character is about a syllable or a word
_NO_WORD = re.compile(r"[\W_]+")
_BUCKET_BITS = 20
_FEW_FEATURES = 4096  # of all texts together
_LONGEST = 3000  # characters of a text that are scored: longer ones say what they are at their beginning
# Behind these stands what a thing is for, or something else; they are part of the model, as the lengths of the n-grams are.
_BREAK = re.compile(r"\b(?:for|used|für|zum|zur|для|para|per)\b|用于|用於|适用|適用|用の|向け|용\b|[,;:(|/]")
_LEAST_HEAD = 8  # characters that are head in any case
_HEAD_WORDS = 12
_WORD = re.compile(rf"[{CJK}]|(?:(?![{CJK}])[^\W\d_])+")
_END = "$"  # behind the last word of a head, so that the pair of both tells which one it is

Hashes = NDArray[np.uint32]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ngrams:
    """Hashes of all n-grams of some texts, with the row each belongs to; those of heads are odd, the others even.

    ``basic`` marks those that tell whether a text is familiar: single Han, Kana and Hangul characters, and three characters
    of other scripts. Longer ones of a text in a known language are mostly new.
    """

    rows: Rows
    hashes: Hashes
    basic: NDArray[np.bool_]
    texts: int


def ngrams(facts: Sequence[Facts]) -> Ngrams:
    """Hash the n-grams of a column.

    Character n-grams of 2 to 5 run over words padded with spaces, digits taken as one; single characters count where they are
    Han, Kana or Hangul; word n-grams of 1 and 2 keep digits. Of the head only words count, without digits.

    Parameters
    ----------
    facts : sequence of Facts

    Returns
    -------
    Ngrams
        One entry for every occurrence.
    """
    folded = [f.clean.folded[:_LONGEST] for f in facts]
    texts = [f" {_NO_WORD.sub(' ', text).strip()} " for text in folded]
    codes, rows = _codes([*texts, *map(_head, folded)])
    end = int(np.searchsorted(rows, len(texts)))  # behind it stand the heads
    of_characters, characters, basic = _character_ngrams(codes[:end], rows[:end])
    of_words, words = _word_ngrams(codes, rows)
    is_head = of_words >= len(texts)
    return Ngrams(
        np.concatenate([of_characters, np.where(is_head, of_words - len(texts), of_words)]),
        np.concatenate([characters & ~_HEAD, (words & ~_HEAD) | is_head]),
        np.concatenate([basic, np.zeros(len(words), dtype=np.bool_)]),
        len(texts),
    )


def _codes(texts: Sequence[str]) -> tuple[NDArray[np.uint64], Rows]:
    """The characters of all texts in one array, and the row of each."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    lengths = np.fromiter((len(t) for t in texts), dtype=np.int64, count=len(texts))
    return codes, np.repeat(np.arange(len(texts), dtype=np.int64), lengths)


def _head(text: str) -> str:
    """The words of a text up to its first break.

    Examples
    --------
    >>> _head("coriolis flow meter m15 for electrolyte filling"), _head("石墨化炉用石墨电极 φ400")
    (' coriolis flow meter m $ ', ' 石 墨 化 炉 用 石 墨 电 极 φ $ ')
    """
    found = _BREAK.search(text, _LEAST_HEAD)
    words = _WORD.findall(text[: found.start()] if found else text)[:_HEAD_WORDS]
    return f" {' '.join(words)} {_END} "


def _character_ngrams(codes: NDArray[np.uint64], rows: Rows) -> tuple[Rows, Hashes, NDArray[np.bool_]]:
    """Rows and hashes of all n-grams of characters, one line of a table for each length, and which of them are basic."""
    is_digit = (codes >= ord("0")) & (codes <= ord("9"))
    codes = np.where(is_digit, np.uint64(ord("0")), codes)
    is_wide = codes >= _FIRST_WIDE
    padded = np.concatenate([codes, np.zeros(LONGEST_NGRAM, dtype=np.uint64)])
    left = np.cumsum(np.bincount(rows))[rows] - np.arange(len(rows))  # characters of the text from each one on
    values = np.empty((LONGEST_NGRAM, len(codes)), dtype=np.uint64)
    values[0] = codes
    for n in range(1, LONGEST_NGRAM):
        values[n] = values[n - 1] * _BASE + padded[n : n + len(codes)]
    inside = left > np.arange(LONGEST_NGRAM)[:, None]
    inside[0] = is_wide
    basic = np.zeros_like(inside)
    basic[0] = is_wide
    basic[2, : len(codes) - 2] = ~(is_wide[:-2] | is_wide[1:-1] | is_wide[2:])
    return np.broadcast_to(rows, inside.shape)[inside], _finish(values[inside]), basic[inside]


def _word_ngrams(codes: NDArray[np.uint64], rows: Rows) -> tuple[Rows, Hashes]:
    """Rows and hashes of all words, and of all pairs of them."""
    is_word = codes != _SPACE
    turns = np.flatnonzero(is_word[1:] != is_word[:-1]) + 1  # each text begins and ends with a space
    starts, ends = turns[::2], turns[1::2]
    powers, inverse = _powers(_BASE, len(codes)), _powers(_INVERSE, len(codes))
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(codes * powers, dtype=np.uint64)])
    words = (sums[ends] - sums[starts]) * inverse[starts] + (ends - starts).astype(np.uint64)
    row = rows[starts]
    same = row[:-1] == row[1:]
    pairs = words[:-1] * _MIX + words[1:] + np.uint64(7)
    return np.concatenate([row, row[:-1][same]]), _finish(np.concatenate([words * _BASE + np.uint64(1), pairs[same]]))


def _powers(base: np.uint64, count: int) -> NDArray[np.uint64]:
    """The first powers of a base modulo 2**64, from the first on."""
    return np.multiply.accumulate(np.full(count, base, dtype=np.uint64))


def _finish(value: NDArray[np.uint64]) -> Hashes:
    """Spread the bits and keep 32 of them."""
    value = value ^ (value >> np.uint64(31))
    value = value * _MIX
    return (value >> np.uint64(32)).astype(np.uint32)


class Vocabulary:
    """The hashes that count, with their inverse document frequency.

    Parameters
    ----------
    hashes : array of uint32, sorted
    idf : array of float32
        Same length.
    """

    def __init__(self, hashes: Hashes, idf: NDArray[np.float32]) -> None:
        self.hashes = hashes
        self.idf = idf

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def fit(cls, found: Ngrams, least: int, most: int) -> Vocabulary:
        """Keep n-grams that occur in at least ``least`` texts, the ``most`` frequent of them."""
        cells = np.sort((found.hashes.astype(np.uint64) << np.uint64(32)) | found.rows.astype(np.uint64))
        once_a_text = (cells[_firsts(cells)] >> np.uint64(32)).astype(np.uint32)
        starts = np.flatnonzero(_firsts(once_a_text))
        hashes, counts = once_a_text[starts], np.diff(starts, append=len(once_a_text))
        keep = counts >= least
        hashes, counts = hashes[keep], counts[keep]
        if len(hashes) > most:
            strongest = np.sort(np.lexsort((hashes, -counts))[:most])
            hashes, counts = hashes[strongest], counts[strongest]
        idf = np.log((1 + found.texts) / (1 + counts)) + 1
        return cls(hashes, idf.astype(np.float32))

    @property
    def of_heads(self) -> NDArray[np.bool_]:
        """Which of its n-grams are words of heads."""
        return np.asarray((self.hashes & _HEAD) != 0)

    def locate(self, hashes: Hashes) -> NDArray[np.int64]:
        """Position of each hash in the vocabulary, -1 where it is not in it."""
        if not len(self.hashes):
            return np.full(len(hashes), -1, dtype=np.int64)
        if len(hashes) <= _FEW_FEATURES:  # of one text the calls take longer than the steps
            at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
            return np.where(self.hashes[at] == hashes, at, -1)
        found = np.full(len(hashes), -1, dtype=np.int64)
        buckets = hashes >> np.uint32(32 - _BUCKET_BITS)
        at, ends = self._buckets[buckets], self._buckets[buckets + np.uint32(1)]
        open_ = np.flatnonzero(at < ends)
        at, ends, wanted = at[open_], ends[open_], hashes[open_]
        while len(open_):  # as often as the fullest bucket has hashes
            hit = self.hashes[at] == wanted
            found[open_[hit]] = at[hit]
            left = np.flatnonzero(~hit & (at + 1 < ends))
            open_, at, ends, wanted = open_[left], at[left] + 1, ends[left], wanted[left]
        return found

    @cached_property
    def _buckets(self) -> NDArray[np.int32]:
        """Where the hashes with the same leading bits begin: a few steps from there are quicker than a binary search."""
        counts = np.bincount(self.hashes >> np.uint32(32 - _BUCKET_BITS), minlength=1 << _BUCKET_BITS)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of weighted features, in the three arrays of a compressed sparse row matrix."""

    data: NDArray[np.float32]
    columns: NDArray[np.int64]
    ends: NDArray[np.int64]
    width: int
    familiar_share: NDArray[np.float64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many features each row has."""
        return np.asarray(self.ends[1:] - self.ends[:-1])


def weigh(found: Ngrams, vocabulary: Vocabulary) -> Matrix:
    """Tf-idf over the vocabulary: each n-gram counts once a text; those of the head have length one, and so have the others.

    ``familiar_share`` is the share of a text's basic n-grams that the vocabulary holds.
    """
    at = vocabulary.locate(found.hashes)
    known = np.flatnonzero(at >= 0)
    total = np.bincount(found.rows[found.basic], minlength=found.texts)
    familiar = np.bincount(found.rows[known[found.basic[known]]], minlength=found.texts) / np.maximum(total, 1)
    width = max(len(vocabulary), 1)
    rows, columns = _cells(found.rows[known], at[known], found.texts, width)
    data = vocabulary.idf[columns]
    part = 2 * rows + (vocabulary.hashes[columns] & _HEAD)
    norm = np.sqrt(np.bincount(part, weights=data.astype(np.float64) ** 2, minlength=2 * found.texts))
    data = (data / np.maximum(norm, 1e-12)[part]).astype(np.float32)
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=found.texts))]).astype(np.int64)
    return Matrix(data, columns, ends, width, familiar)


def _cells(rows: Rows, columns: NDArray[np.int64], height: int, width: int) -> tuple[Rows, NDArray[np.int64]]:
    """Pairs of a row and a column, each once, row by row. Sorting takes half as long where a pair fits into 32 bits."""
    shift = width.bit_length()
    kind: Any = np.uint32 if height << shift < 1 << 32 else np.uint64
    cells = np.sort((rows.astype(kind) << shift) | columns.astype(kind))
    cells = cells[_firsts(cells)]
    return (cells >> shift).astype(np.int64), (cells & ((1 << shift) - 1)).astype(np.int64)


def _firsts(cells: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of some sorted values differ from the one before; with a sort np.unique takes several times as long."""
    return np.append(True, cells[1:] != cells[:-1])[: len(cells)]


def flags(facts: Facts, marks: frozenset[str] = frozenset()) -> set[str]:
    """Names of the flags that a text sets: its concepts, kinds and dimensions of figures, whether it has none, and ``marks``."""
    concepts = {f"concept:{t.concept}" for t in facts.terms}
    kinds = {f"kind:{q.kind}" for q in facts.quantities if q.kind}
    dimensions = {f"dimension:{q.dimension}" for q in facts.quantities}
    found = concepts | kinds | dimensions
    return found | marks | ({"no_term"} if not concepts else set()) | ({"no_figure"} if not dimensions else set())


def flag_positions(names: Sequence[str]) -> dict[str, int]:
    """The column of each flag."""
    return {name: i for i, name in enumerate(names)}


def flag_matrix(found: Sequence[set[str]], position: Mapping[str, int], value: float) -> Matrix:
    """Flags of a column as a sparse matrix with one column a name; names that training did not see are left out."""
    columns = [sorted(position[name] for name in row if name in position) for row in found]
    ends = np.concatenate([[0], np.cumsum([len(c) for c in columns])]).astype(np.int64)
    flat = np.fromiter((c for row in columns for c in row), dtype=np.int64, count=int(ends[-1]))
    return Matrix(np.full(len(flat), value, dtype=np.float32), flat, ends, len(position), np.zeros(len(columns)))


def times(matrix: Matrix, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sparse rows times dense weights, one label after the other: sums along a row of an array are the quick ones in numpy."""
    product = np.zeros((len(matrix.ends) - 1, weights.shape[1]))
    filled = np.flatnonzero(matrix.counts)
    if not len(filled):
        return product
    starts = matrix.ends[:-1][filled]
    if len(matrix.columns) <= _FEW_FEATURES:  # all labels at once: of one text the calls take longer than the sums
        product[filled] = np.add.reduceat(
            np.ascontiguousarray(weights[matrix.columns].T) * matrix.data, starts, axis=1, dtype=np.float64
        ).T
        return product
    for label, own in enumerate(weights.T):
        product[filled, label] = np.add.reduceat(own[matrix.columns] * matrix.data, starts, dtype=np.float64)
    return product
