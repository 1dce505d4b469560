"""One tokenizer for all languages, and the terms of the lexicon found with it.

Stock tokenizers keep ``H=42±3`` as one token and split Latin words into letters in Chinese. This one breaks at every
change between letters, digits and signs, and around every Han, Kana and Hangul character, so that a term is a sequence of
tokens in any script. Word ends (plural, case) are dropped before tokens are compared.

Terms are looked up by their first stems, and what a stem begins is read from a file when a text first has it; a phrase matcher
of a library has to be filled term by term at every start. A test holds this one against spaCy's ``PhraseMatcher``.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

from Stemmer import Stemmer

from tagger.collection import no_collection
from tagger.facts.text import plain_words
from tagger.law import LexiconTerm
from tagger.records import CleanText, Term

CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
TOKEN = re.compile(rf"[{CJK}]|\d+|(?:(?![{CJK}])[^\W\d_])+|[^\w\s]|\s+|_")
_Hit = tuple[int, int, str, str]  # first and last character, concept, kind of match
GLUE = "\x1f"  # between the tokens of a term in a dictionary key; no text holds it after normalising
JOINTS = str.maketrans("-_/\n", "    ")
_REMEMBERED = 1024  # texts
_ODD_SPACE = re.compile(r"^\s|\s{2}|[^\S ]")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_INSIDE_A_WORD = re.compile("[\u30a1-\u30ff]{2}|[\uac00-\ud7af]{2}")  # Katakana and Hangul are words, a Han character may be one


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Drop plural and case endings of a lower-case word; both lexicon and text pass through here.

    Examples
    --------
    >>> stem("batteries"), stem("magnets"), stem("магнитов"), stem("glass")
    ('battery', 'magnet', 'магнит', 'glass')
    """
    if len(word) < 4 or not word.isalpha():
        return word
    if _CYRILLIC.search(word):
        return str(Stemmer("russian", 0).stemWord(word))  # one of its own: a stemmer must not serve two threads
    if not word.isascii():
        word = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) >= 8 and word.endswith("en"):
        return word[:-2]
    if len(word) >= 7 and word.endswith("e"):
        return word[:-1]
    return word


def tokens(text: str) -> tuple[list[str], list[int]]:
    """The tokens of a text and where each begins; one space between two tokens is none, more of them are.

    Examples
    --------
    >>> tokens("3.6V锂离子cell 18650x2 H=42±3")[0]
    ['3', '.', '6', 'V', '锂', '离', '子', 'cell', '18650', 'x', '2', 'H', '=', '42', '±', '3']
    """
    pieces = TOKEN.findall(text)
    places = accumulate(map(len, pieces), initial=0)
    if not _ODD_SPACE.search(text):
        return [p for p in pieces if p != " "], [at for p, at in zip(pieces, places, strict=False) if p != " "]
    words: list[str] = []
    starts: list[int] = []
    for piece, start in zip(pieces, places, strict=False):
        if piece == " " and start:
            continue
        wide = start and len(piece) > 1 and piece[0] == " "  # the first of several spaces belongs to the token before
        words.append(piece[1:] if wide else piece)
        starts.append(start + 1 if wide else start)
    return words, starts


def _in_part_number(text: str, first: int, last: int) -> bool:
    """Whether a symbol is a piece of a part number: ``BGO`` in ``BGO38WGLD``, ``EUS`` in ``100EUS``, not ``Dy`` in ``Dy2O3``."""
    if text[first].isdigit() and first and text[first - 1].isascii() and text[first - 1].isalnum():
        return True  # the grade 30H in the ferrite grade Y30H
    if last - first < 3 or not text[first:last].isascii() or not text[first:last].isalpha():
        return False
    run_first, run_last = first, last
    while run_first and text[run_first - 1].isascii() and text[run_first - 1].isalnum():
        run_first -= 1
    while run_last < len(text) and text[run_last].isascii() and text[run_last].isalnum():
        run_last += 1
    return run_first < first or any(c.isalpha() for c in text[last:run_last])


