"""Read the training rows: JSON Lines, one file a category, checked before use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagger.errors import TrainingDataError

FIELDS = ("id", "lang", "text", "category", "decision", "code", "why", "source", "group")
REVIEWED = "reviewed"
LANGUAGES = ("en", "zh", "ja", "de", "ko", "ru", "es")
DECISIONS = ("controlled", "not_controlled", "review", "unrelated")
RISKY = ("controlled", "review")  # decisions of rows that no answer may clear


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; rows of one ``group`` (page or near-duplicate) never stand on both sides of a split.

    ``reviewed`` tells who decided it when, where it came from the review queue.
    """

    id: str
    lang: str
    text: str
    category: str
    decision: str
    code: str
    why: str
    source: str
    group: str
    reviewed: str = ""


def read_examples(folder: Path, labels: Sequence[str]) -> list[Example]:
    """Read all ``*.jsonl`` files of a folder, in order of their names.

    Parameters
    ----------
    folder : Path
    labels : sequence of str
        Allowed categories.

    Raises
    ------
    TrainingDataError
        With every fault found, each with file and line.
    """
    if not folder.is_dir():
        raise TrainingDataError(f"no folder {folder} with training rows: give one with --data")
    examples: list[Example] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            example, fault = _example(line, labels)
            if example is None:
                faults.append(f"{path.name}: line {number}: {fault}")
            else:
                examples.append(example)
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            faults.append(f"id {example.id} stands twice")
        seen.add(example.id)
    if faults:
        raise TrainingDataError(f"training rows in {folder} have {len(faults)} fault(s): {'; '.join(faults[:20])}")
    if not examples:
        raise TrainingDataError(f"no training rows in {folder}: expected *.jsonl files as described in training_data/README.md")
    return examples


def _example(line: str, labels: Sequence[str]) -> tuple[Example | None, str]:
    try:
        raw: Any = json.loads(line)
    except json.JSONDecodeError as error:
        return None, f"not JSON ({error})"
    if not isinstance(raw, dict) or set(raw) - {REVIEWED} != set(FIELDS):
        return None, f"must be an object with the keys {', '.join(FIELDS)}"
    values = {k: "" if v is None else v for k, v in raw.items()}
    if not all(isinstance(v, str) for v in values.values()):
        return None, "every value must be a string or null"
    if values["lang"] not in LANGUAGES:
        return None, f"lang {values['lang']!r} is none of {', '.join(LANGUAGES)}"
    fault = label_fault(("decision", values["decision"]), ("category", values["category"]), labels)
    if fault:
        return None, fault
    if not values["text"].strip():
        return None, "text is empty"
    return Example(**values), ""


def label_fault(decision: tuple[str, str], category: tuple[str, str], labels: Sequence[str]) -> str:
    """What is wrong with the label of a row; empty where nothing is.

    Parameters
    ----------
    decision, category : tuple of str
        Name of the field or column, and its value.
    labels : sequence of str
        Allowed categories.

    Examples
    --------
    >>> label_fault(("decision", "maybe"), ("category", "none"), ["none"])
    "decision 'maybe' is none of controlled, not_controlled, review, unrelated"
    """
    for (name, value), allowed in ((decision, DECISIONS), (category, labels)):
        if value not in allowed:
            return f"{name} {value!r} is none of {', '.join(allowed)}"
    if (category[1] == "none") != (decision[1] == "unrelated"):
        return "category none and decision unrelated go together"
    return ""


def data_fingerprint(examples: Sequence[Example]) -> str:
    """Fingerprint of the rows and their order."""
    digest = hashlib.sha256()
    for e in examples:
        digest.update(json.dumps([e.id, e.text, e.category, e.decision, e.group], ensure_ascii=False).encode())
    return f"data-{digest.hexdigest()[:12]}"
