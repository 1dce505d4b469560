"""Rules that cut across the listed items, on what a row says of the trade: origin, value share, destination, end use.

Each test of a rule is answered like a condition of a clause: MET, NOT_MET or UNKNOWN; a rule is met where all its tests are.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from tagger.decisions.clauses import compare
from tagger.errors import UsageError
from tagger.facts.negation import NegationReader
from tagger.facts.places import country
from tagger.facts.readable import readable
from tagger.facts.text import fold_words, normalise
from tagger.facts.words import any_of
from tagger.law import Rule, RuleTest, Use
from tagger.records import Decision, Outcome, Question, RuleResult, Term, Truth
from tagger.rulebook import COLUMNS, Rulebook

if TYPE_CHECKING:
    from tagger.facts.quantities import QuantityReader

_MOST_KEPT = 4096  # answers kept for cells that repeat down a column


class RuleJudge:
    """Judges the cross-cutting rules of a rulebook.

    Parameters
    ----------
    book : Rulebook
    as_of : datetime.date
        The day for the legal status of the rules.

    Examples
    --------
    >>> from tagger.rulebook import load_rulebook
    >>> judge = RuleJudge(load_rulebook(), dt.date(2026, 11, 21))
    >>> trade = {"destination": "USA", "end_use": "loudspeakers, civil use"}
    >>> for r in judge.judge("gallium_germanium", ("3C001.a",), trade)[1:4]:
    ...     print(r.rule, r.truth, r.state)
    us-military-ban NOT_MET in_force
    us-critical-minerals MET suspended
    us-third-country UNKNOWN in_force
    """

    def __init__(self, book: Rulebook, as_of: dt.date) -> None:
        self._rules = [r for r in book.rules if r.tests]
        self._status = {r.id: book.rule_status(r, as_of) for r in self._rules}
        self._figures = {(r.id, f.quantity): f for r in self._rules for f in r.figures}
        self._book = book
        self._ask = {column: Question(ask.en, ask.zh) for column, ask in book.asks.items()}
        self._test = lru_cache(maxsize=_MOST_KEPT)(self._answer)
        self._judged = lru_cache(maxsize=_MOST_KEPT)(self._judge)  # rows of one kind that tell nothing of the trade are many

    @cached_property
    def _reader(self) -> QuantityReader:
        from tagger.facts.quantities import QuantityReader

        return QuantityReader(self._book.units, self._book.quantities)

    @cached_property
    def _uses(self) -> dict[str, _UseReader]:
        negation = NegationReader(self._book.negation)
        return {use.id: _UseReader(use, negation) for use in self._book.uses}

    def add(self, d: Decision, trade: Mapping[str, str]) -> tuple[RuleResult, ...]:
        """The rules that one answer has to be told of; none where the goods have nothing to do with a list."""
        if d.outcome not in (Outcome.CONTROLLED, Outcome.REVIEW):
            return ()
        if d.category == "none" and not any(c.truth == Truth.MET and c.code in d.codes for c in d.clauses):
            return ()
        return self.judge(d.category, tuple(d.codes), trade)

    def judge(self, category: str, codes: Iterable[str], trade: Mapping[str, str]) -> tuple[RuleResult, ...]:
        """Truth of each rule whose scope holds a category or one of the codes.

        Parameters
        ----------
        category : str
        codes : iterable of str
        trade : mapping
            Cells by column: ``origin``, ``value_share``, ``destination``, ``end_use``; an empty or absent cell is unknown.

        Raises
        ------
        UsageError
            Where a column is none of these.
        """
        unknown = sorted(set(trade) - set(COLUMNS))
        if unknown:
            raise UsageError(f"no trade column {unknown[0]!r}; known: {', '.join(COLUMNS)}")
        return self._judged(category, tuple(codes), tuple((name, trade.get(name, "").strip()) for name in COLUMNS))

    def _judge(self, category: str, codes: tuple[str, ...], cells: tuple[tuple[str, str], ...]) -> tuple[RuleResult, ...]:
        return tuple(self._rule(rule, dict(cells)) for rule in self._rules if _in_scope(rule, category, codes))

    def _rule(self, rule: Rule, cells: Mapping[str, str]) -> RuleResult:
        answers = [(test, self._test(rule.id, test, cells.get(test.column, ""))) for test in rule.tests]
        truths = {truth for _, truth in answers}
        truth = Truth.NOT_MET if Truth.NOT_MET in truths else Truth.UNKNOWN if Truth.UNKNOWN in truths else Truth.MET
        status = self._status[rule.id]
        open_ = [test for test, answer in answers if answer == Truth.UNKNOWN] if truth == Truth.UNKNOWN else []
        needs = tuple(dict.fromkeys(t.column or "an answer" for t in open_))
        questions = tuple(dict.fromkeys(Question(t.ask_en, t.ask_zh) if t.ask_en else self._ask[t.column] for t in open_))
        return RuleResult(rule.id, truth, status.state, status.why, needs, questions)

    def _answer(self, rule: str, test: RuleTest, cell: str) -> Truth:
        if not test.column or not cell:
            return Truth.UNKNOWN
        if test.place or test.not_place:
            found = country(cell)
            if not found:
                return Truth.UNKNOWN
            return Truth.MET if (found == test.place if test.place else found != test.not_place) else Truth.NOT_MET
        if test.use:
            stated = self._uses[test.use].read(cell)
            return self._figure(rule, test, cell) if stated == Truth.MET and test.figure else stated
        return self._figure(rule, test, cell)

    def _figure(self, rule: str, test: RuleTest, cell: str) -> Truth:
        """The figure of a rule against a cell; a share without a sign is per cent."""
        figure = self._figures[rule, test.figure]
        kind = self._book.kinds[test.figure]
        text = f"{cell} {figure.unit}" if re.fullmatch(r"\s*[<>≤≥=~]*\s*\d+(?:[.,]\d+)?\s*", cell) else cell
        quantities = self._reader.read(normalise(text))
        found = readable(kind, quantities) or [q for q in quantities if q.dimension == kind.dimension]
        threshold = self._book.to_base(float(str(figure.value)), figure.unit)
        truths = {compare(q, figure.operator, [threshold])[0] for q in found}
        return truths.pop() if len(truths) == 1 else Truth.UNKNOWN


class _UseReader:
    """Reads one end use in a cell."""

    def __init__(self, use: Use, negation: NegationReader) -> None:
        self._use = use
        self._negation = negation
        self._states, self._open, self._against = (_words(w) for w in (use.states, use.open, use.against))

    def read(self, cell: str) -> Truth:
        clean = normalise(cell)
        found = [Term(m.group(), clean.span(m.start(), m.end())) for m in self._states.finditer(clean.folded)]
        stated = [t for t in self._negation.mark(found, clean) if not t.negated]
        against = bool(self._against.search(clean.folded)) or len(stated) < len(found)
        if stated:
            return Truth.UNKNOWN if against else Truth.MET
        if against:
            return Truth.NOT_MET
        if self._open.search(clean.folded):
            return Truth.UNKNOWN
        return Truth(self._use.otherwise)


def _words(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(any_of(fold_words(words)))


def _in_scope(rule: Rule, category: str, codes: tuple[str, ...]) -> bool:
    return any(s in ("all", category) or any(c.startswith(s) for c in codes) for s in rule.scope)
