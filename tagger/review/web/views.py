"""What templates show: texts cut into plain and marked pieces, answers to choose from, names in the reader's language."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tagger.errors import RulebookError
from tagger.records import Truth
from tagger.review.content import family
from tagger.review.items import Answer, Item, Line, Opinion, Similar, Stage, State
from tagger.review.web.messages import Messages
from tagger.rulebook import Rulebook

LONGEST_SHOWN = 4_000  # characters of a text before the reader asks for the rest
LONGEST_LINE = 200
MOST_CHOICES = 9
MOST_CLAUSES = 8
_LEAST_LIKELY = 0.02
_NONE = "none"
# Signs that are not seen and could hide or turn what is: directions, zero width, controls other than tab and line end.
_CONTROL = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_ORDER = {Truth.MET: 0, Truth.UNKNOWN: 1, Truth.NOT_MET: 2}


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text: plain, ``evidence`` (or the truth of the clause that it bears on), or a ``control`` sign by its number."""

    text: str
    kind: str = ""
    title: str = ""


def plain(text: str, limit: int = LONGEST_LINE) -> list[Segment]:
    """A text without marks; signs that could turn the reading order are shown by their number.

    Examples
    --------
    >>> [(s.text, s.kind) for s in plain("N52" + chr(0x202E) + "magnet")]
    [('N52', ''), ('U+202E', 'control'), ('magnet', '')]
    """
    cut = text[:limit]
    return [*_pieces(cut, "", ""), *([Segment(" …")] if len(text) > limit else [])]


def marked(
    text: str, evidence: Iterable[Mapping[str, Any]], truths: Mapping[str, str], limit: int = LONGEST_SHOWN
) -> list[Segment]:
    """A text with its evidence marked.

    Parameters
    ----------
    text : str
    evidence : iterable of mapping
        ``start``, ``end``, ``says``, ``code``; they may overlap.
    truths : mapping of str to str
        Truth of each clause, which a mark shows.
    limit : int
        Characters that are shown.
    """
    found: list[Segment] = []
    at = 0
    for start, end, kind, title in _merged(evidence, truths, min(limit, len(text))):
        found += _pieces(text[at:start], "", "")
        found += _pieces(text[start:end], kind, title)
        at = end
    return found + _pieces(text[at:limit], "", "")


def _merged(evidence: Iterable[Mapping[str, Any]], truths: Mapping[str, str], limit: int) -> list[tuple[int, int, str, str]]:
    """Spans that do not overlap, in order, each with the strongest truth that it bears on and all that it says."""
    merged: list[tuple[int, int, str, str]] = []
    for e in sorted(evidence, key=lambda e: (e["start"], -e["end"])):
        start, end = max(0, e["start"]), min(limit, e["end"])
        kind = truths.get(e["code"], "evidence")
        if end <= start:
            continue
        if merged and start < merged[-1][1]:
            first, last, other, said = merged[-1]
            says = said if e["says"] in said.split("; ") else f"{said}; {e['says']}"
            merged[-1] = (first, max(last, end), min(kind, other, key=_strength), says)
        else:
            merged.append((start, end, kind, e["says"]))
    return merged


def _strength(kind: str) -> int:
    return _ORDER.get(Truth(kind), 3) if kind in Truth.__members__ else 3


