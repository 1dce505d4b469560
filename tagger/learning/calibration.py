"""Calibrate a fitted classifier on rows that it has not seen: probabilities, prediction sets, and what may be cleared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagger.collection import no_collection
from tagger.decisions.clauses import ClauseJudge, Judged
from tagger.decisions.decide import Context, decide
from tagger.errors import UsageError
from tagger.facts.reader import FactReader, term_matcher
from tagger.learning.dataset import RISKY, Example, data_fingerprint
from tagger.learning.evaluation import CLEARED, upper_bound
from tagger.records import Facts, Outcome, Row, Scores
from tagger.rulebook import Rulebook
from tagger.scores.bundle import OWN_KEYS, load_model, read_manifest, save_model
from tagger.scores.classifier import Model, softmax
from tagger.scores.clearing import Clearing, ClearingStep
from tagger.scores.conformal import conformalize
from tagger.scores.features import Ngrams, flags, ngrams
from tagger.scores.gate import Gate
from tagger.scores.strong import Settler, StrongRows

_LOG_TEMPERATURES = (-1.5, 1.5)  # a fifth to five times the temperature of training


@dataclass(frozen=True, slots=True)
class Corpus:
    """Labelled rows with all that is read from them: facts, what the rulebook says, n-grams, flags."""

    examples: Sequence[Example]
    facts: Sequence[Facts]
    judged: Sequence[Judged]
    ngrams: Ngrams
    flags: Sequence[set[str]]
    truth: NDArray[np.int64]

    @classmethod
    def of(cls, examples: Sequence[Example], book: Rulebook) -> Corpus:
        """Read labelled rows."""
        with no_collection():
            facts = FactReader(book).read([Row(e.id, e.text) for e in examples])
            judge = ClauseJudge(book)
            judged = [judge.judge(f) for f in facts]
        truth = np.array([book.labels.index(e.category) for e in examples])
        return cls(examples, facts, judged, ngrams(facts), [flags(f, j.marks) for f, j in zip(facts, judged, strict=True)], truth)

    @property
    def risky(self) -> NDArray[np.bool_]:
        """Which rows must not be cleared: controlled, or a fact is missing."""
        return np.array([e.decision in RISKY for e in self.examples])

    def take(self, rows: NDArray[np.int64]) -> Corpus:
        """Some of the rows."""
        position = np.full(self.ngrams.texts, -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        at = position[self.ngrams.rows]
        kept = at >= 0
        found = Ngrams(at[kept], self.ngrams.hashes[kept], self.ngrams.basic[kept], len(rows))
        examples, facts, judged, marks = (
            [column[i] for i in rows] for column in (self.examples, self.facts, self.judged, self.flags)
        )
        return Corpus(examples, facts, judged, found, marks, self.truth[rows])

    def bare(self) -> Corpus:
        """What a classifier is fitted on, without what only decisions need: quick to send to another process."""
        return replace(self, facts=(), judged=())

    def weights(self, source_weight: float) -> NDArray[np.float64]:
        """How often each row counts: ``source_weight`` times where it carries the facts of a real page."""
        return np.array([source_weight if e.source else 1.0 for e in self.examples])

    def scores(self, model: Model) -> list[Scores]:
        """Scores of the rows by a model."""
        return model.score(self.facts, [j.marks for j in self.judged])


def fit_calibration(
    logits: NDArray[np.float64], truth: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> tuple[float, NDArray[np.float64]]:
    """Temperature and one bias a label that make held-out probabilities likeliest.

    Bias-corrected temperature scaling (Alexandari et al. 2020). The classes are weighted alike in the fit, so that small
    categories are learned; the biases give the probabilities of the rows' mixture back, ``weights`` being how often a row counts.
    """
    from scipy.optimize import minimize

    rows = np.arange(len(truth))
    share = np.ones(len(truth)) if weights is None else weights
    share = share / share.sum()

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = logits * np.exp(parameters[0])
        p = softmax(scaled + parameters[1:])
        gap = p.copy()
        gap[rows, truth] -= 1.0
        gap *= share[:, None]
        gradient = np.concatenate([[(gap * scaled).sum()], gap.sum(axis=0)])
        return float(-(share * np.log(np.maximum(p[rows, truth], 1e-12))).sum()), gradient

    best = minimize(loss, np.zeros(logits.shape[1] + 1), jac=True, method="L-BFGS-B")
    return float(np.exp(-best.x[0])), np.asarray(best.x[1:] - best.x[1:].mean())


def fit_odds(
    logits: NDArray[np.float64], risky: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Slope and offset that make log-odds of held-out rows likeliest (Platt 1999); 1 and 0 where all rows are of one kind.

    Examples
    --------
    >>> slope, offset = fit_odds(np.array([-4.0, -4.0, 4.0, 4.0]), np.array([False, True, False, True]))
    >>> abs(slope) < 1e-3, abs(offset) < 1e-3
    (True, True)
    """
    from sklearn.linear_model import LogisticRegression

    if risky.all() or not risky.any():
        return 1.0, 0.0
    fitted = LogisticRegression(C=1e6).fit(logits[:, None], risky, sample_weight=weights)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def calibrated(model: Model, corpus: Corpus, book: Rulebook) -> Model:
    """A model with the temperature, odds of risk, prediction sets, clearing and misses of the gate of some labelled rows.

    Parameters
    ----------
    model : Model
    corpus : Corpus
        Rows that neither the model nor the words of the rulebook have seen: on rows of which they have, the model is too sure.
        A category with too few of them keeps its threshold of the prediction sets.
    book : Rulebook
    """
    model = _with_odds(_tempered(model, corpus), corpus)
    probabilities = model.predict_proba(corpus.facts, [j.marks for j in corpus.judged])
    own = conformalize(probabilities, corpus.truth, book.settings.conformal.coverage)
    model = replace(model, set_thresholds=np.where(own > 0, own, model.set_thresholds))
    settled = _settled(corpus, model, book)
    clearing = _measured_clearing(corpus, model, book, settled)
    return replace(model, clearing=clearing, gate=_measured_gate(model.gate, corpus, settled))


