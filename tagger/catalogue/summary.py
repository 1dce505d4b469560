"""What came out of a run: counted row by row, kept in the journal, written as summary.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tagger.files import write_text
from tagger.records import TAG_COLUMNS, Outcome

_OUTCOME, _CATEGORY, _CODES, _CONFIDENCE, _REASONS, _NEAR, _MARGIN, _DECIDED_BY = (
    TAG_COLUMNS.index(f"tag_{name}")
    for name in ("outcome", "category", "codes", "confidence", "reasons", "near_threshold", "margin", "decided_by")
)
_MOST_RISKY = 20
_SHOWN = 300  # characters of a text
_CLEARED = (Outcome.UNRELATED.value, Outcome.NOT_CONTROLLED.value)


@dataclass(frozen=True, slots=True, order=True)
class Risky:
    """A row to look at first; ``rank`` orders them, the riskiest lowest."""

    rank: float
    row: int
    id: str
    outcome: str
    category: str
    codes: str
    text: str


@dataclass(slots=True)
class Summary:
    """What came out of a run.

    ``cleared`` are the rows that nobody looks at any more and of which the tagger was least sure, ``near`` those with a
    deciding figure nearest to its threshold.
    """

    source: str
    target: Path
    review: str
    about: str
    rows: int = 0
    distinct: int = 0
    kept: int = 0
    remembered: int = 0
    faults: int = 0
    formula_cells: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    categories: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    cleared: list[Risky] = field(default_factory=list)
    near: list[Risky] = field(default_factory=list)
    made_with: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    resumed_at: int = 0

    @property
    def rate(self) -> float:
        """Rows a second of this process."""
        return (self.rows - self.resumed_at) / self.seconds if self.seconds else 0.0

    def add(self, tags: Sequence[Sequence[Any]], ids: Sequence[str], texts: Sequence[str]) -> None:
        """Count the answers of a batch, each with the id and text of its row."""
        times = Counter(map(id, tags))  # everyday rows share one answer
        distinct = dict(zip(map(id, tags), tags, strict=True))
        for key, tag in distinct.items():
            n, outcome, reasons = times[key], tag[_OUTCOME], tag[_REASONS]
            self.outcomes[outcome] += n
            self.categories[tag[_CATEGORY], outcome] += n
            for reason in reasons.split("; ") if reasons else ():
                self.reasons[reason] += n
            self.remembered += n if tag[_DECIDED_BY] == "memory" else 0
        least = self.cleared[-1].rank if len(self.cleared) == _MOST_RISKY else 2.0
        unsure = {key for key, tag in distinct.items() if tag[_OUTCOME] in _CLEARED and (tag[_CONFIDENCE] or 0.0) < least}
        risky = unsure | {key for key, tag in distinct.items() if tag[_NEAR]}
        for i, tag in enumerate(tags) if risky else ():
            if id(tag) not in risky:
                continue
            if tag[_OUTCOME] in _CLEARED and (tag[_CONFIDENCE] or 0.0) < least:
                least = self._keep(self.cleared, _risky(tag[_CONFIDENCE] or 0.0, self.rows + i + 1, tag, (ids[i], texts[i])))
            if tag[_NEAR] and tag[_MARGIN] is not None:
                self._keep(self.near, _risky(abs(tag[_MARGIN]), self.rows + i + 1, tag, (ids[i], texts[i])))
        self.rows += len(tags)

    def _keep(self, risky: list[Risky], row: Risky) -> float:
        """Keep the riskiest rows; returns the rank below which another one counts."""
        risky.append(row)
        risky.sort()
        del risky[_MOST_RISKY:]
        return risky[-1].rank if len(risky) == _MOST_RISKY else 2.0

    def state(self) -> dict[str, Any]:
        """What is counted, as JSON values, for the journal."""
        return {
            "counts": [self.rows, self.distinct, self.kept, self.remembered, self.faults, self.formula_cells],
            "outcomes": dict(self.outcomes),
            "categories": [[c, o, n] for (c, o), n in self.categories.items()],
            "reasons": dict(self.reasons),
            "risky": [[[getattr(r, n) for n in Risky.__slots__] for r in rows] for rows in (self.cleared, self.near)],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what an unfinished run had counted."""
        if not state:
            return
        self.rows, self.distinct, self.kept, self.remembered, self.faults, self.formula_cells = state["counts"]
        self.resumed_at = self.rows
        self.outcomes = Counter(state["outcomes"])
        self.categories = Counter({(c, o): n for c, o, n in state["categories"]})
        self.reasons = Counter(state["reasons"])
        self.cleared, self.near = ([Risky(*values) for values in rows] for rows in state["risky"])


def _risky(rank: float, number: int, tag: Sequence[Any], of: tuple[str, str]) -> Risky:
    id, text = of
    return Risky(float(rank), number, id[:_SHOWN], tag[_OUTCOME], tag[_CATEGORY], tag[_CODES], text[:_SHOWN])


def summary_dict(summary: Summary) -> dict[str, Any]:
    """Plain values of a summary, for JSON; the same run gives the same values, however often it was interrupted."""
    return {
        "source": summary.source,
        "target": str(summary.target),
        "review_queue": summary.review,
        "read_as": summary.about,
        "rows": summary.rows,
        "unreadable_rows": summary.faults,
        "kept_answers": summary.kept,
        "from_memory": summary.remembered,
        "outcomes": {str(o): summary.outcomes.get(str(o), 0) for o in Outcome},
        "categories": {c: n for (c, o), n in sorted(summary.categories.items()) if o != Outcome.UNRELATED},
        "category_outcomes": _by_category(summary),
        "reasons": dict(sorted(summary.reasons.items())),
        "riskiest_cleared": [_plain(r, "confidence") for r in summary.cleared],
        "nearest_to_threshold": [_plain(r, "margin") for r in summary.near],
        "formula_cells": summary.formula_cells,
        **summary.made_with,
    }


def _by_category(summary: Summary) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (category, outcome), n in sorted(summary.categories.items()):
        found.setdefault(category, {})[outcome] = n
    return found


def _plain(r: Risky, rank: str) -> dict[str, Any]:
    return {"row": r.row, "id": r.id, "outcome": r.outcome, "category": r.category, "codes": r.codes, rank: r.rank, "text": r.text}


def write_summary(summary: Summary, path: Path) -> None:
    """Write summary.json."""
    write_text(path, json.dumps(summary_dict(summary), ensure_ascii=False, indent=1) + "\n")
