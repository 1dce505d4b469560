"""Words that deny the term beside them: ``contains no natural graphite``, ``不含人造石墨``, ``not for lead-acid``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tagger.facts.numbers import any_of
from tagger.facts.text import normalise
from tagger.law import Negation
from tagger.records import CleanText, Span, Term

_LONGEST = 40  # characters of the longest word that denies, with the article behind it


class NegationReader:
    """Marks the terms that a text denies.

    Parameters
    ----------
    negation : Negation

    Examples
    --------
    >>> reader = NegationReader(Negation(before=("without", "不含"), after=("-free",), articles=("any",), joints=("or",)))
    >>> clean = normalise("without any silicon or tin, lead-free, copper")
    >>> terms = [Term(w, Span(clean.text.find(w), clean.text.find(w) + len(w))) for w in ("silicon", "tin", "lead", "copper")]
    >>> [t.concept for t in reader.mark(terms, clean) if t.negated]
    ['silicon', 'tin', 'lead']
    """

    def __init__(self, negation: Negation) -> None:
        before, after, articles, joints = (
            any_of([normalise(w).folded for w in words])
            for words in (negation.before, negation.after, negation.articles, negation.joints)
        )
        guard = "".join(rf"(?<!{re.escape(normalise(w).folded)})" for w in negation.never_behind)
        self._any = re.compile(f"{before}|{after}")
        self._before = re.compile(rf"{guard}{before}\s*(?:{articles}\s+)?$")
        self._after = re.compile(rf"\s?{after}")
        self._joint = re.compile(rf"\s*{joints}\s*")

    def mark(self, terms: Sequence[Term], clean: CleanText) -> tuple[Term, ...]:
        """The terms, those that the text denies marked so; also those inside a denied one, or joined to it by "or"."""
        text = clean.original.lower()
        if not terms or not self._any.search(text):
            return tuple(terms)
        denied: list[Span] = []
        for term in terms:
            left = text[max(0, term.span.start - _LONGEST) : term.span.start]
            right = text[term.span.end : term.span.end + _LONGEST]
            if self._before.search(left) or self._after.match(right) or self._joined(term.span, denied, text):
                denied.append(term.span)
        if not denied:
            return tuple(terms)
        return tuple(replace(t, negated=True) if _inside(t.span, denied) else t for t in terms)

    def _joined(self, span: Span, denied: Iterable[Span], text: str) -> bool:
        return any(d.end <= span.start and self._joint.fullmatch(text[d.end : span.start]) for d in denied)


def _inside(span: Span, outer: Iterable[Span]) -> bool:
    return any(o.start <= span.start and span.end <= o.end for o in outer)
