"""Save and load a model as a folder of inert files: plain arrays and one manifest. Loading runs no code from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tagger.errors import ModelError
from tagger.scores.clearing import Clearing
from tagger.scores.gate import BITS, Gate

if TYPE_CHECKING:
    from tagger.scores.classifier import Model
    from tagger.scores.network import Network, Stack
    from tagger.scores.risk import Risk

FORMAT = "tagger linear model"
VERSION = 5
MANIFEST = "manifest.json"
OWN_KEYS = (
    "format",
    "version",
    "labels",
    "flag_names",
    "flag_value",
    "temperature",
    "clearing",
    "files",
    "gate",
    "stack",
    "risk",
    "model_id",
)
_ARRAYS: dict[str, np.dtype[Any]] = {
    "hashes": np.dtype("<u4"),
    "idf": np.dtype("<f4"),
    "weights": np.dtype("<f4"),
    "intercept": np.dtype("<f4"),
    "bias": np.dtype("<f8"),
    "set_thresholds": np.dtype("<f8"),
}
_GATE = "gate_weights"
_GATE_NUMBERS = ("unit", "intercept", "threshold", "familiar_share", "confidence", "most_missed")
_NETWORK = ("flag_weights", "input_weights", "hidden_bias", "out_weights", "out_bias")
_RISK_WEIGHTS = "risk_weights"
_RISK_NUMBERS = ("intercept", "wording_share", "slope", "offset")
_DTYPES = {
    **_ARRAYS,
    _GATE: np.dtype("<i2"),
    _RISK_WEIGHTS: np.dtype("<f4"),
    **{f"{of}_{name}": np.dtype("<f4") for of in ("stack", "risk") for name in _NETWORK},
}


def default_model() -> Path:
    """Folder of the shipped model: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "models" / "default"
    return inside if inside.is_dir() else package.parent / "models" / "default"


def save_model(model: Model, folder: Path, about: Mapping[str, Any]) -> Path:
    """Write a model folder.

    Parameters
    ----------
    model : Model
    folder : Path
        Made if it is not there; arrays of an older model in it are replaced, and removed where this one has none of that name.
    about : mapping
        Goes into the manifest as it is: library versions, data fingerprint, settings, measured figures.

    Returns
    -------
    Path
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        "hashes": model.vocabulary.hashes,
        "idf": model.vocabulary.idf,
        "weights": model.weights,
        "intercept": model.intercept,
        "bias": model.bias,
        "set_thresholds": model.set_thresholds,
    }
    if model.gate is not None:
        arrays[_GATE] = model.gate.weights
    if model.stack is not None:
        arrays |= {f"stack_{name}": getattr(model.stack.network, name) for name in _NETWORK}
    if model.risk is not None:
        arrays |= {f"risk_{name}": getattr(model.risk.network, name) for name in _NETWORK}
        arrays[_RISK_WEIGHTS] = model.risk.weights
    files = {}
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        with path.open("wb") as out:
            np.save(out, np.ascontiguousarray(array, dtype=_DTYPES[name]), allow_pickle=False)
        files[path.name] = {"sha256": _sha256(path.read_bytes()), "shape": list(array.shape)}
    for older in _arrays_in(folder) - files.keys():
        (folder / older).unlink(missing_ok=True)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "labels": list(model.labels),
        "flag_names": list(model.flag_names),
        "flag_value": model.flag_value,
        "temperature": model.temperature,
        "clearing": model.clearing.as_dict(),
        "files": files,
        **({"gate": {name: getattr(model.gate, name) for name in _GATE_NUMBERS}} if model.gate is not None else {}),
        **({"stack": {"linear_share": model.stack.linear_share}} if model.stack is not None else {}),
        **({"risk": {name: getattr(model.risk, name) for name in _RISK_NUMBERS}} if model.risk is not None else {}),
        **about,
    }
    manifest["model_id"] = _model_id(manifest)
    text = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return folder


def _arrays_in(folder: Path) -> set[str]:
    """Names of the arrays of the model that a folder holds; other files of the folder are none of ours."""
    try:
        return {Path(name).name for name in read_manifest(folder)["files"]}
    except ModelError:
        return set()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check the manifest of a model folder.

    Raises
    ------
    ModelError
        Where the folder or its manifest is missing, of another format, or changed.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ModelError(f"no model folder {folder}: give a folder written by `tagger train`, or leave --model out")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} holds no {MANIFEST}: it is not a model folder; give one written by `tagger train`") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}): train the model again or reinstall tagger") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(f"{path} is not the manifest of a {FORMAT}; give a folder written by `tagger train`")
    if manifest.get("version") != VERSION:
        found = manifest.get("version")
        raise ModelError(f"{path} is of version {found}, this tagger reads version {VERSION}: train the model again")
    if manifest.get("model_id") != _model_id(manifest):
        raise ModelError(f"{path} was changed since it was written: train the model again or reinstall tagger")
    return manifest


def load_model(folder: str | Path | None = None) -> Model:
    """Load a model folder after checking every file against the manifest.

    Parameters
    ----------
    folder : path, optional
        The shipped model by default.

    Raises
    ------
    ModelError
        Where anything is missing, changed or of another format.

    Examples
    --------
    >>> load_model("no/such/folder")
    Traceback (most recent call last):
    ...
    tagger.errors.ModelError: no model folder no/such/folder: give a folder written by `tagger train`, or leave --model out
    """
    return ModelFolder(folder).model


class ModelFolder:
    """A model folder of which the manifest and the gate are read at once, and the rest when a row first needs it.

    Everyday goods need only the gate, and reading the rest takes as long as answering one of them. No array is used before its
    checksum was compared with the manifest as it was when the folder was opened.

    Parameters
    ----------
    folder : path, optional
        The shipped model by default.

    Attributes
    ----------
    model_id : str
    clearing : Clearing
    gate : Gate or None

    Raises
    ------
    ModelError
        As :func:`load_model`; for an array of the full road when ``model`` is first asked for.

    Examples
    --------
    >>> kept = ModelFolder()
    >>> kept.model_id == kept.model.model_id
    True
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._root = Path(folder) if folder is not None else default_model()
        self._manifest = read_manifest(self._root)
        self.model_id = str(self._manifest["model_id"])
        self.clearing = Clearing.from_dict(self._manifest["clearing"])
        self.gate = _load_gate(self._root, self._manifest)

    @cached_property
    def model(self) -> Model:
        """The whole model."""
        return _load_whole(self._root, self._manifest, self.clearing, self.gate)


