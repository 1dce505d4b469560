"""Rows to facts: the one function of this stage."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tagger.cache import keep_parts, recall_parts
from tagger.facts.negation import NegationReader
from tagger.facts.numerals import has_numeral
from tagger.facts.text import has_digit, normalise, unreadable_share
from tagger.facts.tokens import TermIndex, TermMatcher
from tagger.records import CleanText, Facts, Quantity, Row
from tagger.rulebook import Rulebook

if TYPE_CHECKING:
    from tagger.facts.quantities import QuantityReader

INDEX_FILES = (  # what the kept index depends on
    "law.py",
    "rulebook.py",
    "facts/reader.py",
    "facts/text.py",
    "facts/tokens.py",
    "data/characters.csv",
)
_UNREADABLE_SHARE = 0.1  # above it a text is damaged or binary; catalogue texts hold none


class FactReader:
    """Reads the facts of rows with the words and units of a rulebook.

    Examples
    --------
    >>> from tagger.rulebook import load_rulebook
    >>> facts = FactReader(load_rulebook()).read([Row("1", "6 m3 vertical granulation kettle")])[0]
    >>> facts.quantities[0].low, facts.quantities[0].unit
    (6.0, 'm3')
    """

    def __init__(self, book: Rulebook) -> None:
        self.terms = term_matcher(book)
        self._negation = NegationReader(book.negation)
        self._book = book
        self._longest = book.settings.decision.longest_text

    @cached_property
    def _quantities(self) -> QuantityReader:
        """Made when a text first has a digit: its patterns take longer than anything else at a start."""
        from tagger.facts.quantities import QuantityReader

        return QuantityReader(self._book.units, self._book.quantities)

    def read(self, rows: Sequence[Row]) -> list[Facts]:
        """Facts of each row, in order."""
        faults = [_fault(row.text, self._longest) for row in rows]
        cleans = [normalise(row.text[: self._longest]) for row in rows]
        terms = self.terms.find_all(cleans)
        return [
            Facts(row, clean, self._negation.mark(found, clean), self._figures(clean), fault)
            for row, clean, found, fault in zip(rows, cleans, terms, faults, strict=True)
        ]

    def _figures(self, clean: CleanText) -> tuple[Quantity, ...]:
        return self._quantities.read(clean) if has_digit(clean.folded) or has_numeral(clean.folded) else ()


def term_matcher(book: Rulebook) -> TermMatcher:
    """Finds the terms of a rulebook; their index is kept from start to start."""
    kept = recall_parts("terms", book.rules_id, INDEX_FILES)
    with contextlib.suppress(TypeError, ValueError, AttributeError):  # none was kept, or something else
        return TermMatcher(TermIndex.kept(*kept or ()))
    index = TermIndex.of(book.terms)
    keep_parts("terms", book.rules_id, INDEX_FILES, index.head, index.branches)
    return TermMatcher(index)


def _fault(text: str, longest: int) -> str:
    """Why a text cannot be read; empty where it can."""
    if not text.strip():
        return "the text is empty"
    if len(text) > longest:
        return f"the text has {len(text)} characters; only the first {longest} were read"
    share = unreadable_share(text[:2000])
    if share > _UNREADABLE_SHARE:
        return f"{share:.0%} of the characters are control or replacement characters: binary data or a wrong encoding"
    return ""
