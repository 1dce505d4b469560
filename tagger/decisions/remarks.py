"""The remark for the customs declaration, where an announcement asks for one."""

from __future__ import annotations

from collections.abc import Sequence

from tagger.facts.readable import readable
from tagger.records import ClauseResult, Quantity
from tagger.rulebook import Rulebook


def remark_zh(book: Rulebook, met: Sequence[ClauseResult], near: Sequence[ClauseResult], quantities: Sequence[Quantity]) -> str:
    """Remark for the declaration form.

    Parameters
    ----------
    book : Rulebook
    met : sequence of ClauseResult
        Clauses that are met; the first one names the code.
    near : sequence of ClauseResult
        Clauses that are failed by a figure close to the threshold.
    quantities : sequence of Quantity
        The figures of the text, which a near item has to state.

    Returns
    -------
    str
        Empty where the announcement asks for no remark.
    """
    if met:
        code = met[0].code
        rule = _rule(book, book.clause(code).announcement, "code")
        return f"{rule} {code}" if rule else ""
    for result in near:
        clause = book.clause(result.code)
        rule = _rule(book, clause.announcement, "figures")
        figures = [_figure_zh(book, p.quantity, p.unit, quantities) for p in clause.parameters]
        stated = [f for f in dict.fromkeys(figures) if f]
        if rule and stated:
            return f"{rule}，{'，'.join(stated)}"
    return ""


def remark_otherwise_zh(book: Rulebook, failed: Sequence[ClauseResult], quantities: Sequence[Quantity]) -> str:
    """Remark for an item that is not controlled, where an announcement asks to say so whether or not it is near.

    Parameters
    ----------
    book : Rulebook
    failed : sequence of ClauseResult
        The clauses that the item fails.
    quantities : sequence of Quantity
        The figures of the text; those that the clauses ask for are stated.

    Returns
    -------
    str
        Empty where no announcement of these clauses asks so.
    """
    for result in failed:
        clause = book.clause(result.code)
        rule = next((r for r in book.rules if clause.announcement in r.applies_to and r.remark_otherwise_zh), None)
        if rule is not None:
            codes = [r.code for r in failed if book.clause(r.code).announcement == clause.announcement]
            parameters = [p for code in codes for p in book.clause(code).parameters]
            stated = [f for f in dict.fromkeys(_figure_zh(book, p.quantity, p.unit, quantities) for p in parameters) if f]
            return "，".join([rule.remark_otherwise_zh, *stated])
    return ""


def _rule(book: Rulebook, announcement: str, adds: str) -> str:
    return next((r.remark_zh for r in book.rules if announcement in r.applies_to and r.remark_adds == adds), "")


def _figure_zh(book: Rulebook, name: str, unit: str, quantities: Sequence[Quantity]) -> str:
    """``质量能量密度264.7Wh/kg``; empty where the text has no such figure."""
    kind = book.kinds.get(name) if unit else None
    if kind is None:
        return ""
    found = [q for q in readable(kind, quantities) if not q.assumed]
    if not found:
        return ""
    low = book.from_base(min(q.low for q in found), unit)
    high = book.from_base(max(q.high for q in found), unit)
    figure = f"{low:.4g}" if low == high else f"{low:.4g}~{high:.4g}"
    return f"{kind.name_zh}{figure}{unit}"
