"""Fit a linear classifier on the training rows, calibrate it on rows it has not seen, and save it as plain arrays."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tagger.decisions.clauses import ClauseJudge
from tagger.decisions.decide import Context, decide
from tagger.errors import TrainingDataError
from tagger.facts.reader import FactReader
from tagger.learning.dataset import Example, data_fingerprint, read_examples
from tagger.learning.evaluation import calibration_error
from tagger.learning.gate import Fold, train_gate
from tagger.records import Facts, Row
from tagger.rulebook import Rulebook
from tagger.scores.bundle import save_model
from tagger.scores.classifier import Model, as_scores, softmax
from tagger.scores.conformal import conformalize, prediction_sets
from tagger.scores.features import Matrix, Ngrams, Vocabulary, flag_matrix, flags, ngrams, weigh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

FOLDS = 5
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of the fit; they stand in the manifest."""

    least_texts: int = 2
    most_ngrams: int = 120_000
    flag_least: int = 3
    flag_value: float = 1.0
    inverse_regularisation: float = 30.0
    iterations: int = 400


@dataclass(frozen=True, slots=True)
class Fitted:
    """Vocabulary, flags and the fitted scikit-learn classifier."""

    vocabulary: Vocabulary
    flag_names: tuple[str, ...]
    classifier: LogisticRegression


def train(data: Path, out: Path, book: Rulebook, recipe: Recipe | None = None, say: Say = print) -> dict[str, Any]:
    """Train a model from a folder of rows and save it.

    The same rows, rulebook and library versions give the same files, bit for bit, on one machine.

    Parameters
    ----------
    data : Path
        Folder of ``*.jsonl`` files; subfolders (the evaluation rows) are not read.
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
        Where the rows have faults or a category is missing.
    """
    recipe = recipe or Recipe()
    examples = read_examples(data, book.labels)
    missing = set(book.labels) - {e.category for e in examples}
    if missing:
        raise TrainingDataError(f"no training rows for {', '.join(sorted(missing))} in {data}: every category needs some")
    say(f"{len(examples)} rows from {data}")
    facts = FactReader(book).read([Row(e.id, e.text) for e in examples])
    found = ngrams(facts)
    truth = np.array([book.labels.index(e.category) for e in examples])
    folds = _folds(truth, examples)
    say(f"{FOLDS}-fold cross-validation, grouped by page and near-duplicate")
    held_out = _cross_validated_logits(facts, found, truth, folds, recipe)
    temperature, bias = fit_calibration(held_out, truth)
    probabilities = softmax(held_out / temperature + bias)
    thresholds = conformalize(probabilities, truth, book.settings.conformal.coverage)
    figures = measure(probabilities, truth, thresholds, book.labels)
    figures["decisions"] = decided(facts, probabilities, thresholds, examples, book)
    say(f"cross-validation: accuracy {figures['accuracy']:.3f}, macro-F1 {figures['macro_f1']:.3f}, ECE {figures['ece']:.3f}")
    gate, figures["gate"] = train_gate(examples, folds, book)
    about_gate = figures["gate"]
    say(
        f"gate: settles {about_gate['open_rows_settled']} of {about_gate['open_rows']} open rows "
        f"(at most {about_gate['upper_bound']:.2%} of such rows), {about_gate['everyday_rows_settled']} of "
        f"{about_gate['everyday_rows']} everyday ones"
    )
    say("fitting on all rows")
    fitted = fit(facts, found, truth, recipe)
    model = replace(to_model(fitted, book.labels, recipe), temperature=temperature, bias=bias, set_thresholds=thresholds, gate=gate)
    about = {
        "data": {"fingerprint": data_fingerprint(examples), "rows": len(examples), "by_category": _counts(examples)},
        "rules_id": book.rules_id,
        "libraries": _libraries(),
        "recipe": {name: getattr(recipe, name) for name in recipe.__slots__},
        "figures": figures,
    }
    save_model(model, out, about)
    return figures