def _tempered(model: Model, corpus: Corpus) -> Model:
    """A model with the one temperature at which its probabilities of some rows are likeliest; which is the best stays the same.

    It never gets surer than it was: a few rows that it all knows would make it so.
    """
    from scipy.optimize import minimize_scalar

    marks = [j.marks for j in corpus.judged]
    calm = model.logits(corpus.facts, marks).categories / model.temperature + model.bias
    rows = np.arange(len(corpus.truth))

    def loss(log_temperature: float) -> float:
        p = softmax(calm / np.exp(log_temperature))
        return float(-np.log(np.maximum(p[rows, corpus.truth], 1e-12)).mean())

    temperature = max(1.0, float(np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded").x)))
    return replace(model, temperature=model.temperature * temperature, bias=model.bias / temperature)


def _with_odds(model: Model, corpus: Corpus) -> Model:
    """A model whose odds of risk are those of some rows; as with the temperature, it never gets surer than it was."""
    if model.risk is None:
        return model
    slope, offset = fit_odds(model.logits(corpus.facts, [j.marks for j in corpus.judged]).risk, corpus.risky)
    if slope > 1.0:
        return model
    return replace(model, risk=replace(model.risk, slope=model.risk.slope * slope, offset=model.risk.offset * slope + offset))


def calibrate(folder: Path, examples: Sequence[Example], out: Path, book: Rulebook, max_miss_rate: float | None = None) -> Clearing:
    """Recalibrate a model on labelled rows of a user's own and save it under another name.

    Parameters
    ----------
    folder : Path
        The model; it stays as it is.
    examples : sequence of Example
        Rows as they come in the user's catalogue, of all labels, labelled with care: what is cleared is promised on them.
    out : Path
        Folder of the recalibrated model.
    book : Rulebook
    max_miss_rate : float, optional
        The promise of the new model; that of the settings by default, and none where the rows do not carry it.

    Returns
    -------
    Clearing

    Raises
    ------
    UsageError
        Where the rows cannot carry ``max_miss_rate``, or ``out`` is the model itself.
    ModelError
        Where the model cannot be read.
    """
    if out.exists() and out.samefile(folder):
        raise UsageError(f"{out} is the model itself: name another folder with --out")
    about = {k: v for k, v in read_manifest(folder).items() if k not in OWN_KEYS}
    model = calibrated(load_model(folder), Corpus.of(examples, book), book)
    if max_miss_rate is not None:
        model = replace(model, clearing=model.clearing.promised(max_miss_rate))
    save_model(model, out, {**about, "calibration": {"fingerprint": data_fingerprint(examples), "rows": len(examples)}})
    return model.clearing


def _settled(corpus: Corpus, model: Model, book: Rulebook) -> NDArray[np.bool_]:
    """Which rows the gate clears before anything else of them is looked at."""
    if model.gate is None or not book.settings.gate.on:
        return np.zeros(len(corpus.examples), dtype=bool)
    settler = Settler(model.gate, StrongRows(book, term_matcher(book)))
    return np.asarray(settler.settles([e.text for e in corpus.examples]), dtype=bool)


def _measured_gate(gate: Gate | None, corpus: Corpus, settled: NDArray[np.bool_]) -> Gate | None:
    """The gate with the upper bound of the share of risky rows that it settles."""
    if gate is None:
        return None
    return replace(gate, most_missed=upper_bound(int((corpus.risky & settled).sum()), int(corpus.risky.sum())))


def _measured_clearing(corpus: Corpus, model: Model, book: Rulebook, settled: NDArray[np.bool_]) -> Clearing:
    """How many risky rows every strictness clears, with the gate and without, and the laxest one that carries the promise.

    With no promise, and the strictest that was tried, where the rows carry none.
    """
    wanted = book.settings.clearing
    count = round((wanted.strictest - wanted.laxest) / wanted.step)
    strictnesses = [wanted.strictest - i * wanted.step for i in range(count + 1)]
    scored = corpus.scores(model)
    answers = {s: _outcomes(corpus, scored, book, s) for s in strictnesses}
    behind_gate = {s: np.where(settled, Outcome.UNRELATED.value, outcomes) for s, outcomes in answers.items()}
    steps = (
        *(_step(s, outcomes, corpus, gate=True) for s, outcomes in behind_gate.items()),
        *(_step(s, outcomes, corpus, gate=False) for s, outcomes in answers.items()),
    )
    controlled = sum(e.decision == "controlled" for e in corpus.examples)
    measured = Clearing(book.rules_id, len(corpus.examples), int(corpus.risky.sum()), controlled, steps, gate_from=wanted.gate_from)
    try:
        return measured.promised(wanted.max_miss_rate)
    except UsageError:
        return replace(measured, strictness=wanted.strictest)


def _outcomes(corpus: Corpus, scored: Sequence[Scores], book: Rulebook, strictness: float) -> NDArray[np.str_]:
    """The outcome of every row by the full road."""
    context = Context(book, book.as_of, "", strictness=strictness)
    rows = zip(corpus.facts, scored, corpus.judged, strict=True)
    return np.array([decide(facts, scores, judged, context).outcome for facts, scores, judged in rows])


def _step(strictness: float, outcomes: NDArray[np.str_], corpus: Corpus, *, gate: bool) -> ClearingStep:
    cleared = np.isin(outcomes, CLEARED)
    controlled = np.array([e.decision == "controlled" for e in corpus.examples])
    missed = int((cleared & corpus.risky).sum())
    upper95 = upper_bound(missed, int(corpus.risky.sum()))
    review = int((outcomes == Outcome.REVIEW.value).sum())
    return ClearingStep(strictness, missed, int((cleared & controlled).sum()), upper95, review, gate)
