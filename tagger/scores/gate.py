"""A cheap pass over a whole column that settles everyday goods, so that only the rest takes the full road.

The texts of a column become one array of code points; every character trigram, word and pair of words gets a hash by numpy,
and whole-number weights are added up, so that a score does not depend on what else is in the column. No Python runs per
character. What the pass cannot read as the full road would (markup, damaged text, other scripts, very long texts) takes the
full road.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.cache import keep, recall
from tagger.facts.text import is_awkward, normalise, one_to_one, unreadable_share
from tagger.facts.tokens import CJK

BITS = 20
LONGEST = 4000  # characters; longer texts take the full road
JOINTS = "-_/"  # between the words of a term they count as spaces
SPACE = 0x20
_BASE = np.uint32(0x9E3779B1)
_MIX = np.uint32(0x85EBCA6B)
_POWERS = np.multiply.accumulate(np.full(64, _BASE, dtype=np.uint32))  # by the place in a word; beyond them it stays the same
_WORD_BASE = np.uint64(0x9E3779B97F4A7C15)
_TRIGRAM, _WORD, _PAIR = (np.uint32(n * 0x9E37) for n in (1, 2, 3))
_CHARACTERS = 0x10000  # beyond them nothing is a letter of a language that the model knows
_AWKWARD, _LETTER, _DIGIT, _WIDE, _OPENS, _CLOSES, _AND, _ENDS = (1 << i for i in range(8))
_TAG, _ENTITY = _OPENS | _CLOSES, _AND | _ENDS  # what holds both signs of one may hold it
_SCRIPTS = ("LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "CYRILLIC", "GREEK", "MICRO", "OHM", "IDEOGRAPHIC")
_FIRST_WIDE = 0x2E80
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_WIDE_LETTER = re.compile(f"[{CJK}]")
_SOURCES = ("scores/gate.py", "facts/text.py", "data/characters.csv")  # files that the kept tables depend on

Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Column:
    """The texts of a column as arrays.

    Attributes
    ----------
    codes : array of uint32
        Folded code points of all texts, each with a space in front and behind.
    starts, ends : array of int64
        Where each text lies in ``codes``, its two spaces included.
    readable : array of bool
        False for a text that the gate cannot read as the full road would.
    has_number : array of bool
        It may hold a number: it has a digit, or a character of which some are Chinese numerals.
    """

    codes: NDArray[np.uint32]
    starts: Indices
    ends: Indices
    readable: Mask
    has_number: Mask

    def part(self, rows: Indices) -> Column:
        """Some of the texts, in the given order."""
        lengths = self.ends[rows] - self.starts[rows]
        ends = np.cumsum(lengths)
        places = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(self.starts[rows] - (ends - lengths), lengths)
        return Column(self.codes[places], ends - lengths, ends, self.readable[rows], self.has_number[rows])

    def texts(self) -> list[str]:
        """The folded texts."""
        whole = _spelled(self.codes)
        return [whole[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]

    def joined(self, other: Column) -> Column:
        """The texts of this column, and behind them those of another."""
        size = len(self.codes)
        ours, theirs = (self.codes, self.readable, self.has_number), (other.codes, other.readable, other.has_number)
        codes, readable, has_number = (np.concatenate(pair) for pair in zip(ours, theirs, strict=True))
        starts, ends = np.append(self.starts, other.starts + size), np.append(self.ends, other.ends + size)
        return Column(codes, starts, ends, readable, has_number)


@dataclass(frozen=True)
class Gate:
    """A fitted gate as plain arrays.

    Attributes
    ----------
    weights : array of int16, shape (2 ** BITS,)
        Weight of each hash towards everyday goods; 0 where too few training texts have it.
    unit, intercept : float
        The weights of a text's trigrams are added up and divided by the root of how many there are, those of its words and
        pairs of words likewise; a score is the sum of both times ``unit``, plus ``intercept``.
    threshold : float
        Score from which on a text may be settled; infinite where no threshold keeps the bound.
    familiar_share : float
        Least share of a text's trigrams that training has seen.
    confidence : float
        Lower bound of the share of unrelated rows among those that the gate settles, from held-out rows.
    most_missed : float
        Upper bound of the share of controlled and open rows that it settles, from calibration rows, which neither the gate nor
        the words of the rulebook have seen; 1 where there were none.
    """

    weights: NDArray[np.int16]
    unit: float
    intercept: float
    threshold: float
    familiar_share: float
    confidence: float
    most_missed: float

    def passes(self, column: Column) -> Mask:
        """Which texts look like everyday goods; terms and figures are not looked at here.

        Examples
        --------
        >>> from tagger.scores.bundle import load_model
        >>> gate = load_model().gate
        >>> gate.passes(read_column(["Ladies leather wallet with coin pocket, brown", "granulation kettle for anode material"]))
        array([ True, False])
        """
        scores, familiar = self.scores(column)
        return np.asarray(column.readable & (familiar >= self.familiar_share) & (scores >= self.threshold))

    def scores(self, column: Column) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Score of each text, and the share of its trigrams that training has seen."""
        score = np.full(len(column.starts), self.intercept)
        grams = ngrams(column)
        weights = [self.weights[of.hashes] for of in grams]
        counts = [of.counts for of in grams]
        for family in (slice(1), slice(1, None)):
            total = sum(map(_sums, weights[family], counts[family]))
            score += total * self.unit / np.sqrt(np.maximum(sum(counts[family]), 1))
        return score, _sums(weights[0] != 0, counts[0]) / np.maximum(counts[0], 1)


