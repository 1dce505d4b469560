"""The model: arrays answer as the fitted scikit-learn classifier, training is deterministic, a changed model is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.errors import ModelError, TrainingDataError
from tagger.facts.reader import FactReader
from tagger.learning.calibration import Corpus, fit_calibration
from tagger.learning.dataset import FIELDS, read_examples
from tagger.learning.evened import EvenedRecipe, fit_evened
from tagger.learning.linear import LinearRecipe, fit_linear, matrix
from tagger.learning.training import Recipe, to_model, train
from tagger.pipeline import Tagger
from tagger.records import Row
from tagger.rulebook import Rulebook
from tagger.scores.bundle import default_model, load_model, read_manifest
from tagger.scores.classifier import softmax

from .conftest import Result

SMALL = Recipe(LinearRecipe(most_ngrams=20_000))


@pytest.fixture(scope="module")
def small_data(root: Path, book: Rulebook, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every twelfth row of the training data."""
    folder = tmp_path_factory.mktemp("rows")
    for path in sorted((root / "training_data").glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").splitlines()
        (folder / path.name).write_text("\n".join(lines[::12]) + "\n", encoding="utf-8")
    assert len(read_examples(folder, book.labels)) > 400
    return folder


def test_arrays_answer_as_the_fitted_classifier_does(small_data: Path, book: Rulebook, tmp_path: Path) -> None:
    from tagger.scores.bundle import save_model

    corpus = Corpus.of(read_examples(small_data, book.labels), book)
    rows = np.arange(len(corpus.truth))
    fitted, held_out = fit_linear(corpus, [(rows[::2], rows[1::2]), (rows[1::2], rows[::2])], SMALL.linear)
    x = matrix(corpus, fitted.vocabulary, fitted.flag_names, SMALL.linear.flag_value)
    expected = softmax(fitted.linear.logits(x))
    assert (expected.argmax(axis=1) == corpus.truth).mean() > (held_out.argmax(axis=1) == corpus.truth).mean() > 0.5
    model = load_model(save_model(to_model(fitted, book.labels, SMALL.linear), tmp_path / "model", {}))
    np.testing.assert_allclose(model.predict_proba(corpus.facts, [j.marks for j in corpus.judged]), expected, atol=2e-5)
    assert [s.best for s in corpus.scores(model)] == [book.labels[i] for i in expected.argmax(axis=1)]


def test_rare_features_are_learned_as_soon_as_common_ones() -> None:
    from scipy.sparse import csr_matrix

    truth = np.arange(600) % 3
    noise = np.random.default_rng(0).normal(0, 0.5, (600, 3))
    of_few = np.eye(3)[truth] * (np.arange(600) < 12)[:, None]
    x = csr_matrix(np.hstack([np.eye(3)[truth] + noise, of_few]).astype(np.float32))
    few_steps = EvenedRecipe(iterations=3, inverse_regularisation=1e9)
    for least, pace in ((4e-6, (0.5, 2.0)), (1e6, (0.0, 0.2))):  # evened out, and not
        fitted = fit_evened(x, truth, np.ones(600), replace(few_steps, least_mean_square=least))
        own = np.diagonal(fitted.weights.reshape(2, 3, 3), 0, 1, 2)
        assert pace[0] < own[1].mean() / own[0].mean() < pace[1]


@pytest.mark.slow
def test_same_rows_give_the_same_model_bit_for_bit(small_data: Path, book: Rulebook, tmp_path: Path) -> None:
    for name in ("one", "two"):
        figures = train(small_data, tmp_path / name, book, SMALL, say=lambda _: None)
    one = {p.name: p.read_bytes() for p in (tmp_path / "one").iterdir()}
    two = {p.name: p.read_bytes() for p in (tmp_path / "two").iterdir()}
    assert one == two
    assert 0.5 < figures["accuracy"] <= 1
    manifest = read_manifest(tmp_path / "one")
    assert manifest["rules_id"] == book.rules_id
    assert manifest["data"]["rows"] == len(read_examples(small_data, book.labels))
    assert manifest["figures"]["decisions"]["table"]
    assert Tagger(book, load_model(tmp_path / "one")).tag("plastics granulator").model_id == manifest["model_id"]


def test_calibration_gives_back_temperature_and_mixture() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(3, size=4000, p=[0.7, 0.2, 0.1])
    signal = rng.normal(size=(4000, 3)) + 2 * np.eye(3)[truth]
    temperature, bias = fit_calibration(signal * 3, truth)
    probabilities = softmax(signal * 3 / temperature + bias)
    np.testing.assert_allclose(probabilities.mean(axis=0), [0.7, 0.2, 0.1], atol=0.02)
    assert temperature > 1
    assert bias[0] > bias[1] > bias[2]


def test_the_shipped_model_was_trained_on_the_shipped_rows(root: Path, book: Rulebook) -> None:
    from tagger.learning.dataset import data_fingerprint

    manifest = read_manifest(default_model())
    examples = read_examples(root / "training_data", book.labels)
    assert manifest["data"]["fingerprint"] == data_fingerprint(examples)
    assert manifest["labels"] == list(book.labels)


def test_the_training_set_keeps_its_promises(root: Path, book: Rulebook) -> None:
    examples = read_examples(root / "training_data", book.labels)
    none = [e for e in examples if e.category == "none"]
    assert len(examples) >= 2000
    own = {t.concept for t in book.terms if t.category in book.labels}
    facts = FactReader(book).read([Row(e.id, e.text) for e in none])
    hard = sum(any(t.concept in own for t in f.terms) for f in facts)  # they share words with a category's lexicon
    assert hard / len(examples) >= 0.4
    assert {e.category for e in examples} == set(book.labels)
    for lang in ("en", "zh"):
        assert sum(e.lang == lang for e in examples) / len(examples) > 0.3
    assert sum(len(e.text.split()) <= 10 and e.lang == "en" for e in examples) > 300
    assert sum(len(e.text.split()) >= 40 and e.lang == "en" for e in examples) > 200
    known = {code for c in book.clauses for code in (c.code, *c.aliases)}
    assert {e.code for e in examples if e.code} - known == set()
    texts = [e.text for e in examples]
    assert len(set(texts)) == len(texts)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(default_model(), tmp_path / "model"))


