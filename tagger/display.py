"""Rules, runs and figures as people read them on a terminal; single answers are in ``screen.py``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tagger.law import Clause, Figure, Parameter, Rule, shown_value
from tagger.records import Outcome
from tagger.rulebook import Rulebook
from tagger.screen import one_line, styled
from tagger.timeline import LegalStatus, status_changes, turning_days, turns

if TYPE_CHECKING:
    from tagger.catalogue.batch import Preview
    from tagger.catalogue.summary import Summary
    from tagger.catalogue.tagged import Comparison
    from tagger.learning.evaluation import Evaluation
    from tagger.scores.clearing import Clearing


def show_summary(console: Console, summary: Summary) -> None:
    """Print what came out of a run."""
    table = Table(title=f"{summary.rows:,} rows of {Path(summary.source).name} ({summary.about})", title_justify="left")
    table.add_column("outcome")
    table.add_column("rows", justify="right")
    table.add_column("share", justify="right")
    table.add_column("largest categories")
    for outcome in Outcome:
        count = summary.outcomes.get(str(outcome), 0)
        categories = [(c, n) for (c, o), n in summary.categories.most_common() if o == outcome and c != "none"]
        named = ", ".join(f"{c} {n:,}" for c, n in categories[:4])
        table.add_row(Text.from_ansi(styled(str(outcome))), f"{count:,}", f"{count / max(summary.rows, 1):.1%}", named)
    console.print(table)
    if summary.reasons:
        console.print("reasons for review: " + ", ".join(f"{r} {n:,}" for r, n in summary.reasons.most_common()), soft_wrap=True)
    if summary.faults:
        console.print(f"{summary.faults:,} row(s) could not be read as they stand: they are review, UNREADABLE, with their line")
    if summary.kept:
        console.print(f"{summary.kept:,} row(s) had an answer and kept it")
    distinct = f", {summary.distinct:,} distinct descriptions answered" if summary.distinct < summary.rows else ""
    console.print(f"{summary.seconds:,.1f} s, {summary.rate:,.0f} rows/s{distinct}", soft_wrap=True, highlight=False)
    promise = float(summary.made_with.get("max_miss_rate", 1))
    if promise < 1:
        console.print(
            f"promise:      at most {100 * promise:.3g} % of items that are controlled, or may be, are cleared (95 % confidence)",
            soft_wrap=True,
            highlight=False,
        )
    console.print(f"tagged:       {summary.target}", soft_wrap=True, highlight=False)
    console.print(f"review queue: {summary.review} ({summary.outcomes.get('review', 0):,} rows)", soft_wrap=True, highlight=False)
    if summary.remembered:
        console.print(
            f"{summary.remembered:,} row(s) answered by earlier decisions of people (tag_decided_by memory)", soft_wrap=True
        )
    if summary.formula_cells:
        console.print(
            f"{summary.formula_cells:,} cell(s) of the source begin like a formula and are kept as they are; "
            "use --safe-cells, or write .xlsx, before opening the file in a spreadsheet",
            soft_wrap=True,
        )


def show_preview(console: Console, preview: Preview) -> None:
    """Print what a run would read, and how long it would take."""
    facts = [
        ("source", preview.source),
        ("read as", preview.about),
        ("rows", f"{preview.rows:,}" + (f", {preview.faults:,} of them unreadable as they stand" if preview.faults else "")),
        *([("answered", f"{preview.with_answer:,}")] if preview.with_answer else []),
        ("columns", ", ".join(map(repr, preview.columns))),
        (
            "estimate",
            f"{_duration(preview.seconds)} for the answers, at {preview.rows_a_second:,.0f} distinct descriptions a second",
        ),
    ]
    _show_facts(console, [(name, one_line(value)) for name, value in facts])


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def show_clauses(console: Console, book: Rulebook, clauses: Sequence[Clause], on: dt.date) -> None:
    """Print a line a clause."""
    for clause in clauses:
        state = book.legal_status(clause.announcement, on).state
        line = f"{clause.code:<14} {state:<18} {clause.category:<25} {clause.title_en} | {clause.title_zh}"
        console.print(Text(line), soft_wrap=True)


def show_clause(console: Console, book: Rulebook, clause: Clause, on: dt.date) -> None:
    """Print all that the rulebook says of a clause."""
    announcement = book.announcement(clause.announcement)
    status = book.legal_status(announcement.id, on)
    meaning = {1: "read in one text or partly inferred", 2: "read in at least two texts"}
    facts: list[tuple[str, str]] = [
        ("code", f"{clause.code} ({clause.code_form.replace('_', ' ')})" + "".join(f", also {a}" for a in clause.aliases)),
        ("item", clause.title_en),
        ("Chinese", clause.title_zh + (" (translated back from English)" if clause.title_zh_status else "")),
        ("category", f"{clause.category}, {clause.kind}"),
        ("list", f"{announcement.number} ({announcement.number_zh}), {announcement.subject}"),
        ("status", f"{status.state} on {on}: {status.why}"),
        ("in the 2026 licence catalogue", "yes" if clause.in_licence_catalogue_2026 else "no"),
    ]
    facts += [("parameter", _parameter(p)) for p in clause.parameters]
    if len(clause.parameters) > 1:
        facts.append(("combined", f"{clause.combine} of the parameters"))
    facts += [("condition", c.ask_en) for c in clause.conditions]
    facts += [("excluded", e) for e in clause.exclusions]
    for name, value in (("part of", clause.part_of), ("CAS", clause.cas), ("export", clause.export_status), ("note", clause.note)):
        facts += [(name, value)] if value else []
    if clause.tariff:
        facts.append(("tariff hint", ", ".join(clause.tariff)))
    if clause.tariff_2026:
        facts.append(("tariff hint 2026", ", ".join(clause.tariff_2026)))
    facts += [
        ("verified", f"{clause.verified}: {meaning[clause.verified]}"),
        ("source", clause.source),
        ("rulebook", book.rules_id),
    ]
    _show_facts(console, facts)


def show_rule(console: Console, book: Rulebook, rule: Rule, on: dt.date) -> None:
    """Print a rule that cuts across the listed items."""
    announcement = book.announcement(rule.announcement)
    status = book.legal_status(announcement.id, on)
    facts = [
        ("rule", rule.id),
        ("says", rule.says),
        ("list", f"{announcement.number} ({announcement.number_zh}) {rule.paragraph}".rstrip()),
        ("status", f"{status.state} on {on}: {status.why}"),
    ]
    facts += [("figure", _parameter(f)) for f in rule.figures]
    named = (
        ("consequence", rule.consequence.replace("_", " ")),
        ("remark", rule.remark_zh),
        ("applies to", ", ".join(rule.applies_to)),
        ("examples", ", ".join(rule.examples)),
        ("forms", ", ".join(rule.forms)),
        ("technologies", ", ".join(rule.technologies)),
        ("note", rule.note),
    )
    facts += [(name, value) for name, value in named if value]
    facts += [("verified", str(rule.verified)), ("source", rule.source)]
    _show_facts(console, facts)


def _show_facts(console: Console, facts: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        console.print(Text(f"{name:<{width}}  ", style="dim").append(value, style=""), soft_wrap=True)


def _parameter(p: Parameter | Figure) -> str:
    alternative = f" (alternative {p.alt})" if isinstance(p, Parameter) and p.alt else ""
    note = f"; {p.note}" if p.note else ""
    return f"{p.quantity.replace('_', ' ')} {p.operator} {shown_value(p.value)} {p.unit}".rstrip() + alternative + note


def show_status(console: Console, book: Rulebook, on: dt.date) -> None:
    """Print the legal status of every announcement on a day, and the rules that cut across."""
    table = Table(title=f"Status on {on} (rulebook {book.rules_id}, checked for {book.as_of})", title_justify="left")
    for name in ("announcement", "status", "why", "clauses", "subject"):
        table.add_column(name, overflow="fold")
    for a in book.announcements:
        status = book.legal_status(a.id, on)
        count = sum(1 for c in book.clauses if c.announcement == a.id)
        table.add_row(a.number, status.state, status.why, str(count) if count else "", a.subject)
    console.print(table)


def show_status_changes(console: Console, book: Rulebook, first: dt.date, last: dt.date) -> None:
    """Print what changes its legal status between two days: announcements, then rules with dates of their own."""
    changes = changes_dict(book, first, last)
    if not changes["announcements"] and not changes["rules"]:
        console.print(f"nothing changes its legal status from {first} to {last} (rulebook {book.rules_id})", soft_wrap=True)
        return
    table = Table(title=f"Changes from {first} to {last} (rulebook {book.rules_id})", title_justify="left")
    for name in ("announcement or rule", f"on {first}", "changes", f"on {last}", "clauses", "subject"):
        table.add_column(name, overflow="fold")
    for c in (*changes["announcements"], *changes["rules"]):
        steps = ", ".join(f"{s['on']} {s['state']}" for s in c["steps"])
        codes = c.get("clauses", [])
        shown = ", ".join(codes[:6]) + (f" and {len(codes) - 6} more" if len(codes) > 6 else "")
        table.add_row(c["id"], c["before"], steps, f"{c['after']}: {c['why']}", shown, c["subject"])
    console.print(table)


def changes_dict(book: Rulebook, first: dt.date, last: dt.date) -> dict[str, Any]:
    """What changes its legal status between two days, as plain values."""
    found = status_changes(book.announcements, first, last)
    own = [r for r in book.rules if r.effective or r.suspended_until]
    states = [(r, _rule_steps(book, r, first, last)) for r in own]
    return {
        "from": first.isoformat(),
        "to": last.isoformat(),
        "rules_id": book.rules_id,
        "announcements": [
            {
                "id": c.id,
                "subject": book.announcement(c.id).subject,
                "before": c.before.state,
                "after": c.after.state,
                "why": c.after.why,
                "steps": [{"on": day.isoformat(), "state": state} for day, state in c.steps],
                "clauses": [clause.code for clause in book.clauses if clause.announcement == c.id],
            }
            for c in found
        ],
        "rules": [
            {
                "id": r.id,
                "subject": r.says,
                "before": book.rule_status(r, first).state,
                "after": book.rule_status(r, last).state,
                "why": book.rule_status(r, last).why,
                "steps": [{"on": day.isoformat(), "state": status.state} for day, status in steps],
            }
            for r, steps in states
            if steps
        ],
    }


def _rule_steps(book: Rulebook, rule: Rule, first: dt.date, last: dt.date) -> list[tuple[dt.date, LegalStatus]]:
    """Days between two on which a rule with dates of its own changes its status."""
    own = [rule.effective, rule.suspended_until and rule.suspended_until + dt.timedelta(days=1)]
    days = [*turning_days(book.announcement(rule.announcement)), *(day for day in own if day)]
    return turns(days, partial(book.rule_status, rule), first, last)


def show_kinds(console: Console, book: Rulebook) -> None:
    """Print the kinds of figures, a line each."""
    base = {d.name: d.base for d in book.units.dimension}
    for kind in book.quantities.kind:
        console.print(Text(f"{kind.name:<38} {base[kind.dimension]:<10} {kind.name_en} | {kind.name_zh}"), soft_wrap=True)


def show_comparison(console: Console, found: Comparison) -> None:
    """Print what changed between two tagged catalogues."""
    if not found.changes:
        console.print(f"{found.rows:,} rows, no answer changed", soft_wrap=True)
        return
    for change in found.changes:
        what = "; ".join(f"{name.removeprefix('tag_')} {a or '(none)'} -> {b or '(none)'}" for name, a, b in change.what)
        console.print(Text(one_line(f"{change.row_id}: {what}  [{', '.join(change.why)}]")), soft_wrap=True)
    console.print(f"{found.rows:,} rows, {len(found.changes):,} changed", soft_wrap=True)
    moves = ", ".join(f"{a or '(none)'} -> {b or '(none)'} {n:,}" for (a, b), n in found.moves.most_common())
    console.print("outcomes: " + (moves or "none"), soft_wrap=True)
    console.print("because of: " + ", ".join(f"{why} {n:,}" for why, n in found.reasons.most_common()), soft_wrap=True)


def show_evaluation(console: Console, e: Evaluation) -> None:
    """Print the figures of an evaluation that matter most, and the rows to look at first."""
    table = Table(title=f"{e.rows:,} labelled rows, {e.model_id}, {e.rules_id}", title_justify="left")
    for name in ("", "rows", "of", "share", "upper 95 % bound"):
        table.add_column(name, justify="right" if name else "left")
    for name, share in e.shares:
        table.add_row(name, f"{share.hits:,}", f"{share.rows:,}", f"{share.rate:.2%}", f"{share.upper95:.2%}")
    console.print(table)
    console.print(
        f"category: macro-F1 {e.macro_f1:.3f}, accuracy {e.accuracy:.3f}, calibration error {e.ece:.3f}, AUGRC {e.augrc:.4f}",
        soft_wrap=True,
    )
    for m in e.worst:
        line = (
            f"{m.id}: {m.label} {m.category} -> {m.outcome} {m.answered} {' '.join(m.codes)} ({m.confidence:.2f}): {m.text[:110]}"
        )
        console.print(Text(one_line(line)), soft_wrap=True)


def show_gain(console: Console, before: Evaluation, after: Evaluation) -> None:
    """Print what one model gains or loses against another on the same rows."""
    table = Table(title=f"{before.model_id} -> {after.model_id}, the same {after.rows:,} rows", title_justify="left")
    for name in ("", "before", "after", "change"):
        table.add_column(name, justify="right" if name else "left")
    for (name, old), (_, new) in zip(before.shares, after.shares, strict=True):
        table.add_row(name, f"{old.hits:,} of {old.rows:,}", f"{new.hits:,} of {new.rows:,}", f"{new.hits - old.hits:+,}")
    for name, was, now in (
        ("category: accuracy", before.accuracy, after.accuracy),
        ("category: macro-F1", before.macro_f1, after.macro_f1),
        ("calibration error", before.ece, after.ece),
    ):
        table.add_row(name, f"{was:.3f}", f"{now:.3f}", f"{now - was:+.3f}")
    console.print(table)


def show_clearing(console: Console, clearing: Clearing) -> None:
    """Print what a calibration promises, and what other promises would cost in rows for a person."""
    console.print(clearing.tell(), soft_wrap=True)
    table = Table(title=f"{clearing.rows:,} calibration rows, {clearing.risky:,} of them controlled or open", title_justify="left")
    for name in ("gate", "strictness", "cleared of these", "surely controlled", "upper 95 % bound", "rows for a person"):
        table.add_column(name, justify="right")
    last = None
    for step in clearing.steps:
        figures = (step.gate, step.missed, step.review)
        if figures != last:  # steps that change nothing are left out
            missed = (f"{step.missed:,}", f"{step.missed_controlled:,}", f"{step.upper95:.2%}")
            table.add_row("on" if step.gate else "off", f"{step.strictness:g}", *missed, f"{step.review / clearing.rows:.1%}")
        last = figures
    console.print(table)
