"""Patterns made from lists of words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from operator import add
from typing import Any

# Several small classes, as one that spans scripts takes four times as long to compile, and each start compiles hundreds of them.
_NO_LETTER_IN_FRONT = r"(?<![a-z])(?<![а-ё])"
_NO_LETTER_BEHIND = r"(?![a-zäöüßéñ])(?![α-ё])"
_MANY_MADE = 48  # patterns of beginnings
_NO_HAN_BEHIND = r"(?![\u4e00-\u9fff])"


def any_of(words: Iterable[str], *, spaced: bool = False) -> str:
    """Alternation of words as a prefix tree, longest first; a Latin or Cyrillic letter at an end must be the word's end.

    Of no words it matches nothing.

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
    tree: dict[str, Any] = {}
    for word in words:
        if not word:
            continue
        compound = word[0] == "*" and len(word) > 1
        steps = [r"\s?" if c == " " and spaced else re.escape(c) for c in word[compound:]]
        if not spaced and not compound and re.match(r"[a-zа-яё]", word):
            steps.insert(0, _NO_LETTER_IN_FRONT)
        elif not spaced and word[0].isdigit():
            steps.insert(0, r"(?<![\d.])(?<!\d,)")
        node = tree
        for step in steps:
            node = node.setdefault(step, {})
        ends = _NO_LETTER_BEHIND if re.search(r"[a-zа-яёäöüßéñμ]$", word) else r"(?!\d)" if word[-1].isdigit() else ""
        node[f"end{ends}"] = {}
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


class AnyOf:
    """Finds the words of a list in texts as the pattern of :func:`any_of` does, at first with one pattern for each beginning.

    Such a pattern is made when a text first has its two characters: that of all words takes longer to compile than most runs last.
    Where many were made, a long run is under way, and one pattern of all words takes over.

    Parameters
    ----------
    words : iterable of str
        As for :func:`any_of`.
    spaced : bool
        As for :func:`any_of`.
    alone : iterable of str
        Han characters that are words only where no other follows: the 高 of a height, not of 最高使用.
    guard, behind : str
        Patterns of what must not stand in front of a word, without width, and of what may follow it.

    Examples
    --------
    >>> words = AnyOf(["feed", "feed rate", "*temperatur", "高度"])
    >>> [m.group() for m in words.finditer("feed rate, feeder, eintrittstemperatur 高度")]
    ['feed rate', 'temperatur', '高度']
    >>> words.match("the feed", 4).end(), words.match("the feed", 3)
    (8, None)
    """

    def __init__(
        self, words: Iterable[str], *, spaced: bool = False, alone: Iterable[str] = (), guard: str = "", behind: str = ""
    ) -> None:
        self._spaced = spaced
        self._guard, self._behind = guard, behind
        self._alone = frozenset(alone)
        self._known = 1 if spaced else 2  # characters that a beginning has; a space inside a unit may be left out
        self._words: dict[str, list[str]] = {character: [] for character in self._alone}
        self._all = tuple(words)
        for word in self._all:
            bare = word[1:] if word[:1] == "*" and len(word) > 1 else word
            if bare:
                self._words.setdefault(bare[: self._known], []).append(word)
        self._single = any(len(begin) == 1 for begin in self._words)
        self._made: dict[str, re.Pattern[str]] = {}
        self._whole: re.Pattern[str] | None = None

    def match(self, text: str, at: int = 0) -> re.Match[str] | None:
        """The word that begins at a place."""
        if self._whole is not None:
            return self._whole.match(text, at)
        begin = text[at : at + self._known]
        if begin not in self._words:
            begin = begin[:1]
        return self._pattern(begin).match(text, at) if begin in self._words else None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """The words of a text, from the left; none begins inside another."""
        return self._whole.finditer(text) if self._whole is not None else self._by_beginnings(text)

    def _by_beginnings(self, text: str) -> Iterator[re.Match[str]]:
        words, single, done = self._words, self._single, 0
        for at, begin in enumerate(map(add, text, f"{text[1:]} ")):
            if at >= done and (begin in words or (single and begin[0] in words)):
                match = self.match(text, at)
                if match is not None:
                    yield match
                    done = match.end()

    def _pattern(self, begin: str) -> re.Pattern[str]:
        """Pattern of the words that begin so, and of those of its first character alone."""
        pattern = self._made.get(begin)
        if pattern is None:
            first = begin[0]
            own = [*self._words[begin], *(self._words.get(first, ()) if begin != first else ())]
            pattern = self._made[begin] = self._compiled(own, first if first in self._alone else "")
            if len(self._made) == _MANY_MADE:
                self._whole = self._compiled(self._all, "".join(self._alone))
        return pattern

    def _compiled(self, words: Iterable[str], alone: str) -> re.Pattern[str]:
        single = f"|[{re.escape(alone)}]{_NO_HAN_BEHIND}" if alone else ""
        return re.compile(f"{self._guard}(?:{any_of(words, spaced=self._spaced)}{single}){self._behind}")
