"""One answer, and one text with its evidence, as people read them on a terminal.

Styled by click, which the command line has at hand, as importing rich would take a tenth of the time of one answer.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from tagger.records import Decision, Span, Truth, show_quantity

if TYPE_CHECKING:
    from tagger.rulebook import Rulebook

_LOOKS: dict[str, dict[str, Any]] = {
    "controlled": {"fg": "red", "bold": True},
    "not_controlled": {"fg": "green"},
    "unrelated": {"dim": True},
    "review": {"fg": "yellow", "bold": True},
}
_LONGEST = 600  # characters of a text that are shown
_LABEL = 12


def is_coloured() -> bool:
    """Whether standard output takes colours; ``NO_COLOR`` and ``FORCE_COLOR`` say so before the terminal does."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def styled(outcome: str) -> str:
    """An outcome in its colour."""
    return click.style(outcome, **_LOOKS[outcome])


def show_decision(d: Decision, text: str, book: Rulebook) -> None:
    """Print one answer: the text with its evidence, figures, clauses, status, remark, questions."""
    coloured = is_coloured()
    head = styled(str(d.outcome))
    if d.category != "none":
        head += f"  {click.style(d.category, bold=True)} ({book.category(d.category).name_en})"
    lines = [f"{head}  confidence {d.confidence:.2f}"]
    lines.append(_labelled("text", highlighted(text, [e.span for e in d.evidence], marks=not coloured)))
    lines += [_labelled(label, one_line(says)) for label, says in (*_clauses_of(d, book), *_facts_of(d, book))]
    click.echo("\n".join(lines), color=coloured)


def _clauses_of(d: Decision, book: Rulebook) -> Iterable[tuple[str, str]]:
    for result in d.clauses:
        if result.code in d.codes:
            clause = book.clause(result.code)
            margin = "" if result.margin is None else f"  {result.margin:+.1%} from the threshold"
            yield "clause", f"{result.code}  {result.truth}  {clause.title_en} | {clause.title_zh}{margin}"


def _facts_of(d: Decision, book: Rulebook) -> Iterable[tuple[str, str]]:
    """What stands below the clauses of an answer, label by label."""
    yield from (("evidence", says) for says in dict.fromkeys(f"“{e.text}” {e.says}" for e in d.evidence))
    yield from (("figure", show_quantity(q)) for q in d.quantities)
    if d.codes:
        announcement = book.announcement(book.clause(d.codes[0]).announcement)
        status = book.legal_status(announcement.id, dt.date.fromisoformat(d.as_of))
        yield "status", f"{status.state} on {d.as_of}: {status.why} ({announcement.number})"
    if d.reasons:
        yield "reasons", ", ".join(str(r) for r in d.reasons)
    yield from (("ask", question) for question in d.questions)
    if d.near_threshold:
        yield "near", "a figure lies near the threshold"
    yield from (("assumed", assumption) for assumption in d.assumptions)
    yield from _rules_of(d)
    yield from ((label, text) for label, text in (("note", d.note), ("remark", d.remark_zh)) if text)
    yield "by", f"{d.model_id}, {d.rules_id}"


def _rules_of(d: Decision) -> Iterable[tuple[str, str]]:
    """Rules that cut across: those that are met or open by themselves, the rest in one line."""
    for truth in (Truth.MET, Truth.UNKNOWN, Truth.NOT_MET):
        own = [r for r in d.also_applies if r.truth == truth]
        if truth == Truth.MET:
            yield from (("rule", f"{r.rule}  MET  {r.state}: {r.why}") for r in own)
        elif own:
            needs = sorted({n for r in own for n in r.needs if n != "an answer"})
            note = f" (would need {', '.join(needs)})" if needs else ""
            yield "rules", f"{truth}: {', '.join(r.rule for r in own)}{note}"


def _labelled(label: str, content: str) -> str:
    """A line with its label in front."""
    return click.style(f"  {label:<{_LABEL}}", dim=True) + content


def highlighted(text: str, spans: Iterable[Span], *, marks: bool) -> str:
    r"""The text on one line with its evidence in bold, or between «» where there is no colour.

    Examples
    --------
    >>> highlighted("a granulation kettle\nof 6 m3", [Span(2, 20)], marks=True)
    'a «granulation kettle» of 6 m3'
    """
    shown: list[str] = []
    at = 0
    for start, end in _merged(spans):
        if start >= _LONGEST:
            break
        piece = one_line(text[start:end])
        shown += (one_line(text[at:start]), f"«{piece}»" if marks else click.style(piece, bold=True, underline=True))
        at = end
    shown.append(one_line(text[at : max(at, _LONGEST)]))
    if len(text) > max(at, _LONGEST):
        shown.append(click.style(f" ... ({len(text):,} characters)", dim=True))
    return "".join(shown)


def _merged(spans: Iterable[Span]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for span in sorted(set(spans)):
        if merged and span.start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], span.end))
        elif span.end > span.start:
            merged.append((span.start, span.end))
    return merged


def one_line(text: str) -> str:
    """A text without control characters, which could move the cursor of a terminal or recolour it."""
    return "".join(c if c.isprintable() else " " for c in text)
