"""What a reviewer gets to see of a decision, as the columns of the store: cleaned, hashed, with its risk."""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tagger.errors import ReviewError
from tagger.records import Decision, Quantity, Truth, quantity_dict
from tagger.review.items import Item
from tagger.rulebook import Rulebook

_NONE = "none"
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7a3\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("en", re.compile(r"[A-Za-z]")),
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_LONGEST_TAG = 500
CONTENT = (
    *("row_id", "text", "lang", "outcome", "category", "codes", "reasons", "questions", "confidence", "margin", "evidence"),
    *("quantities", "clauses", "probabilities", "legal_status", "announcement", "note", "model_id", "rules_id", "as_of"),
)
FINDINGS = ("questions", "evidence", "quantities", "clauses", "probabilities", "note")


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """The file settings.toml of the review room; its comments say what each is."""

    claim_minutes: float
    second_for_clearing: bool
    suspected_probability: float
    second_sample: float
    reason_for_clearing: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def load_settings(path: Path | None = None) -> ReviewSettings:
    """Read a settings file, the shipped one by default.

    Raises
    ------
    ReviewError
        Where the file is not there or a value is missing, unknown or out of its range.

    Examples
    --------
    >>> load_settings().claim_minutes
    30
    """
    path = path or Path(__file__).with_name("settings.toml")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ReviewError(f"the review settings {path} cannot be read: {error}") from None
    return settings_of(raw, str(path))


def settings_of(raw: Mapping[str, Any], where: str) -> ReviewSettings:
    """Settings from plain values, checked.

    Raises
    ------
    ReviewError
        Where a value is missing, unknown or out of its range.
    """
    names = {f.name: f.type for f in fields(ReviewSettings)}
    for name in sorted({*raw, *names}):
        if name not in names:
            raise ReviewError(f"{where}: unknown key {name}; known: {', '.join(names)}")
        if name not in raw:
            raise ReviewError(f"{where}: {name} is missing")
        value = raw[name]
        if names[name] == "bool" and not isinstance(value, bool):
            raise ReviewError(f"{where}: {name} must be true or false")
        top = float("inf") if name == "claim_minutes" else 1.0
        if names[name] == "float" and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= top):
            raise ReviewError(f"{where}: {name} must be a number {'from 0' if top > 1 else 'from 0 to 1'}")
    return ReviewSettings(**raw)


def storable(text: str) -> str:
    """A text that every database holds: NUL becomes ␀, a half character becomes �; no other character moves.

    Examples
    --------
    >>> storable("a" + chr(0) + "b")
    'a␀b'
    """
    return _UNSTORABLE.sub(lambda m: "␀" if m[0] == "\x00" else "\ufffd", text)


def sha256(*values: object) -> str:
    """SHA-256 over plain values."""
    return hashlib.sha256(dump(values).encode()).hexdigest()