_Behind = tuple[list[int], dict[str, list[int]]]  # lengths of terms in tokens, and what follows two stems to the entries
Branch = tuple[list[int], dict[str, _Behind]]  # entries of a stem alone, and the second stems of the terms that it begins


class TermIndex:
    """The terms of a lexicon by their first stem; what a stem begins is read when a text first has it.

    Parameters
    ----------
    entries : sequence of tuple
        Concept, kind of match, and for ``exact`` the spelling, of each way to name something.
    stems : sequence of str
        First stems.
    branches : sequence
        What each begins: the numbers of its own entries, and by the second stem the lengths of terms, in tokens, shortest
        first, and the numbers of the entries of each by what follows.
    """

    def __init__(self, entries: Sequence[tuple[str, str, str]], stems: Sequence[str], branches: Sequence[Branch]) -> None:
        self.entries = entries
        self.places = {stem: n for n, stem in enumerate(stems)}
        self._branches = branches
        self.read: list[Branch | None] = [None] * len(stems)

    @classmethod
    @no_collection()
    def of(cls, terms: Iterable[LexiconTerm]) -> TermIndex:
        """Index the terms of a lexicon."""
        numbers: dict[tuple[str, str, str], int] = {}
        branches: dict[str, Branch] = {}
        given = list(terms)
        for term, text in zip(given, plain_words(term.term for term in given), strict=True):
            spaced = text.translate(JOINTS)
            stems = list(map(stem, tokens(spaced.lower().strip())[0]))
            if not stems:
                continue
            spelling = spaced if term.match == "exact" else ""
            number = numbers.setdefault((term.concept, term.match, spelling), len(numbers))
            known, longer = branches.setdefault(stems[0], ([], {}))
            if len(stems) > 1:
                lengths, behind = longer.setdefault(stems[1], ([], {}))
                if len(stems) not in lengths:
                    insort(lengths, len(stems))
                known = behind.setdefault(GLUE.join(stems[2:]), [])
            if number not in known:
                known.append(number)
        return cls(list(numbers), list(branches), list(branches.values()))

    @classmethod
    def kept(cls, head: Any, branches: Sequence[Branch]) -> TermIndex:
        """An index from what :meth:`head` and :attr:`branches` gave.

        Raises
        ------
        TypeError, ValueError, AttributeError
            Where it is something else.
        """
        entries, stems = (joined.split("\n") for joined in head)
        index = cls(list(zip(entries[::3], entries[1::3], entries[2::3], strict=True)), stems, branches)
        if len(branches) != len(stems):
            raise ValueError(f"{len(stems)} stems, {len(branches)} branches")
        return index

    @property
    def head(self) -> list[str]:
        """All but the branches, as two texts, which are sooner read again than many small ones."""
        return ["\n".join(part for entry in self.entries for part in entry), "\n".join(self.places)]

    @property
    def branches(self) -> Sequence[Branch]:
        """What each stem begins, in the order of the stems."""
        return self._branches

    def branch(self, place: int) -> Branch:
        """What the stem at a place begins."""
        found = self.read[place]
        if found is None:
            found = self.read[place] = self._branches[place]
        return found

    def phrases(self) -> Iterator[tuple[list[str], list[int]]]:
        """The stems of each term, and the numbers of its entries."""
        for stem_, place in self.places.items():
            numbers, longer = self.branch(place)
            yield [stem_], numbers
            for second, (_, behind) in longer.items():
                for rest, of_rest in behind.items():
                    yield [stem_, second, *(rest.split(GLUE) if rest else ())], of_rest


