"""The evaluation as one HTML page: tables, and pictures drawn into the page; nothing is loaded from elsewhere."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tagger.errors import UsageError
from tagger.files import replacing
from tagger.learning.evaluation import Evaluation, Share

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2530; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; margin: .6rem 0 }
td, th { padding: .25rem .7rem; border-bottom: 1px solid #dde3ea; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.note { color: #5a6676 } figure { margin: 1rem 0 } svg { max-width: 100%; height: auto }
td.text { max-width: 34rem; overflow-wrap: anywhere }
"""
_SIZE = (6.4, 4.0)  # inches
_PICTURE: dict[Any, Any] = {"font.size": 10, "axes.grid": True, "grid.color": "#e3e8ee", "svg.fonttype": "none"}


def check_pictures() -> None:
    """Refuse a report before any work is done where its pictures cannot be drawn.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UsageError("the report's pictures need matplotlib: pip install 'tagger[report]'")


def write_report(evaluation: Evaluation, path: Path, about: str) -> None:
    """Write the page.

    Parameters
    ----------
    evaluation : Evaluation
    path : Path
        An ``.html`` file.
    about : str
        What was evaluated, for the head of the page.

    Raises
    ------
    UsageError
        Where the file cannot be written.
    """
    page = _page(evaluation, about)
    try:
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None


def _page(e: Evaluation, about: str) -> str:
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>tagger: evaluation</title>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<style>{_STYLE}</style></head><body><h1>Evaluation</h1>",
        f"<p class='note'>{_text(about)}; {e.rows:,} rows, {_text(e.model_id)}, {_text(e.rules_id)}</p>",
        "<h2>What matters</h2>",
        _table(("", "rows", "of", "share", "upper 95 % bound"), _shares(e)),
        "<h2>Categories</h2>",
        f"<p>macro-F1 {e.macro_f1:.3f}, accuracy {e.accuracy:.3f}, calibration error {e.ece:.3f}, AUGRC {e.augrc:.4f}</p>",
        _table(("category", "rows", "precision", "recall", "F1"), _category_rows(e)),
        "<h2>Confidence</h2>",
        f"<figure>{_reliability(e)}</figure><figure>{_risk(e)}</figure>",
        "<h2>Confusion</h2>",
        f"<figure>{_confusion(e)}</figure>",
        "<h2>Outcomes</h2>",
        _table(("label -> outcome", "rows"), [(name, f"{n:,}") for name, n in e.outcomes.items()]),
    ]
    for title, slices in e.slices.items():
        parts += [f"<h2>By {title}</h2>", _table(_SLICE_HEAD, _slice_rows(slices))]
    parts += ["<h2>Rows to look at first</h2>", _table(("row", "label", "answer", "confidence", "text"), _mistakes(e), wide=4)]
    return "\n".join([*parts, "</body></html>"])


_SLICE_HEAD = ("", "rows", "category right", "review", "controlled rows", "false clears", "false alarms")


def _shares(e: Evaluation) -> list[tuple[str, ...]]:
    named: list[tuple[str, Share]] = [
        ("controlled rows that were cleared", e.false_clear),
        ("controlled or undetermined rows that were cleared", e.false_clear_open),
        ("harmless rows called controlled", e.false_alarm),
        ("rows for a person", e.review),
        ("decidable rows decided rightly without a person", e.decided_rightly),
        ("rows with the right code", e.code_hits),
    ]
    return [(name, f"{s.hits:,}", f"{s.rows:,}", f"{s.rate:.2%}", f"{s.upper95:.2%}") for name, s in named]


def _category_rows(e: Evaluation) -> list[tuple[str, ...]]:
    return [
        (name, f"{c['rows']:,.0f}", f"{c['precision']:.3f}", f"{c['recall']:.3f}", f"{c['f1']:.3f}")
        for name, c in e.categories.items()
    ]


def _slice_rows(slices: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{s['rows']:,.0f}",
            f"{s['category_right']:.1%}",
            f"{s['review']:.1%}",
            f"{s['controlled_rows']:,.0f}",
            f"{s['false_clears']:,.0f}",
            f"{s['false_alarms']:,.0f}",
        )
        for name, s in slices.items()
    ]


def _mistakes(e: Evaluation) -> list[tuple[str, ...]]:
    return [
        (m.id, f"{m.label} {m.category}", f"{m.outcome} {m.answered} {' '.join(m.codes)}", f"{m.confidence:.2f}", m.text)
        for m in e.worst
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], wide: int = -1) -> str:
    def cell(tag: str, i: int, value: str) -> str:
        kind = " class='text'" if i == wide else " class='n'" if i and wide < 0 else ""
        return f"<{tag}{kind}>{_text(value)}</{tag}>"

    lines = ["<tr>" + "".join(cell("th", i, h) for i, h in enumerate(head)) + "</tr>"]
    lines += ["<tr>" + "".join(cell("td", i, v) for i, v in enumerate(row)) + "</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _text(value: str) -> str:
    return html.escape("".join(c if c.isprintable() else " " for c in value))


def _reliability(e: Evaluation) -> str:
    figure, axes = _axes()
    axes.plot([0, 1], [0, 1], color="#9aa5b1", linewidth=1, linestyle="--")
    axes.plot([b["confidence"] for b in e.reliability], [b["right"] for b in e.reliability], marker="o", color="#1f6feb")
    axes.set(
        xlabel="confidence",
        ylabel="share with the right category",
        xlim=(0, 1),
        ylim=(0, 1.02),
        title="Reliability (bins of equal mass)",
    )
    return _svg(figure)


def _risk(e: Evaluation) -> str:
    figure, axes = _axes()
    axes.plot([p["coverage"] for p in e.risk_coverage], [p["risk"] for p in e.risk_coverage], color="#b42318")
    axes.set(
        xlabel="share of rows answered, surest first", ylabel="share with a wrong category", xlim=(0, 1), title="Risk and coverage"
    )
    axes.set_ylim(bottom=0)
    return _svg(figure)


def _confusion(e: Evaluation) -> str:
    import numpy as np

    names = sorted({*e.confusion, *(a for answered in e.confusion.values() for a in answered)})
    counts = np.array([[e.confusion.get(true, {}).get(answered, 0) for answered in names] for true in names], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _axes(size=(9.0, 8.0))
    axes.grid(visible=False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(counts), strict=True):
        axes.text(
            j, i, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.5 else "#1d2530"
        )
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answered", ylabel="label", title="Categories (shade: share of the label's rows)")
    return _svg(figure)


def _axes(size: tuple[float, float] | None = None) -> tuple[Any, Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_PICTURE):
        figure = Figure(figsize=size or _SIZE, layout="constrained")
        return figure, figure.subplots()


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    target = io.StringIO()
    with rc_context({**_PICTURE, "svg.hashsalt": "tagger"}):
        figure.savefig(target, format="svg", metadata={"Date": None})
    drawn = target.getvalue()
    return drawn[drawn.index("<svg") :]
