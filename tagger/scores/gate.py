"""A cheap pass over a whole column that settles everyday goods, so that only the rest takes the full road.

The texts of a column become one array of code points; every character n-gram gets a hash by numpy, and whole-number weights
are added up, so that a score does not depend on what else is in the column. No Python runs per character. What the pass
cannot read as the full road would (markup, damaged text, other scripts, very long texts) takes the full road.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tagger.cache import keep, recall
from tagger.facts.text import is_awkward, one_to_one
from tagger.facts.tokens import CJK

BITS = 20
CHARACTER_NGRAMS = (2, 3, 4)
LONGEST = 4000  # characters; longer texts take the full road
JOINTS = "-_/"  # between the words of a term they count as spaces
SPACE = 0x20
_BASE = np.uint32(0x9E3779B1)
_MIX = np.uint32(0x85EBCA6B)
_CHARACTERS = 0x10000  # beyond them nothing is a letter of a language that the model knows
_AWKWARD, _LETTER, _DIGIT, _WIDE, _OPENS, _CLOSES, _AND, _ENDS = (1 << i for i in range(8))
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


@dataclass(frozen=True)
class Gate:
    """A fitted gate as plain arrays.

    Attributes
    ----------
    weights : array of int16, shape (2 ** BITS,)
        Weight of each hash towards everyday goods; 0 where too few training texts have it.
    unit, intercept : float
        A score is the sum of the weights times ``unit``, over the root of how many n-grams there are, plus ``intercept``.
    threshold : float
        Score from which on a text may be settled; infinite where no threshold keeps the bound.
    familiar_share : float
        Least share of a text's n-grams that training has seen.
    confidence : float
        Lower bound of the share of unrelated rows among those that the gate settles, from held-out rows.
    most_missed : float
        Upper bound of the share of controlled and open rows that the gate settles, from held-out rows.
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
        """Score of each text, and the share of its n-grams that training has seen."""
        if not len(column.starts):
            return np.zeros(0), np.zeros(0)
        grams = ngrams(column)
        total = np.zeros(len(column.starts), dtype=np.int64)
        seen = np.zeros(len(column.starts), dtype=np.int64)
        for hashes, inside in zip(grams.hashes, grams.inside, strict=True):
            found = np.where(inside, self.weights[hashes], np.int16(0))
            total += np.add.reduceat(found, grams.starts, dtype=np.int64)
            seen += np.add.reduceat(found != 0, grams.starts, dtype=np.int64)
        many = np.maximum(grams.counts, 1)
        return total * self.unit / np.sqrt(many) + self.intercept, seen / many


@dataclass(frozen=True, slots=True)
class Grams:
    """Hashes of the character n-grams of a column, one array a length; ``inside``: the n-gram lies in one text.

    ``starts`` tells where each text begins, ``counts`` how many n-grams it has.
    """

    hashes: list[NDArray[np.uint32]]
    inside: list[Mask]
    starts: Indices
    counts: Indices


def ngrams(column: Column) -> Grams:
    """Hash the character n-grams of a column: digits taken as one, what is neither letter nor digit as one space."""
    kinds = _tables().kinds[column.codes]
    codes = np.where(kinds & _LETTER, column.codes, np.uint32(SPACE))
    codes[(kinds & _DIGIT) != 0] = ord("0")
    blank = codes == SPACE
    kept = ~blank
    kept[1:] |= ~blank[:-1]
    kept[column.starts] = True
    codes = codes[kept]
    ends = np.cumsum(kept)[column.ends - 1]
    lengths = np.diff(ends, prepend=0)
    hashes, inside = [], []
    value = codes
    for n in range(2, max(CHARACTER_NGRAMS) + 1):
        value = value[:-1] * _BASE + codes[n - 1 :]
        mixed = (value ^ (value >> np.uint32(15)) ^ np.uint32(n * 0x9E37)) * _MIX
        padded = np.zeros(len(codes), dtype=np.uint32)
        padded[: len(mixed)] = mixed >> np.uint32(32 - BITS)
        valid = np.ones(len(codes), dtype=np.bool_)
        for back in range(1, n):  # n-grams that begin so near the end of a text reach into the next one
            valid[np.maximum(ends - back, 0)] = False
        hashes.append(padded)
        inside.append(valid)
    counts = sum(np.maximum(lengths - n + 1, 0) for n in CHARACTER_NGRAMS)
    return Grams(hashes, inside, ends - lengths, np.asarray(counts))


def read_column(texts: Sequence[str]) -> Column:
    """Texts as one array of folded code points: lower case, accents dropped, Chinese simplified."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    joined = f" {'  '.join(texts)} " if texts else ""
    raw = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    tables = _tables()
    raw = np.minimum(raw, np.uint32(_CHARACTERS - 1))
    kinds = tables.kinds[raw]
    ends = np.cumsum(lengths + 2)
    starts = ends - lengths - 2

    def has(kind: int) -> Mask:
        return np.asarray(np.logical_or.reduceat((kinds & kind) != 0, starts)) if len(starts) else np.zeros(0, dtype=np.bool_)

    marked = (has(_OPENS) & has(_CLOSES)) | (has(_AND) & has(_ENDS))  # it may hold tags or entities
    readable = ~has(_AWKWARD) & ~marked & (lengths <= LONGEST) & has(_LETTER)
    return Column(tables.folded[raw], starts, ends, np.asarray(readable), has(_DIGIT | _WIDE))


def fold(text: str) -> str:
    """A normalised text or word, character by character as :func:`read_column` does."""
    folded = _tables().folded
    return "".join(chr(folded[min(ord(c), _CHARACTERS - 1)]) for c in text)


def words_of(column: Column) -> tuple[list[str], Indices]:
    """The folded words of all texts as the matcher of terms parts them, and the row of each.

    Examples
    --------
    >>> words, rows = words_of(read_column(["3.6V锂 cell-A", "Größe"]))
    >>> words, rows.tolist()
    (['3', '.', '6', 'v', '锂', 'cell', 'a', 'große'], [0, 0, 0, 0, 0, 0, 0, 1])
    """
    codes = column.codes
    kinds = _tables().kinds[codes]
    run = np.where(kinds & _WIDE, 0, kinds & (_LETTER | _DIGIT))  # characters of one run stand together
    filled = codes != SPACE
    begins = filled.copy()
    begins[1:] &= ~filled[:-1] | (run[1:] != run[:-1]) | (run[1:] == 0)
    places = np.cumsum(1 + begins) - 1
    apart = np.full(int(places[-1]) + 1 if len(places) else 0, SPACE, dtype=np.uint32)
    apart[places] = codes
    rows = np.repeat(np.arange(len(column.starts)), column.ends - column.starts)[begins]
    return apart.tobytes().decode("utf-32-le").split(), rows


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
