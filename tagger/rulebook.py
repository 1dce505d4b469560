"""Load and validate ``tagger/data`` into one frozen :class:`Rulebook`; the legal status of an announcement on a day.

Every fault of every file is found before anything is used, and all of them are reported together with file and key.
The fingerprint of the files (``rules_id``) stands on every decision.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, TypeVar, cast, overload

from tagger.cache import keep, recall
from tagger.collection import no_collection
from tagger.errors import RulebookError
from tagger.law import (
    AlternativeWords,
    Announcement,
    AnnouncementFile,
    Ask,
    Category,
    CategoryFile,
    Clause,
    ClauseFile,
    CompanionWords,
    Kind,
    LexiconTerm,
    Negation,
    Parameter,
    Pointing,
    QuantityFile,
    Role,
    RoleFile,
    Rule,
    RuleFile,
    Settings,
    Unit,
    Units,
    Unlisted,
    UnnamedWords,
    Use,
    plain,
    restored,
)
from tagger.timeline import LegalStatus, legal_status, rule_status

DATA = Path(__file__).parent / "data"
SEAL = "seal.json"
LANGUAGES = ("en", "zh", "ja", "de", "ko", "ru", "es", "any")
DENIED = "denied:"  # a concept "denied:<concept>" is in a text that denies the concept, as in "dysprosium not detected"
FIGURE = "figure:"  # a concept "figure:<kind or dimension>" is in a text that holds such a figure
MATCHES = ("any", "exact", "mask")
_CHOICE = re.compile(r"\{([^{}]*)\}")
LEXICON_COLUMNS = ["concept", "lang", "term", "match", "note"]
COLUMNS = ("origin", "value_share", "destination", "end_use")  # what a row may say of the trade
T = TypeVar("T")
_CACHED = ("law.py", "rulebook.py")  # program files that the kept tables depend on


@dataclass(frozen=True)
class Rulebook:
    """The law, the words, the units and the settings, checked against each other.

    Attributes
    ----------
    rules_id : str
        Fingerprint of all files; changes with any of them.
    clauses, unlisted, announcements, rules, roles, categories, kinds, units, terms, settings
        The frozen tables of the files.
    lexicons : dict
        Concept to the lexicon files (categories, and ``common``) that hold a word of it.

    Examples
    --------
    >>> book = load_rulebook()
    >>> book.clause("3B901.c.1.a").category
    'graphite_anode_equipment'
    >>> book.clause("9Z999")
    Traceback (most recent call last):
    ...
    tagger.errors.RulebookError: no clause 9Z999 in the rulebook; `tagger rules list` shows all codes
    """

    folder: Path
    rules_id: str
    as_of: dt.date
    announcements: tuple[Announcement, ...]
    rules: tuple[Rule, ...]
    uses: tuple[Use, ...]
    asks: dict[str, Ask]
    roles: tuple[Role, ...]
    pointing: Pointing
    companions: CompanionWords
    alternatives: AlternativeWords
    unnamed: UnnamedWords
    negation: Negation
    categories: tuple[Category, ...]
    clauses: tuple[Clause, ...]
    unlisted: tuple[Unlisted, ...]
    units: Units
    quantities: QuantityFile
    terms: Sequence[LexiconTerm]
    settings: Settings
    lexicons: dict[str, tuple[str, ...]]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of all categories, ``none`` last."""
        return tuple(c.name for c in self.categories)

    @cached_property
    def _by_code(self) -> dict[str, Clause]:
        index = {c.code: c for c in self.clauses}
        return {**{alias: c for c in self.clauses for alias in c.aliases}, **index}

    @cached_property
    def _announcement_of(self) -> dict[str, Announcement]:
        return {a.id: a for a in self.announcements}

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Kinds of figures by name."""
        return {k.name: k for k in self.quantities.kind}

    @cached_property
    def unit_forms(self) -> dict[str, tuple[str, Unit]]:
        """Unit spelling (lower case) -> dimension name and unit; spellings with fixed case keep it."""
        forms: dict[str, tuple[str, Unit]] = {}
        for dimension in self.units.dimension:
            for unit in dimension.units:
                for spelling in (*unit.forms, *unit.exact):
                    forms.setdefault(spelling, (dimension.name, unit))
        return forms

    @cached_property
    def nouns(self) -> frozenset[str]:
        """Concepts that name a listed item or an unlisted neighbour: the first group of a subject; the others occur in any text."""
        subjects = [*(c.subject for c in self.clauses), *(u.subject for u in self.unlisted)]
        return frozenset(concept for subject in subjects for concept in subject[0])

    def clause(self, code: str) -> Clause:
        """Return the clause with this code, or with this alias."""
        found = self._by_code.get(code.strip())
        if found is None:
            raise RulebookError(f"no clause {code} in the rulebook; `tagger rules list` shows all codes")
        return found

    def category(self, name: str) -> Category:
        """Return the category with this name."""
        return next(c for c in self.categories if c.name == name)

    def announcement(self, id: str) -> Announcement:
        """Return the announcement with this id, such as ``2025-58``."""
        found = self._announcement_of.get(id)
        if found is None:
            raise RulebookError(f"no announcement {id} in the rulebook; known: {', '.join(a.id for a in self.announcements)}")
        return found

    def to_base(self, value: float, unit: str) -> float:
        """Convert a figure of the law to the base unit of its dimension."""
        entry = self.unit_forms.get(unit) or self.unit_forms[unit.lower()]
        return value * entry[1].factor + entry[1].offset

    def from_base(self, value: float, unit: str) -> float:
        """Convert a figure in the base unit to a unit of the law, for people to read."""
        zero, one = self.to_base(0.0, unit), self.to_base(1.0, unit)
        return (value - zero) / (one - zero)

    def legal_status(self, announcement_id: str, on: dt.date) -> LegalStatus:
        """Legal status of an announcement on a day.

        Parameters
        ----------
        announcement_id : str
            Such as ``2025-58``.
        on : datetime.date
            The day asked for.

        Returns
        -------
        LegalStatus
            ``in_force``, ``partly_suspended``, ``suspended``, ``not_yet_in_force``, ``lapsed`` or ``uncertain``, with the reason.

        Examples
        --------
        >>> load_rulebook().legal_status("2025-58", dt.date(2026, 11, 21)).state
        'uncertain'
        """
        return legal_status(self.announcement(announcement_id), on)

    def rule_status(self, rule: Rule, on: dt.date) -> LegalStatus:
        """Legal status of a cross-cutting rule on a day."""
        return rule_status(rule, self.announcement(rule.announcement), on)


def load_rulebook(folder: str | Path | None = None, *, sealed: bool = True) -> Rulebook:
    """Read, validate and cross-check a rulebook folder.

    Parameters
    ----------
    folder : path, optional
        A folder laid out as ``tagger/data``; the shipped one by default.
    sealed : bool
        Refuse files that differ from the seal (``seal.json``). ``tagger rules seal`` writes a new seal after a change of the law.

    Returns
    -------
    Rulebook

    Raises
    ------
    RulebookError
        With every fault found, each with file and key.

    Examples
    --------
    >>> len(load_rulebook().clauses)
    286
    """
    root = Path(folder) if folder is not None else DATA
    if not root.is_dir():
        raise RulebookError(f"no rulebook folder {root}: give a folder laid out as tagger/data, or leave --rules out")
    found = checksums(root)
    book = _recalled(root, found) or _validated(root, found)
    if sealed:
        check_seal(root, found)
    return book


def _recalled(root: Path, found: Mapping[str, str]) -> Rulebook | None:
    """The rulebook as it was when files of the same checksums were found to have no fault; None where it was not kept."""
    kept = recall("rulebook", fingerprint(found), _CACHED)
    if not isinstance(kept, dict):
        return None
    try:
        tables = {name: restored(value) for name, value in kept["tables"].items()}
        terms = _LaterTerms(kept["terms"], lambda: _read_terms(_Reader(root), found))
        return Rulebook(folder=root, rules_id=fingerprint(found), terms=terms, **tables)
    except (KeyError, TypeError, ValueError):
        return None  # not what this version writes


def _validated(root: Path, found: Mapping[str, str]) -> Rulebook:
    """The rulebook, read from its files with every check."""
    reader = _Reader(root)
    announcements = reader.table("controls/announcements.toml", AnnouncementFile)
    rules = reader.table("controls/rules.toml", RuleFile)
    roles = reader.table("controls/roles.toml", RoleFile)
    categories = reader.table("categories.toml", CategoryFile)
    units = reader.table("units.toml", Units)
    quantities = reader.table("quantities.toml", QuantityFile)
    settings = reader.table("settings.toml", Settings)
    clause_files = [reader.table(f"controls/{p.name}", ClauseFile) for p in sorted((root / "controls").glob("clauses_*.toml"))]
    terms = _terms(reader)
    reader.stop_at_faults()
    book = Rulebook(
        folder=root,
        rules_id=fingerprint(found),
        as_of=cast(AnnouncementFile, announcements).as_of,
        announcements=cast(AnnouncementFile, announcements).announcement,
        rules=cast(RuleFile, rules).rule,
        uses=cast(RuleFile, rules).use,
        asks={str(column): ask for column, ask in cast(RuleFile, rules).ask.items()},
        roles=cast(RoleFile, roles).role,
        pointing=cast(RoleFile, roles).pointing,
        companions=cast(RoleFile, roles).companions,
        alternatives=cast(RoleFile, roles).alternatives,
        unnamed=cast(RoleFile, roles).unnamed,
        negation=cast(RoleFile, roles).negation,
        categories=cast(CategoryFile, categories).category,
        clauses=tuple(c for f in clause_files if f for c in f.clause),
        unlisted=tuple(u for f in clause_files if f for u in f.unlisted),
        units=cast(Units, units),
        quantities=cast(QuantityFile, quantities),
        terms=terms,
        settings=cast(Settings, settings),
        lexicons=_lexicons(terms),
    )
    reader.faults += list(_cross_check(book))
    reader.stop_at_faults()
    tables = {f.name: plain(getattr(book, f.name)) for f in fields(book) if f.name not in ("folder", "rules_id", "terms")}
    keep("rulebook", book.rules_id, _CACHED, {"tables": tables, "terms": len(terms)})
    return book


@no_collection()
def _terms(reader: _Reader) -> tuple[LexiconTerm, ...]:
    return tuple(t for p in sorted((reader.root / "lexicon").glob("*.csv")) for t in reader.lexicon(p))


def _read_terms(reader: _Reader, found: Mapping[str, str]) -> tuple[LexiconTerm, ...]:
    """The lexicon, read after the rulebook was recalled.

    Raises
    ------
    RulebookError
        Where a file was changed in between.
    """
    if checksums(reader.root) != found:
        raise RulebookError(f"rulebook {reader.root} was changed while it was in use: start again")
    return _terms(reader)


def _lexicons(terms: Iterable[LexiconTerm]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for term in terms:
        found.setdefault(term.concept, {})[term.category] = None
    return {concept: tuple(names) for concept, names in found.items()}


class _LaterTerms(Sequence[LexiconTerm]):
    """The terms of a lexicon, read when they are first looked at: tagging needs their index only."""

    def __init__(self, count: int, read: Callable[[], tuple[LexiconTerm, ...]]) -> None:
        self._count = count
        self._read = read

    @cached_property
    def _terms(self) -> tuple[LexiconTerm, ...]:
        return self._read()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[LexiconTerm]:
        return iter(self._terms)

    @overload
    def __getitem__(self, at: int) -> LexiconTerm: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[LexiconTerm, ...]: ...

    def __getitem__(self, at: int | slice) -> LexiconTerm | tuple[LexiconTerm, ...]:
        return self._terms[at]


class _Reader:
    """Reads data files and gathers faults instead of stopping at the first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: list[str] = []

    def stop_at_faults(self) -> None:
        if self.faults:
            head = f"rulebook {self.root} has {len(self.faults)} fault(s)"
            raise RulebookError(head + ": " + "; ".join(self.faults), tuple(self.faults))

    def table(self, name: str, kind: type[T]) -> T | None:
        """Read one TOML file into its frozen type; None where it has faults."""
        from pydantic import TypeAdapter, ValidationError

        try:
            raw = tomllib.loads((self.root / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            self.faults.append(f"{name}: file is missing")
            return None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.faults.append(f"{name}: not valid TOML ({error})")
            return None
        try:
            return TypeAdapter(kind).validate_python(raw)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                self.faults.append(f"{name}: {_key_path(raw, fault['loc'])}: {fault['msg']}")
            return None

    def lexicon(self, path: Path) -> list[LexiconTerm]:
        """Read one lexicon file; lines that begin with # are comments."""
        name = f"lexicon/{path.name}"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            self.faults.append(f"{name}: not valid UTF-8 ({error})")
            return []
        numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
        if not numbered or next(csv.reader([numbered[0][1]])) != LEXICON_COLUMNS:
            self.faults.append(f"{name}: first row must be {','.join(LEXICON_COLUMNS)}")
            return []
        terms: list[LexiconTerm] = []
        category, sound = path.stem, _Sound()
        for number, line in numbered[1:]:
            cells = next(csv.reader([line])) if '"' in line else line.split(",")
            fault = sound.fault(cells)
            if fault:
                self.faults.append(f"{name}: line {number}: {fault}")
                continue
            concept, lang, pattern, match, note = cells
            terms += [
                LexiconTerm(concept=concept, lang=lang, term=term, match=match, category=category, note=note)
                for term in spelled_out(pattern)
            ]
        return terms


def spelled_out(pattern: str) -> list[str]:
    """All terms that a cell of the lexicon stands for: one of each choice in braces.

    Examples
    --------
    >>> spelled_out("{dysprosium|terbium} or {lanthanum|cerium}")[1:3]
    ['dysprosium or cerium', 'terbium or lanthanum']
    >>> spelled_out("N52 {disc|ring}s"), spelled_out("ball mill")
    (['N52 discs', 'N52 rings'], ['ball mill'])
    """
    if "{" not in pattern:
        return [pattern]
    pieces = _CHOICE.split(pattern)  # every second one is a choice
    choices = [piece.split("|") if n % 2 else [piece] for n, piece in enumerate(pieces)]
    return ["".join(choice) for choice in product(*choices)]


class _Sound:
    """Checks the rows of a lexicon; a concept, a language and a match that stood together before are not looked at again."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, str]] = set()

    def fault(self, cells: list[str]) -> str:
        """What is wrong with one row; empty where nothing is."""
        if len(cells) != len(LEXICON_COLUMNS):
            return f"{len(cells)} cells, expected {len(LEXICON_COLUMNS)} (quote a term that holds a comma)"
        concept, lang, term, match, _ = cells
        if (concept, lang, match) not in self._known:
            if fault := _naming_fault(concept, lang, match):
                return fault
            self._known.add((concept, lang, match))
        return _term_fault(term)


def _naming_fault(concept: str, lang: str, match: str) -> str:
    if not concept.isidentifier() or concept != concept.lower():
        return f"concept {concept!r} is not a snake_case name"
    if lang not in LANGUAGES:
        return f"lang {lang!r} is none of {', '.join(LANGUAGES)}"
    return "" if match in MATCHES else f"match {match!r} is none of {', '.join(MATCHES)}"


def _term_fault(term: str) -> str:
    if "{" not in term and "}" not in term:
        return "" if term.strip() else "term is empty"
    if set("{}") & set(_CHOICE.sub("", term)):
        return f"term {term!r} has a brace without its other one"
    return "" if all(spelled.strip() for spelled in spelled_out(term)) else "term is empty"


def _key_path(raw: Any, loc: tuple[int | str, ...]) -> str:
    """Name the place of a fault as a person would: clause[3B901.a].parameters[0].unit."""
    path, node = "", raw
    for step in loc:
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and step < len(node) else None
            label = node.get("code") or node.get("id") or node.get("name") if isinstance(node, Mapping) else None
            path += f"[{label or step}]"
        else:
            node = node.get(step) if isinstance(node, Mapping) else None
            path += f".{step}" if path else step
    return path


def _cross_check(book: Rulebook) -> Iterable[str]:
    """Faults that show only between files: unknown names, double codes, units that do not fit."""
    concepts = {t.concept for t in book.terms} | {f"{FIGURE}{name}" for k in book.quantities.kind for name in (k.name, k.dimension)}
    denying = (*book.negation.constituents, *book.negation.denials)
    yield from (f"controls/roles.toml: negation: {c} is in no lexicon" for c in denying if c not in concepts)
    concepts |= {f"{DENIED}{t.concept}" for t in book.terms}
    yield from (f"controls/clauses_*.toml: {f}" for f in _doubles("clause", (c.code for c in book.clauses)))
    yield from _doubles("unlisted", (u.id for u in book.unlisted))
    yield from _doubles("rule", (r.id for r in book.rules))
    yield from _doubles("kind", (k.name for k in book.quantities.kind))
    yield from _doubles("quantities.toml: cue", (f"{kind.dimension}: {cue}" for kind in book.quantities.kind for cue in kind.cues))
    for clause in book.clauses:
        yield from (
            f"controls/clauses_{clause.category}.toml: clause[{clause.code}]{f}" for f in _clause_faults(clause, book, concepts)
        )
    for item in book.unlisted:
        yield from (
            f"controls/clauses_{item.category}.toml: unlisted[{item.id}]{f}" for f in _unlisted_faults(item, book, concepts)
        )
    yield from (f"controls/rules.toml: ask.{column}: is missing" for column in COLUMNS if column not in book.asks)
    for role in book.roles:
        if role.concept not in concepts:
            yield f"controls/roles.toml: role[{role.concept}]: concept is in no lexicon"
    announcements = {a.id for a in book.announcements}
    for rule in book.rules:
        yield from (f"controls/rules.toml: rule[{rule.id}]{fault}" for fault in _rule_faults(rule, book))
        for id in {rule.announcement, *rule.applies_to} - announcements:
            yield f"controls/rules.toml: rule[{rule.id}]: unknown announcement {id}"
    yield from (f"quantities.toml: {f}" for f in _kind_faults(book))


def _clause_faults(clause: Clause, book: Rulebook, concepts: set[str]) -> Iterable[str]:
    if clause.category not in book.labels:
        yield f".category: unknown category {clause.category}"
    if clause.announcement not in {a.id for a in book.announcements}:
        yield f".announcement: unknown announcement {clause.announcement}"
    if not clause.subject:
        yield ".subject: empty; name at least one group of concepts"
    for concept in sorted(set(concepts_of(clause)) - concepts):
        yield f": concept {concept} is in no lexicon"
    for parameter in clause.parameters:
        yield from (f".parameters[{parameter.quantity}]: {f}" for f in _parameter_faults(parameter, book))


def _unlisted_faults(item: Unlisted, book: Rulebook, concepts: set[str]) -> Iterable[str]:
    for concept in sorted({*(c for g in item.subject for c in g), *item.excluded_by} - concepts):
        yield f": concept {concept} is in no lexicon"
    if item.category not in book.labels:
        yield f".category: unknown category {item.category}"


def _rule_faults(rule: Rule, book: Rulebook) -> Iterable[str]:
    uses = {use.id for use in book.uses}
    figures = {figure.quantity for figure in rule.figures}
    for name in sorted(set(rule.scope) - set(book.labels) - {"all"}):
        if not any(clause.code.startswith(name) for clause in book.clauses):
            yield f".scope: {name} is no category, no code and not 'all'"
    for i, test in enumerate(rule.tests):
        if test.use and test.use not in uses:
            yield f".tests[{i}].use: unknown use {test.use}"
        if test.figure and (test.figure not in figures or test.figure not in book.kinds):
            yield f".tests[{i}].figure: {test.figure} is no figure of the rule, or no kind of quantities.toml"
        if test.column == "" and not test.ask_en:
            yield f".tests[{i}]: what no column tells needs ask_en and ask_zh"


def _kind_faults(book: Rulebook) -> Iterable[str]:
    dimensions = {d.name for d in book.units.dimension}
    for place, name in _kinds_named(book.quantities):
        if name not in book.kinds:
            yield f"{place}: unknown kind {name}"
    for kind in book.quantities.kind:
        if kind.dimension not in dimensions:
            yield f"kind[{kind.name}].dimension: unknown dimension {kind.dimension}"
        for other in sorted({*kind.accepts, *kind.sides, *kind.stretch} - set(book.kinds)):
            yield f"kind[{kind.name}]: unknown kind {other}"
        if kind.unitless and kind.unitless not in book.unit_forms and kind.unitless.lower() not in book.unit_forms:
            yield f"kind[{kind.name}].unitless: unknown unit {kind.unitless}"


def _kinds_named(quantities: QuantityFile) -> Iterable[tuple[str, str]]:
    """Every place of quantities.toml that names a kind, with the name."""
    yield from ((f"composition.{element}", name) for element, name in quantities.composition.items())
    yield from ((f"words.labels.{label}", name) for label, name in quantities.words.labels.items())
    for i, derived in enumerate(quantities.derived):
        names = [derived.kind, *derived.unless, *(f.kind for f in derived.factors)]
        yield from ((f"derived[{i}]", name) for name in names)
    pack = quantities.pack
    named = (pack.series_kind, pack.parallel_kind, pack.kind, pack.voltage, pack.charge, pack.energy, pack.cell_mass, *pack.mass)
    yield from (("pack", name) for name in named)
    for context in quantities.context:
        yield from (("context", name) for name in (context.kind, *context.of))
    for conversion in quantities.conversion:
        yield from (("conversion", name) for name in (conversion.kind, conversion.of))
    for kind in quantities.kind:
        yield from ((f"kind[{kind.name}]", name) for name in (kind.outside, kind.capped, *kind.beside, *kind.instead_of) if name)
    yield from (("assay.silent", silent.kind) for silent in quantities.assay.silent)


def _doubles(what: str, names: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{what}[{name}]: stands twice"
        seen.add(name)


def concepts_of(clause: Clause) -> Iterable[str]:
    """All concepts that a clause turns on."""
    for group in clause.subject:
        yield from group
    yield from clause.excluded_by
    for condition in clause.conditions:
        yield from (*condition.any_of, *condition.assumed_by, *condition.denied_by)
    for parameter in clause.parameters:
        yield from (*parameter.stated_by, *parameter.denied_by)


def _parameter_faults(parameter: Parameter, book: Rulebook) -> Iterable[str]:
    if not parameter.unit:
        if not (parameter.stated_by and parameter.ask_en and parameter.ask_zh):
            yield "has no unit, so it needs stated_by, ask_en and ask_zh"
        return
    kind = book.kinds.get(parameter.quantity)
    if kind is None:
        yield "unknown kind of figure; add it to quantities.toml"
        return
    entry = book.unit_forms.get(parameter.unit) or book.unit_forms.get(parameter.unit.lower())
    if entry is None:
        yield f"unknown unit {parameter.unit}"
    elif entry[0] != kind.dimension:
        yield f"unit {parameter.unit} is of dimension {entry[0]}, the kind is of {kind.dimension}"
    numbers = parameter.value if isinstance(parameter.value, tuple) else (parameter.value,)
    if any(isinstance(n, bool | str) for n in numbers):
        yield f"value {parameter.value!r} is not a number"
    elif parameter.operator == "between" and (len(numbers) != 2 or not float(numbers[0]) <= float(numbers[1])):
        yield "between needs [low, high]"


def _files(root: Path) -> list[Path]:
    """All data files of a rulebook, in a fixed order."""
    found = [p for pattern in ("*.toml", "controls/*.toml", "lexicon/*.csv") for p in root.glob(pattern)]
    return sorted(found, key=lambda p: p.relative_to(root).as_posix())


def checksums(root: Path) -> dict[str, str]:
    """SHA-256 of every data file (line ends made equal, so that a checkout on Windows is the same rulebook)."""
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes().replace(b"\r\n", b"\n")).hexdigest() for p in _files(root)
    }


def fingerprint(found: Mapping[str, str]) -> str:
    """Short fingerprint over the checksums of all data files, such as ``rules-1f0c2ab93d4e``."""
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode())
    return f"rules-{digest.hexdigest()[:12]}"


def write_seal(root: Path) -> Path:
    """Write the checksums of all data files to ``seal.json``."""
    path = root / SEAL
    path.write_text(json.dumps(checksums(root), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def check_seal(root: Path, found: Mapping[str, str]) -> None:
    """Refuse a rulebook whose checksums differ from its seal."""
    path = root / SEAL
    advice = "if the change is meant, check it and run `tagger rules seal`; if not, reinstall tagger"
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RulebookError(f"rulebook {root} has no {SEAL}: {advice}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RulebookError(f"{path} cannot be read ({error}): {advice}") from None
    changed = sorted(name for name in {*sealed, *found} if sealed.get(name) != found.get(name))
    if changed:
        raise RulebookError(f"rulebook {root} was changed since it was sealed ({', '.join(changed)}): {advice}")
