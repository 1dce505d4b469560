"""The frozen records of the review room: items, opinions, answers, events, filters, figures of the day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where an item stands."""

    OPEN = "open"
    CLAIMED = "claimed"
    SECOND_OPINION = "second_opinion"
    DECIDED = "decided"
    SETTLED = "settled"
    DISCARDED = "discarded"


WAITING = (State.OPEN, State.CLAIMED, State.SECOND_OPINION)
ANSWERED = (State.DECIDED, State.SETTLED)


class Stage(StrEnum):
    """Whose turn it is: the first reviewer, the second one (blind), or the adjudicator of two that disagree."""

    FIRST = "first"
    SECOND = "second"
    ADJUDICATION = "adjudication"


class Role(StrEnum):
    """What a person may do: reviewers and adjudicators decide, auditors only look."""

    REVIEWER = "reviewer"
    ADJUDICATOR = "adjudicator"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Who:
    """A person at work: the name that the log keeps, and the role."""

    name: str
    role: Role = Role.REVIEWER


class Action(StrEnum):
    """What an event of the log tells."""

    ADD = "add"
    CLAIM = "claim"
    RELEASE = "release"
    SKIP = "skip"
    ASSIGN = "assign"
    DECIDE = "decide"
    DISAGREE = "disagree"
    ADJUDICATE = "adjudicate"
    UNDO = "undo"
    REOPEN = "reopen"
    DISCARD = "discard"
    SUPERSEDE = "supersede"
    SETTINGS = "settings"


