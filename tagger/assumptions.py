"""Standing assumptions: a user's own file of what texts cannot tell, dated, with a reason and an owner.

None ships with the product. An assumption adds a figure where a text has none of its kind; it never overrules a figure or a
word of the text, and an answer that rests on one names it together with the fingerprint of the file.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tagger.errors import AssumptionError
from tagger.law import Strict
from tagger.rulebook import Rulebook

FORMAT = "tagger assumptions, version 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedFigure(Strict):
    """A figure that is taken for granted; exactly one of the bounds is given, or ``at_least`` and ``at_most`` together."""

    kind: str
    unit: str
    equals: float | None = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption(Strict):
    """One standing assumption: who says what of which goods, why, and from when until when."""

    id: str
    says: str
    reason: str
    owner: str
    dated: dt.date
    figures: tuple[AssumedFigure, ...]
    until: dt.date | None = None
    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    where: dict[str, str] = field(default_factory=dict)

    def holds(self, on: dt.date) -> bool:
        """Whether the assumption is meant for a day."""
        return self.dated <= on and (self.until is None or on <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumptionFile(Strict):
    """The file of a user."""

    format: Literal["tagger assumptions, version 1"]
    assumption: tuple[Assumption, ...]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """A user's assumptions with the fingerprint of their file."""

    items: tuple[Assumption, ...] = ()
    id: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a catalogue that some assumption looks at."""
        return tuple(dict.fromkeys(column for a in self.items for column in a.where))


def load_assumptions(path: str | Path, book: Rulebook) -> Assumptions:
    """Read and check a file of assumptions.

    Parameters
    ----------
    path : path
        A TOML file; the README shows one.
    book : Rulebook
        Its kinds and units are those that an assumption may speak of.

    Returns
    -------
    Assumptions

    Raises
    ------
    AssumptionError
        With every fault found, each with its place.

    Examples
    --------
    >>> from tagger.rulebook import load_rulebook
    >>> load_assumptions("nowhere.toml", load_rulebook())
    Traceback (most recent call last):
    ...
    tagger.errors.AssumptionError: nowhere.toml: no such file
    """
    from pydantic import TypeAdapter, ValidationError

    path = Path(path)
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode("utf-8"))
    except FileNotFoundError:
        raise AssumptionError(f"{path}: no such file") from None
    except OSError as error:
        raise AssumptionError(f"{path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AssumptionError(f"{path}: not valid TOML in UTF-8 ({error})") from None
    try:
        file = TypeAdapter(AssumptionFile).validate_python(raw)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors(include_url=False, include_input=False)]
        raise AssumptionError(f"{path} has {len(faults)} fault(s): " + "; ".join(faults)) from None
    faults = list(_faults(file.assumption, book))
    if faults:
        raise AssumptionError(f"{path} has {len(faults)} fault(s): " + "; ".join(faults))
    digest = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
    return Assumptions(file.assumption, f"assumptions-{digest[:12]}")


def _faults(items: Iterable[Assumption], book: Rulebook) -> Iterable[str]:
    seen: set[str] = set()
    for a in items:
        place = f"assumption[{a.id}]"
        if a.id in seen:
            yield f"{place}: stands twice"
        seen.add(a.id)
        for name in ("id", "says", "reason", "owner"):
            if not getattr(a, name).strip():
                yield f"{place}.{name}: is empty"
        if not a.words and not a.where:
            yield f"{place}: needs words or where, so that it does not speak of every row"
        if any(not word.strip() for word in (*a.words, *a.without)):
            yield f"{place}: a word is empty"
        if a.until and a.until < a.dated:
            yield f"{place}.until: lies before dated"
        if not a.figures:
            yield f"{place}: assumes no figure"
        for figure in a.figures:
            yield from (f"{place}.figures[{figure.kind}]{fault}" for fault in _figure_faults(figure, book))


def _figure_faults(figure: AssumedFigure, book: Rulebook) -> Iterable[str]:
    kind = book.kinds.get(figure.kind)
    unit = book.unit_forms.get(figure.unit) or book.unit_forms.get(figure.unit.lower())
    if kind is None:
        yield ": unknown kind of figure; `tagger rules kinds` lists them"
    elif unit is None or unit[0] != kind.dimension:
        yield f".unit: {figure.unit!r} is no unit of {kind.dimension}"
    given = [n for n in ("equals", "at_least", "above", "at_most", "below") if getattr(figure, n) is not None]
    if len(given) != 1 and sorted(given) != ["at_least", "at_most"]:
        yield ": give one of equals, at_least, above, at_most, below (or at_least and at_most)"