def fit(facts: Sequence[Facts], found: Ngrams, truth: NDArray[np.int64], recipe: Recipe) -> Fitted:
    """Fit vocabulary, flags and classifier on some rows."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    vocabulary = Vocabulary.fit(found, recipe.least_texts, recipe.most_ngrams)
    seen = Counter(name for f in facts for name in flags(f))
    names = tuple(sorted(name for name, count in seen.items() if count >= recipe.flag_least))
    x = matrix(facts, found, vocabulary, names, recipe.flag_value)
    classifier = LogisticRegression(C=recipe.inverse_regularisation, max_iter=recipe.iterations, class_weight="balanced", tol=1e-4)
    with threadpool_limits(limits=1):  # one thread: sums in one order, so the same bits
        classifier.fit(x, truth)
    return Fitted(vocabulary, names, classifier)


def matrix(facts: Sequence[Facts], found: Ngrams, vocabulary: Vocabulary, names: Sequence[str], flag_value: float) -> csr_matrix:
    """Feature matrix of some rows for scikit-learn: n-grams first, flags behind."""
    from scipy.sparse import hstack

    text = _csr(weigh(found, vocabulary))
    marks = _csr(flag_matrix(facts, names, flag_value))
    return cast("csr_matrix", hstack([text, marks], format="csr"))


def to_model(fitted: Fitted, labels: Sequence[str], recipe: Recipe) -> Model:
    """The fitted classifier as plain arrays, not calibrated."""
    return Model(
        model_id="",
        labels=tuple(labels),
        vocabulary=fitted.vocabulary,
        flag_names=fitted.flag_names,
        flag_value=recipe.flag_value,
        weights=np.ascontiguousarray(fitted.classifier.coef_.T, dtype=np.float32),
        intercept=fitted.classifier.intercept_.astype(np.float32),
        temperature=1.0,
        bias=np.zeros(len(labels)),
        set_thresholds=np.zeros(len(labels)),
    )


def _cross_validated_logits(
    facts: Sequence[Facts], found: Ngrams, truth: NDArray[np.int64], folds: Sequence[Fold], recipe: Recipe
) -> NDArray[np.float64]:
    """Logits of every row from a model that saw neither it nor its group."""
    from joblib import Parallel, delayed

    jobs = (delayed(_fold_logits)(facts, found, truth, fold, recipe) for fold in folds)
    logits = np.zeros((len(truth), int(truth.max()) + 1))
    for (_, test), part in zip(folds, Parallel(n_jobs=2)(jobs), strict=True):
        logits[test] = part
    return logits


def _folds(truth: NDArray[np.int64], examples: Sequence[Example]) -> list[Fold]:
    """Rows to fit on and rows to score, those of one group together."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [e.group for e in examples]
    return list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(np.zeros(len(truth)), truth, groups))


def _fold_logits(
    facts: Sequence[Facts],
    found: Ngrams,
    truth: NDArray[np.int64],
    fold: Fold,
    recipe: Recipe,
) -> NDArray[np.float64]:
    fit_rows, test_rows = fold
    fitted = fit([facts[i] for i in fit_rows], _take(found, fit_rows), truth[fit_rows], recipe)
    x = matrix([facts[i] for i in test_rows], _take(found, test_rows), fitted.vocabulary, fitted.flag_names, recipe.flag_value)
    return np.asarray(fitted.classifier.decision_function(x))


def _take(found: Ngrams, rows: NDArray[np.int64]) -> Ngrams:
    """The n-grams of some rows, renumbered."""
    position = np.full(found.texts, -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    at = position[found.rows]
    return Ngrams(at[at >= 0], found.hashes[at >= 0], found.basic[at >= 0], len(rows))


def _csr(m: Matrix) -> csr_matrix:
    from scipy.sparse import csr_matrix

    return csr_matrix((m.data, m.columns, m.ends), shape=(len(m.ends) - 1, m.width))


def fit_calibration(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """Temperature and one bias a label that make held-out probabilities likeliest.

    Bias-corrected temperature scaling (Alexandari et al. 2020). The classes are weighted alike in the fit, so that small
    categories are learned; the biases give the probabilities of the rows' true mixture back.
    """
    from scipy.optimize import minimize

    rows = np.arange(len(truth))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = logits * np.exp(parameters[0])
        p = softmax(scaled + parameters[1:])
        gap = p.copy()
        gap[rows, truth] -= 1.0
        gradient = np.concatenate([[(gap * scaled).sum()], gap.sum(axis=0)]) / len(truth)
        return float(-np.log(np.maximum(p[rows, truth], 1e-12)).mean()), gradient

    best = minimize(loss, np.zeros(logits.shape[1] + 1), jac=True, method="L-BFGS-B")
    return float(np.exp(-best.x[0])), np.asarray(best.x[1:] - best.x[1:].mean())


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


def decided(
    facts: Sequence[Facts],
    probabilities: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    examples: Sequence[Example],
    book: Rulebook,
) -> dict[str, Any]:
    """Outcomes of the held-out rows against their labels: how many of which decision came out as what."""
    judge = ClauseJudge(book)
    context = Context(book, book.as_of, "")
    scored = as_scores(book.labels, probabilities, thresholds, np.ones(len(examples)))
    table: Counter[str] = Counter()
    for f, scores, example in zip(facts, scored, examples, strict=True):
        table[f"{example.decision} -> {decide(f, scores, judge.judge(f), context).outcome}"] += 1
    controlled = sum(n for k, n in table.items() if k.startswith("controlled "))
    cleared = table["controlled -> unrelated"] + table["controlled -> not_controlled"]
    harmless = sum(n for k, n in table.items() if k.startswith(("unrelated ", "not_controlled ")))
    alarms = table["unrelated -> controlled"] + table["not_controlled -> controlled"]
    return {
        "note": "classifier held out by fold; the lexicon was written with some of these rows in view",
        "table": dict(sorted(table.items())),
        "false_clear_rate": round(cleared / max(controlled, 1), 4),
        "false_alarm_rate": round(alarms / max(harmless, 1), 4),
        "review_rate": round(sum(n for k, n in table.items() if k.endswith("-> review")) / max(len(examples), 1), 4),
    }


def _counts(examples: Sequence[Example]) -> dict[str, int]:
    return dict(sorted(Counter(e.category for e in examples).items()))


def _libraries() -> dict[str, str]:
    import scipy
    import sklearn

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    }
