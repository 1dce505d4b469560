"""The frozen records that pass from stage to stage: facts -> scores -> decisions -> Decision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The four outcomes: the public contract."""

    CONTROLLED = "controlled"
    NOT_CONTROLLED = "not_controlled"
    UNRELATED = "unrelated"
    REVIEW = "review"


class Truth(StrEnum):
    """Three-valued logic: silence of the text is UNKNOWN, never NOT_MET."""

    MET = "MET"
    NOT_MET = "NOT_MET"
    UNKNOWN = "UNKNOWN"


class Reason(StrEnum):
    """Why a row goes to a person."""

    AMBIGUOUS_CATEGORY = "AMBIGUOUS_CATEGORY"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    MISSING_FACT = "MISSING_FACT"
    NEAR_THRESHOLD = "NEAR_THRESHOLD"
    RULE_MODEL_CONFLICT = "RULE_MODEL_CONFLICT"
    UNFAMILIAR_TEXT = "UNFAMILIAR_TEXT"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True)
class Row:
    """One catalogue row: its id, its text, and other columns that go through unchanged."""

    id: str
    text: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters ``start`` (included) to ``end`` (excluded) of the original text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Term:
    """A concept of the lexicon, found in the text; ``negated`` where a word beside it denies it."""

    concept: str
    span: Span
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure in the base unit of its dimension; open ends are infinite.

    ``kind`` is empty where the text does not say what it is a figure of. ``derived_from`` tells the derivation of a
    figure that does not stand in the text itself; ``assumed`` names the standing assumption that it comes from.
    ``open_low`` and ``open_high`` say that the end itself is not included.
    """

    kind: str
    low: float
    high: float
    unit: str
    dimension: str
    span: Span
    derived_from: str = ""
    open_low: bool = False
    open_high: bool = False
    assumed: str = ""


@dataclass(frozen=True, slots=True)
class CleanText:
    """Normalised text with a map back to the original.

    ``text`` keeps letter case, ``folded`` is the same text in lower case (same length); ``starts[i]`` and ``ends[i]`` are
    the original characters behind character ``i``.
    """

    original: str
    text: str
    folded: str
    starts: tuple[int, ...] | range
    ends: tuple[int, ...] | range

    def span(self, start: int, end: int) -> Span:
        """Map characters of the clean text to a span of the original."""
        if end <= start:
            return Span(0, 0)
        return Span(self.starts[start], self.ends[end - 1])


@dataclass(frozen=True, slots=True)
class Facts:
    """What the text says: clean text, terms, figures; ``fault`` tells why it cannot be read."""

    row: Row
    clean: CleanText
    terms: tuple[Term, ...]
    quantities: tuple[Quantity, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the model says of a text.

    Attributes
    ----------
    probabilities : mapping of str to float
        Of each category, calibrated.
    labels : tuple of str
        The prediction set.
    familiar_share : float
        Share of the text's n-grams that the model knows.
    risk : float
        Probability that the item is controlled or lacks a fact, whatever its category.
    """

    probabilities: Mapping[str, float]
    labels: tuple[str, ...]
    familiar_share: float
    risk: float = 0.0

    @property
    def best(self) -> str:
        """The likeliest category."""
        return max(self.probabilities, key=self.probabilities.__getitem__)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A piece of the original text and what it shows."""

    span: Span
    text: str
    says: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask, in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """How one clause stands on the facts.

    ``crosses``: a range or tolerance crosses the threshold. ``pointed``: the text is about something meant for the item.
    ``margin`` is the signed relative distance of the deciding figure from its threshold (positive: inside the controlled
    range; -1 where the text says zero and any content counts), ``None`` without a figure. ``assumptions``: standing
    assumptions that the truth rests on.
    """

    code: str
    truth: Truth
    margin: float | None
    evidence: tuple[Evidence, ...]
    questions: tuple[Question, ...] = ()
    crosses: bool = False
    pointed: bool = False
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleResult:
    """How one rule that cuts across the items stands on what the row says of the trade.

    ``state`` and ``why`` are the rule's legal status on the day; ``needs`` the columns whose cells would decide an UNKNOWN.
    """

    rule: str
    truth: Truth
    state: str
    why: str
    needs: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one row.

    Attributes
    ----------
    row_id : str
    outcome : str
        ``controlled``, ``not_controlled``, ``unrelated`` or ``review``.
    category : str
        The category, or the likeliest one where the outcome is ``review``; ``codes`` may then be of another.
    confidence : float
        Calibrated probability of ``category``.
    codes : list of str
        Clauses met (controlled), failed (not_controlled) or in question (review).
    reasons : list of str
        Why a person is asked; empty for the other outcomes.
    questions : list of str
        What to ask, English and Chinese in turn.
    near_threshold : bool
    evidence : tuple of Evidence
    quantities : tuple of Quantity
    legal_status : str
        Whether the list is in force on ``as_of``; empty without a clause.
    announcement : str
    remark_zh : str
        Remark for the customs declaration, empty where none is due or facts are missing.
    model_id, rules_id : str
    as_of : str
    clauses : tuple of ClauseResult
        Every clause that the text speaks of, with its truth and margin.
    also_applies : tuple of RuleResult
        Rules that cut across the items, answered as far as the row tells origin, value share, destination and end use.
    assumptions : tuple of str
        Standing assumptions of the user that the answer rests on, each with the fingerprint of its file.
    max_miss_rate : float
        The promise with which it was decided: share of controlled items that may be cleared automatically; 1 without one.
    decided_by : str
        ``machine``; ``memory`` where a person decided the same text before; ``person``.
    probabilities : mapping of str to float
        Of every category, where a person is asked; empty otherwise.
    """

    row_id: str
    outcome: str
    category: str
    confidence: float
    codes: list[str]
    reasons: list[str]
    questions: list[str]
    near_threshold: bool
    evidence: tuple[Evidence, ...]
    quantities: tuple[Quantity, ...]
    legal_status: str
    announcement: str
    remark_zh: str
    model_id: str
    rules_id: str
    as_of: str
    note: str = ""
    clauses: tuple[ClauseResult, ...] = ()
    also_applies: tuple[RuleResult, ...] = ()
    assumptions: tuple[str, ...] = ()
    max_miss_rate: float = 1.0
    decided_by: str = "machine"
    probabilities: Mapping[str, float] = field(default_factory=dict)

    @property
    def margin(self) -> float | None:
        """Signed relative distance of the figure nearest to its threshold, over the clauses that the answer names."""
        margins = [c.margin for c in self.clauses if c.code in self.codes and c.margin is not None]
        return min(margins, key=abs) if margins else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "row_id": self.row_id,
            "outcome": str(self.outcome),
            "category": self.category,
            "confidence": round(self.confidence, 6),
            "codes": list(self.codes),
            "reasons": [str(r) for r in self.reasons],
            "questions": list(self.questions),
            "near_threshold": self.near_threshold,
            "evidence": [
                {"start": e.span.start, "end": e.span.end, "text": e.text, "says": e.says, "code": e.code} for e in self.evidence
            ],
            "quantities": [quantity_dict(q) for q in self.quantities],
            "clauses": [
                {"code": c.code, "truth": str(c.truth), "margin": None if c.margin is None else round(c.margin, 6)}
                for c in self.clauses
            ],
            "margin": None if self.margin is None else round(self.margin, 6),
            "also_applies": [
                {"rule": r.rule, "truth": str(r.truth), "state": r.state, "why": r.why, "needs": list(r.needs)}
                for r in self.also_applies
            ],
            "assumptions": list(self.assumptions),
            "max_miss_rate": self.max_miss_rate,
            "legal_status": self.legal_status,
            "announcement": self.announcement,
            "remark_zh": self.remark_zh,
            "note": self.note,
            "decided_by": self.decided_by,
            "model_id": self.model_id,
            "rules_id": self.rules_id,
            "as_of": self.as_of,
        }