class TermMatcher:
    """Finds the terms of a lexicon in normalised texts.

    Parameters
    ----------
    terms : iterable of LexiconTerm, or TermIndex
        A term with match ``exact`` counts in its own letter case only; one with ``mask`` hides every shorter term inside it, and
        what begins in the middle of one of its Katakana or Hangul words: no ``テルビウム金属`` in ``イッテルビウム金属``.

    Examples
    --------
    >>> from tagger.facts.text import normalise
    >>> from tagger.law import LexiconTerm
    >>> def term(concept, text, match="any"):
    ...     return LexiconTerm(concept=concept, lang="en", term=text, match=match, category="x")
    >>> terms = [term("kettle", "granulation kettle"), term("dysprosium", "Dy", "exact"), term("dy_free", "Dy free", "mask")]
    >>> matcher = TermMatcher(terms)
    >>> [t.concept for t in matcher.find(normalise("Granulation-kettles, Dy-free"))]
    ['kettle', 'dy_free']
    """

    def __init__(self, terms: Iterable[LexiconTerm] | TermIndex) -> None:
        self.index = index = terms if isinstance(terms, TermIndex) else TermIndex.of(terms)
        self._entries = index.entries
        self._latest: dict[str, tuple[Term, ...]] = {}

    def find(self, clean: CleanText) -> tuple[Term, ...]:
        """Terms of one text, in order of their place; those of the latest texts are remembered, as the gate asks first."""
        found = self._latest.get(clean.original)
        if found is None:
            if len(self._latest) >= _REMEMBERED:
                self._latest.clear()
            hits = self._hits(clean)
            found = self._latest[clean.original] = self._visible(clean, hits) if hits else ()
        return found

    def find_all(self, texts: Iterable[CleanText]) -> list[tuple[Term, ...]]:
        """Terms of each text."""
        return [self.find(clean) for clean in texts]

    def _hits(self, clean: CleanText) -> list[_Hit]:
        joined = clean.folded.replace("-", " ").replace("_", " ").replace("/", " ").replace("\n", " ")
        words, starts = tokens(joined)
        found = self._phrases(list(map(stem, words)))
        if not found:
            return []
        hits: list[_Hit] = []
        for i, behind, numbers in found:
            first, last = starts[i], starts[behind - 1] + len(words[behind - 1])
            for number in numbers:
                concept, match, spelling = self._entries[number]
                if match != "exact" or self._is_spelled(clean, first, last, spelling):
                    hits.append((first, last, concept, match))
        return hits

    def _phrases(self, stems: Sequence[str]) -> list[tuple[int, int, list[int]]]:
        """First token, the one behind the last, and the entries, of every run of stems that is a term."""
        found: list[tuple[int, int, list[int]]] = []
        index, read = self.index, self.index.read
        for i, place in enumerate(map(index.places.get, stems)):
            if place is None:
                continue
            numbers, longer = read[place] or index.branch(place)
            if numbers:
                found.append((i, i + 1, numbers))
            if longer and i + 1 < len(stems) and (begun := longer.get(stems[i + 1])):
                lengths, behind = begun
                for length in lengths:
                    of_term = behind.get(GLUE.join(stems[i + 2 : i + length])) if i + length <= len(stems) else None
                    if of_term is not None:
                        found.append((i, i + length, of_term))
        return found

    @staticmethod
    def _is_spelled(clean: CleanText, first: int, last: int, spelling: str) -> bool:
        """Whether a term stands in its own letter case, and not inside a part number."""
        return clean.text[first:last].translate(JOINTS) == spelling and not _in_part_number(clean.text, first, last)

    @staticmethod
    def _visible(clean: CleanText, hits: list[_Hit]) -> tuple[Term, ...]:
        masks = sorted((first, last, concept) for first, last, concept, match in hits if match == "mask")
        longest = max((last - first for first, last, _ in masks), default=0)
        shown = {
            (first, last, concept)
            for first, last, concept, _ in hits
            if not masks
            or not any(
                (a <= first and last <= b and b - a > last - first and c != concept)
                or (a < first < b and _INSIDE_A_WORD.match(clean.text, first - 1))
                for a, b, c in masks[bisect_left(masks, (first - longest,)) : bisect_left(masks, (first + 1,))]
            )
        }
        return tuple(Term(concept, clean.span(first, last)) for first, last, concept in sorted(shown))
