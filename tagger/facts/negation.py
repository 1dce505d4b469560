"""Words that deny the term beside them: ``contains no natural graphite``, ``不含人造石墨``, ``not for lead-acid``."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from tagger.facts.text import fold_words, one_to_one
from tagger.facts.words import AnyOf, AnyPiece, any_of
from tagger.law import Negation
from tagger.records import CleanText, Span, Term

_NEAREST = 16  # denied terms in front of a place that can still reach it
_VERDICT_REACH = 60  # characters between a list of constituents and the verdict on it
_JOINT_REACH = 40  # characters between two members of a list
_LISTED = "、/・·&+"  # signs that join the members of a list; a comma does so only where "and" or "each" shows that it is a list
_NUMBER = r"(?:値|值)?\s?[(:]?\d[\d.,]*\s?(?:(?:wt|mass|мас|gew)\.?\s?)?(?:%|ppm)?\)?\s?"  # where a verdict has "#"
# a share of at most 0.5 % or 5000 ppm: "Y2O3 < 0.01 %", "Sm2O3 0.03", "各小于十ppm"; no mass or size
_AMOUNT = (
    r"(?:kg|g|mt|t|tons?|tonnes?|lbs?|oz|mm|cm|um|μm|m|l|ml|in|inch|mol|кг|г|т|тонн\w*|톤|トン|吨|公斤|千克|克|斤|微米|毫米|米|寸"
    r"|英寸|升|x|×|个|-)(?![a-z])"
)
_TRACE = (
    r"(?:0?[.,]0\d*|0?[.,][1-5]\d{0,2}|\d{1,4}(?=\s?(?:ppm|ppb))|[一二三五十百]{1,3}(?=\s?(?:个)?ppm)"
    r"|百分之零点零[零一二三四五六七八九]+|(?:十|百)?万分之[一二三四五六七八九十]{1,3})(?![\d.,]*\d)"
    rf"(?:\s?(?:wt\.?\s?)?(?:%|ppm|ppb)|(?!\s?{_AMOUNT}))"
)
# a limit that is not reached: "Dy < 0.005, Tb < 0.005 (not detected)"
_LIMIT = r"[<≤]\s?\d[\d.,]*\d\s?(?:(?:wt|mass|мас|gew)\.?\s?)?(?:%|ppm)?"
_LIMIT_IN_LIST = re.compile(rf"^\s*{_LIMIT}")
_FIGURE = re.compile(r"\s*[:=]?\s*\d")  # a content of its own: "no Dy, Tb 0.4 %"
_LIST_REACH = r"[^\u3002\uff0c\uff1b\uff1a,;:\n的]{0,60}"  # a denied Chinese list goes to the end of its clause, or to a 的
_COMMA = "\u3001"
_SYMBOL = re.compile(
    r"(?<![A-Za-z0-9])(?:Sc|Y|La|Ce|Pr|Nd|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Th|U)(?![A-Za-z0-9])"
)  # "Y" alone is no term
_SHORT = 2  # letters of a word that stands inside many others ("nd" in "and") and is looked for as a whole word
_FEW = 3  # so many constituents behind one another, parted by commas, are a list
_OPENING = 16  # characters at the beginning of a text in which its goods are named
_ASIDE = 20  # characters from there to what they are for
_ITEM = r"[^\W\d]+(?:[ -][^\W\d]+){0,2}"


class _Patterns(NamedTuple):
    """Words that deny: those in front of a denied term, those behind it, those that join it to another, and whole lists that are
    denied, with what parts their members.
    """

    before: list[AnyOf]
    after: AnyOf
    joint: re.Pattern[str]
    lists: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]


class _OfConstituents(NamedTuple):
    """Verdicts on a whole list of constituents and traces of them, what may stand between the list and its verdict, and what
    joins its members.
    """

    verdict: re.Pattern[str]
    trace: re.Pattern[str]
    between: re.Pattern[str]
    member: re.Pattern[str]


class NegationReader:
    """Marks the terms that a text denies.

    Parameters
    ----------
    negation : Negation

    Examples
    --------
    >>> from tagger.facts.text import normalise
    >>> reader = NegationReader(Negation(before=("without", "不含"), after=("-free",), articles=("any",), joints=("or",)))
    >>> clean = normalise("without any silicon or tin, lead-free, copper")
    >>> terms = [Term(w, Span(clean.text.find(w), clean.text.find(w) + len(w))) for w in ("silicon", "tin", "lead", "copper")]
    >>> [t.concept for t in reader.mark(terms, clean) if t.negated]
    ['silicon', 'tin', 'lead']
    >>> lists = Negation(
    ...     before=(), after=(), articles=(), joints=(),
    ...     verdicts=("not detected",), between=("each",), members=("and",), constituents=("Dy", "Tb"),
    ... )
    >>> clean = normalise("Dy and Tb each not detected")
    >>> [t.concept for t in NegationReader(lists).mark([Term("Dy", Span(0, 2)), Term("Tb", Span(7, 9))], clean) if t.negated]
    ['Dy', 'Tb']
    """

    def __init__(self, negation: Negation) -> None:
        self._words = negation

    @cached_property
    def _hints(self) -> tuple[AnyPiece, AnyOf]:
        """Pieces of text of which every denial holds one, and words too short to be looked for inside of others."""
        negation = self._words
        folded = fold_words((*negation.before, *negation.after, *negation.verdicts))
        words = {word.removeprefix("*").partition("#")[0].strip() for word in folded} - {""}
        short = {w for w in words if len(w) <= _SHORT and w.isascii() and w.isalpha()}
        return AnyPiece(words - short), AnyOf(short)

    def _may_deny(self, text: str) -> bool:
        """Whether a text may deny something: much quicker than to look what, and false of most texts."""
        pieces, short = self._hints
        return text in pieces or next(short.finditer(text), None) is not None

    @cached_property
    def _patterns(self) -> _Patterns:
        """Made when a text first has a term that may be denied."""
        negation = self._words
        articles, joints = (any_of(fold_words(words)) for words in (negation.articles, negation.joints))
        never_behind = fold_words(negation.never_behind)
        before = [
            AnyOf(words, never_behind=never_behind, behind=rf"\s*(?:{articles}\s+)?")
            for words in _without_prefixes(fold_words(negation.before))
        ]
        return _Patterns(before, AnyOf(fold_words(negation.after)), re.compile(rf"\s*{joints}\s*"), self._lists)

    @cached_property
    def _of_constituents(self) -> _OfConstituents:
        """Made when a text that may deny something first has a constituent."""
        negation = self._words
        verdict, between = (any_of(fold_words(words)) for words in (negation.verdicts, negation.between))
        return _OfConstituents(
            re.compile(verdict.replace(re.escape("#"), _NUMBER)),
            re.compile(rf"[:=]?\s?(?:(?:{any_of(fold_words(negation.at_most))})\s?)?{_TRACE}"),
            re.compile(rf"(?:[\s,，:：()（）\"“”„']|{_LIMIT}|{between})*$" if negation.between else r"\s*$"),
            re.compile(rf"[\s,]*{any_of(fold_words((*negation.joints, *negation.members)))}\s*"),
        )

    @property
    def _lists(self) -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
        """``不含设备、样品或工艺参数``; ``nothing on rare earths, lithium or magnets``, where "or" shows that it is a list."""
        negation = self._words
        wide = "".join(joint for joint in negation.joints if len(joint) == 1 and not joint.isascii())
        spelled = "|".join(map(re.escape, sorted(negation.lists_or, key=len, reverse=True)))
        joint = "|".join(map(re.escape, sorted(negation.either, key=len, reverse=True)))
        found = []
        if negation.lists:
            head = "|".join(map(re.escape, sorted(negation.lists, key=len, reverse=True)))
            found.append(
                (
                    re.compile(rf"(?:{head})(?={_LIST_REACH}[{_COMMA}{wide}]){_LIST_REACH}"),
                    re.compile(f"^(?:{head})|[{_COMMA}{wide}]"),
                )
            )
        if spelled and joint:
            run = rf"\b(?:{spelled})(?: any| the)? {_ITEM}(?:, {_ITEM}){{1,{_NEAREST}}},? (?:{joint}) {_ITEM}"
            first = rf"^(?:{spelled})(?: any| the)? "  # a sentence may begin with it: "No yttrium, gadolinium or samarium"
            found.append((re.compile(run), re.compile(rf"{first}|, (?:(?:{joint}) )?| (?:{joint}) ")))
        return tuple(found)

    def mark(self, terms: Sequence[Term], clean: CleanText) -> tuple[Term, ...]:
        """The terms, those that the text denies marked so; also those inside a denied one, or joined to it by "or"."""
        if not terms:
            return ()
        text = clean.original.lower()
        if not text.isascii():
            text = text.translate(one_to_one())
        traces = any(t.concept in self._words.traces_beside for t in terms)
        if not traces and not self._may_deny(text):
            return tuple(terms)
        patterns = self._patterns
        fronts = sorted((word.end, word.start) for words in patterns.before for word in words.finditer(text))
        behinds = sorted((word.start, word.end) for word in patterns.after.finditer(text))
        begins = {end for end, _ in fronts}
        for whole, parting in patterns.lists:
            for run in whole.finditer(clean.original.lower()):
                begins.update(run.start() + m.end() for m in parting.finditer(run.group()))
        ends = {_behind_a_word(text, start) for start, _ in behinds}
        own = _with_bare_symbols({t.span for t in terms if t.concept in self._words.constituents}, clean.original)
        listed = self._listed(terms, own, text, clean.original) | self._carried(terms, own, begins, text, clean.original)
        if not begins and not ends and not listed:
            return tuple(terms)
        beside = {t.span for t in terms if t.span.start in begins or t.span.end in ends} | listed
        beside |= {t.span for t in terms if self._is_overlapped(t.span, text, fronts, behinds)}
        denied: list[Span] = []
        for span in sorted(t.span for t in terms):
            goes_on = bool(denied) and _in_run(denied[-1], span, clean.original)
            if span in beside or goes_on or self._joined(span, denied[-_NEAREST:], text):
                denied.append(span)
        starts = [span.start for span in denied]
        return tuple(replace(t, negated=True) if _inside(t.span, denied, starts) else t for t in terms)

    def _listed(self, terms: Sequence[Term], own: Set[Span], text: str, original: str) -> set[Span]:
        """The constituents that a verdict behind their list denies: ``Dy, Tb and Ho not detected``, ``钐、铕均未检出``."""
        constituents = sorted(own, key=lambda s: (s.end, -s.start))
        ends = [s.end for s in constituents]
        denials = sorted(t.span for t in terms if t.concept in self._words.denials)
        found: set[Span] = set()
        concepts = {t.concept for t in terms}
        verdicts = [self._of_constituents.verdict] if constituents else []
        if constituents and self._has_traces(terms, concepts):
            verdicts.append(self._of_constituents.trace)  # what a light rare earth holds of the heavy ones
        for verdict in (m for pattern in verdicts for m in pattern.finditer(text)):
            place = _begin_of(denials, verdict.start())
            direct = place == verdict.start()
            before = self._of_constituents.between.search(text, max(0, place - _VERDICT_REACH), place) if direct else None
            said, place = (before.group(), before.start()) if before else ("", place)
            several = bool(said.strip(" ,:：")) or self._is_row(constituents, ends, text, place)
            while True:
                near = _in_front(constituents, ends, place, _JOINT_REACH)
                last = next((s for s in near if self._is_joint(text, original, s.end, place, several)), None)
                if last is None or last in found:
                    break
                several = several or self._of_constituents.member.fullmatch(text[last.end : place]) is not None
                found.add(last)
                place = last.start
        return found

    def _has_traces(self, terms: Sequence[Term], concepts: Set[str]) -> bool:
        """Whether the goods are a light rare earth and no magnet, which may be what they are for: ``Nd2O3 for NdFeB plants``."""
        if concepts.isdisjoint(self._words.traces_beside):
            return False
        if concepts.isdisjoint(self._words.traces_not_beside):
            return True
        light = min(t.span.start for t in terms if t.concept in self._words.traces_beside)
        magnet = min(t.span.start for t in terms if t.concept in self._words.traces_not_beside)
        return light < _OPENING and magnet > light + _ASIDE

    @staticmethod
    def _is_row(constituents: Sequence[Span], ends: Sequence[int], text: str, place: int) -> bool:
        """Whether several constituents, parted by commas, stand in front of a verdict: ``Dy, Tb, Sm not found``."""
        count = 0
        while count < _FEW:
            near = _in_front(constituents, ends, place, 3)
            last = next((s for s in near if not text[s.end : place].strip(" ,，、")), None)
            if last is None:
                return False
            place, count = last.start, count + 1
        return True

    def _carried(self, terms: Sequence[Term], own: Set[Span], begins: set[int], text: str, original: str) -> set[Span]:
        """The constituents behind a denied one, to the end of its list: ``no Dy, Tb or Ho``, ``未加入镝、铽及钬``."""
        denials = {t.span for t in terms if t.concept in self._words.denials}
        firsts: dict[int, int] = {}  # where a denied one begins, and where it ends
        for span in (*(s for s in own if s.start in begins), *(s for s in denials if self._begins_with_a_denial(s, text))):
            firsts[span.start] = max(span.end, firsts.get(span.start, 0))
        if not firsts:
            return set()
        members = sorted(own | denials, key=lambda s: (s.start, -s.end))
        starts = [s.start for s in members]
        found: set[Span] = set()
        place = 0
        for start in sorted(firsts):
            if start < place:
                continue  # in the list of an earlier one
            place = firsts[start]
            open_: list[Span] = []  # behind a comma: in the list only where an "or" closes it
            while True:
                i = bisect_left(starts, place)
                if i == len(members) or starts[i] > place + _JOINT_REACH or _FIGURE.match(text, members[i].end):
                    break
                between, signs = text[place : starts[i]], original[place : starts[i]].strip()
                comma = not between.strip(" ,，")
                if self._of_constituents.member.fullmatch(between) or (signs and all(c in _LISTED for c in signs)) or not between:
                    found.update((*open_, members[i]))
                    open_ = []
                elif comma and members[i] in denials:
                    found.update(open_)
                    open_ = []
                elif comma and signs:
                    open_.append(members[i])
                else:
                    break
                place = members[i].end
        return found

    def _begins_with_a_denial(self, span: Span, text: str) -> bool:
        """Whether the word that denies stands in front: ``kein Dysprosium``, but not ``Dy-free``."""
        found = (words.match(text, span.start) for words in self._patterns.before)
        return any(word is not None and word.end < span.end for word in found)

    def _is_joint(self, text: str, original: str, start: int, end: int, several: bool) -> bool:
        """Whether what stands between two members joins them in a list."""
        between = text[start:end]
        signs = original[start:end].strip()
        if several:
            between, signs = _LIMIT_IN_LIST.sub("", between), _LIMIT_IN_LIST.sub("", signs)
        return (
            not between.strip()
            or all(c in _LISTED for c in signs)
            or (several and not between.strip(" ,，"))
            or self._of_constituents.member.fullmatch(between) is not None
        )

    def _is_overlapped(self, span: Span, text: str, fronts: Sequence[tuple[int, int]], behinds: Sequence[tuple[int, int]]) -> bool:
        """Whether a denial and a mention share a word: ``not suitable`` and ``for jewellery``, 首饰用 and 用途除外.

        Denials in front come as (end, start), those behind as (start, end), both sorted.
        """
        both = [(span.start, end) for end, start in _within(fronts, span) if start < span.start]
        both += [(start, span.end) for start, end in _within(behinds, span) if span.end < end]
        return any(text[start:end].strip() in self._shared for start, end in both)

    @cached_property
    def _shared(self) -> frozenset[str]:
        return frozenset(fold_words(self._words.shared))

    def _joined(self, span: Span, denied: Iterable[Span], text: str) -> bool:
        return any(d.end <= span.start and self._patterns.joint.fullmatch(text[d.end : span.start]) for d in denied)


def _within(places: Sequence[tuple[int, int]], span: Span) -> Sequence[tuple[int, int]]:
    """Those of some sorted pairs whose first place lies inside a span."""
    return places[bisect_right(places, (span.start, math.inf)) : bisect_left(places, (span.end, -1))]


def _behind_a_word(text: str, place: int) -> int:
    """A place, or that of the space in front of it, where the word before ends."""
    return place - 1 if place and text[place - 1].isspace() else place


def _with_bare_symbols(named: set[Span], original: str) -> set[Span]:
    """Constituents, and beside them the symbols that no term stands for."""
    return named | {Span(m.start(), m.end()) for m in _SYMBOL.finditer(original)} if named else named


def _in_front(spans: Sequence[Span], ends: Sequence[int], place: int, reach: int) -> Iterator[Span]:
    """Those that end at most so many characters in front of a place, the nearest first; ``ends`` are theirs, sorted."""
    return reversed(spans[bisect_left(ends, place - reach) : bisect_right(ends, place)])


def _in_run(denied: Span, span: Span, text: str) -> bool:
    """Whether a one-character term stands right behind a denied one: the metals of 不含钨锑铋."""
    return denied.end == span.start and span.end - span.start == denied.end - denied.start == 1 and not text[span.start].isascii()


def _begin_of(denials: Sequence[Span], place: int) -> int:
    """Where the denial begins that a place lies in, of sorted ones; the place itself where it lies in none."""
    last = bisect_left(denials, place, key=lambda s: s.start)
    return min((s.start for s in denials[max(0, last - _NEAREST) : last] if place < s.end), default=place)


def _without_prefixes(words: Sequence[str]) -> list[list[str]]:
    """Lists of which none holds a word and its beginning: "not for" must not hide the "not" in front of "for presses".

    Nor does one hold words with a sign in front and others: ", no" must not hide "no apto para".
    """
    lists: list[list[str]] = []
    signed = {word for word in words if not word[:1].isalnum()}
    for group in (signed, set(words) - signed):
        left = sorted(group)
        while left:
            hidden = {word for word, following in pairwise(left) if following.startswith(word)}
            lists.append([word for word in left if word not in hidden])
            left = sorted(hidden)
    return lists


def _inside(span: Span, denied: Sequence[Span], starts: Sequence[int]) -> bool:
    """Whether a span lies in one of the denied ones, which are sorted; those that begin long before it end before it."""
    last = bisect_right(starts, span.start)
    return any(o.start <= span.start and span.end <= o.end for o in denied[max(0, last - _NEAREST) : last])
