"""Facts, scores and clauses to one of the four outcomes."""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from tagger.decisions.clauses import Judged
from tagger.decisions.remarks import remark_otherwise_zh, remark_zh
from tagger.law import DecisionSettings
from tagger.records import ClauseResult, Decision, Evidence, Facts, Outcome, Question, Reason, Scores, Truth
from tagger.rulebook import Rulebook
from tagger.scores.gate import fold
from tagger.scores.unnamed import nothing_but

NONE = "none"
_SCRIPTS = ("LATIN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "CYRILLIC", "GREEK", "DIGIT")
_MOST_QUESTIONS = 6
_LONGEST_UNNAMED = 60  # characters
_LEAST = 1e-9  # a probability is at least so far from 0 and 1 where its log-odds are taken
_READABLE = Question("Please supply the description as readable text.", "请提供可读的商品描述文字。")


@dataclass(frozen=True)
class Context:
    """What every decision of a run shares.

    ``strictness`` is how assured the model must be that a row is harmless before it is cleared, for the promise of
    ``max_miss_rate``; see :class:`tagger.scores.clearing.Clearing`.
    """

    book: Rulebook
    as_of: dt.date
    model_id: str
    assumptions_id: str = ""
    strictness: float = 0.0
    max_miss_rate: float = 1.0

    @property
    def settings(self) -> DecisionSettings:
        """Thresholds of the decisions."""
        return self.book.settings.decision

    def names_nothing(self, facts: Facts) -> bool:
        """Whether a text holds nothing but words that name no thing; one that is longer is left to the model."""
        text = facts.clean.text
        return len(text) <= _LONGEST_UNNAMED and nothing_but(self.book.unnamed.words).fits(fold(text))

    def assurance(self, sure: float, scores: Scores) -> float:
        """How assured the model is that a row is harmless: the log-odds against its risk, and some of those of its category."""
        return self.settings.sure_weight * _log_odds(sure) - _log_odds(scores.risk)

    def caution(self, sure: float, scores: Scores, told: float = 0.0) -> str:
        """Why a row may not be cleared although its category is sure and no clause is met or open; nothing where it may.

        ``sure`` is the probability of the category, or of those that count as one here; ``told`` is added to the assurance.
        """
        if self.assurance(sure, scores) + told >= self.strictness:
            return ""
        return f"worded like items of the lists: risk {scores.risk:.2f} at a category of {sure:.2f}, too much for the promise"


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _LEAST), 1.0 - _LEAST)
    return math.log(inside / (1.0 - inside))


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The outcome before it is dressed with status, remark and evidence."""

    outcome: Outcome
    category: str
    shown: tuple[ClauseResult, ...] = ()
    reasons: tuple[Reason, ...] = ()
    questions: tuple[Question, ...] = ()
    note: str = ""
    evidence: tuple[Evidence, ...] = ()


def decide(facts: Facts, scores: Scores, judged: Judged, context: Context) -> Decision:
    """Decide one row.

    Parameters
    ----------
    facts : Facts
    scores : Scores
    judged : Judged
        Clauses and unlisted neighbours that the text speaks of.
    context : Context

    Returns
    -------
    Decision
        ``controlled`` only with a met clause of the category; ``not_controlled`` only where every addressed clause of the
        category is failed; anything unsure is ``review`` with its reasons and questions.
    """
    verdict = _verdict(facts, scores, judged, context)
    return _dressed(verdict, facts, scores, judged, context)


def _verdict(facts: Facts, scores: Scores, judged: Judged, context: Context) -> _Verdict:
    if facts.fault and not facts.clean.text.strip():
        return _unreadable(facts.fault)
    verdict = _about_none(scores, judged, context) if scores.best == NONE else _about_category(scores, judged, context)
    if facts.fault:
        questions = (_READABLE, *verdict.questions)
        return _Verdict(Outcome.REVIEW, verdict.category, verdict.shown, (Reason.UNREADABLE,), questions, facts.fault)
    # doubt alone, with nothing that the text says behind it, has the same cause: the person should hear it
    guessed = verdict.outcome in (Outcome.UNRELATED, Outcome.NOT_CONTROLLED) or verdict.reasons == (Reason.LOW_CONFIDENCE,)
    unnamed = guessed and context.names_nothing(facts)
    if unnamed or (guessed and _unfamiliar(facts, scores, context.settings)):
        ask = Question("What is this article, in plain words?", "请用文字说明这是什么商品？")
        note = "no word of the text names a thing" if unnamed else ""
        return _Verdict(Outcome.REVIEW, verdict.category, verdict.shown, (Reason.UNFAMILIAR_TEXT,), (ask,), note)
    return verdict


def _unreadable(fault: str) -> _Verdict:
    return _Verdict(Outcome.REVIEW, NONE, (), (Reason.UNREADABLE,), (_READABLE,), fault)


def _unfamiliar(facts: Facts, scores: Scores, settings: DecisionSettings) -> bool:
    """Whether the text is of a script or of words that the model was not trained on."""
    text = facts.clean.text[:500]
    if text.isascii():
        return text.lower() == text.upper() or scores.familiar_share < settings.familiar_share
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return True
    known = sum(map(_is_of_known_script, letters))
    return known / len(letters) < settings.familiar_script_share or scores.familiar_share < settings.familiar_share


@lru_cache(maxsize=65536)
def _is_of_known_script(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(_SCRIPTS)


def _about_none(scores: Scores, judged: Judged, context: Context) -> _Verdict:
    """The model takes the text for something outside all categories."""
    book, settings = context.book, context.settings
    met = [r for r in judged.clauses if r.truth == Truth.MET]
    if met:
        named = _of_likeliest(met, scores, book)
        return _review(NONE, named, (Reason.RULE_MODEL_CONFLICT,), book)
    failed = {book.clause(r.code).category for r in judged.clauses} | {item.category for item, _ in judged.unlisted}
    all_failed = bool(failed) and all(r.truth == Truth.NOT_MET for r in judged.clauses)
    # whatever of these categories it may be, its clauses are failed, or it is a neighbour that is not listed
    sure = scores.probabilities[NONE] + (sum(scores.probabilities[c] for c in failed) if all_failed else 0.0)
    is_sure = sure >= settings.unrelated
    caution = context.caution(sure, scores) if is_sure else ""
    if is_sure and not caution:
        return _Verdict(Outcome.UNRELATED, NONE)
    open_ = [r for r in judged.clauses if r.truth == Truth.UNKNOWN and not r.pointed]
    # the best suggestion is still none; what is asked is what would decide if it were of the likeliest category
    other = _likeliest(set(book.labels) - {NONE}, scores)
    asked = _review(other, _of_likeliest(open_, scores, book), (_doubt(scores),), book)
    return replace(asked, category=NONE, note=caution)


def _about_category(scores: Scores, judged: Judged, context: Context) -> _Verdict:
    """The model takes the text for one of the categories."""
    book, settings = context.book, context.settings
    category, sure = scores.best, scores.probabilities[scores.best]
    own = _of(category, judged.clauses, book)
    met = [r for r in own if r.truth == Truth.MET]
    if met:
        if sure >= settings.controlled and scores.probabilities[NONE] <= settings.none_beside:
            return _Verdict(Outcome.CONTROLLED, category, tuple(met))
        return _review(category, met, (_doubt(scores),), book)
    elsewhere = _met_elsewhere(own, scores, judged, context)
    if elsewhere is not None:
        return elsewhere
    unknown = [r for r in own if r.truth == Truth.UNKNOWN]
    unlisted = [(u, e) for u, e in judged.unlisted if u.category == category]
    if not unknown and (own or unlisted):
        nowhere_open = all(r.truth == Truth.NOT_MET for r in judged.clauses)
        # where every clause that the text names is failed, it does not matter whether it is of the category or of none
        harmless = sure + (scores.probabilities[NONE] if nowhere_open else 0.0)
        is_sure = harmless >= settings.not_controlled
        caution = context.caution(harmless, scores, _told(own, settings)) if is_sure else ""
        if is_sure and not caution:
            note = unlisted[0][0].reason_en if unlisted and not own else ""
            shown = tuple(e for _, found in unlisted for e in found)
            return _Verdict(Outcome.NOT_CONTROLLED, category, tuple(own), note=note, evidence=shown)
        return replace(_review(category, own, (_doubt(scores),), book), note=caution)
    elsewhere_open = [] if own or unlisted else _of_likeliest([r for r in judged.clauses if r.truth == Truth.UNKNOWN], scores, book)
    unknown = unknown or elsewhere_open
    reasons = [Reason.MISSING_FACT] if not any(r.crosses for r in unknown) else [Reason.NEAR_THRESHOLD]
    if any(r.crosses for r in unknown) and any(not r.crosses for r in unknown):
        reasons.append(Reason.MISSING_FACT)
    if elsewhere_open or len(scores.labels) != 1:
        reasons.append(Reason.AMBIGUOUS_CATEGORY)
    return _review(category, unknown, tuple(reasons), book)


def _told(own: Sequence[ClauseResult], settings: DecisionSettings) -> float:
    """Assurance from what the text or its user tells of an item whose clauses are failed, where wording can only suspect."""
    if any(r.assumptions for r in own):
        return math.inf  # the risk stands for what a text leaves out, and a user's assumption has told it
    outside = [r.margin is not None and r.margin < 0 for r in own]
    return settings.told_weight if outside and all(outside) else 0.0


def _met_elsewhere(own: Sequence[ClauseResult], scores: Scores, judged: Judged, context: Context) -> _Verdict | None:
    """What follows where a clause of another category than the likeliest is met; None where that casts no doubt."""
    book, settings = context.book, context.settings
    met = [r for r in judged.clauses if r.truth == Truth.MET and r not in own]
    if not met or (own and scores.probabilities[scores.best] >= settings.conflict):
        return None
    reasons = (Reason.RULE_MODEL_CONFLICT, Reason.AMBIGUOUS_CATEGORY)
    return _review(scores.best, _of_likeliest(met, scores, book), reasons, book)


def _of_likeliest(results: Sequence[ClauseResult], scores: Scores, book: Rulebook) -> list[ClauseResult]:
    """Those of some clauses that are of the likeliest of their categories.

    They are shown and asked about; the category to suggest stays that of the model, which is right far more often where the two
    differ.
    """
    categories = {book.clause(r.code).category for r in results}
    return _of(_likeliest(categories, scores), results, book) if categories else []


def _review(category: str, shown: Sequence[ClauseResult], reasons: tuple[Reason, ...], book: Rulebook) -> _Verdict:
    questions = [q for r in shown for q in r.questions]
    if not questions:
        general = book.category(book.clause(shown[0].code).category if shown else category)
        questions = [Question(general.question_en, general.question_zh)]
    return _Verdict(Outcome.REVIEW, category, tuple(shown), reasons, tuple(dict.fromkeys(questions))[:_MOST_QUESTIONS])


def _of(category: str, results: Sequence[ClauseResult], book: Rulebook) -> list[ClauseResult]:
    return [r for r in results if book.clause(r.code).category == category]


def _likeliest(categories: set[str], scores: Scores) -> str:
    return max(sorted(categories), key=lambda c: scores.probabilities.get(c, 0.0))


def _doubt(scores: Scores) -> Reason:
    return Reason.AMBIGUOUS_CATEGORY if len(scores.labels) > 1 else Reason.LOW_CONFIDENCE


def _dressed(verdict: _Verdict, facts: Facts, scores: Scores, judged: Judged, context: Context) -> Decision:
    book = context.book
    band = book.settings.decision.near_threshold
    near = [r for r in verdict.shown if r.margin is not None and abs(r.margin) <= band and not r.assumptions]
    rests_on = dict.fromkeys(a for r in verdict.shown for a in r.assumptions)
    codes = [r.code for r in verdict.shown]
    announcement = book.announcement(book.clause(codes[0]).announcement) if codes else None
    remark = ""
    if verdict.outcome == Outcome.CONTROLLED:
        remark = remark_zh(book, verdict.shown, (), facts.quantities)
    elif verdict.outcome == Outcome.NOT_CONTROLLED:
        remark = remark_zh(book, (), near, facts.quantities) or remark_otherwise_zh(book, verdict.shown, facts.quantities)
    evidence = [e for r in verdict.shown for e in r.evidence] + list(verdict.evidence)
    return Decision(
        row_id=facts.row.id,
        outcome=verdict.outcome.value,
        category=verdict.category,
        confidence=scores.probabilities.get(verdict.category, 0.0),
        codes=codes,
        reasons=[r.value for r in verdict.reasons],
        questions=[text for q in verdict.questions for text in (q.en, q.zh) if text],
        near_threshold=bool(near),
        evidence=tuple(dict.fromkeys(evidence)),
        quantities=facts.quantities,
        legal_status=book.legal_status(announcement.id, context.as_of).state if announcement else "",
        announcement=announcement.number if announcement else "",
        remark_zh=remark,
        model_id=context.model_id,
        rules_id=book.rules_id,
        as_of=context.as_of.isoformat(),
        note=verdict.note,
        clauses=judged.clauses,
        assumptions=tuple(f"{a} ({context.assumptions_id})" for a in rests_on),
        max_miss_rate=context.max_miss_rate,
        probabilities=scores.probabilities if verdict.outcome == Outcome.REVIEW else {},
    )