NUMBER_TAGS = ("tag_confidence", "tag_margin", "tag_max_miss_rate")
YES_NO_TAGS = ("tag_near_threshold",)
TAG_COLUMNS = (
    "tag_outcome",
    "tag_category",
    "tag_codes",
    "tag_confidence",
    "tag_reasons",
    "tag_questions",
    "tag_evidence",
    "tag_quantities",
    "tag_near_threshold",
    "tag_margin",
    "tag_legal_status",
    "tag_announcement",
    "tag_remark_zh",
    "tag_also_applies",
    "tag_assumptions",
    "tag_max_miss_rate",
    "tag_decided_by",
    "tag_as_of",
    "tag_model",
    "tag_rules",
)


def show_rules(results: Iterable[RuleResult]) -> str:
    """Rule results for a cell: met ones first, each with its status where it is not in force and with what it would need."""
    order = {Truth.MET: 0, Truth.UNKNOWN: 1, Truth.NOT_MET: 2}
    shown = []
    for r in sorted(results, key=lambda r: order[r.truth]):
        notes = [*([r.state] if r.state != "in_force" else []), *(["needs " + ", ".join(r.needs)] if r.needs else [])]
        shown.append(f"{r.truth} {r.rule}" + (f" ({'; '.join(notes)})" if notes else ""))
    return " | ".join(shown)