def dump(value: object) -> str:
    """JSON of plain values, always the same way."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def text_hash(text: str) -> str:
    """SHA-256 of a text as the store keeps it.

    Examples
    --------
    >>> text_hash("magnet")[:12]
    'ed05dd4d068f'
    """
    return hashlib.sha256(storable(text).encode()).hexdigest()


def guess_lang(text: str) -> str:
    """Language by script, for the filter: ``zh``, ``ja``, ``ko``, ``ru``, ``en`` (any Latin script), ``other``.

    Examples
    --------
    >>> [guess_lang(t) for t in ("NdFeB magnet", "钕铁硼 magnet", "ネオジム磁石", "42")]
    ['en', 'zh', 'ja', 'other']
    """
    head = text[:1000]
    return next((lang for lang, script in _SCRIPTS if script.search(head)), "other")


def found_in(text: str, d: Decision) -> dict[str, Any]:
    """All of an item that does not depend on which row the text is, as plain values; :func:`placed` adds that."""
    return {**_found(text, d), "text_hash": text_hash(text), "risk": risk(d), "doubt": doubt(d), "tags": item_tags(d)}


def placed(found: Mapping[str, Any], row_id: str, number: int, settings: ReviewSettings) -> dict[str, Any]:
    """The columns of the item of one row, with its tags; what is still open is the batch."""
    values = {**found, "row_id": storable(row_id), "row_number": number}
    values["suspected"] = values.pop("doubt") >= settings.suspected_probability
    return {**values, "row_hash": row_hash(values)}


def _found(text: str, d: Decision) -> dict[str, Any]:
    """The columns of an item that tell what the tagger found; lists as JSON."""
    evidence = [{"start": e.span.start, "end": e.span.end, "text": e.text, "says": e.says, "code": e.code} for e in d.evidence]
    clauses = [
        {
            "code": c.code,
            "truth": str(c.truth),
            "margin": c.margin if c.margin is not None and math.isfinite(c.margin) else None,
            "questions": [[q.en, q.zh] for q in c.questions],
        }
        for c in d.clauses
    ]
    plain = {
        "text": text,
        "lang": guess_lang(text),
        "outcome": str(d.outcome),
        "category": d.category,
        "codes": dump(d.codes),
        "reasons": dump([str(r) for r in d.reasons]),
        "questions": dump(d.questions),
        "confidence": float(d.confidence),
        "margin": None if d.margin is None or not math.isfinite(d.margin) else float(d.margin),
        "evidence": dump(evidence),
        "quantities": dump([_quantity(q) for q in d.quantities]),
        "clauses": dump(clauses),
        "probabilities": dump({name: round(float(p), 6) for name, p in d.probabilities.items()}),
        "legal_status": d.legal_status,
        "announcement": d.announcement,
        "note": d.note,
        "model_id": d.model_id,
        "rules_id": d.rules_id,
        "as_of": d.as_of,
    }
    return {name: storable(value) if isinstance(value, str) else value for name, value in plain.items()}


def _quantity(q: Quantity) -> dict[str, Any]:
    """A figure with all that it takes to make the record again."""
    return {**quantity_dict(q), "dimension": q.dimension, "open_low": q.open_low, "open_high": q.open_high, "assumed": q.assumed}


def row_hash(values: Mapping[Any, Any]) -> str:
    """SHA-256 over all that a reviewer sees of an item."""
    return sha256(*(values[name] for name in CONTENT))


def doubt(d: Decision) -> float:
    """How likely an item is of a category, 0 to 1: 1 where a clause is met or in question, -1 where nothing tells."""
    if any(c.truth != Truth.NOT_MET and c.code in d.codes for c in d.clauses):
        return 1.0
    return 1.0 - d.probabilities.get(_NONE, 0.0) if d.probabilities else -1.0


def family(item: Item, book: Rulebook | None) -> str:
    """The category that an item's clauses are of: it may be another than the likeliest one."""
    known = {clause.code: clause.category for clause in book.clauses} if book is not None else {}
    return known.get(item.codes[0], item.category) if item.codes else item.category


def risk(d: Decision) -> float:
    """How much it would cost to clear the item unseen, 0 to 1: a met clause first, then likely categories and near figures."""
    likely = 1.0 - d.probabilities.get(_NONE, 1.0 - d.confidence if d.category != _NONE else d.confidence)
    met = any(c.truth == Truth.MET for c in d.clauses)
    asked = any(c.truth == Truth.UNKNOWN and c.code in d.codes for c in d.clauses)
    near = 0.0 if d.margin is None else max(0.0, 1.0 - abs(d.margin))
    return round(0.4 * met + 0.3 * likely + 0.2 * asked + 0.1 * near, 6)


def item_tags(d: Decision) -> list[tuple[str, str]]:
    """What the queue can be filtered by beside its columns: reasons, and questions that wait for an answer (in English)."""
    asked = [q.en for c in d.clauses if c.code in d.codes for q in c.questions if q.en] or d.questions[:1]
    found = [("reason", str(r)) for r in d.reasons] + [("missing", q[:_LONGEST_TAG]) for q in asked]
    return [(kind, storable(value)) for kind, value in dict.fromkeys(found)]
