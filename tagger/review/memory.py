"""What people decided before answers the same text again, until the text or the rulebook changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tagger.decisions.remarks import remark_otherwise_zh, remark_zh
from tagger.records import ClauseResult, Decision, Outcome, Quantity, Reason, Span, Truth
from tagger.review.items import Answer
from tagger.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Past:
    """A past answer to a text, with who gave it and when."""

    item: int
    answer: Answer
    who: str
    at: str

    @property
    def told(self) -> str:
        """Who decided when, and why, for a cell."""
        why = f": {self.answer.why}" if self.answer.why else ""
        return f"decided by {self.who} on {self.at[:10]}{why}"


def recalled(d: Decision, past: Sequence[Past], book: Rulebook) -> Decision:
    """The machine's answer, or that of the memory.

    A past answer takes the place of ``review``. Past answers that disagree with each other, or with what the machine
    now answers by itself, are never resolved here: the row goes to a person, with all of them told.

    Parameters
    ----------
    d : Decision
        Of the machine.
    past : sequence of Past
        Answers to the same text under the same rulebook that differ from each other, the latest first.
    book : Rulebook

    Returns
    -------
    Decision
    """
    if not past:
        return d
    said = [p.answer for p in past]
    machine = Answer(d.outcome, d.category, tuple(d.codes))
    if len(past) == 1 and d.outcome == Outcome.REVIEW:
        return answered(d, past[0], book, "memory")
    if len(past) == 1 and _same(machine, said[0]):
        return d
    told = "; ".join(f"{p.answer.outcome} {' '.join(p.answer.codes) or p.answer.category}, {p.told}" for p in past)
    own = "" if d.outcome == Outcome.REVIEW else f"; the machine now says {d.outcome} {' '.join(d.codes) or d.category}"
    reasons = list(dict.fromkeys([Reason.RULE_MODEL_CONFLICT.value, *d.reasons]))
    note = "; ".join(n for n in (d.note, f"past decisions disagree: {told}{own}") if n)
    return replace(d, outcome=Outcome.REVIEW.value, reasons=reasons, note=note, remark_zh="")


def _same(machine: Answer, person: Answer) -> bool:
    if machine.outcome == Outcome.CONTROLLED == person.outcome:
        return machine.category == person.category and set(person.codes) <= set(machine.codes)
    return (machine.outcome, machine.category) == (person.outcome, person.category)


def answered(d: Decision, past: Past, book: Rulebook, decided_by: str) -> Decision:
    """A decision with a person's answer in the place of the machine's; figures and evidence stay.

    Parameters
    ----------
    d : Decision
    past : Past
    book : Rulebook
        For legal status and remark of the clauses that the person names.
    decided_by : str
        ``memory`` or ``person``.
    """
    answer = past.answer
    announcement = book.announcement(book.clause(answer.codes[0]).announcement) if answer.codes else None
    on = dt.date.fromisoformat(d.as_of)
    return replace(
        d,
        outcome=answer.outcome,
        category=answer.category,
        codes=list(answer.codes),
        reasons=[],
        questions=[],
        legal_status=book.legal_status(announcement.id, on).state if announcement else "",
        announcement=announcement.number if announcement else "",
        remark_zh=_remark(answer, d.quantities, book),
        note=past.told,
        decided_by=decided_by,
        probabilities={},
    )


def _remark(answer: Answer, quantities: tuple[Quantity, ...], book: Rulebook) -> str:
    if answer.outcome == Outcome.CONTROLLED:
        return remark_zh(book, [ClauseResult(c, Truth.MET, None, ()) for c in answer.codes], (), quantities)
    return remark_otherwise_zh(book, [ClauseResult(c, Truth.NOT_MET, None, ()) for c in answer.codes], quantities)


def quantity_of(raw: Mapping[str, Any]) -> Quantity:
    """A figure that an item keeps."""
    low, high = (
        float("-inf") if raw["low"] is None else raw["low"],
        float("inf") if raw["high"] is None else raw["high"],
    )
    span = Span(raw["start"], raw["end"])
    rest = (raw["derived_from"], raw["open_low"], raw["open_high"], raw["assumed"])
    return Quantity(raw["kind"], low, high, raw["unit"], raw["dimension"], span, *rest)
