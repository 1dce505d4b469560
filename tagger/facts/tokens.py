"""One spaCy tokenizer for all languages, and the terms of the lexicon found with it.

spaCy's stock tokenizers keep ``H=42±3`` as one token and split Latin words into letters in Chinese. This one breaks at
every change between letters, digits and signs, and around every Han, Kana and Hangul character, so that a term is a
sequence of tokens in any script. Word ends (plural, case) are dropped in the token's NORM.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from tagger.facts.text import normalise
from tagger.records import CleanText, Term

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer
    from spacy.vocab import Vocab

    from tagger.law import LexiconTerm

_CJK = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_SIGN = r"[^\w\s]"
_BREAKS = re.compile(
    rf"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)|(?<=[{_CJK}])|(?=[{_CJK}])|(?<={_SIGN})|(?={_SIGN})",
)
_JOINTS = str.maketrans("-_/\n", "    ")
_CYRILLIC = re.compile("[\u0400-\u04ff]")


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
        return str(_russian().stemWord(word))
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


@lru_cache(maxsize=1)
def _russian():  # type: ignore[no-untyped-def]  # snowballstemmer ships no types
    import snowballstemmer

    return snowballstemmer.stemmer("russian")


def make_tokenizer(vocab: Vocab) -> Tokenizer:
    """Return the tokenizer over a vocabulary.

    Examples
    --------
    >>> from spacy.vocab import Vocab
    >>> [t.text for t in make_tokenizer(Vocab())("3.6V锂离子cell 18650x2 H=42±3")]
    ['3', '.', '6', 'V', '锂', '离', '子', 'cell', '18650', 'x', '2', 'H', '=', '42', '±', '3']
    """
    from spacy.tokenizer import Tokenizer

    return Tokenizer(vocab, infix_finditer=_BREAKS.finditer)


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


class TermMatcher:
    """Finds the terms of a lexicon in normalised texts.

    Parameters
    ----------
    terms : iterable of LexiconTerm
        A term with match ``exact`` counts in its own letter case only; one with ``mask`` hides every shorter term inside it.

    Examples
    --------
    >>> from tagger.law import LexiconTerm
    >>> def term(concept, text, match="any"):
    ...     return LexiconTerm(concept=concept, lang="en", term=text, match=match, category="x")
    >>> terms = [term("kettle", "granulation kettle"), term("dysprosium", "Dy", "exact"), term("dy_free", "Dy free", "mask")]
    >>> matcher = TermMatcher(terms)
    >>> [t.concept for t in matcher.find(normalise("Granulation-kettles, Dy-free"))]
    ['kettle', 'dy_free']
    """

    def __init__(self, terms: Iterable[LexiconTerm]) -> None:
        from spacy.attrs import NORM
        from spacy.matcher import PhraseMatcher
        from spacy.vocab import Vocab

        self._terms = list(terms)
        self._vocab = Vocab(lex_attr_getters={NORM: stem})
        self._tokenizer = make_tokenizer(self._vocab)
        self._matcher = PhraseMatcher(self._vocab, attr="NORM")
        self._exact: dict[int, str] = {}
        for number, term in enumerate(self._terms):
            clean = normalise(term.term)
            self._matcher.add(str(number), [self._tokenizer(clean.folded.translate(_JOINTS).strip())])
            if term.match == "exact":
                self._exact[number] = clean.text.translate(_JOINTS)
        self._number = {self._vocab.strings[str(n)]: n for n in range(len(self._terms))}

    def find(self, clean: CleanText) -> tuple[Term, ...]:
        """Terms of one text, in order of their place."""
        return self.find_all([clean])[0]

    def find_all(self, texts: Iterable[CleanText]) -> list[tuple[Term, ...]]:
        """Terms of each text; memory for the words of the texts is given back at the end."""
        with self._vocab.memory_zone():
            return [self._visible(clean, self._hits(clean)) for clean in texts]

    def _hits(self, clean: CleanText) -> list[tuple[int, int, LexiconTerm]]:
        joined = clean.folded.translate(_JOINTS)
        doc = self._tokenizer(joined)
        hits = []
        for key, start, end in self._matcher(doc):
            number = self._number[key]
            first, last = doc[start].idx, doc[end - 1].idx + len(doc[end - 1])
            exact = self._exact.get(number)
            if exact is None or (
                clean.text[first:last].translate(_JOINTS) == exact and not _in_part_number(clean.text, first, last)
            ):
                hits.append((first, last, self._terms[number]))
        return hits

    @staticmethod
    def _visible(clean: CleanText, hits: list[tuple[int, int, LexiconTerm]]) -> tuple[Term, ...]:
        masks = sorted((first, last, t.concept) for first, last, t in hits if t.match == "mask")
        longest = max((last - first for first, last, _ in masks), default=0)
        shown = {
            (first, last, t.concept)
            for first, last, t in hits
            if not any(
                a <= first and last <= b and b - a > last - first and c != t.concept
                for a, b, c in masks[bisect_left(masks, (first - longest,)) : bisect_left(masks, (first + 1,))]
            )
        }
        return tuple(Term(concept, clean.span(first, last)) for first, last, concept in sorted(shown))