ANSWERS = ("controlled", "not_controlled", "unrelated")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says of an item.

    Attributes
    ----------
    outcome : str
        ``controlled``, ``not_controlled`` or ``unrelated``.
    category : str
        ``none`` where the outcome is ``unrelated``, and only there.
    codes : tuple of str
        Clauses met or failed; at least one where the outcome is ``controlled``.
    why : str
        In the person's words; required where a suspected item is cleared.
    from_text : bool
        False where the answer rests on more than the text (an assay, a supplier's statement for this lot): it then
        answers this item only and is not remembered for the same text.
    """

    outcome: str
    category: str
    codes: tuple[str, ...] = ()
    why: str = ""
    from_text: bool = True

    def agrees_with(self, other: Answer) -> bool:
        """Whether two answers come to the same: outcome, category and, for ``controlled``, the same codes.

        Examples
        --------
        >>> a = Answer("controlled", "ndfeb_magnet", ("1C905.a.4", "1C904.a.4"), "Dy in the assay")
        >>> a.agrees_with(Answer("controlled", "ndfeb_magnet", ("1C904.a.4", "1C905.a.4")))
        True
        >>> a.agrees_with(Answer("not_controlled", "ndfeb_magnet"))
        False
        """
        same = (self.outcome, self.category) == (other.outcome, other.category)
        return same and (self.outcome != "controlled" or set(self.codes) == set(other.codes))


@dataclass(frozen=True, slots=True)
class Opinion:
    """One person's answer, in one stage; ``seconds`` from claim to answer."""

    stage: Stage
    who: str
    at: str
    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Item:
    """One row that a person has to decide, with all that the tagger found.

    Attributes
    ----------
    id : int
    batch : str
        Name of the run that sent it.
    row_number : int
        Row of data in the tagged file, the first being 1.
    row_id, text : str
    text_hash : str
        SHA-256 of the text.
    row_hash : str
        SHA-256 over all that a reviewer sees; the exchange checks it.
    lang : str
        Guessed from the script: ``en zh ja ko ru``, ``other``.
    outcome, category, codes, reasons, questions, confidence, margin, legal_status, announcement, note, model_id, rules_id, as_of
        As in :class:`tagger.records.Decision`; ``questions`` English and Chinese in turn.
    evidence : tuple of mappings
        ``start``, ``end`` (characters of ``text``), ``text``, ``says``, ``code``.
    quantities : tuple of mappings
        ``kind``, ``low``, ``high``, ``unit``, ``start``, ``end``, ``derived_from``.
    clauses : tuple of mappings
        ``code``, ``truth`` (``MET``, ``NOT_MET``, ``UNKNOWN``), ``margin``, ``questions`` (pairs ``en``, ``zh``).
    probabilities : mapping of str to float
    risk : float
        0 to 1; the queue shows the highest first.
    suspected : bool
        Whether a clause is met or in question, or a category likelier than none: to clear it takes two people.
    state, stage
    claimed_by, claimed_until, assigned_to : str
        Empty where nobody.
    opinions : tuple of Opinion
        What people said so far; empty in a blind view.
    answer : Answer or None
        The final one, in the states ``decided`` and ``settled``.
    decided_by, decided_at : str
    conflict : bool
        Past answers to the same text and rules disagree with each other.
    """

    id: int
    batch: str
    row_number: int
    row_id: str
    text: str
    text_hash: str
    row_hash: str
    lang: str
    outcome: str
    category: str
    codes: tuple[str, ...]
    reasons: tuple[str, ...]
    questions: tuple[str, ...]
    confidence: float
    margin: float | None
    evidence: tuple[Mapping[str, Any], ...]
    quantities: tuple[Mapping[str, Any], ...]
    clauses: tuple[Mapping[str, Any], ...]
    probabilities: Mapping[str, float]
    legal_status: str
    announcement: str
    note: str
    model_id: str
    rules_id: str
    as_of: str
    risk: float
    suspected: bool
    state: State
    stage: Stage
    claimed_by: str = ""
    claimed_until: str = ""
    assigned_to: str = ""
    opinions: tuple[Opinion, ...] = ()
    answer: Answer | None = None
    decided_by: str = ""
    decided_at: str = ""
    conflict: bool = False

    def blind(self) -> Item:
        """The item without what others said of it."""
        return replace(self, opinions=(), answer=None, decided_by="", decided_at="")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the queue: enough to choose from, without the heavy parts; ``text`` is cut at 300 characters."""

    id: int
    batch: str
    row_id: str
    text: str
    lang: str
    category: str
    codes: tuple[str, ...]
    reasons: tuple[str, ...]
    confidence: float
    margin: float | None
    risk: float
    suspected: bool
    state: State
    stage: Stage
    claimed_by: str
    assigned_to: str
    decided_by: str
    answer_outcome: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines of the queue; ``cursor`` asks for the next page and is empty on the last."""

    lines: tuple[Line, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Which items; an empty value does not filter.

    ``states`` defaults to those that wait for somebody. ``margin`` is the largest distance from a threshold; ``missing`` is the
    English text of a question; ``words`` stand in the text or the row id, as they are (no wildcard has a meaning).
    ``who`` is the person that claimed or decided it.
    """

    states: tuple[State, ...] = WAITING
    stages: tuple[Stage, ...] = ()
    category: str = ""
    reason: str = ""
    margin: float | None = None
    missing: str = ""
    batch: str = ""
    lang: str = ""
    words: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. ``item`` is None for what concerns the whole store; ``before`` and ``after`` are plain values."""

    seq: int
    item: int | None
    at: str
    who: str
    action: Action
    why: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    model_id: str
    rules_id: str
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault of the log: the number of the line (0: the log as a whole), and what does not fit."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What checking the log came to; write ``head`` down elsewhere and later lines cannot replace earlier ones unseen."""

    events: int
    head: str
    broken: tuple[Broken, ...]


@dataclass(frozen=True, slots=True)
class Similar:
    """A past decision that resembles an item; ``likeness`` 1 is the same text, ``same_rules`` whether the rulebook is the same."""

    item: int
    text: str
    likeness: float
    answer: Answer
    who: str
    at: str
    same_rules: bool


@dataclass(frozen=True, slots=True)
class Bulk:
    """Items that one answer would decide: those of identical text and rules that wait for a first answer and nobody else holds."""

    items: tuple[int, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class BatchName:
    """A run that fills the queue: what it is called, what tells it from others, and where its rows came from."""

    name: str
    key: str
    source: str = ""
    text_columns: tuple[str, ...] = ()
    id_column: str = ""


@dataclass(frozen=True, slots=True)
class Stats:
    """Progress, and what was done on a day (UTC).

    ``answers`` counts opinions given that day by person; ``by_hour`` has 24 counts; ``seconds`` is the median from claim to
    answer; ``agreement`` the share of second opinions, of all days, that agree with the first.
    """

    day: dt.date
    states: Mapping[str, int]
    waiting: int
    disputed: int
    answers: Mapping[str, int]
    by_hour: tuple[int, ...]
    seconds: float | None
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Facets:
    """Values to filter by, each with the number of items that wait: category, reason, missing, batch, lang, stage."""

    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
