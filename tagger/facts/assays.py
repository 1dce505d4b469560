"""Complete assays: an element that a full list of shares leaves out is not in the alloy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from tagger.law import Assay, Kind, Units
from tagger.records import CleanText, Quantity, Span

_SHARE = r"\d{1,2}(?:[.,]\d{1,4})?"


class AssayReader:
    """Reads assays by the words of ``quantities.toml``.

    Parameters
    ----------
    assay : Assay
    kinds : sequence of Kind
    units : Units

    Examples
    --------
    >>> from tagger.facts.text import normalise
    >>> from tagger.rulebook import load_rulebook
    >>> book = load_rulebook()
    >>> reader = AssayReader(book.quantities.assay, book.quantities.kind, book.units)
    >>> [(q.kind, q.high) for q in reader.read(normalise("N35: Nd 29.5%, Pr 0.4%, Fe 69.1%, B 1.0%"))][:2]
    [('dysprosium_content', 0.0), ('terbium_content', 0.0)]
    >>> list(reader.read(normalise("Nd 29.5%, Fe 66%, B 1.0%")))
    []
    """

    def __init__(self, assay: Assay, kinds: Sequence[Kind], units: Units) -> None:
        self._assay = assay
        self._dimension = {k.name: k.dimension for k in kinds}
        self._base = {d.name: d.base for d in units.dimension}
        names = {self._spelling(w): element for element, words in assay.elements.items() for w in words}
        self._names = names
        groups = [[w for e in group for w in assay.elements[e]] for group in assay.needs]
        # plain words first: most texts have none, and looking for them is quicker than the pattern
        self._needed = [([_plain(w) for w in words], re.compile("|".join(map(_bounded, words)))) for words in groups]
        self._heavy = re.compile(rf"(?<![A-Za-z0-9])N?\d{{2}}(?:{'|'.join(assay.heavy_grades)})(?![A-Za-z])")
        self._hedge = re.compile("|".join(map(re.escape, assay.hedge)))
        self._mention = {s.kind: re.compile("|".join(_bounded(w) for w in s.mention)) for s in assay.silent}

    @cached_property
    def _pair(self) -> re.Pattern[str]:
        """An element with its share, made when a text first has all that an assay needs."""
        name = "|".join(_bounded(n) for n in sorted(self._names, key=len, reverse=True))
        balance = "|".join(_bounded(w) for w in sorted(self._assay.balance, key=len, reverse=True))
        between, percent = r"(?:\s{1,2}|\s?[:=-]\s{0,2})", r"\s?(?:wt\.?\s?)?%"
        glued = rf"(?P<g>{_SHARE})(?:{percent}|(?<=[.,]\d)|(?<=[.,]\d\d)|(?=[A-Z][a-z]?\d))"  # N35 is a grade, Nd29.5 a share
        return re.compile(
            rf"(?P<a>{name})(?:{between}(?:(?P<x>{_SHARE})(?![\d.,]*\d)(?:{percent})?)|(?:{between})?(?P<rest>{balance})|{glued})"
            rf"|(?<![\d.,])(?P<y>{_SHARE}){percent}\s?(?P<b>{name})"
            rf"|(?P<front>{balance})\s{{0,2}}[:=]?\s{{0,2}}(?P<c>{name})"
        )

    def read(self, clean: CleanText) -> Iterator[Quantity]:
        """Nothing, or a content of nought for each element that a complete assay does not mention."""
        for words, needed in self._needed:
            if not any(word in (clean.text if len(word) <= 2 else clean.folded) for word in words) or not needed.search(clean.text):
                return
        shares: dict[str, float] = {}
        spans: list[Span] = []
        rest = False
        for match in self._pair.finditer(clean.text):
            element = self._names[self._spelling(match.group("a") or match.group("b") or match.group("c"))]
            number = match.group("x") or match.group("y") or match.group("g")
            shares[element] = shares.get(element, 0.0) + (float(number.replace(",", ".")) if number else 0.0)
            rest = rest or number is None
            spans.append(clean.span(match.start(), match.end()))
        low, high = self._assay.sum
        complete = (rest and sum(shares.values()) <= high) or low <= sum(shares.values()) <= high
        has_all = all(any(e in shares for e in group) for group in self._assay.needs)
        if len(shares) < self._assay.few and self._heavy.search(clean.text):
            return  # a nominal formula beside a grade that usually holds heavy rare earths proves nothing
        if not (complete and has_all) or self._hedge.search(clean.folded):
            return
        listed = " + ".join(f"{e} {v:g}" if v else f"{e} rest" for e, v in shares.items())
        span = Span(min(s.start for s in spans), max(s.end for s in spans))
        for silent in self._assay.silent:
            if not self._mention[silent.kind].search(clean.text):
                dimension = self._dimension[silent.kind]
                derivation = f"complete assay without it: {listed} %"
                yield Quantity(silent.kind, 0.0, 0.0, self._base[dimension], dimension, span, derivation)

    @staticmethod
    def _spelling(word: str) -> str:
        """Symbols keep their case (B is boron, b is nothing); names do not have to."""
        return word if len(word) <= 2 or "-" in word or "+" in word else word.casefold()


def _plain(word: str) -> str:
    """A word as it stands in a text: symbols keep their case."""
    return word if len(word) <= 2 else word.lower()


def _bounded(word: str) -> str:
    """A word as a pattern: whole where it is written in letters with spaces between words."""
    body = re.escape(word) if len(word) <= 2 else f"(?i:{re.escape(word)})"
    if not re.match(r"[A-Za-z\u0400-\u04ff]", word):
        return body
    return rf"(?<![A-Za-z])(?<![\u0400-\u04ff]){body}(?![A-Za-z])(?![\u0400-\u04ff])"  # small classes compile faster than one
