"""Frozen types of the data files: the law, the words, the units, the settings.

Every type mirrors one table of a file under ``tagger/data``; its fields are the keys that the file may hold.
No behaviour lives here beyond what a field means.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, ClassVar, Literal

Operator = Literal[">=", ">", "<=", "<", "between", "in", "is", "="]
Value = bool | float | str | tuple[float, ...] | tuple[str, ...]


class Strict:
    """Base of all tables: a key that is not a field is a fault."""

    __slots__ = ()
    # read by pydantic, which is imported only while files are loaded
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement(Strict):
    """One announcement and the days on which it runs."""

    id: str
    number: str
    number_zh: str
    issuers: tuple[str, ...]
    subject: str
    effect: Literal["items", "parties", "pause", "catalogue", "destinations"]
    issued: dt.date
    effective: dt.date
    source: str
    extraterritorial: bool
    suspended_from: dt.date | None = None
    suspended_until: dt.date | None = None
    suspended_by: str = ""
    suspended_scope: str = ""
    extension_reported_until: dt.date | None = None
    runs_until: dt.date | None = None
    effective_note: str = ""
    amended_by: str = ""
    note: str = ""
    alt_source: str = ""
    annex_source: str = ""
    source_kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Strict):
    """A figure of a cross-cutting rule, for people to read."""

    quantity: str
    operator: Operator
    value: Value
    unit: str
    note: str = ""


Column = Literal["", "origin", "value_share", "destination", "end_use"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest(Strict):
    """One thing that a cross-cutting rule asks of the trade, and the column that tells it; without a column it is always asked."""

    column: Column
    place: str = ""
    not_place: str = ""
    use: str = ""
    figure: str = ""
    ask_en: str = ""
    ask_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Strict):
    """An end use: words that state it, leave it open, or speak against it."""

    id: str
    states: tuple[str, ...]
    open: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    otherwise: Literal["NOT_MET", "UNKNOWN"] = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Strict):
    """A rule that cuts across the listed items."""

    id: str
    announcement: str
    says: str
    verified: Literal[1, 2]
    source: str
    paragraph: str = ""
    effective: dt.date | None = None
    suspended_until: dt.date | None = None
    suspended_by: str = ""
    consequence: str = ""
    applies_to: tuple[str, ...] = ()
    remark_zh: str = ""
    remark_adds: Literal["", "code", "figures"] = ""
    remark_otherwise_zh: str = ""
    field_zh: str = ""
    title_zh: str = ""
    technologies: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    target_forms: tuple[str, ...] = ()
    magnet_forms: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    scope: tuple[str, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    note: str = ""
    alt_source: str = ""
    annex_source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Strict):
    """A figure or a stated property that a clause asks for; ``alt_set`` and ``alt`` make alternatives."""

    quantity: str
    operator: Operator
    value: Value
    unit: str
    alt_set: str = ""
    alt: str = ""
    note: str = ""
    stated_by: tuple[str, ...] = ()
    denied_by: tuple[str, ...] = ()
    ask_en: str = ""
    ask_zh: str = ""
    equality_unsure: bool = False
    unsure_from: float | None = None
    unsure_to: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Strict):
    """Something that the text may leave out (a use, a type): stated, denied or unknown."""

    any_of: tuple[str, ...]
    ask_en: str
    ask_zh: str
    denied_by: tuple[str, ...] = ()
    assumed_by: tuple[str, ...] = ()  # states it as long as nothing speaks against it
    aside: bool = False  # words that speak against count only where they do not stand in a later sentence than the item
    purpose: bool = False  # words that speak against do not count where every mention is what the item is for
    leads: bool = False  # words for it count only where they do not first stand in a later sentence than those against


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause(Strict):
    """One lowest clause of a control list, with how a text shows it."""

    code: str
    code_form: Literal["printed", "composed", "annex_position", "catalogue_item"]
    category: str
    kind: Literal["item", "material", "equipment", "software", "technology"]
    announcement: str
    title_en: str
    title_zh: str
    subject: tuple[tuple[str, ...], ...]
    combine: Literal["none", "all", "any"]
    tariff: tuple[str, ...]
    in_licence_catalogue_2026: bool
    verified: Literal[1, 2]
    source: str
    aliases: tuple[str, ...] = ()
    title_zh_status: Literal["", "back_translated"] = ""
    within_chars: int = 0
    excluded_by: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    exclusions: tuple[str, ...] = ()
    tariff_2026: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    part_of: str = ""
    cas: str = ""
    export_status: Literal["", "prohibited", "restricted"] = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted(Strict):
    """A true neighbour of the listed items that no list names."""

    id: str
    category: str
    subject: tuple[tuple[str, ...], ...]
    reason_en: str
    reason_zh: str
    source: str
    within_chars: int = 0
    excluded_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Role(Strict):
    """Words that say that a text is about something around the thing."""

    concept: str
    kinds: tuple[str, ...]
    ask_en: str
    ask_zh: str
    parts_too: bool = False  # bears on clauses that list parts as well
    aside: bool = False  # counts only where the words do not stand in a later sentence than the item


@dataclass(frozen=True, slots=True, kw_only=True)
class Category(Strict):
    """One category with the question that is asked when nothing particular is named."""

    name: str
    name_en: str
    name_zh: str
    what: str
    question_en: str = ""
    question_zh: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit(Strict):
    """Spellings of a unit and its factor (and offset) to the base unit of its dimension."""

    factor: float
    forms: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    offset: float = 0.0
    least: float = -1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension(Strict):
    """A dimension with its base unit."""

    name: str
    base: str
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesh(Strict):
    """Sieve numbers and their openings in um."""

    standard: str
    forms: tuple[str, ...]
    kind: str
    openings: dict[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Micropowder(Strict):
    """Micropowder numbers (W40) and their sizes in um; ``pair_grades`` stand in front of pairs that are sizes (``АСМ 5/3``)."""

    standard: str
    letter: str
    pair_grades: tuple[str, ...] = ()
    kind: str
    sizes: dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nines(Strict):
    """Purity written as a number of nines (4N5)."""

    kind: str
    forms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units(Strict):
    """The file units.toml."""

    dimension: tuple[Dimension, ...]
    mesh: Mesh
    micropowder: Micropowder
    nines: Nines


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Strict):
    """What a number with a unit is a figure of."""

    name: str
    dimension: str
    name_en: str
    name_zh: str
    bare: tuple[float, float] | None = None
    accepts: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    stretch: dict[str, float] = field(default_factory=dict)
    maximum: bool = False
    limits: tuple[float, float] | None = None
    width: bool = False
    outside: str = ""
    capped: str = ""
    unitless: str = ""
    instead_of: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparator(Strict):
    """Words beside a figure that make it a bound."""

    sign: Literal[">=", ">", "<=", "<", "~"]
    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    noun: tuple[str, ...] = ()
    share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor(Strict):
    """One factor of a derived figure."""

    kind: str
    power: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived(Strict):
    """A figure that is the product of powers of others."""

    kind: str
    plausible: tuple[float, float]
    factors: tuple[Factor, ...]
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack(Strict):
    """How the figures of cells in series and in parallel (10S4P) give those of the pack."""

    series: tuple[str, ...]
    parallel: tuple[str, ...]
    series_kind: str
    parallel_kind: str
    kind: str
    plausible: tuple[float, float]
    voltage: str
    charge: str
    energy: str
    mass: tuple[str, ...]
    cell_mass: str
    cell_voltage: tuple[float, float]
    cell_words: tuple[str, ...]
    most_charge: dict[str, float] = field(default_factory=dict)
    pack_words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent(Strict):
    """A figure that is nothing where a complete assay does not mention its element."""

    kind: str
    mention: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assay(Strict):
    """When a list of elements and shares is complete."""

    kind_unit: str
    sum: tuple[float, float]
    needs: tuple[tuple[str, ...], ...]
    balance: tuple[str, ...]
    hedge: tuple[str, ...]
    few: int
    heavy_grades: tuple[str, ...]
    elements: dict[str, tuple[str, ...]]
    silent: tuple[Silent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complement(Strict):
    """A figure that is what another leaves of a hundred per cent."""

    kind: str
    of: tuple[str, ...]
    scale: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedByContext(Strict):
    """A kind that a figure is of by what else the text is about."""

    kind: str
    of: tuple[str, ...]
    window: tuple[float, float]
    words: tuple[str, ...]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion(Strict):
    """A figure stated in another dimension: 800 ppm of dysprosium is 0.08 %."""

    kind: str
    of: str
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureWords(Strict):
    """Words and signs between figures and around them."""

    range: tuple[str, ...]
    list: tuple[str, ...]
    typical: tuple[str, ...]
    rate: tuple[str, ...]
    diameter: tuple[str, ...]
    passing: tuple[str, ...]
    at: tuple[str, ...]
    under: tuple[str, ...]  # behind a condition of measurement: 220 MPa下
    but: tuple[str, ...]  # between two bounds of one range: ≥12 N and ≤15 N
    head: tuple[str, ...]
    labels: dict[str, str]
    drawing_unit: str
    saying: tuple[str, ...]
    steels: tuple[str, ...]  # grades of steel that look like a figure with a unit: 316L
    multipliers: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSettings(Strict):
    """Thresholds of the decisions; see settings.toml."""

    controlled: float
    not_controlled: float
    unrelated: float
    none_beside: float
    sure_weight: float
    told_weight: float
    conflict: float
    near_threshold: float
    listed_value: float
    familiar_share: float
    familiar_script_share: float
    longest_text: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformalSettings(Strict):
    """Coverage of the prediction set."""

    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingSettings(Strict):
    """The promise on automatic clearing, and the strictnesses (log-odds) that are tried for it."""

    max_miss_rate: float
    strictest: float
    laxest: float
    step: float
    gate_from: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings(Strict):
    """The cheap pass over a whole column."""

    on: bool
    most_alike: float
    familiar_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Strict):
    """The file settings.toml."""

    decision: DecisionSettings
    conformal: ConformalSettings
    clearing: ClearingSettings
    gate: GateSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class LexiconTerm(Strict):
    """One way to write a concept."""

    concept: str
    lang: str
    term: str
    match: str
    category: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncementFile(Strict):
    """The file controls/announcements.toml."""

    as_of: dt.date
    newest_evidence: dt.date
    announcement: tuple[Announcement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask(Strict):
    """A question in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile(Strict):
    """The file controls/rules.toml."""

    rule: tuple[Rule, ...]
    ask: dict[Literal["origin", "value_share", "destination", "end_use"], Ask]
    use: tuple[Use, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing(Strict):
    """Words beside a noun that say that the text is about something else, meant for it."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    but_not: tuple[str, ...]
    use_behind: tuple[str, ...]  # behind a mention that names a use, not the thing: 焊料用
    kinds: tuple[str, ...]
    ask_en: str
    ask_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanionWords(Strict):
    """Words beside a mention that say that the thing is no more than company: ``with wall chart``, ``and a charger``."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    ask_en: str
    ask_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeWords(Strict):
    """Words between two things of which a text leaves open which one it is."""

    between: tuple[str, ...]
    twice: tuple[str, ...]  # stand behind each of the two: AかBか
    but_not: tuple[str, ...]  # right behind a word of ``between``: "or more" leaves nothing open
    ask_en: str
    ask_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnnamedWords(Strict):
    """Words that name no thing: a text that holds no others does not say what the good is."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Negation(Strict):
    """Words that deny the noun in front of or behind them."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    articles: tuple[str, ...]
    joints: tuple[str, ...]
    shared: tuple[str, ...] = ()
    never_behind: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    constituents: tuple[str, ...] = ()
    denials: tuple[str, ...] = ()
    traces_beside: tuple[str, ...] = ()
    traces_not_beside: tuple[str, ...] = ()
    at_most: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    lists_or: tuple[str, ...] = ()
    either: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFile(Strict):
    """The file controls/roles.toml."""

    role: tuple[Role, ...]
    pointing: Pointing
    companions: CompanionWords
    alternatives: AlternativeWords
    unnamed: UnnamedWords
    negation: Negation


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryFile(Strict):
    """The file categories.toml."""

    category: tuple[Category, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityFile(Strict):
    """The file quantities.toml."""

    words: FigureWords
    comparator: tuple[Comparator, ...]
    kind: tuple[Kind, ...]
    pack: Pack
    assay: Assay
    derived: tuple[Derived, ...] = ()
    complement: tuple[Complement, ...] = ()
    conversion: tuple[Conversion, ...] = ()
    context: tuple[NamedByContext, ...] = ()
    composition: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseFile(Strict):
    """A file controls/clauses_<category>.toml."""

    clause: tuple[Clause, ...] = ()
    unlisted: tuple[Unlisted, ...] = field(default=())


_SCALARS = frozenset((str, int, float, bool, type(None)))  # what plain JSON holds as it is: nearly all lists are words


def shown_value(value: object) -> str:
    """A figure or a list of words of the law as text.

    Examples
    --------
    >>> shown_value(5.0), shown_value(("gallium", "germanium"))
    ('5', 'gallium / germanium')
    """
    if isinstance(value, tuple):
        return " / ".join(shown_value(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """A table of this file as plain JSON, for :func:`restored`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, "values": [plain(getattr(value, f.name)) for f in fields(value)]}
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {"items": [[key, plain(v)] for key, v in value.items()]}
    return {"day": value.isoformat()} if isinstance(value, dt.date) else value


def restored(value: Any) -> Any:
    """The table that :func:`plain` wrote; only tables of this file are made.

    Raises
    ------
    ValueError
        Where the value names a table that is none, or lacks a field.

    Examples
    --------
    >>> restored(plain(Ask(en="Where to?", zh="去哪里？")))
    Ask(en='Where to?', zh='去哪里？')
    >>> restored({"type": "Path", "values": []})
    Traceback (most recent call last):
    ...
    ValueError: no table Path with 0 fields
    """
    if isinstance(value, list):
        return tuple(value if _SCALARS.issuperset(map(type, value)) else map(restored, value))
    if not isinstance(value, dict):
        return value
    if "day" in value:
        return dt.date.fromisoformat(value["day"])
    if "items" in value:
        return {key: restored(v) for key, v in value["items"]}
    name, values = value["type"], value["values"]
    table, names = _tables().get(name, (None, ()))
    if table is None or len(names) != len(values):
        raise ValueError(f"no table {name} with {len(values)} fields")
    return table(**dict(zip(names, map(restored, values), strict=True)))


@cache
def _tables() -> dict[str, tuple[type[Any], tuple[str, ...]]]:
    """The tables of this file by name, with their fields."""
    made: list[Any] = Strict.__subclasses__()
    return {t.__name__: (t, tuple(f.name for f in fields(t))) for t in made}
