"""The report of a run as one HTML page: outcomes, categories, reasons for review, the riskiest rows, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tagger.catalogue.summary import Risky, Summary
from tagger.page import picture, svg, table, text, write_page
from tagger.records import Outcome

_COLOURS = {"controlled": "#b42318", "review": "#d9920a", "not_controlled": "#2e7d4f", "unrelated": "#9aa5b1"}
_MOST_BARS = 25


def write_run_report(summary: Summary, path: Path) -> None:
    """Write the page of a run.

    Parameters
    ----------
    summary : Summary
    path : Path
        An ``.html`` file.

    Raises
    ------
    UsageError
        Where the file cannot be written.
    """
    s = summary
    names = sorted({c for c, o in s.categories if o != Outcome.UNRELATED})
    outcomes = [str(o) for o in Outcome]
    made = ", ".join(v for v in (s.made_with.get(k, "") for k in ("model", "rules", "assumptions", "as_of")) if v)
    parts = [
        "<h1>A catalogue, tagged</h1>",
        f"<p class='note'>{text(s.source)} ({text(s.about)}); {s.rows:,} rows; {text(made)}. A reading aid, not legal advice.</p>",
        "<h2>Outcomes</h2>",
        table(("outcome", "rows", "share"), [(o, f"{_n(s, o):,}", f"{_n(s, o) / max(s.rows, 1):.2%}") for o in outcomes]),
        f"<figure>{_bars('Rows by outcome', {o: {o: _n(s, o)} for o in outcomes})}</figure>",
    ]
    if s.faults:
        parts.append(f"<p>{s.faults:,} row(s) could not be read as they stand; they went to review with their line.</p>")
    if names:
        shown = {c: {o: s.categories.get((c, o), 0) for o in outcomes if o != Outcome.UNRELATED} for c in names}
        largest = sorted(shown, key=lambda c: -sum(shown[c].values()))[:_MOST_BARS]
        rows = [(c, *(f"{s.categories.get((c, o), 0):,}" for o in outcomes)) for c in names]
        parts += [
            "<h2>Categories</h2>",
            table(("category", *outcomes), rows),
            f"<figure>{_bars('Rows by category, without unrelated ones', {c: shown[c] for c in largest})}</figure>",
        ]
    if s.reasons:
        reasons = [(reason, f"{n:,}") for reason, n in s.reasons.most_common()]
        parts += [
            "<h2>Why rows go to a person</h2>",
            table(("reason", "rows"), reasons),
            f"<figure>{_bars('Reasons for review', {r: {'review': n} for r, n in s.reasons.most_common()})}</figure>",
        ]
    parts += _risky("Cleared with the least confidence", "confidence", s.cleared)
    parts += _risky("Nearest to a threshold", "distance", s.near)
    write_page(path, "a catalogue", parts)


def _n(s: Summary, outcome: str) -> int:
    return s.outcomes.get(outcome, 0)


def _risky(title: str, rank: str, rows: Sequence[Risky]) -> list[str]:
    if not rows:
        return []
    head = ("row", "id", "answer", rank, "text")
    cells = [(f"{r.row:,}", r.id, f"{r.outcome} {r.category} {r.codes}".rstrip(), f"{r.rank:.4f}", r.text) for r in rows]
    return [f"<h2>{text(title)}</h2>", table(head, cells, wide=4)]


def _bars(title: str, counts: dict[str, dict[str, int]]) -> str:
    """Bars from top to bottom, each made of its outcomes."""
    figure, axes = picture(size=(8.0, 1.2 + 0.3 * len(counts)))
    names = list(counts)
    left = [0] * len(names)
    for outcome in dict.fromkeys(o for parts in counts.values() for o in parts):
        widths = [counts[name].get(outcome, 0) for name in names]
        axes.barh(range(len(names)), widths, left=left, color=_COLOURS[outcome])
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for place, width in enumerate(left):
        axes.text(width, place, f" {width:,}", va="center", fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(title=title, xlim=(0, 1.12 * max([*left, 1])))
    return svg(figure)
