"""Fit a linear classifier on the training rows, calibrate it on rows it has not seen, and save it as plain arrays."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagger.decisions.decide import Context, decide
from tagger.errors import TrainingDataError
from tagger.learning.calibration import Corpus, calibrated, fit_calibration
from tagger.learning.dataset import data_fingerprint, read_examples
from tagger.learning.evaluation import calibration_error
from tagger.learning.folds import Fold
from tagger.learning.gate import train_gate
from tagger.learning.linear import Fitted, LinearRecipe, as_csr, fit_linear
from tagger.learning.risk import RiskRecipe, fit_risk
from tagger.learning.stacking import Rows, StackRecipe, fit_stack
from tagger.records import Scores
from tagger.rulebook import Rulebook
from tagger.scores.bundle import save_model
from tagger.scores.classifier import Logits, Model, as_scores, softmax
from tagger.scores.clearing import Clearing
from tagger.scores.conformal import conformalize, prediction_sets
from tagger.scores.features import weigh

FOLDS = 3
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of the fit; they stand in the manifest."""

    linear: LinearRecipe = field(default_factory=LinearRecipe)
    stack: StackRecipe = field(default_factory=StackRecipe)
    risk: RiskRecipe = field(default_factory=RiskRecipe)


def train(data: Path, out: Path, book: Rulebook, recipe: Recipe | None = None, say: Say = print) -> dict[str, Any]:
    """Train a model from a folder of rows and save it.

    The classifier is fitted on the rows of the folder itself; its probabilities are calibrated on predictions for them by
    classifiers that had not seen them; what may be cleared automatically is measured on the rows of its subfolder
    ``calibration``, which share no web site with the others. The same rows, rulebook and library versions give the same
    files, bit for bit, on one machine.

    Parameters
    ----------
    data : Path
        Folder of ``*.jsonl`` files; of its subfolders only ``calibration`` is read, where it is there.
    out : Path
        Folder of the model.
    book : Rulebook
    recipe : Recipe, optional
    say : callable
        Takes progress messages.

    Returns
    -------
    dict
        The measured figures: grouped cross-validation, rows that the model was not fitted on.

    Raises
    ------
    TrainingDataError
        Where the rows have faults, a category is missing, or a calibration row shares its group with a training row.
    """
    recipe = recipe or Recipe()
    corpus = Corpus.of(read_examples(data, book.labels), book)
    missing = set(book.labels) - {e.category for e in corpus.examples}
    if missing:
        raise TrainingDataError(f"no training rows for {', '.join(sorted(missing))} in {data}: every category needs some")
    reviewed = sum(1 for e in corpus.examples if e.reviewed)
    say(f"{len(corpus.examples)} rows from {data}" + (f", {reviewed} of them decided by reviewers" if reviewed else ""))
    apart = _calibration_rows(data, corpus, book)
    folds = _folds(corpus)
    say(f"fitting on all rows, and {FOLDS}-fold cross-validation, grouped by page and near-duplicate")
    fitted, logits = fit_linear(corpus, folds, recipe.linear)
    rows = Rows.of(corpus, logits, fitted.flag_names, recipe.linear.source_weight)
    stack, held_out = fit_stack(rows, folds, recipe.stack)
    wording = as_csr(weigh(corpus.ngrams, fitted.vocabulary))
    risk, risk_held_out = fit_risk(rows, wording, corpus.risky, folds, recipe.risk)
    temperature, bias = fit_calibration(held_out, corpus.truth, corpus.weights(recipe.linear.source_weight))
    probabilities = softmax(held_out / temperature + bias)
    thresholds = conformalize(probabilities, corpus.truth, book.settings.conformal.coverage)
    figures = measure(probabilities, corpus.truth, thresholds, book.labels)
    unseen = Logits(held_out, risk_held_out, np.ones(len(corpus.truth)))
    figures["decisions"] = decided(corpus, as_scores(book.labels, thresholds, probabilities, unseen), book)
    say(f"cross-validation: accuracy {figures['accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, ECE {figures['ece']:.3f}")
    gate, figures["gate"] = train_gate(corpus.examples, folds, book)
    about_gate = figures["gate"]
    say(
        f"gate: settles {about_gate['open_rows_settled']} of {about_gate['open_rows']} open rows, of which "
        f"{about_gate['open_rows_alike']} look like everyday goods, and {about_gate['everyday_rows_settled']} of "
        f"{about_gate['everyday_rows']} everyday ones"
    )
    model = replace(
        to_model(fitted, book.labels, recipe.linear),
        temperature=temperature,
        bias=bias,
        set_thresholds=thresholds,
        stack=stack,
        risk=risk,
        gate=gate,
        clearing=Clearing(strictness=book.settings.clearing.strictest),  # until rows are there that carry a promise
    )
    about = {
        "data": {
            "fingerprint": data_fingerprint(corpus.examples),
            "rows": len(corpus.examples),
            "by_category": dict(sorted(Counter(e.category for e in corpus.examples).items())),
        },
        "rules_id": book.rules_id,
        "libraries": _libraries(),
        "recipe": asdict(recipe),
        "figures": figures,
    }
    if apart is not None:
        model = calibrated(model, apart, book)
        about["calibration"] = {"fingerprint": data_fingerprint(apart.examples), "rows": len(apart.examples)}
        if model.gate is not None:
            say(f"gate: settles at most {model.gate.most_missed:.2%} of the open calibration rows")
        say(f"clearing: {model.clearing.tell()}")
    save_model(model, out, about)
    return figures