def _load_whole(root: Path, manifest: Mapping[str, Any], clearing: Clearing, gate: Gate | None) -> Model:
    from tagger.scores.classifier import Model
    from tagger.scores.features import Vocabulary

    arrays = {name: _load_array(root, name, manifest) for name in _ARRAYS}
    labels = tuple(manifest["labels"])
    flag_names = tuple(manifest["flag_names"])
    grams = len(arrays["hashes"])
    if arrays["weights"].shape != (grams + len(flag_names), len(labels)) or len(arrays["idf"]) != grams:
        raise ModelError(f"the arrays of {root} do not fit together: train the model again or reinstall tagger")
    return Model(
        model_id=manifest["model_id"],
        labels=labels,
        vocabulary=Vocabulary(arrays["hashes"], arrays["idf"]),
        flag_names=flag_names,
        flag_value=float(manifest["flag_value"]),
        weights=arrays["weights"],
        intercept=arrays["intercept"],
        temperature=float(manifest["temperature"]),
        bias=arrays["bias"],
        set_thresholds=arrays["set_thresholds"],
        clearing=clearing,
        stack=_load_stack(root, manifest),
        risk=_load_risk(root, manifest, grams),
        gate=gate,
    )


def _load_stack(root: Path, manifest: Mapping[str, Any]) -> Stack | None:
    """The network over the categories' logits; None in a model that was written without it."""
    from tagger.scores.network import Stack

    numbers = manifest.get("stack")
    if numbers is None:
        return None
    labels = len(manifest["labels"])
    if set(numbers) != {"linear_share"}:
        raise _does_not_fit("network", root)
    return Stack(_load_network("stack", root, manifest, (labels, labels)), float(numbers["linear_share"]))


def _load_risk(root: Path, manifest: Mapping[str, Any], grams: int) -> Risk | None:
    """The model of risk; None in a model that was written without it."""
    from tagger.scores.risk import Risk

    numbers = manifest.get("risk")
    if numbers is None:
        return None
    weights = _load_array(root, _RISK_WEIGHTS, manifest)
    if set(numbers) != set(_RISK_NUMBERS) or weights.shape != (grams, 1):
        raise _does_not_fit("model of risk", root)
    network = _load_network("risk", root, manifest, (len(manifest["labels"]) + 1, 1))
    return Risk(weights=weights, network=network, **{name: float(value) for name, value in numbers.items()})


def _load_network(of: str, root: Path, manifest: Mapping[str, Any], ends: tuple[int, int]) -> Network:
    """A network with so many inputs and outputs."""
    from tagger.scores.network import Network

    arrays = {name: _load_array(root, f"{of}_{name}", manifest) for name in _NETWORK}
    inputs, outputs = ends
    flags, hidden = len(manifest["flag_names"]), len(arrays["hidden_bias"])
    shapes = [(flags, hidden), (inputs, hidden), (hidden,), (hidden, outputs), (outputs,)]
    if [arrays[name].shape for name in _NETWORK] != shapes:
        raise _does_not_fit("network", root)
    return Network(**arrays)


def _does_not_fit(what: str, root: Path) -> ModelError:
    return ModelError(f"the {what} of {root} does not fit this tagger: train the model again or reinstall tagger")


def _load_gate(root: Path, manifest: Mapping[str, Any]) -> Gate | None:
    """The gate of a model folder; None in one that was written without it."""
    numbers = manifest.get("gate")
    if numbers is None:
        return None
    weights = _load_array(root, _GATE, manifest)
    if weights.shape != (1 << BITS,) or set(numbers) != set(_GATE_NUMBERS):
        raise _does_not_fit("gate", root)
    return Gate(weights=weights, **{name: float(value) for name, value in numbers.items()})


def _load_array(root: Path, name: str, manifest: Mapping[str, Any]) -> NDArray[Any]:
    path = root / f"{name}.npy"
    advice = "train the model again or reinstall tagger"
    entry = manifest.get("files", {}).get(path.name)
    if entry is None or not path.is_file():
        raise ModelError(f"model file {path} is missing: {advice}")
    content = path.read_bytes()
    if _sha256(content) != entry["sha256"]:
        raise ModelError(f"model file {path} was changed since it was written (checksum differs): {advice}")
    try:
        array = np.load(BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise ModelError(f"model file {path} cannot be read ({error}): {advice}") from None
    if array.dtype != _DTYPES[name]:
        raise ModelError(f"model file {path} holds {array.dtype}, expected {_DTYPES[name]}: {advice}")
    return np.asarray(array)


def _model_id(manifest: Mapping[str, Any]) -> str:
    rest = {k: v for k, v in manifest.items() if k != "model_id"}
    text = json.dumps(rest, ensure_ascii=False, sort_keys=True)
    return f"model-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