def test_a_tampered_array_is_refused(copied: Path) -> None:
    path = copied / "weights.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"weights.npy was changed since it was written .*train the model again or reinstall"):
        load_model(copied)


def test_a_tampered_array_is_never_used(copied: Path, run: Callable[..., Result]) -> None:
    """What the gate settles needs no array of the full road, so that a damaged one is found with the first row that does."""
    path = copied / "weights.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    tagger = Tagger.load(copied)
    assert tagger.tag("Ladies leather wallet with coin pocket, brown").outcome == "unrelated"
    with pytest.raises(ModelError, match=r"weights.npy was changed since it was written"):
        tagger.tag("6 m3 vertical granulation kettle for graphite anode material")
    done = run("tag", "6 m3 vertical granulation kettle for graphite anode material", "--model", copied)
    assert done.status == 1
    assert len(done.err.splitlines()) == 1
    assert "weights.npy was changed" in done.err


def test_a_tampered_manifest_is_refused(copied: Path) -> None:
    path = copied / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"temperature": ', '"temperature": 1'), encoding="utf-8")
    with pytest.raises(ModelError, match="was changed since it was written"):
        load_model(copied)


def test_a_model_leaves_nothing_of_an_older_one(copied: Path) -> None:
    from tagger.scores.bundle import save_model

    (copied / "mine.npy").write_bytes(b"the user's own")
    save_model(replace(load_model(copied), gate=None), copied, {})
    assert not (copied / "gate_weights.npy").exists()
    assert (copied / "mine.npy").exists()
    assert load_model(copied).gate is None


def test_a_pickle_in_a_model_folder_is_never_run(copied: Path, tmp_path: Path) -> None:
    """Even with checksums made to fit, an array of Python objects is refused: loading runs no code."""
    import hashlib

    from tagger.scores.bundle import _model_id

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "exploded",))  # type: ignore[return-value]

    np.save(copied / "weights.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    manifest = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["weights.npy"]["sha256"] = hashlib.sha256((copied / "weights.npy").read_bytes()).hexdigest()
    manifest["model_id"] = _model_id(manifest)
    (copied / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(copied)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (shutil.rmtree, "no model folder"),
        (lambda folder: (folder / "manifest.json").unlink(), "holds no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
        (
            lambda folder: (folder / "manifest.json").write_text('{"format": "other"}'),
            "is not the manifest of a tagger linear model",
        ),
        (lambda folder: (folder / "idf.npy").unlink(), "idf.npy is missing"),
    ],
)
def test_an_incomplete_model_is_refused(copied: Path, spoil: Callable[[Path], object], expected: str) -> None:
    spoil(copied)
    with pytest.raises(ModelError, match=expected):
        load_model(copied)


def test_training_rows_with_faults_are_all_reported(book: Rulebook, tmp_path: Path) -> None:
    good = dict.fromkeys(FIELDS, "x") | {"id": "a", "lang": "en", "category": "none", "decision": "unrelated", "code": None}
    lines = [
        json.dumps(good),
        json.dumps(good),
        "{",
        json.dumps({**good, "id": "b", "lang": "xx"}),
        json.dumps({**good, "id": "c", "decision": "controlled"}),
        json.dumps({**good, "id": "d", "text": " "}),
        json.dumps({"id": "e"}),
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(TrainingDataError) as caught:
        read_examples(tmp_path, book.labels)
    message = str(caught.value)
    for part in (
        "6 fault(s)",
        "line 3: not JSON",
        "line 4: lang 'xx'",
        "line 5: category none",
        "line 6: text is empty",
        "line 7",
        "id a stands twice",
    ):
        assert part in message


def test_train_command_refuses_a_missing_folder_and_missing_categories(run: Callable[..., Result], tmp_path: Path) -> None:
    assert "no folder" in run("train", "--data", tmp_path / "nowhere", "--out", tmp_path / "m").err
    good = dict.fromkeys(FIELDS, "x") | {"lang": "en", "category": "none", "decision": "unrelated", "code": None}
    (tmp_path / "rows.jsonl").write_text(json.dumps(good), encoding="utf-8")
    refused = run("train", "--data", tmp_path, "--out", tmp_path / "m")
    assert refused.status == 1
    assert "no training rows for" in refused.err
    assert not (tmp_path / "m").exists()


def test_import_is_light_and_tagging_needs_no_scikit_learn() -> None:
    def loaded(code: str, packages: str) -> str:
        show = f"import sys; {code}; print(sorted(set({packages!r}.split()) & set(sys.modules)))"
        return subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout.strip()

    assert loaded("import tagger", "numpy pandas spacy sklearn scipy typer pyarrow pydantic") == "[]"
    assert loaded("from tagger import Tagger; Tagger.load().tag('x')", "sklearn pandas scipy joblib") == "[]"
