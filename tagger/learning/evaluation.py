"""Measure answers against labelled rows: false clears with their bound, false alarms, review, categories, calibration, slices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.errors import TrainingDataError
from tagger.learning.dataset import Example
from tagger.records import Decision

BINS = 15
LEVEL = 0.95  # of the one-sided bounds
CLEARED = ("not_controlled", "unrelated")
_LENGTHS = ((40, "up to 40 characters"), (120, "41 to 120"), (300, "121 to 300"), (10**9, "over 300"))
_WORST = 20


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``rows``, with the one-sided upper bound of Clopper and Pearson for the share behind them."""

    hits: int
    rows: int
    rate: float
    upper95: float


@dataclass(frozen=True, slots=True)
class Mistake:
    """One row whose answer is not its label."""

    id: str
    text: str
    label: str
    category: str
    outcome: str
    answered: str
    codes: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All figures of one evaluation.

    Attributes
    ----------
    rows : int
    model_id, rules_id : str
    outcomes : dict
        ``label -> outcome`` to how many rows.
    false_clear : Share
        Rows labelled controlled that were answered not_controlled or unrelated.
    false_clear_open : Share
        The same over rows labelled controlled or review.
    false_alarm : Share
        Rows labelled not_controlled or unrelated that were answered controlled.
    review : Share
    decided_rightly : Share
        Decidable rows (not labelled review) answered without a person: controlled as controlled, cleared ones as cleared.
    code_hits : Share
        Rows with a code in their label, answered with that code among theirs.
    macro_f1, accuracy, ece, augrc : float
        Of the category; AUGRC is the area under the generalised risk-coverage curve (Traub et al. 2024).
    categories : dict
        Category to rows, precision, recall, F1.
    reliability : list
        Bins of equal mass: rows, mean confidence, share right.
    risk_coverage : list
        Coverage and share wrong among the surest rows.
    confusion : dict
        True category to answered category to rows.
    slices : dict
        Language and length to their figures.
    worst : tuple of Mistake
        False clears first, then false alarms, then the surest wrong categories.
    """

    rows: int
    model_id: str
    rules_id: str
    outcomes: dict[str, int]
    false_clear: Share
    false_clear_open: Share
    false_alarm: Share
    review: Share
    decided_rightly: Share
    code_hits: Share
    macro_f1: float
    accuracy: float
    ece: float
    augrc: float
    categories: dict[str, dict[str, float]]
    reliability: list[dict[str, float]]
    risk_coverage: list[dict[str, float]]
    confusion: dict[str, dict[str, int]]
    slices: dict[str, dict[str, dict[str, float]]]
    worst: tuple[Mistake, ...]

    @property
    def shares(self) -> tuple[tuple[str, Share], ...]:
        """The shares in words, what matters most first."""
        return (
            ("controlled rows cleared", self.false_clear),
            ("controlled or undetermined rows cleared", self.false_clear_open),
            ("harmless rows called controlled", self.false_alarm),
            ("rows for a person", self.review),
            ("decidable rows decided rightly", self.decided_rightly),
            ("rows with the right code", self.code_hits),
        )


def evaluate(examples: Sequence[Example], decisions: Sequence[Decision]) -> Evaluation:
    """Compare answers with labels.

    Parameters
    ----------
    examples : sequence of Example
    decisions : sequence of Decision
        The answers, in the same order.

    Returns
    -------
    Evaluation

    Raises
    ------
    TrainingDataError
        Where there is no row.
    """
    if not examples:
        raise TrainingDataError("no labelled row to evaluate")
    pairs = list(zip(examples, decisions, strict=True))
    confidence = np.array([d.confidence for d in decisions])
    right = np.array([e.category == d.category for e, d in pairs])
    categories = _categories(pairs)
    return Evaluation(
        rows=len(pairs),
        model_id=decisions[0].model_id,
        rules_id=decisions[0].rules_id,
        outcomes=dict(sorted(Counter(f"{e.decision} -> {d.outcome}" for e, d in pairs).items())),
        false_clear=_share(pairs, lambda e: e.decision == "controlled", lambda _, d: d.outcome in CLEARED),
        false_clear_open=_share(pairs, lambda e: e.decision in ("controlled", "review"), lambda _, d: d.outcome in CLEARED),
        false_alarm=_share(pairs, lambda e: e.decision in CLEARED, lambda _, d: d.outcome == "controlled"),
        review=_share(pairs, lambda _: True, lambda _, d: d.outcome == "review"),
        decided_rightly=_share(pairs, lambda e: e.decision != "review", _decided_rightly),
        code_hits=_share(pairs, lambda e: bool(e.code), lambda e, d: e.code in d.codes),
        macro_f1=float(np.mean([c["f1"] for c in categories.values()])),
        accuracy=float(right.mean()),
        ece=calibration_error(confidence, right),
        augrc=generalised_risk(confidence, right),
        categories=categories,
        reliability=_reliability(confidence, right),
        risk_coverage=_risk_coverage(confidence, right),
        confusion=_confusion(pairs),
        slices={
            "language": _slices(pairs, lambda e: e.lang or "not stated"),
            "length": _slices(pairs, lambda e: next(name for most, name in _LENGTHS if len(e.text) <= most)),
        },
        worst=tuple(_worst(pairs)),
    )


Pairs = Sequence[tuple[Example, Decision]]


def upper_bound(hits: int, rows: int, level: float = LEVEL) -> float:
    """One-sided upper bound of Clopper and Pearson: the share behind the rows lies below it in ``level`` of all samples.

    Examples
    --------
    >>> round(upper_bound(0, 299), 4), upper_bound(3, 3), upper_bound(0, 0)
    (0.01, 1.0, 1.0)
    """
    from scipy.stats import beta

    return 1.0 if hits >= rows else float(beta.ppf(level, hits + 1, rows - hits))


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS) -> float:
    """Mean gap between confidence and share right over bins of equal mass (ECE)."""
    pieces = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return float(sum(len(p) * abs(confidence[p].mean() - right[p].mean()) for p in pieces if len(p)) / len(right))


def generalised_risk(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Area under the generalised risk-coverage curve: mean share of all rows that are accepted and wrong.

    Examples
    --------
    >>> generalised_risk(np.array([0.9, 0.8, 0.2]), np.array([True, True, True]))
    0.0
    """
    order = np.argsort(-confidence, kind="stable")
    return float((np.cumsum(~right[order]) / len(right)).mean())