def _calibration_rows(data: Path, corpus: Corpus, book: Rulebook) -> Corpus | None:
    folder = data / "calibration"
    if not folder.is_dir():
        return None
    examples = read_examples(folder, book.labels)
    shared = {e.group for e in examples} & {e.group for e in corpus.examples}
    if shared:
        raise TrainingDataError(f"group {min(shared)} stands among the training rows and in {folder}: move its rows to one side")
    return Corpus.of(examples, book)


def to_model(fitted: Fitted, labels: Sequence[str], recipe: LinearRecipe) -> Model:
    """A fitted linear model as the arrays that answer, not calibrated."""
    return Model(
        model_id="",
        labels=tuple(labels),
        vocabulary=fitted.vocabulary,
        flag_names=fitted.flag_names,
        flag_value=recipe.flag_value,
        weights=np.ascontiguousarray(fitted.linear.weights, dtype=np.float32),
        intercept=fitted.linear.intercept.astype(np.float32),
        temperature=1.0,
        bias=np.zeros(len(labels)),
        set_thresholds=np.zeros(len(labels)),
    )


def _folds(corpus: Corpus) -> list[Fold]:
    """Rows to fit on and rows to score, those of one group together."""
    from sklearn.model_selection import GroupKFold

    _, groups = np.unique([e.group for e in corpus.examples], return_inverse=True)
    return list(GroupKFold(FOLDS, shuffle=True, random_state=0).split(groups, groups=groups))


def measure(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], thresholds: NDArray[np.float64], labels: Sequence[str]
) -> dict[str, Any]:
    """Figures on held-out rows: accuracy, macro-F1, calibration error, size and coverage of the prediction sets."""
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    guess = probabilities.argmax(axis=1)
    sets = prediction_sets(probabilities, thresholds)
    per = precision_recall_fscore_support(truth, guess, labels=range(len(labels)), zero_division=0)
    return {
        "how": f"{FOLDS}-fold cross-validation on the training rows, grouped by page and near-duplicate",
        "rows": len(truth),
        "accuracy": round(float((guess == truth).mean()), 4),
        "macro_f1": round(float(f1_score(truth, guess, average="macro")), 4),
        "ece": round(calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth), 4),
        "set_coverage": round(float(sets[np.arange(len(truth)), truth].mean()), 4),
        "set_size": round(float(sets.sum(axis=1).mean()), 3),
        "by_category": {
            label: {"rows": int(per[3][i]), "precision": round(float(per[0][i]), 3), "recall": round(float(per[1][i]), 3)}
            for i, label in enumerate(labels)
        },
    }


def decided(corpus: Corpus, scored: Sequence[Scores], book: Rulebook) -> dict[str, Any]:
    """Outcomes of the held-out rows against their labels: how many of which decision came out as what."""
    context = Context(book, book.as_of, "")
    table: Counter[str] = Counter()
    for example, facts, scores, judged in zip(corpus.examples, corpus.facts, scored, corpus.judged, strict=True):
        table[f"{example.decision} -> {decide(facts, scores, judged, context).outcome}"] += 1
    controlled = sum(n for k, n in table.items() if k.startswith("controlled "))
    cleared = table["controlled -> unrelated"] + table["controlled -> not_controlled"]
    harmless = sum(n for k, n in table.items() if k.startswith(("unrelated ", "not_controlled ")))
    alarms = table["unrelated -> controlled"] + table["not_controlled -> controlled"]
    return {
        "note": "classifier held out by fold, at strictness 0; the lexicon was written with some of these rows in view",
        "table": dict(sorted(table.items())),
        "false_clear_rate": round(cleared / max(controlled, 1), 4),
        "false_alarm_rate": round(alarms / max(harmless, 1), 4),
        "review_rate": round(sum(n for k, n in table.items() if k.endswith("-> review")) / max(len(corpus.examples), 1), 4),
    }


def _libraries() -> dict[str, str]:
    import scipy
    import sklearn

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }
