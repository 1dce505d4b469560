"""Which answers fit together, and which need two people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger.errors import ReviewError, RulebookError
from tagger.review.content import ReviewSettings, sha256
from tagger.review.items import ANSWERS, Answer
from tagger.rulebook import Rulebook

_NONE = "none"
_LONGEST_WHY = 5_000
_MOST_CODES = 50
_LONGEST_NAME = 100


def check_answer(answer: Answer, row: Mapping[str, Any], settings: ReviewSettings, book: Rulebook | None) -> None:
    """Refuse an answer that does not fit together.

    Raises
    ------
    ReviewError
        Saying what is wrong.

    Examples
    --------
    >>> from tagger.review.content import load_settings
    >>> check_answer(Answer("controlled", "ndfeb_magnet"), {"suspected": True}, load_settings(), None)
    Traceback (most recent call last):
    ...
    tagger.errors.ReviewError: controlled needs the clause that is met
    """
    fault = next(_faults(answer, row, settings), "") or (_unknown(answer, book) if book else "")
    if fault:
        raise ReviewError(fault)


def _faults(answer: Answer, row: Mapping[str, Any], settings: ReviewSettings) -> Any:
    if answer.outcome not in ANSWERS:
        yield f"outcome {answer.outcome[:50]!r} is none of {', '.join(ANSWERS)}"
    if not answer.category or len(answer.category) > _LONGEST_NAME:
        yield "the category is missing"
    if (answer.category == _NONE) != (answer.outcome == "unrelated"):
        yield "category none and outcome unrelated go together"
    if answer.outcome == "controlled" and not answer.codes:
        yield "controlled needs the clause that is met"
    if answer.outcome == "unrelated" and answer.codes:
        yield "unrelated has no clause"
    if len(answer.codes) > _MOST_CODES or any(not c.strip() or len(c) > _LONGEST_NAME for c in answer.codes):
        yield "the codes are not clauses"
    if len(answer.why) > _LONGEST_WHY:
        yield f"the reason has {len(answer.why):,} characters, at most {_LONGEST_WHY:,} are kept"
    if settings.reason_for_clearing and row["suspected"] and answer.outcome != "controlled" and not answer.why.strip():
        yield "clearing an item that may be controlled needs a reason in words"


def _unknown(answer: Answer, book: Rulebook) -> str:
    if answer.category not in book.labels:
        return f"no category {answer.category!r}; the categories are: {', '.join(book.labels)}"
    for code in answer.codes:
        try:
            clause = book.clause(code)
        except RulebookError as error:
            return str(error)
        if clause.category != answer.category:
            return f"clause {code} is of category {clause.category}, not {answer.category}"
    return ""


def needs_second(answer: Answer, row: Mapping[str, Any], settings: ReviewSettings) -> bool:
    """Whether a second person has to see the item: the clearing of a suspected one, and a sample of the rest.

    The sample is drawn by a hash of the item, so that nobody can decide again until it is not drawn.
    """
    if settings.second_for_clearing and row["suspected"] and answer.outcome != "controlled":
        return True
    return int(sha256("second", row["item_key"])[:8], 16) / 2**32 < settings.second_sample
