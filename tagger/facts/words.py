"""Words of lists found in texts: as a part of a pattern, or thousands of them at once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from ahocorasick_rs import AhoCorasick

# Several small classes, as one that spans scripts takes four times as long to compile, and each start compiles dozens of them.
_NO_LETTER_IN_FRONT = r"(?<![a-z])(?<![а-ё])"
_NO_LETTER_BEHIND = r"(?![a-zäöüßéñ])(?![α-ё])"
_NO_DIGIT_IN_FRONT = r"(?<![\d.])(?<!\d,)"
_NO_DIGIT_BEHIND = r"(?!\d)"
_FIRST_LETTER, _LAST_LETTER = re.compile("[a-zа-яё]"), re.compile("[a-zа-яёäöüßéñμ]")
_ACCENTED = frozenset("äöüßéñ")
_LETTER, _DIGIT, _HAN = "letter", "digit", "Han"  # what may not stand beside an end of a word
_BEGINNING = 2  # characters by which words are kept


def _front_of(word: str, *, spaced: bool) -> str:
    """What may not stand in front of a word."""
    if spaced or _is_compound(word):
        return ""
    return _LETTER if _FIRST_LETTER.match(word) else _DIGIT if word[0].isdigit() else ""


def _back_of(word: str) -> str:
    """What may not stand behind a word."""
    return _LETTER if _LAST_LETTER.match(word[-1]) else _DIGIT if word[-1].isdigit() else ""


def _is_compound(word: str) -> bool:
    """Whether a word may be the end of a longer one."""
    return word[0] == "*" and len(word) > 1


def any_of(words: Iterable[str], *, spaced: bool = False) -> str:
    """Alternation of words as a prefix tree, longest first; a Latin or Cyrillic letter at an end must be the word's end.

    Of no words it matches nothing. For a few words inside of a pattern; :class:`AnyOf` finds thousands.

    Parameters
    ----------
    words : iterable of str
        Lower-case words.
    spaced : bool
        Units: a space inside is optional in the text, and letters may stand directly in front.

    Notes
    -----
    A word with a star in front may be the end of a compound: ``*temperatur`` finds ``eintrittstemperatur``.
    """
    fronts = {"": "", _LETTER: _NO_LETTER_IN_FRONT, _DIGIT: _NO_DIGIT_IN_FRONT}
    backs = {"": "", _LETTER: _NO_LETTER_BEHIND, _DIGIT: _NO_DIGIT_BEHIND}
    tree: dict[str, Any] = {}
    for word in filter(None, words):
        front = fronts[_front_of(word, spaced=spaced)]
        steps = [r"\s?" if c == " " and spaced else re.escape(c) for c in word[_is_compound(word) :]]
        node = tree
        for step in (*([front] if front else []), *steps):
            node = node.setdefault(step, {})
        node[f"end{backs[_back_of(word)]}"] = {}
    return "".join(_pattern(tree)) if tree else "(?!)"


def _pattern(tree: dict[str, Any]) -> tuple[str, str]:
    """Pattern of a tree, and what must stand behind it.

    What all words of a branch must be followed by is said once behind the branch: classes of letters are slow to compile.
    """
    below = {step: _pattern(branch) for step, branch in tree.items() if not step.startswith("end")}
    branches = [(step + pattern, end) for step, (pattern, end) in below.items()]
    branches += [("", step[3:]) for step in tree if step.startswith("end")]
    ends = {end for _, end in branches}
    common = ends.pop() if len(ends) == 1 else ""
    patterns = [branch if common else branch + end for branch, end in branches]
    return patterns[0] if len(patterns) == 1 else f"(?:{'|'.join(patterns)})", common


class Word(NamedTuple):
    """A word of a list in a text; ``end`` lies behind what may follow it."""

    start: int
    end: int
    text: str


class AnyOf:
    """Finds the words of a list in texts, the longest at each place; a letter or digit at an end must be the word's end.

    Parameters
    ----------
    words : iterable of str
        Lower-case words; one with a star in front may be the end of a compound, as for :func:`any_of`.
    spaced : bool
        As for :func:`any_of`.
    alone : iterable of str
        Han characters that are words only where no other follows: the 高 of a height, not of 最高使用.
    never_behind : iterable of str
        What must not stand in front of a word.
    behind : str
        Pattern of what must follow a word, and belongs to it.

    Examples
    --------
    >>> words = AnyOf(["feed", "feed rate", "*temperatur", "高度"])
    >>> [word.text for word in words.finditer("feed rate, feeder, eintrittstemperatur 高度")]
    ['feed rate', 'temperatur', '高度']
    >>> words.match("the feed", 4).end, words.match("the feed", 3)
    (8, None)
    >>> AnyOf(["g / cm3"], spaced=True).match("7.5g/cm3", 3)
    Word(start=3, end=8, text='g/cm3')
    """

    def __init__(
        self,
        words: Iterable[str],
        *,
        spaced: bool = False,
        alone: Iterable[str] = (),
        never_behind: Iterable[str] = (),
        behind: str = "",
    ) -> None:
        self._spaced = spaced
        self._never_behind = tuple(never_behind)
        self._behind = re.compile(behind) if behind else None
        self._edges = dict.fromkeys(alone, ("", _HAN))
        for word in sorted(filter(None, words), key=_is_compound):  # what may be the end of a compound needs no free front
            edges = _front_of(word, spaced=spaced), _back_of(word)
            for spelling in _spellings(word) if spaced else (word.removeprefix("*") or word,):
                self._edges[spelling] = edges

    @cached_property
    def _lengths(self) -> dict[str, Sequence[int]]:
        """How long the words are that begin with two characters, or one, the longest first."""
        found: dict[str, set[int]] = defaultdict(set)
        for word in self._edges:
            found[word[:_BEGINNING]].add(len(word))
        for begin, lengths in found.items():
            lengths.update(found.get(begin[0], ()))
        return {begin: sorted(lengths, reverse=True) for begin, lengths in found.items()}

    @cached_property
    def _automaton(self) -> AhoCorasick:
        """Made when a whole text is first looked through."""
        return AhoCorasick(list(self._edges))

    def match(self, text: str, at: int = 0) -> Word | None:
        """The word that begins at a place."""
        lengths = self._lengths.get(text[at : at + _BEGINNING]) or self._lengths.get(text[at : at + 1])
        if not lengths:
            return None
        piece = text[at : at + lengths[0]]
        if self._spaced and not piece.isprintable():
            piece = "".join(" " if c.isspace() else c for c in piece)
        return self._longest(text, at, [piece[:length] for length in lengths])

    def finditer(self, text: str) -> Iterator[Word]:
        """The words of a text, from the left; none begins inside another."""
        spelled: dict[int, list[str]] = {}
        for _, start, end in _occurrences(self._automaton, text):
            spelled.setdefault(start, []).append(text[start:end])
        done = 0
        for at in sorted(spelled):
            if at >= done:
                word = self._longest(text, at, sorted(spelled[at], key=len, reverse=True))
                if word is not None:
                    yield word
                    done = word.end

    def _longest(self, text: str, at: int, spellings: Sequence[str]) -> Word | None:
        """The first of some words, the longest in front, that stands at a place by itself."""
        for spelling in spellings:
            edges = self._edges.get(spelling)
            end = at + len(spelling)
            if edges is None or not _is_free(text, at, end, edges) or text.endswith(self._never_behind, 0, at):
                continue
            if self._behind is None:
                return Word(at, end, spelling)
            follows = self._behind.match(text, end)
            if follows is not None:
                return Word(at, follows.end(), spelling)
        return None


def _spellings(word: str) -> Iterator[str]:
    """A word with and without each of its spaces."""
    pieces = word.split(" ")
    for joints in product(("", " "), repeat=len(pieces) - 1):
        yield "".join(map("".join, zip(pieces, (*joints, ""), strict=True)))


def _is_free(text: str, start: int, end: int, edges: tuple[str, str]) -> bool:
    """Whether nothing stands beside a word that would make it part of another."""
    front, back = edges
    before, after = text[start - 1 : start], text[end : end + 1]
    if front == _LETTER and ("a" <= before <= "z" or "а" <= before <= "ё"):
        return False
    if front == _DIGIT and (before.isdecimal() or before == "." or (before == "," and text[start - 2 : start - 1].isdecimal())):
        return False
    if back == _LETTER:
        return not ("a" <= after <= "z" or "α" <= after <= "ё" or after in _ACCENTED)
    if back == _DIGIT:
        return not after.isdecimal()
    return back != _HAN or not "\u4e00" <= after <= "\u9fff"


class AnyPiece:
    """Tells whether a text holds one of some pieces, be they words or not.

    Parameters
    ----------
    pieces : iterable of str

    Examples
    --------
    >>> pieces = AnyPiece(["not", "不"])
    >>> "contains nothing" in pieces, "natural" in pieces
    (True, False)
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        self._automaton = AhoCorasick(list(pieces))

    def __contains__(self, text: str) -> bool:
        """Whether a text holds one."""
        return bool(_occurrences(self._automaton, text))


def _occurrences(automaton: AhoCorasick, text: str) -> list[tuple[int, int, int]]:
    """All places of all words, overlapping ones too."""
    try:
        return automaton.find_matches_as_indexes(text, overlapping=True)
    except UnicodeEncodeError:  # half a character, which no word has
        return automaton.find_matches_as_indexes(text.encode("utf-8", "replace").decode("utf-8"), overlapping=True)