def _pieces(text: str, kind: str, title: str) -> list[Segment]:
    found: list[Segment] = []
    at = 0
    for match in _CONTROL.finditer(text):
        found += [Segment(text[at : match.start()], kind, title)] if match.start() > at else []
        found.append(Segment(f"U+{ord(match[0]):04X}", "control"))
        at = match.end()
    return [*found, *([Segment(text[at:], kind, title)] if at < len(text) else [])]


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer to choose by its key; ``value`` is what the form sends."""

    key: str
    answer: Answer
    value: str
    title: str
    needs_why: bool
    suggested: bool


def encoded(answer: Answer) -> str:
    """An answer as a form sends it: outcome, category, codes.

    Examples
    --------
    >>> encoded(Answer("controlled", "ndfeb_magnet", ("1C905.a.4",)))
    'controlled ndfeb_magnet 1C905.a.4'
    """
    return " ".join((answer.outcome, answer.category, *answer.codes))


def choices(item: Item, suggestion: Answer | None, names: Names, *, needs_why: bool) -> list[Choice]:
    """The answers that an item offers, at most nine: 1 controlled, 2 not controlled, 3 unrelated, then the less likely ones."""
    listed = family(item, names.book)
    first = (_controlled(item, item.codes, listed), _not_controlled(item, listed, listed), Answer("unrelated", _NONE))
    answers = [a for a in first if a]
    if len(item.codes) > 1:
        answers += [a for code in item.codes if (a := _controlled(item, (code,), listed))]
    others = sorted(((p, c) for c, p in item.probabilities.items() if c not in (listed, _NONE)), reverse=True)
    answers += [a for p, c in others if p >= _LEAST_LIKELY and (a := _not_controlled(item, c, listed))]
    if suggestion is not None and not any(suggestion.agrees_with(a) for a in answers):
        answers.insert(MOST_CHOICES - 1, suggestion)
    return [
        Choice(
            str(number),
            answer,
            encoded(answer),
            names.answer(answer),
            needs_why and item.suspected and answer.outcome != "controlled",
            suggestion is not None and suggestion.agrees_with(answer),
        )
        for number, answer in enumerate(answers[:MOST_CHOICES], 1)
    ]


def _controlled(item: Item, codes: Sequence[str], listed: str) -> Answer | None:
    met = [c["code"] for c in item.clauses if c["code"] in codes and c["truth"] == Truth.MET]
    return Answer("controlled", listed, tuple(met or codes)) if codes and listed != _NONE else None


def _not_controlled(item: Item, category: str, listed: str) -> Answer | None:
    if category == _NONE:
        return None
    return Answer("not_controlled", category, tuple(item.codes) if category == listed else ())


def suggested(item: Item, similar: Sequence[Similar], book: Rulebook) -> Answer | None:
    """What the text itself, or a past answer to the same text, speaks for; None where it does not settle the item."""
    past = next((s.answer for s in similar if s.likeness == 1.0 and s.same_rules and s.answer.from_text), None)
    if past is not None and not item.conflict:
        return Answer(past.outcome, past.category, past.codes)
    truths = {c["truth"] for c in item.clauses if c["code"] in item.codes}
    listed = family(item, book)
    if Truth.MET in truths:
        return _controlled(item, item.codes, listed)
    if item.category == _NONE and not item.codes:
        return Answer("unrelated", _NONE)
    return _not_controlled(item, listed, listed) if truths == {Truth.NOT_MET} else None


class Names:
    """What the law calls things, in the reader's language; what another rulebook named is shown by its code."""

    def __init__(self, book: Rulebook, t: Messages) -> None:
        self.book = book
        self.t = t
        self._zh = t.language == "zh"

    def category(self, name: str) -> str:
        """Name of a category."""
        if name == _NONE:
            return self.t("outcome.unrelated")
        found = next((c for c in self.book.categories if c.name == name), None)
        return name if found is None else (found.name_zh if self._zh else found.name_en)

    def answer(self, answer: Answer) -> str:
        """What an answer says in words: the listed item where it is one, else the category."""
        title = self.clause(answer.codes[0]) if answer.outcome == "controlled" and len(answer.codes) == 1 else ""
        return title or self.category(answer.category)

    def clause(self, code: str) -> str:
        """Title of a clause."""
        try:
            clause = self.book.clause(code)
        except RulebookError:
            return ""
        return clause.title_zh if self._zh else clause.title_en

    def announcement(self, number: str) -> str:
        """Number of an announcement, known by its English one."""
        found = next((a for a in self.book.announcements if number in (a.id, a.number)), None)
        return number if found is None else (found.number_zh if self._zh else found.number)

    def kind(self, name: str) -> str:
        """Name of a kind of figure."""
        found = self.book.kinds.get(name)
        return name if found is None else (found.name_zh if self._zh else found.name_en)

    def question(self, en: str) -> str:
        """A question, known by its English words."""
        return self._questions.get(en, en) if self._zh else en

    @cached_property
    def _questions(self) -> dict[str, str]:
        pairs = [(c.question_en, c.question_zh) for c in self.book.categories]
        for clause in self.book.clauses:
            pairs += [(c.ask_en, c.ask_zh) for c in clause.conditions] + [(p.ask_en, p.ask_zh) for p in clause.parameters]
        pairs += [(role.ask_en, role.ask_zh) for role in self.book.roles]
        pairs.append((self.book.pointing.ask_en, self.book.pointing.ask_zh))
        return {en: zh for en, zh in pairs if en}