@dataclass(frozen=True, slots=True)
class Grams:
    """Hashes of the n-grams of one kind, text after text; ``counts`` tells how many of them each text has."""

    hashes: NDArray[np.uint32]
    counts: Indices


def ngrams(column: Column) -> tuple[Grams, Grams, Grams]:
    """Hash the character trigrams, the words and the pairs of words of a column.

    All digits are one, and what is neither letter nor digit is one space. A Han, Kana or Hangul character is a word.
    """
    kinds = _tables().kinds[column.codes]
    codes = np.where(kinds & (_LETTER | _DIGIT), column.codes, np.uint32(SPACE))
    blank = codes == SPACE
    kept = ~blank
    kept[1:] |= ~blank[:-1]
    kept[column.starts] = True
    codes, blank, wide = codes[kept], blank[kept], (kinds[kept] & _WIDE) != 0
    ends = np.cumsum(kept)[column.ends - 1] if len(column.ends) else column.ends
    return (_trigrams(np.where(kinds[kept] & _DIGIT, np.uint32(48), codes), ends), *_words(codes, ends, blank, wide))


def _trigrams(codes: NDArray[np.uint32], ends: Indices) -> Grams:
    lengths = np.diff(ends, prepend=0)
    inside = np.ones(len(codes), dtype=np.bool_)
    for back in (1, 2):  # those that begin so near the end of a text reach into the next one
        inside[np.maximum(ends - back, 0)] = False
    value = ((codes[:-2] * _BASE + codes[1:-1]) * _BASE + codes[2:])[inside[:-2]]
    return Grams(_finish(value ^ _TRIGRAM), np.maximum(lengths - 2, 0))


def _words(codes: NDArray[np.uint32], ends: Indices, blank: Mask, wide: Mask) -> tuple[Grams, Grams]:
    begins = ~blank
    begins[1:] &= blank[:-1] | wide[1:] | wide[:-1]
    starts = np.flatnonzero(begins)
    if not len(starts):
        none = Grams(np.zeros(0, dtype=np.uint32), np.zeros(len(ends), dtype=np.int64))
        return none, none
    number = np.cumsum(begins) - 1  # of the word in which a character is, or behind which a space stands
    places = np.arange(len(codes)) - starts[number]
    parts = np.where(blank, np.uint32(0), codes * _POWERS[np.clip(places, 0, len(_POWERS) - 1)])
    words = np.add.reduceat(parts, starts, dtype=np.uint32)
    until = number[ends - 1] + 1  # the words up to the end of each text
    counts = np.diff(until, prepend=0)
    same = np.ones(len(words) - 1, dtype=np.bool_)
    same[until[:-1][(until[:-1] > 0) & (until[:-1] < len(words))] - 1] = False
    pairs = (words[:-1] * _BASE + words[1:])[same]
    return Grams(_finish(words ^ _WORD), counts), Grams(_finish(pairs ^ _PAIR), np.maximum(counts - 1, 0))


