"""The evaluation as one HTML page: tables, and pictures drawn into the page; nothing is loaded from elsewhere."""

from __future__ import annotations

from pathlib import Path

from tagger.learning.evaluation import Evaluation
from tagger.page import picture, svg, table, text, write_page


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
    write_page(path, "evaluation", _page(evaluation, about))


def _page(e: Evaluation, about: str) -> list[str]:
    parts = [
        "<h1>Evaluation</h1>",
        f"<p class='note'>{text(about)}; {e.rows:,} rows, {text(e.model_id)}, {text(e.rules_id)}</p>",
        "<h2>What matters</h2>",
        table(("", "rows", "of", "share", "upper 95 % bound"), _share_rows(e)),
        "<h2>Categories</h2>",
        f"<p>macro-F1 {e.macro_f1:.3f}, accuracy {e.accuracy:.3f}, calibration error {e.ece:.3f}, AUGRC {e.augrc:.4f}</p>",
        table(("category", "rows", "precision", "recall", "F1"), _category_rows(e)),
        "<h2>Confidence</h2>",
        f"<figure>{_reliability(e)}</figure><figure>{_risk(e)}</figure>",
        "<h2>Confusion</h2>",
        f"<figure>{_confusion(e)}</figure>",
        "<h2>Outcomes</h2>",
        table(("label -> outcome", "rows"), [(name, f"{n:,}") for name, n in e.outcomes.items()]),
    ]
    for title, slices in e.slices.items():
        parts += [f"<h2>By {title}</h2>", table(_SLICE_HEAD, _slice_rows(slices))]
    parts += ["<h2>Rows to look at first</h2>", table(("row", "label", "answer", "confidence", "text"), _mistakes(e), wide=4)]
    return parts


_SLICE_HEAD = ("", "rows", "category right", "review", "controlled rows", "false clears", "false alarms")


def _share_rows(e: Evaluation) -> list[tuple[str, ...]]:
    return [(name, f"{s.hits:,}", f"{s.rows:,}", f"{s.rate:.2%}", f"{s.upper95:.2%}") for name, s in e.shares]


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


def _reliability(e: Evaluation) -> str:
    figure, axes = picture()
    axes.plot([0, 1], [0, 1], color="#9aa5b1", linewidth=1, linestyle="--")
    axes.plot([b["confidence"] for b in e.reliability], [b["right"] for b in e.reliability], marker="o", color="#1f6feb")
    axes.set(
        xlabel="confidence",
        ylabel="share with the right category",
        xlim=(0, 1),
        ylim=(0, 1.02),
        title="Reliability (bins of equal mass)",
    )
    return svg(figure)


def _risk(e: Evaluation) -> str:
    figure, axes = picture()
    axes.plot([p["coverage"] for p in e.risk_coverage], [p["risk"] for p in e.risk_coverage], color="#b42318")
    axes.set(
        xlabel="share of rows answered, surest first", ylabel="share with a wrong category", xlim=(0, 1), title="Risk and coverage"
    )
    axes.set_ylim(bottom=0)
    return svg(figure)


def _confusion(e: Evaluation) -> str:
    import numpy as np

    names = sorted({*e.confusion, *(a for answered in e.confusion.values() for a in answered)})
    counts = np.array([[e.confusion.get(true, {}).get(answered, 0) for answered in names] for true in names], dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = picture(size=(9.0, 8.0))
    axes.grid(visible=False)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(counts), strict=True):
        axes.text(
            j, i, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=8, color="white" if shares[i, j] > 0.5 else "#1d2530"
        )
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answered", ylabel="label", title="Categories (shade: share of the label's rows)")
    return svg(figure)