def figures(item: Item, names: Names) -> Iterator[dict[str, Any]]:
    """Figures of a text: kind, value, the words of the text, derivation."""
    for q in item.quantities:
        said = plain(item.text[q["start"] : q["end"]], 40)
        yield {"kind": names.kind(q["kind"]), "value": shown_range(q), "words": said, "from": q["derived_from"]}


def shown_range(q: Mapping[str, Any]) -> str:
    """A figure with signs that need no translation.

    Examples
    --------
    >>> shown_range({"low": 5.0, "high": None, "unit": "m3"})
    '≥ 5 m3'
    >>> shown_range({"low": 300.0, "high": 320.0, "unit": "Wh/kg"})
    '300–320 Wh/kg'
    >>> shown_range({"low": 1200000.0, "high": 1200000.0, "unit": "um"})
    '1,200,000 um'
    """
    low, high = (math.nan if q[end] is None else float(q[end]) for end in ("low", "high"))
    if low == high:
        value = _number(low)
    elif math.isnan(high):
        value = f"≥ {_number(low)}"
    elif math.isnan(low) or low == 0.0:
        value = f"≤ {_number(high)}"
    else:
        value = f"{_number(low)}–{_number(high)}"
    return f"{value} {q['unit']}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 and value.is_integer() else f"{value:.6g}"


def clauses(item: Item, names: Names) -> list[dict[str, Any]]:
    """Clauses that the text speaks of: those of the answer first, then by truth."""
    rows = sorted(item.clauses, key=lambda c: (c["code"] not in item.codes, _strength(c["truth"])))
    return [{**c, "title": names.clause(c["code"]), "named": c["code"] in item.codes} for c in rows]


def bars(item: Item, names: Names, most: int = 5) -> list[tuple[str, float]]:
    """The likeliest categories."""
    found = sorted(item.probabilities.items(), key=lambda pair: -pair[1])[:most]
    return [(names.category(name), p) for name, p in found if p >= _LEAST_LIKELY / 4]


def questions(item: Item) -> list[tuple[str, str]]:
    """Questions in English and Chinese, which stand in turn."""
    asked = item.questions
    return list(zip(asked[::2], asked[1::2], strict=False))


def evidence(item: Item) -> list[tuple[list[Segment], str]]:
    """Pieces of evidence with what they say, each once."""
    seen = dict.fromkeys((e["text"], e["says"]) for e in item.evidence)
    return [(plain(text, 80), says) for text, says in seen]


def past(similar: Sequence[Similar], names: Names) -> list[dict[str, Any]]:
    """Past decisions with their words."""
    return [{"it": s, "words": plain(s.text), "category": names.category(s.answer.category)} for s in similar]


def lines(found: Sequence[Line], names: Names, me: str) -> list[dict[str, Any]]:
    """Lines of the queue."""
    return [
        {
            "id": line.id,
            "segments": plain(line.text),
            "row": plain(line.row_id, 60),
            "batch": plain(line.batch, 40),
            "category": names.category(line.category),
            "codes": line.codes[:3],
            "reasons": line.reasons,
            "margin": line.margin,
            "risk": min(1.0, max(0.0, line.risk)),
            "state": line.state,
            "stage": line.stage,
            "waiting": line.state not in (State.DECIDED, State.SETTLED, State.DISCARDED),
            "answer": line.answer_outcome,
            "mine": me in (line.claimed_by, line.assigned_to),
        }
        for line in found
    ]


def is_hidden(item: Item) -> bool:
    """Whether the item is shown blind: others answered it, and the reader is not told what."""
    waiting = item.state in (State.OPEN, State.CLAIMED, State.SECOND_OPINION)
    return waiting and item.stage != Stage.FIRST and not item.opinions


def opinions(found: Sequence[Opinion], names: Names) -> list[dict[str, Any]]:
    """What people said of an item."""
    return [{"it": o, "category": names.category(o.answer.category)} for o in found]