def _share(pairs: Pairs, among: Callable[[Example], bool], hit: Callable[[Example, Decision], bool]) -> Share:
    chosen = [(e, d) for e, d in pairs if among(e)]
    hits = sum(hit(e, d) for e, d in chosen)
    return Share(hits, len(chosen), hits / len(chosen) if chosen else 0.0, upper_bound(hits, len(chosen)))


def _decided_rightly(e: Example, d: Decision) -> bool:
    return d.outcome == e.decision or (e.decision in CLEARED and d.outcome in CLEARED)


def _categories(pairs: Pairs) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of every category that is a label of some row."""
    figures = {}
    for name in sorted({e.category for e, _ in pairs}):
        rows = sum(e.category == name for e, _ in pairs)
        answered = sum(d.category == name for _, d in pairs)
        hits = sum(e.category == d.category == name for e, d in pairs)
        precision, recall = hits / answered if answered else 0.0, hits / rows
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
        figures[name] = {"rows": rows, "precision": precision, "recall": recall, "f1": f1}
    return figures


def _reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> list[dict[str, float]]:
    pieces = np.array_split(np.argsort(confidence, kind="stable"), BINS)
    return [{"rows": len(p), "confidence": float(confidence[p].mean()), "right": float(right[p].mean())} for p in pieces if len(p)]


def _risk_coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_], points: int = 100) -> list[dict[str, float]]:
    wrong = np.cumsum(~right[np.argsort(-confidence, kind="stable")])
    counts = sorted({max(1, round(len(right) * i / points)) for i in range(1, points + 1)})
    return [{"coverage": n / len(right), "risk": float(wrong[n - 1] / n)} for n in counts]


def _confusion(pairs: Pairs) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for e, d in pairs:
        table[e.category][d.category] += 1
    return {true: dict(sorted(answered.items())) for true, answered in sorted(table.items())}


def _slices(pairs: Pairs, of: Callable[[Example], str]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[tuple[Example, Decision]]] = defaultdict(list)
    for e, d in pairs:
        groups[of(e)].append((e, d))
    return {name: _slice(group) for name, group in sorted(groups.items())}


def _slice(group: Pairs) -> dict[str, float]:
    cleared = _share(group, lambda e: e.decision == "controlled", lambda _, d: d.outcome in CLEARED)
    alarms = _share(group, lambda e: e.decision in CLEARED, lambda _, d: d.outcome == "controlled")
    return {
        "rows": len(group),
        "category_right": sum(e.category == d.category for e, d in group) / len(group),
        "review": sum(d.outcome == "review" for _, d in group) / len(group),
        "controlled_rows": cleared.rows,
        "false_clears": cleared.hits,
        "false_alarms": alarms.hits,
    }


def _worst(pairs: Pairs) -> Iterable[Mistake]:
    """Rows to look at first."""
    clears = [p for p in pairs if p[0].decision == "controlled" and p[1].outcome in CLEARED]
    alarms = [p for p in pairs if p[0].decision in CLEARED and p[1].outcome == "controlled"]
    wrong = sorted((p for p in pairs if p[0].category != p[1].category), key=lambda p: -p[1].confidence)
    seen: set[str] = set()
    for e, d in (*clears, *alarms, *wrong):
        if e.id not in seen and len(seen) < _WORST:
            seen.add(e.id)
            yield Mistake(e.id, e.text, e.decision, e.category, d.outcome, d.category, tuple(d.codes), d.confidence)


def evaluation_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values for JSON."""
    return asdict(evaluation)