def tag_columns(d: Decision) -> dict[str, str | float | bool | None]:
    """The answer as the flat columns of a tagged catalogue; lists are joined with ``; ``."""
    return {
        "tag_outcome": str(d.outcome),
        "tag_category": d.category,
        "tag_codes": "; ".join(d.codes),
        "tag_confidence": round(d.confidence, 4),
        "tag_reasons": "; ".join(str(r) for r in d.reasons),
        "tag_questions": " | ".join(d.questions),
        "tag_evidence": "; ".join(dict.fromkeys(f"{e.text} [{e.says}]" for e in d.evidence)) or d.note,
        "tag_quantities": "; ".join(show_quantity(q) for q in d.quantities),
        "tag_near_threshold": d.near_threshold,
        "tag_margin": None if d.margin is None else round(d.margin, 4),
        "tag_legal_status": d.legal_status,
        "tag_announcement": d.announcement,
        "tag_remark_zh": d.remark_zh,
        "tag_also_applies": show_rules(d.also_applies),
        "tag_assumptions": "; ".join(d.assumptions),
        "tag_max_miss_rate": d.max_miss_rate,
        "tag_decided_by": d.decided_by,
        "tag_as_of": d.as_of,
        "tag_model": d.model_id,
        "tag_rules": d.rules_id,
    }


def show_quantity(q: Quantity) -> str:
    """A figure with its kind and derivation for people: ``specific_energy 264.7 Wh/kg (= 3.6 V x 5 Ah / 0.068 kg)``."""
    derived = f" (= {q.derived_from})" if q.derived_from else ""
    return f"{q.kind + ' ' if q.kind else ''}{show_range(q)}{derived}"


def show_range(q: Quantity) -> str:
    """A figure for people: ``300 to 320 Wh/kg``, ``at least 5 m3``."""
    if q.low == q.high:
        return f"{q.low:.6g} {q.unit}"
    if math.isinf(q.high):
        return f"{'more than' if q.open_low else 'at least'} {q.low:.6g} {q.unit}"
    if math.isinf(q.low) or q.low == 0.0:
        return f"{'less than' if q.open_high else 'at most'} {q.high:.6g} {q.unit}"
    return f"{q.low:.6g} to {q.high:.6g} {q.unit}"


def join_columns(values: Iterable[object]) -> str:
    """One text from several cells; empty ones are left out."""
    texts = [v.strip() if type(v) is str else "" if v is None or v != v else str(v).strip() for v in values]
    return "; ".join(filter(None, texts)) if len(texts) > 1 else texts[0] if texts else ""


def quantity_dict(q: Quantity) -> dict[str, Any]:
    """Plain values of a figure; infinite ends become null."""
    finite = [None if v in (float("inf"), float("-inf")) else v for v in (q.low, q.high)]
    return {
        "kind": q.kind,
        "low": finite[0],
        "high": finite[1],
        "unit": q.unit,
        "start": q.span.start,
        "end": q.span.end,
        "derived_from": q.derived_from,
    }
