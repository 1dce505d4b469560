"""Clauses against facts, in three-valued logic: MET, NOT_MET, UNKNOWN.

What a text leaves out is UNKNOWN and names itself in a question; a range or tolerance that crosses a threshold is UNKNOWN;
NOT_MET needs a figure outside, a word that denies, or an exclusion.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product

from tagger.decisions.alternatives import Alternatives, Joints
from tagger.decisions.wording import FIRST_WIDE, alternation
from tagger.facts.readable import readable
from tagger.law import AlternativeWords, Clause, CompanionWords, Condition, Kind, Parameter, Unlisted, shown_value
from tagger.records import ClauseResult, Evidence, Facts, Quantity, Question, Span, Term, Truth
from tagger.rulebook import DENIED, FIGURE, Rulebook, concepts_of

_SAME = 1e-9  # relative difference below which two figures are the same figure
_BEHIND_REACH = 24  # characters behind a mention in which the noun of what is meant for it stands
_JOINT = re.compile(r"[\s-]*(?:(?:&|\+|/|and|und|y|e|и|和|及|与|與|以及|및|や|と)\s*)?")  # "for filling & vacuum baking"
_BRACKETED = re.compile(r"\s?[(\uff08][^()\uff08\uff09]{1,24}[)\uff09]")
_POINTING_REACH = 160  # characters around a mention in which "for" and what stands between may be
_ASIDE = 20  # characters
_COMPANION_REACH = 20  # characters beside a mention in which the word is that says that it only comes with the goods
_SENTENCE = re.compile(r"[.;!?](?=\s)|[\u3002\uff1b\uff01\uff1f\n]")
_PURPOSE_REACH = 32  # characters in front of or behind a mention in which the word is that says that it names a use
_STOPS = "\u3002\uff0c\uff1b\uff1a,;.:\n"
Terms = Mapping[str, Sequence[Term]]


@dataclass(frozen=True, slots=True)
class Judged:
    """All that the rulebook says of one text: clauses and unlisted neighbours that it speaks of."""

    clauses: tuple[ClauseResult, ...]
    unlisted: tuple[tuple[Unlisted, tuple[Evidence, ...]], ...]
    marks: frozenset[str] = frozenset()  # flags for the classifier: what the rulebook says, by category


@dataclass(frozen=True)
class _Said:
    """Terms that the text states, and terms that it denies, by concept; places of terms and figures, and of each "or"."""

    terms: Terms
    denied: Terms
    facts: Facts
    joints: Joints

    @cached_property
    def spans(self) -> Sequence[Span]:
        """Places of terms and figures, sorted; few texts ask for them."""
        return sorted({*(t.span for t in self.facts.terms), *(q.span for q in self.facts.quantities)})

    def is_open(self, concepts: Iterable[str], same: Iterable[str]) -> bool:
        """Whether each mention of some concepts is one side of an "or", with none of the ``same`` on the other side."""
        if not self.joints.spans:
            return False
        stated = [c for c in concepts if c in self.terms]
        mentions = _outermost(t.span for c in stated for t in self.terms[c])
        others = [t.span for c in same for t in self.terms.get(c, ())]
        denials = any(c.startswith(DENIED) for c in stated)  # "without Dy or Tb" denies both
        return bool(mentions) and not denials and all(self.joints.leave_open(m, others) for m in mentions)


@dataclass(frozen=True, slots=True)
class _Part:
    """One condition of a clause, judged."""

    truth: Truth
    evidence: tuple[Evidence, ...] = ()
    question: Question | None = None
    margin: float | None = None
    crosses: bool = False
    assumptions: tuple[str, ...] = ()


class ClauseJudge:
    """Judges texts against all clauses of a rulebook.

    Examples
    --------
    >>> from tagger.facts.reader import FactReader
    >>> from tagger.records import Row
    >>> from tagger.rulebook import load_rulebook
    >>> book = load_rulebook()
    >>> facts = FactReader(book).read([Row("1", "6 m3 vertical granulation kettle for graphite anode material")])[0]
    >>> [(r.code, str(r.truth), round(r.margin, 2)) for r in ClauseJudge(book).judge(facts).clauses if r.truth == Truth.MET]
    [('3B901.c.1.a', 'MET', 0.2)]
    """

    def __init__(self, book: Rulebook) -> None:
        self._book = book
        self._clauses: dict[str, list[Clause]] = defaultdict(list)
        self._unlisted: dict[str, list[Unlisted]] = defaultdict(list)
        for clause in book.clauses:
            for concept in clause.subject[0]:
                self._clauses[concept].append(clause)
        for item in book.unlisted:
            for concept in item.subject[0]:
                self._unlisted[concept].append(item)
        issued = {a.id: a.issued for a in book.announcements}
        ranked = sorted(book.clauses, key=lambda c: (c.code_form == "annex_position", issued[c.announcement]))
        self._speaking = {c.code: _speaking(c) for c in book.clauses}
        self._order = {c.code: i for i, c in enumerate(ranked)}  # codes before annex positions, older layers first
        self._used = _concepts_used(book)
        self._alternatives = Alternatives(book.alternatives)
        self._pointed_from = re.compile(
            rf"(?:^|[^\w])(?:{alternation(book.pointing.before)})\s*$|(?:{alternation(book.pointing.before, wide=True)})\s*$"
        )
        self._purpose_before = re.compile(
            rf"(?:(?:^|[^\w])(?:{alternation(book.pointing.before)})\s[^,.;:]*"
            rf"|(?:{alternation(book.pointing.before, wide=True)})[^{_STOPS}]*)$"
        )
        self._purpose_behind = _use_behind(book.pointing.use_behind)
        but_not = alternation(book.pointing.but_not, wide=True)
        self._pointed_by = re.compile(
            rf"\s?(?!{but_not})(?:{alternation(book.pointing.after, wide=True)})"
            rf"|[\s-](?!(?:{alternation(book.pointing.but_not)})(?!\w))(?:{alternation(book.pointing.after)})(?!\w)"
        )
        companions = book.companions
        self._comes_behind = re.compile(
            rf"(?:(?:^|[^\w])(?:{alternation(companions.before)})\s*|(?:{alternation(companions.before, wide=True)})\s?)$"
        )
        self._comes_in_front = re.compile(
            rf"\s?(?:{alternation(companions.after, wide=True)})|[\s,:(-]{{1,2}}(?:{alternation(companions.after)})(?!\w)"
        )
        common = _beside_the_noun(book) - book.nouns
        self._categories: dict[str, set[str]] = defaultdict(set)
        for concept, names in book.lexicons.items():
            if concept not in common:
                self._categories[concept].update(name for name in names if name in book.labels)

    def judge(self, facts: Facts) -> Judged:
        """Truth of every clause whose subject the text names; the others are not spoken of."""
        said = self._said(facts)
        terms = said.terms
        clauses = {c.code: c for concept in terms for c in self._clauses.get(concept, ())}
        results = []
        for code in sorted(clauses, key=self._order.__getitem__):
            named = _subject(clauses[code].subject, clauses[code].within_chars, terms)
            if named:
                result = self._clause(clauses[code], named, facts, said)
                results.append(self._pointed(clauses[code], result, facts, said))
        failed = {r.code for r in results if r.truth == Truth.NOT_MET and r.margin is not None}
        results = [self._part_of_failed(clauses[r.code], r) if clauses[r.code].part_of in failed else r for r in results]
        items = {u.id: u for concept in terms for u in self._unlisted.get(concept, ())}
        unlisted = []
        for item in items.values():
            named = _subject(item.subject, item.within_chars, terms)
            if named and not any(c in terms for c in item.excluded_by):
                unlisted.append((item, tuple(_shown(facts, t, "names " + t.concept, "") for t in named)))
        spoken = frozenset(c for t in facts.terms for c in self._categories.get(t.concept, ()))
        marks = self._marks(results, [item for item, _ in unlisted], spoken)
        return Judged(tuple(results), tuple(unlisted), marks)

    def _said(self, facts: Facts) -> _Said:
        """What a text states and what it denies, by the concepts that clauses ask for."""
        terms: dict[str, list[Term]] = defaultdict(list)
        denied: dict[str, list[Term]] = defaultdict(list)
        for term in facts.terms:
            if term.concept in self._used:
                (denied if term.negated else terms)[term.concept].append(term)
            if term.negated and f"{DENIED}{term.concept}" in self._used:
                terms[f"{DENIED}{term.concept}"].append(replace(term, concept=f"{DENIED}{term.concept}"))
        for q in facts.quantities:
            for name in {f"{FIGURE}{q.kind}", f"{FIGURE}{q.dimension}"} & self._used:
                if q.high > 0 and not q.assumed:  # "Ho: 0" states no holmium
                    terms[name].append(Term(name, q.span))
        return _Said(terms, denied, facts, self._alternatives.of(facts.clean.original))

    def _marks(self, results: Iterable[ClauseResult], unlisted: Iterable[Unlisted], spoken: Iterable[str]) -> frozenset[str]:
        """What the rulebook says of a text, by category: features of the classifier that hold in every language."""
        marks = {f"spoken:{category}" for category in spoken} | {f"unlisted:{item.category}" for item in unlisted}
        for result in results:
            category = self._book.clause(result.code).category
            marks |= {f"addressed:{category}", f"{result.truth}:{category}"}
            if result.pointed:
                marks.add(f"pointed:{category}")
        return frozenset(marks)

    def _clause(self, clause: Clause, named: Sequence[Term], facts: Facts, said: _Said) -> ClauseResult:
        terms = said.terms
        names = tuple(_shown(facts, t, "names " + t.concept, clause.code) for t in dict.fromkeys(named))
        excluding = [terms[c][0] for c in clause.excluded_by if c in terms]
        open_ = said.is_open(clause.excluded_by, clause.excluded_by)
        comes_with = self._only_come_with(clause.excluded_by, facts, terms)
        if excluding and not open_ and not comes_with:
            shown = tuple(_shown(facts, t, "excludes: " + t.concept, clause.code) for t in excluding)
            return ClauseResult(clause.code, Truth.NOT_MET, None, (*names, *shown))
        parts = [self._condition(c, clause, named, facts, said) for c in clause.conditions]
        parts += self._parameters(clause, facts, terms)
        whole = _all(parts)
        if whole.truth == Truth.MET:
            whole = _all([whole, *self._roles(clause, named, facts, terms), *self._left_open(clause, named, facts, said)])
        if open_:
            whole = _all([whole, _asked(self._book.alternatives, "one of two: ", clause, excluding, facts)])
        elif comes_with:
            whole = _all([whole, _asked(self._book.companions, "comes with it: ", clause, excluding, facts)])
        questions = tuple(dict.fromkeys(p.question for p in parts if p.question and p.truth == Truth.UNKNOWN))
        if whole.question and not questions:
            questions = (whole.question,)
        margins = [p.margin for p in parts if p.margin is not None]
        again = {(t.span, "states " + t.concept) for t in named}
        return ClauseResult(
            code=clause.code,
            truth=whole.truth,
            margin=min(margins) if margins else None,
            evidence=(*names, *(e for e in whole.evidence if (e.span, e.says) not in again)),
            questions=questions if whole.truth == Truth.UNKNOWN else (),
            crosses=any(p.crosses for p in parts) and whole.truth == Truth.UNKNOWN,
            assumptions=whole.assumptions,
        )

    @staticmethod
    def _part_of_failed(clause: Clause, result: ClauseResult) -> ClauseResult:
        """A listed part beside a machine that its figures put outside: what would be MET becomes UNKNOWN."""
        if result.truth != Truth.MET:
            return result
        questions = tuple(Question(c.ask_en, c.ask_zh) for c in clause.conditions[-1:])
        return replace(result, truth=Truth.UNKNOWN, questions=questions, crosses=False)

    def _pointed(self, clause: Clause, result: ClauseResult, facts: Facts, said: _Said) -> ClauseResult:
        """A text in which every mention of the item is ``for`` it is about something else: what would be MET becomes UNKNOWN."""
        pointing = self._book.pointing
        if clause.part_of or clause.kind not in pointing.kinds or result.truth == Truth.NOT_MET:
            return result
        outer = _outermost(t.span for concept in clause.subject[0] for t in said.terms.get(concept, ()))
        if not all(self._is_pointed(facts, span, said.spans) for span in outer):
            return result
        question = Question(pointing.ask_en, pointing.ask_zh)
        return replace(result, truth=Truth.UNKNOWN, questions=(question, *result.questions), crosses=False, pointed=True)

    def _is_pointed(self, facts: Facts, span: Span, spans: Sequence[Span]) -> bool:
        """Whether a mention stands behind a word such as ``for``; terms and figures may stand between (``for 21700 cells``)."""
        text = facts.clean.original
        first = bisect_left(spans, Span(span.start - _POINTING_REACH, 0))
        near = spans[first : bisect_right(spans, Span(span.end + _POINTING_REACH, 0))]
        behind = [span.end, *(s.end for s in near if s.start >= span.end and self._is_beside(text, span.end, s.start))]
        behind += [m.end() for end in behind if (m := _BRACKETED.match(text, end))]  # "反应罐（10m³）用"
        if any(self._pointed_by.match(text[end : end + _BEHIND_REACH].lower()) for end in behind):
            return True
        start = span.start
        while True:
            if self._pointed_from.search(text[max(0, start - 20) : start].lower()):
                return True
            touching = [s.start for s in near if s.start < start and s.end <= start and _JOINT.fullmatch(text, s.end, start)]
            if not touching:
                return False
            start = min(touching)

    def _is_purpose(self, facts: Facts, span: Span, spans: Sequence[Span]) -> bool:
        """Whether a mention names a use, other words between: ``for short-wave photodiodes``, ``高速晶体管试制用``."""
        text = facts.clean.original
        before, after = text[max(0, span.start - _PURPOSE_REACH) : span.start], text[span.end : span.end + _PURPOSE_REACH]
        if self._purpose_before.search(before.lower()) or self._purpose_behind.match(after.lower()):
            return True
        return self._is_pointed(facts, span, spans)

    def _only_come_with(self, concepts: Iterable[str], facts: Facts, terms: Terms) -> bool:
        """Whether concepts are mentioned, and only as what comes with the goods: ``with wall chart``, ``and a charger``."""
        mentions = [t for c in concepts for t in terms.get(c, ())]
        return bool(mentions) and all(self._comes_with(facts.clean.original, t.span) for t in mentions)

    def _comes_with(self, text: str, span: Span) -> bool:
        before, after = text[max(0, span.start - _COMPANION_REACH) : span.start], text[span.end : span.end + _COMPANION_REACH]
        return bool(self._comes_behind.search(before.lower()) or self._comes_in_front.match(after.lower()))

    @staticmethod
    def _is_beside(text: str, end: int, start: int) -> bool:
        """Whether nothing stands between two mentions; behind a space, as in ``萃取箱 稀土用``, a Chinese word begins anew."""
        between = text[end:start]
        return not between or (not between.strip() and ord(text[end - 1]) < FIRST_WIDE)

    def _condition(self, condition: Condition, clause: Clause, named: Sequence[Term], facts: Facts, said: _Said) -> _Part:
        terms = said.terms
        stated = [terms[c][0] for c in condition.any_of if c in terms]
        denied = [terms[c][0] for c in condition.denied_by if c in terms]
        text = facts.clean.original
        if stated and denied and condition.leads and _is_aside(text, min(t.span.end for t in denied), stated):
            stated = []
        if stated and denied and condition.aside and _is_aside(text, max(t.span.end for t in (*named, *stated[:1])), denied):
            denied = []
        if condition.purpose:  # "epitaxial wafers for photodiodes"
            denied = [t for t in denied if not all(self._is_purpose(facts, d.span, said.spans) for d in terms[t.concept])]
        if not stated:
            denied += [said.denied[c][0] for c in condition.any_of if c in said.denied]
        if not denied or (not stated and self._only_come_with(condition.denied_by, facts, terms)):
            stated += [terms[c][0] for c in condition.assumed_by if c in terms]
        shown = tuple(
            [_shown(facts, t, "states " + t.concept, clause.code) for t in stated]
            + [_shown(facts, t, "speaks against: " + t.concept, clause.code) for t in denied]
        )
        truth = _stated(bool(stated), bool(denied))
        is_met = truth == Truth.MET
        deciding, same = (condition.any_of, self._speaking[clause.code]) if is_met else (condition.denied_by, condition.denied_by)
        if said.is_open(deciding, same):
            truth = Truth.UNKNOWN
        return _Part(truth, shown, Question(condition.ask_en, condition.ask_zh))

    def _left_open(self, clause: Clause, named: Sequence[Term], facts: Facts, said: _Said) -> list[_Part]:
        """The item or something else: the clause is no longer sure."""
        if not any(said.is_open(group, self._speaking[clause.code]) for group in clause.subject):
            return []
        return [_asked(self._book.alternatives, "one of two: ", clause, named[:1], facts)]

    def _roles(self, clause: Clause, named: Sequence[Term], facts: Facts, terms: Terms) -> list[_Part]:
        """A part, a charger, a book about the item: the clause is no longer sure, and the question is asked."""
        said = max(t.span.end for t in named)
        return [
            _Part(
                Truth.UNKNOWN,
                (_shown(facts, terms[role.concept][0], "role: " + role.concept, clause.code),),
                Question(role.ask_en, role.ask_zh),
            )
            for role in self._book.roles
            if clause.kind in role.kinds
            and role.concept in terms
            and (role.parts_too or not clause.part_of)
            and not (role.aside and _is_aside(facts.clean.original, said, terms[role.concept]))
        ]

    def _parameters(self, clause: Clause, facts: Facts, terms: Terms) -> list[_Part]:
        if clause.combine == "none" or not clause.parameters:
            return []
        fixed = [p for p in clause.parameters if not p.alt_set]
        parts = [self._parameter(p, clause, fixed, facts, terms) for p in fixed]
        if clause.combine == "any":
            parts = [_any(parts)]
        for alt_set in dict.fromkeys(p.alt_set for p in clause.parameters if p.alt_set):
            members = [p for p in clause.parameters if p.alt_set == alt_set]
            alternatives = list(dict.fromkeys(p.alt for p in members))
            if alt_set in clause.shapes:
                alternatives = self._shapes_named(members, facts) or alternatives
            branches = []
            for alt in alternatives:
                group = [p for p in members if p.alt == alt]
                branches.append(_all([self._parameter(p, clause, [*fixed, *group], facts, terms) for p in group]))
            parts.append(_any(branches))
        return parts

    def _shapes_named(self, members: Sequence[Parameter], facts: Facts) -> list[str]:
        """Of alternatives that are shapes, those of which the text has a figure that no other shape asks for."""
        shapes: dict[str, set[str]] = defaultdict(set)
        for p in members:
            shapes[p.quantity].add(p.alt)
        own = [p for p in members if p.unit and len(shapes[p.quantity]) == 1]
        return list(dict.fromkeys(p.alt for p in own if self._figures(self._book.kinds[p.quantity], facts.quantities, bare=False)))

    def _parameter(self, p: Parameter, clause: Clause, together: Sequence[Parameter], facts: Facts, terms: Terms) -> _Part:
        """One parameter; ``together`` are those that must be met with it, which unnamed figures could equally be."""
        question = self._question(p, clause)
        kind = self._book.kinds.get(p.quantity) if p.unit else None
        assumed: list[tuple[Quantity, ...]] = []
        if kind is not None:
            kinds = ((o, self._book.kinds[o.quantity]) for o in together if o.unit)
            alike = [o for o, k in kinds if k.dimension == kind.dimension and (k.bare or k is kind)]
            only = len({o.quantity for o in alike}) == 1
            every = self._figures(kind, facts.quantities, bare=only)
            figures = [group for group in every if not any(q.assumed for q in group)]
            assumed = [group for group in every if group not in figures]
            if figures and not self._is_denied(p, figures, facts, terms):
                part = self._compared(p, clause, figures, facts, question)
                return replace(part, truth=Truth.UNKNOWN) if part.truth == Truth.NOT_MET and self._open(p, kind, facts) else part
        stated = [terms[c][0] for c in p.stated_by if c in terms]
        denied = [terms[c][0] for c in p.denied_by if c in terms]
        if assumed and not stated and not denied:  # what the text itself says comes first
            part = self._compared(p, clause, assumed, facts, question)
            return replace(part, assumptions=tuple(dict.fromkeys(q.assumed for group in assumed for q in group)))
        shown = tuple(_shown(facts, t, "states " + t.concept, clause.code) for t in (*stated, *denied))
        return _Part(_stated(bool(stated), bool(denied)), shown, question)

    @staticmethod
    def _is_denied(p: Parameter, figures: Sequence[tuple[Quantity, ...]], facts: Facts, terms: Terms) -> bool:
        """Whether each mention is denied, so that a figure behind it is no content: ``Ho not detected (limit 0.005 %)``.

        A figure right behind the denial is one: ``without Dy, Tb 0.4 %``.
        """
        named = [c.removeprefix(DENIED) for c in p.denied_by if c.startswith(DENIED)]
        denials = [t.span for c in p.denied_by for t in terms.get(c, ())]
        if not named or not denials or any(c in terms for c in (*named, *p.stated_by)):
            return False
        starts = [q.span.start for group in figures for q in group]
        return not any(d.end <= s and not facts.clean.original[d.end : s].strip(" :=") for d in denials for s in starts)

    def _open(self, p: Parameter, kind: Kind, facts: Facts) -> bool:
        """Whether the text names no figure as this kind, yet holds an unnamed one that could be it and would not fail."""
        if kind.bare is None or kind.sides or any(q.kind == kind.name and not q.assumed for q in facts.quantities):
            return False
        low, high = kind.bare
        unnamed = [q for q in facts.quantities if q.dimension == kind.dimension and not q.kind and low <= q.high and q.low <= high]
        return any(compare(q, p.operator, self._thresholds(p))[0] != Truth.NOT_MET for q in unnamed)

    def _figures(self, kind: Kind, quantities: Sequence[Quantity], *, bare: bool) -> list[tuple[Quantity, ...]]:
        """Figures to compare; for a kind with sides, one group of three."""
        if kind.sides:
            groups = [[q for q in quantities if q.kind == side] for side in kind.sides]
            return [tuple(g[i] for g in groups) for i in range(min(len(g) for g in groups))]
        return [(_attained(q) if kind.maximum else q,) for q in readable(kind, quantities, bare=bare)]

    def _compared(
        self, p: Parameter, clause: Clause, figures: Sequence[tuple[Quantity, ...]], facts: Facts, question: Question
    ) -> _Part:
        truths, margins, shown, half_open = [], [], [], []
        for group in _without_coarse(figures):
            thresholds = self._thresholds(p)
            pairs = list(zip(group, thresholds, strict=True)) if len(group) > 1 else [(group[0], thresholds)]
            share = self._book.settings.decision.listed_value
            outcomes = [compare(q, p.operator, t if isinstance(t, list) else [t], share) for q, t in pairs]
            if p.unsure_from is not None:
                unsure = self._book.to_base(p.unsure_from, p.unit)
                outcomes = [
                    (Truth.UNKNOWN if o == Truth.NOT_MET and q.high >= unsure and t > unsure else o, m)
                    for (q, t), (o, m) in zip(zip(group, thresholds, strict=False), outcomes, strict=True)
                ]
            if p.unsure_to is not None:
                reach = self._book.to_base(p.unsure_to, p.unit)
                beyond = [
                    o == Truth.NOT_MET and any(q.kind != p.quantity and max(thresholds) < q.low <= reach for q, _ in pairs)
                    for o, _ in outcomes
                ]
                outcomes = [(Truth.UNKNOWN if b else o, m) for b, (o, m) in zip(beyond, outcomes, strict=True)]
            if p.equality_unsure:
                outcomes = [
                    (Truth.UNKNOWN if any(_same(e, thresholds[0]) for e in (q.low, q.high)) else o, m)
                    for (q, _), (o, m) in zip(pairs, outcomes, strict=True)
                ]
            truths.append(_and(o for o, _ in outcomes))
            half_open.append(any(math.isinf(q.high) or q.low in (0.0, -math.inf) for q, _ in pairs))
            margins += [m for _, m in outcomes if m is not None]
            for q, _ in pairs:
                says = f"{p.quantity} {self._in_unit(q, p.unit)} against {p.operator} {shown_value(p.value)} {p.unit}".strip()
                says += f" ({q.derived_from})" if q.derived_from else ""
                shown.append(_evidence(facts, q.span, says, clause.code))
        decided = {t for t, is_bound in zip(truths, half_open, strict=True) if not (is_bound and t == Truth.UNKNOWN)}
        if decided == {Truth.MET}:  # "at least 4.6 N, typically 5.1 N": the bound leaves open what the other figure says
            truths = [Truth.MET]
        truth = truths[0] if len(set(truths)) == 1 else Truth.UNKNOWN
        crosses = truth == Truth.UNKNOWN
        margin = min(margins) if margins and not crosses else (0.0 if crosses else None)
        return _Part(truth, tuple(shown), question, margin, crosses)

    def _thresholds(self, p: Parameter) -> list[float]:
        values = p.value if isinstance(p.value, tuple) else (p.value,)
        return [self._book.to_base(float(v), p.unit) for v in values]

    def _in_unit(self, q: Quantity, unit: str) -> str:
        """A figure in the unit of the clause, for people."""
        low, high = (self._book.from_base(v, unit) for v in (q.low, q.high))
        if low == high:
            return f"{low:.6g}"
        if math.isinf(high):
            return f"{'>' if q.open_low else '>='} {low:.6g}"
        if math.isinf(low) or low == 0.0:
            return f"{'<' if q.open_high else '<='} {high:.6g}"
        return f"{low:.6g} to {high:.6g}"

    def _question(self, p: Parameter, clause: Clause) -> Question:
        if p.ask_en:
            return Question(p.ask_en, p.ask_zh)
        kind = self._book.kinds[p.quantity]
        bound = f"{p.operator} {shown_value(p.value)} {p.unit}".strip()
        return Question(
            f"What is the {kind.name_en}, in {p.unit}? ({clause.code}: {bound})",
            f"{kind.name_zh}是多少{p.unit}？（{clause.code}：{bound}）",
        )


def _is_aside(text: str, said: int, terms: Sequence[Term]) -> bool:
    """Whether words stand in a later sentence or row than the item, well behind it: another line of the same list."""
    first = min(t.span.start for t in terms)
    return first > said + _ASIDE and _SENTENCE.search(text, said, first) is not None


def _without_coarse(figures: Sequence[tuple[Quantity, ...]]) -> list[tuple[Quantity, ...]]:
    """Figures without those worked out of others that hold a narrower one: "about 146 Wh" / 460 g, and 3.65 V x 40 Ah / 460 g."""
    lone = [group[0] for group in figures if len(group) == 1]
    coarse = {
        id(q)
        for q in lone
        if " / " in q.derived_from and any(q.low <= o.low and o.high <= q.high and o.high - o.low < q.high - q.low for o in lone)
    }
    return [group for group in figures if len(group) > 1 or id(group[0]) not in coarse]


def _attained(q: Quantity) -> Quantity:
    """For maxima, ``max. 2350 degC`` means that 2350 degC is reached."""
    only_above = q.low in (0.0, -math.inf) and not math.isinf(q.high)
    return replace(q, low=q.high) if only_above else q


def _outermost(spans: Iterable[Span]) -> list[Span]:
    """The spans that lie in no other one; those that overlap ("electrolyte filling", "filling line") are one."""
    outer: list[Span] = []
    for span in sorted(set(spans), key=lambda s: (s.start, -s.end)):
        if not outer or span.start >= outer[-1].end:
            outer.append(span)
        elif span.end > outer[-1].end:
            outer[-1] = Span(outer[-1].start, span.end)
    return outer


def _use_behind(words: Sequence[str]) -> re.Pattern[str]:
    """What stands behind a mention that names a use: ``焊料用。``, ``绳锯专用``, ``edging wheel grade``."""
    short = alternation([w for w in words if len(w) == 1], wide=True)
    longer = alternation([w for w in words if len(w) > 1], wide=True)
    return re.compile(rf"[^{_STOPS}\s]{{0,10}}(?:(?:{short})(?=[{_STOPS}\s]|$)|{longer})|\s+(?:{alternation(words)})(?!\w)")


def _speaking(clause: Clause) -> list[str]:
    """The concepts that speak for a clause."""
    return [c for group in (*clause.subject, *(condition.any_of for condition in clause.conditions)) for c in group]


def _concepts_used(book: Rulebook) -> frozenset[str]:
    used = {role.concept for role in book.roles} | {c for clause in book.clauses for c in concepts_of(clause)}
    for item in book.unlisted:
        used |= {c for g in item.subject for c in g} | set(item.excluded_by)
    return frozenset(used)


def _beside_the_noun(book: Rulebook) -> set[str]:
    """Concepts that stand beside a noun: forms, uses, properties."""
    behind = {c for item in book.clauses for group in item.subject[1:] for c in group}
    behind |= {c for item in book.unlisted for group in item.subject[1:] for c in group}
    return behind | {c for clause in book.clauses for condition in clause.conditions for c in condition.any_of}


def _subject(groups: Sequence[Sequence[str]], within: int, terms: Terms) -> tuple[Term, ...] | None:
    """The terms that name the subject, one of each group, close together where the clause asks for it."""
    found = [[t for concept in group for t in terms.get(concept, ())] for group in groups]
    if not all(found):
        return None
    if not within or len(found) == 1:
        return tuple(group[0] for group in found)
    for choice in product(*(group[:12] for group in found)):
        ordered = sorted(choice, key=lambda t: t.span)
        if all(b.span.start - a.span.end <= within for a, b in pairwise(ordered)):
            return choice
    return None


def _asked(words: AlternativeWords | CompanionWords, says: str, clause: Clause, mentions: Sequence[Term], facts: Facts) -> _Part:
    """Words by which a text leaves open what it is about: the clause is no longer sure."""
    shown = tuple(_shown(facts, t, says + t.concept, clause.code) for t in mentions)
    return _Part(Truth.UNKNOWN, shown, Question(words.ask_en, words.ask_zh))


def _stated(stated: bool, denied: bool) -> Truth:
    """Stated alone is MET, denied alone NOT_MET, both or neither UNKNOWN."""
    if stated == denied:
        return Truth.UNKNOWN
    return Truth.MET if stated else Truth.NOT_MET


def compare(q: Quantity, operator: str, thresholds: Sequence[float], listed_value: float = 0.0) -> tuple[Truth, float | None]:
    """Truth of ``quantity operator threshold`` and the signed relative distance (positive: inside)."""
    if operator == "between":
        low = compare(q, ">=", [thresholds[0]])
        high = compare(q, "<=", [thresholds[1]])
        margins = [m for _, m in (low, high) if m is not None]
        return _and((low[0], high[0])), min(margins) if margins else None
    if operator in ("in", "=", "is"):
        hits = [_band(q, t, listed_value) for t in thresholds]
        return _or(hits), None
    threshold = thresholds[0]
    if operator in (">=", ">"):
        strict = operator == ">"
        met = (q.low > threshold and not _same(q.low, threshold)) or (_same(q.low, threshold) and (not strict or q.open_low))
        failed = (q.high < threshold and not _same(q.high, threshold)) or (_same(q.high, threshold) and (strict or q.open_high))
        nearest = q.low if met else q.high
        return _truth(met, failed), _margin(nearest - threshold, threshold)
    strict = operator == "<"
    met = (q.high < threshold and not _same(q.high, threshold)) or (_same(q.high, threshold) and (not strict or q.open_high))
    failed = (q.low > threshold and not _same(q.low, threshold)) or (_same(q.low, threshold) and (strict or q.open_low))
    nearest = q.high if met else q.low
    return _truth(met, failed), _margin(threshold - nearest, threshold)


def _band(q: Quantity, value: float, share: float) -> Truth:
    low, high = value * (1 - share), value * (1 + share)
    if low <= q.low and q.high <= high:
        return Truth.MET
    return Truth.NOT_MET if q.high < low or q.low > high else Truth.UNKNOWN


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_SAME, abs_tol=0.0)


def _truth(met: bool, failed: bool) -> Truth:
    return Truth.MET if met else Truth.NOT_MET if failed else Truth.UNKNOWN


def _margin(distance: float, threshold: float) -> float | None:
    if threshold == 0.0:
        return -1.0 if distance <= 0 else None  # "Dy 0 %" where any content counts: all of it is missing
    return None if math.isinf(distance) else distance / abs(threshold)


def _and(truths: Iterable[Truth]) -> Truth:
    seen = set(truths)
    if Truth.NOT_MET in seen:
        return Truth.NOT_MET
    return Truth.UNKNOWN if Truth.UNKNOWN in seen else Truth.MET


def _or(truths: Iterable[Truth]) -> Truth:
    seen = set(truths)
    if Truth.MET in seen:
        return Truth.MET
    return Truth.UNKNOWN if Truth.UNKNOWN in seen or not seen else Truth.NOT_MET


def _all(parts: Sequence[_Part]) -> _Part:
    """All parts must be met."""
    truth = _and(p.truth for p in parts)
    deciding = [p for p in parts if p.truth == truth] if truth != Truth.MET else parts
    return _joined(truth, parts, deciding, one_is_enough=truth == Truth.NOT_MET)


def _any(parts: Sequence[_Part]) -> _Part:
    """One part is enough."""
    truth = _or(p.truth for p in parts)
    deciding = [p for p in parts if p.truth == truth]
    joined = _joined(truth, parts, deciding, one_is_enough=truth == Truth.MET)
    margins = [p.margin for p in deciding if p.margin is not None]
    return replace(joined, margin=max(margins) if margins else None)


def _joined(truth: Truth, parts: Sequence[_Part], deciding: Sequence[_Part], *, one_is_enough: bool) -> _Part:
    rests = not one_is_enough or all(p.assumptions for p in deciding)
    margins = [p.margin for p in parts if p.margin is not None]
    return _Part(
        truth=truth,
        evidence=tuple(dict.fromkeys(e for p in parts for e in p.evidence)),
        question=next((p.question for p in deciding if p.question), None),
        margin=min(margins) if margins else None,
        crosses=any(p.crosses for p in deciding),
        assumptions=tuple(dict.fromkeys(a for p in deciding for a in p.assumptions)) if rests else (),
    )


def _shown(facts: Facts, term: Term, says: str, code: str) -> Evidence:
    return _evidence(facts, term.span, says, code)


def _evidence(facts: Facts, span: Span, says: str, code: str) -> Evidence:
    return Evidence(span, facts.clean.original[span.start : span.end], says, code)
