"""Legal status on a day, from the dates of announcements and rules alone; what changes between two days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from tagger.law import Announcement, Rule

_DAY = dt.timedelta(days=1)


class LegalStatus(NamedTuple):
    """Whether a list is in force on a day, and why."""

    state: str
    why: str


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One announcement or rule whose legal status differs between two days, and on which days it changes."""

    id: str
    before: LegalStatus
    after: LegalStatus
    steps: tuple[tuple[dt.date, str], ...]


def legal_status(announcement: Announcement, on: dt.date) -> LegalStatus:
    """Work out the legal status of an announcement on a day.

    Parameters
    ----------
    announcement : Announcement
    on : datetime.date

    Returns
    -------
    LegalStatus
        ``in_force``, ``partly_suspended``, ``suspended``, ``not_yet_in_force``, ``lapsed`` or ``uncertain``, with the reason.
    """
    a = announcement
    reported = a.extension_reported_until
    if a.runs_until and on > a.runs_until:
        if reported and on <= reported:
            return LegalStatus("uncertain", f"ended on {a.runs_until} on paper, reported to run to {reported}")
        return LegalStatus("lapsed", f"ended on {a.runs_until}")
    if on < a.issued:
        return LegalStatus("not_yet_in_force", f"issued on {a.issued}")
    if a.suspended_from and a.suspended_until and a.suspended_from <= on <= a.suspended_until:
        state = "partly_suspended" if a.suspended_scope else "suspended"
        scope = f"{a.suspended_scope}: " if a.suspended_scope else ""
        return LegalStatus(state, f"{scope}suspended from {a.suspended_from} until {a.suspended_until}")
    if on < a.effective:
        return LegalStatus("not_yet_in_force", f"takes effect on {a.effective}")
    if a.suspended_until and reported and a.suspended_until < on <= reported:
        return LegalStatus(
            "uncertain",
            f"suspension ended on {a.suspended_until} on paper, reported extended to {reported} without a formal announcement seen",
        )
    since = f"since {a.effective}"
    if a.suspended_until and on > a.suspended_until:
        last = max(a.suspended_until, reported or a.suspended_until)
        since = f"suspension over after {last}, as far as the texts of the rulebook go"
    return LegalStatus("in_force", since)


def rule_status(rule: Rule, announcement: Announcement, on: dt.date) -> LegalStatus:
    """Work out the legal status of a rule that cuts across the items: its own dates first, then those of its announcement.

    Parameters
    ----------
    rule : Rule
    announcement : Announcement
        The one that the rule stands in.
    on : datetime.date
    """
    status = legal_status(announcement, on)
    if status.state == "partly_suspended":
        if rule.suspended_until and on <= rule.suspended_until:
            return LegalStatus("suspended", f"suspended from {announcement.suspended_from} until {rule.suspended_until}")
        if not rule.suspended_until:
            return LegalStatus("in_force", f"since {rule.effective or announcement.effective}")
    if status.state == "in_force" and rule.effective and on < rule.effective:
        return LegalStatus("not_yet_in_force", f"takes effect on {rule.effective}")
    return status


def status_changes(announcements: Iterable[Announcement], start: dt.date, end: dt.date) -> list[StatusChange]:
    """Announcements whose legal status differs somewhere between two days.

    Parameters
    ----------
    announcements : iterable of Announcement
    start, end : datetime.date
        ``start`` before ``end``.

    Examples
    --------
    >>> from tagger.rulebook import load_rulebook
    >>> found = status_changes(load_rulebook().announcements, dt.date(2026, 11, 1), dt.date(2026, 11, 21))
    >>> [(c.id, c.before.state, c.after.state, c.steps) for c in found][0]
    ('2025-55', 'suspended', 'uncertain', ((datetime.date(2026, 11, 11), 'uncertain'),))
    """
    changes = []
    for a in announcements:
        steps = tuple((day, status.state) for day, status in turns(turning_days(a), partial(legal_status, a), start, end))
        if steps:
            changes.append(StatusChange(a.id, legal_status(a, start), legal_status(a, end), steps))
    return changes


def turns(
    days: Iterable[dt.date], status_on: Callable[[dt.date], LegalStatus], start: dt.date, end: dt.date
) -> list[tuple[dt.date, LegalStatus]]:
    """Days after ``start`` and up to ``end`` on which a legal status changes, of the ``days`` on which it may."""
    found: list[tuple[dt.date, LegalStatus]] = []
    state = status_on(start).state
    for day in sorted(d for d in set(days) if start < d <= end):
        status = status_on(day)
        if status.state != state:
            found.append((day, status))
            state = status.state
    return found


def turning_days(a: Announcement) -> list[dt.date]:
    """Days on which the status of an announcement may change."""
    first = [a.issued, a.effective, a.suspended_from]
    after = [d + _DAY for d in (a.suspended_until, a.extension_reported_until, a.runs_until) if d]
    return sorted({d for d in (*first, *after) if d})