def _finish(value: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Spread the bits and keep some of them."""
    return np.asarray(((value ^ (value >> np.uint32(15))) * _MIX) >> np.uint32(32 - BITS))


def _sums(values: NDArray[Any], counts: Indices) -> Indices:
    """Sums of the values of each text."""
    if len(counts) == 1:  # the calls for many take longer
        return np.asarray(values.sum(dtype=np.int64, keepdims=True))
    until = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)])[np.cumsum(counts)]
    return np.diff(until, prepend=0)


def read_column(texts: Sequence[str]) -> Column:
    """Texts as one array of folded code points: lower case, accents dropped, Chinese simplified.

    Those with markup, or with signs that stand for several, are normalised first.
    """
    column, hard = _read(texts)
    rows = [row for row in np.flatnonzero(hard).tolist() if not unreadable_share(texts[row])]
    if not rows:
        return column
    plain, _ = _read([normalise(texts[row]).text for row in rows])
    order = np.arange(len(texts))
    order[rows] = len(texts) + np.arange(len(rows))
    return column.joined(plain).part(order)


def _read(texts: Sequence[str]) -> tuple[Column, Mask]:
    """Texts as a column, character by character, and which of them have to be normalised for that; none that is very long."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    joined = f" {'  '.join(texts)} " if texts else ""
    raw = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    tables = _tables()
    raw = np.minimum(raw, np.uint32(_CHARACTERS - 1))
    kinds = tables.kinds[raw]
    ends = np.cumsum(lengths + 2)
    starts = ends - lengths - 2

    held = np.bitwise_or.reduceat(kinds, starts) if len(starts) else kinds  # the kinds of characters that each text has
    marked = (held & _TAG == _TAG) | (held & _ENTITY == _ENTITY)
    short = lengths <= LONGEST
    hard = ((held & _AWKWARD != 0) | marked) & short
    readable = ~hard & short & (held & _LETTER != 0)
    return Column(tables.folded[raw], starts, ends, readable, held & (_DIGIT | _WIDE) != 0), hard


def _spelled(codes: NDArray[np.uint32]) -> str:
    """Code points as a text."""
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def fold(text: str) -> str:
    """A normalised text or word, character by character as :func:`read_column` does."""
    return text.translate(_folds())


class _Folds(dict[int, str]):
    """What each character becomes, for ``str.translate``; looked up when it first comes."""

    def __missing__(self, code: int) -> str:
        found = self[code] = chr(_tables().folded[min(code, _CHARACTERS - 1)])
        return found


@cache
def _folds() -> _Folds:
    return _Folds()


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a column as the matcher of terms parts them, text after text.

    Attributes
    ----------
    codes : array of uint32
        Those of the column.
    starts, ends : array of int64
        Where each word lies in ``codes``.
    rows : array of int64
        The text of each.
    hashes : array of uint64
        One number a word; that two different words share one is as good as excluded.
    """

    codes: NDArray[np.uint32]
    starts: Indices
    ends: Indices
    rows: Indices
    hashes: NDArray[np.uint64]

    @property
    def of_letters(self) -> Mask:
        """Which of them are neither numbers nor signs, nor one Latin letter."""
        first = self.codes[self.starts]
        single = (self.ends - self.starts == 1) & (first >= ord("a")) & (first <= ord("z"))
        return np.asarray((_tables().kinds[first] & _LETTER != 0) & ~single)

    @property
    def of_digits(self) -> Mask:
        """Which of them are numbers."""
        return np.asarray(_tables().kinds[self.codes[self.starts]] & _DIGIT != 0)

    def texts(self, words: Indices) -> list[str]:
        """Some words, folded."""
        whole = _spelled(self.codes)
        return [whole[start:end] for start, end in zip(self.starts[words].tolist(), self.ends[words].tolist(), strict=True)]


def words_of(column: Column) -> Words:
    """The folded words of all texts, and the row of each.

    Examples
    --------
    >>> words = words_of(read_column(["3.6V锂 cell-A", "Größe"]))
    >>> (words.texts(np.arange(8)), words.rows.tolist())
    (['3', '.', '6', 'v', '锂', 'cell', 'a', 'große'], [0, 0, 0, 0, 0, 0, 0, 1])
    """
    codes = column.codes
    kinds = _tables().kinds[codes]
    run = np.where(kinds & _WIDE, 0, kinds & (_LETTER | _DIGIT))  # characters of one run stand together
    filled = codes != SPACE
    begins = filled.copy()
    begins[1:] &= ~filled[:-1] | (run[1:] != run[:-1]) | (run[1:] == 0)
    starts = np.flatnonzero(begins)
    ends = np.flatnonzero(np.append(filled[:-1] & (begins[1:] | ~filled[1:]), filled[-1:])) + 1
    rows = np.searchsorted(column.starts, starts, side="right") - 1
    return Words(codes, starts, ends, rows, _hashes(codes, starts, ends))


def _hashes(codes: NDArray[np.uint32], starts: Indices, ends: Indices) -> NDArray[np.uint64]:
    lengths = ends - starts
    found = np.zeros(len(starts), dtype=np.uint64)
    for place in range(int(lengths.max(initial=0))):  # all first characters, all second ones, ...
        long = np.flatnonzero(lengths > place) if place else slice(None)
        found[long] = (found[long] + codes[starts[long] + place] + np.uint64(1)) * _WORD_BASE
    return np.asarray(found ^ (found >> np.uint64(29)))


@dataclass(frozen=True, slots=True)
class _Tables:
    """What each character becomes, and what kind it is of."""

    folded: NDArray[np.uint32]
    kinds: NDArray[np.uint8]


@cache
def _tables() -> _Tables:
    kept = recall("characters", "", _SOURCES)
    if not (isinstance(kept, list) and [len(part) for part in kept] == [_CHARACTERS, _CHARACTERS]):
        pairs = [_character(chr(code)) for code in range(_CHARACTERS)]
        kept = ["".join(c for c, _ in pairs), "".join(chr(kind) for _, kind in pairs)]
        keep("characters", "", _SOURCES, kept)
    folded = np.frombuffer(kept[0].encode("utf-32-le"), dtype=np.uint32)
    return _Tables(folded, np.frombuffer(kept[1].encode("latin-1"), dtype=np.uint8))


def _character(character: str) -> tuple[str, int]:
    plain = character.translate(one_to_one())
    if is_awkward(character) or plain == "\ufffd" or ord(plain) >= _CHARACTERS:
        return "\uffff", _AWKWARD
    if plain.isspace() or plain in JOINTS:
        return " ", 0
    lower = plain.lower()
    keeps = ord(lower[0]) >= _FIRST_WIDE or _CYRILLIC.match(lower)  # the stems of Russian need their accents
    bare = lower[0] if keeps else unicodedata.normalize("NFD", lower)[0]
    bare = {"ς": "σ"}.get(bare, bare)
    kind = {"<": _OPENS, ">": _CLOSES, "&": _AND, ";": _ENDS}.get(bare, 0)
    if _WIDE_LETTER.match(bare):
        kind |= _WIDE
    if bare.isdigit():
        kind |= _DIGIT
    elif bare.isalnum():
        kind |= _LETTER if unicodedata.name(bare, "").startswith(_SCRIPTS) else _AWKWARD
    return bare, kind
