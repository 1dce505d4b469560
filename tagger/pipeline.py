"""The one owner of the order: facts -> scores -> decisions -> Decision."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagger.assumptions import Assumptions, load_assumptions
from tagger.collection import no_collection
from tagger.decisions.clauses import ClauseJudge
from tagger.decisions.crosscutting import RuleJudge
from tagger.decisions.decide import Context, decide
from tagger.decisions.settled import settled
from tagger.errors import UsageError
from tagger.facts.assumed import Assumer
from tagger.facts.reader import FactReader
from tagger.records import TAG_COLUMNS, Decision, Row, join_columns, tag_columns
from tagger.rulebook import COLUMNS, Rulebook, load_rulebook
from tagger.scores.bundle import ModelFolder
from tagger.scores.strong import Settler, StrongRows

if TYPE_CHECKING:
    import pandas as pd
    from spacy.tokens import Doc

    from tagger.scores.classifier import Model

_NAMES = [f.name for f in fields(Decision)]
_PARTS = attrgetter(*_NAMES)
_ROW_ID, _RULES = map(_NAMES.index, ("row_id", "also_applies"))
_AT_THE_GATE = 2048  # texts that the gate looks at together
_AT_ONCE = 1024  # rows on the road together: enough to fill numpy, little enough to stay small


class Tagger:
    """Tags product texts with control categories.

    Parameters
    ----------
    book : Rulebook
    model : Model or ModelFolder
        Of a folder the arrays are read when a row first takes the full road.
    as_of : datetime.date, optional
        The day for the legal status; today by default.
    assumptions : Assumptions, optional
        Standing assumptions of the user; none by default.
    max_miss_rate : float, optional
        Share of controlled items that may be cleared automatically, with 95 % confidence; the model's own promise by default.
    gate : bool, optional
        Whether the gate settles everyday goods before the full road; as ``settings.toml`` says by default. A promise that is
        stricter than what the gate itself lets pass turns it off.

    Raises
    ------
    UsageError
        Where the rows on which the model was calibrated cannot carry the promise, or were judged by another rulebook.

    Examples
    --------
    >>> t = Tagger.load(as_of=dt.date(2026, 11, 21))
    >>> d = t.tag("6 m3 vertical granulation kettle for graphite anode material")
    >>> print(d.outcome, d.category, d.codes, d.legal_status, d.remark_zh)
    controlled graphite_anode_equipment ['3B901.c.1.a'] uncertain 属于两用物项 3B901.c.1.a
    >>> d = t.tag("")
    >>> print(d.outcome, d.reasons, d.note)
    review ['UNREADABLE'] the text is empty
    """

    def __init__(
        self,
        book: Rulebook,
        model: Model | ModelFolder,
        as_of: dt.date | None = None,
        assumptions: Assumptions | None = None,
        max_miss_rate: float | None = None,
        *,
        gate: bool | None = None,
    ) -> None:
        self.book = book
        self._model = model
        self.as_of = as_of or dt.date.today()
        self.assumptions = assumptions or Assumptions()
        self._facts = FactReader(book)
        self._assumer = Assumer(self.assumptions, book, self.as_of)
        self._rules = RuleJudge(book, self.as_of)
        self.clearing = model.clearing
        if max_miss_rate is not None:
            self.clearing = model.clearing.promised_with(max_miss_rate, book.rules_id)
        self._context = Context(
            book, self.as_of, model.model_id, self.assumptions.id, self.clearing.strictness, self.clearing.max_miss_rate
        )
        self._settler = self._settled = None
        if model.gate is not None and self.clearing.gate and (book.settings.gate.on if gate is None else gate):
            self._settler = Settler(model.gate, StrongRows(book, self._facts.terms))
            self._settled = settled(model.gate, self._context)

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        rules: str | Path | None = None,
        as_of: dt.date | None = None,
        assumptions: str | Path | None = None,
        max_miss_rate: float | None = None,
        *,
        gate: bool | None = None,
    ) -> Tagger:
        """Load a model and a rulebook, the shipped ones by default, and a file of standing assumptions, none by default.

        The other parameters are those of the class.

        Raises
        ------
        ModelError, RulebookError, AssumptionError
            Where a folder or file is missing, damaged or changed; for the arrays of the full road when a row first takes it.
        UsageError
            Where the promise cannot be carried.
        """
        book = load_rulebook(rules)
        stated = load_assumptions(assumptions, book) if assumptions else None
        return cls(book, ModelFolder(model), as_of, stated, max_miss_rate, gate=gate)

    def tag(self, text: str, **columns: str) -> Decision:
        """Tag one text.

        Parameters
        ----------
        text : str
        **columns : str
            What else the row tells: ``origin``, ``value_share``, ``destination``, ``end_use``, and columns that assumptions
            look at.

        Raises
        ------
        UsageError
            Where a column is none of these.
        """
        unknown = sorted(set(columns) - {*COLUMNS, *self.assumptions.columns})
        if unknown:
            raise UsageError(f"no column {unknown[0]!r} is looked at; known: {', '.join((*COLUMNS, *self.assumptions.columns))}")
        return self.tag_many([Row("0", text, columns)])[0]

    def tag_many(self, items: Iterable[str | Row | Mapping[str, Any] | None], *, gate: bool = True) -> list[Decision]:
        """Tag texts or rows, in order; a text that stands several times is read once.

        Parameters
        ----------
        items : iterable of str, Row or mapping
            A mapping has a ``text`` and may have an ``id``; without an id the position is taken. None is an empty text.
            Its other keys are columns of the row: ``origin``, ``value_share``, ``destination``, ``end_use``, and those that
            assumptions look at.
        gate : bool
            False where these rows were at the gate already, which settled none of them (:meth:`settles`).

        Raises
        ------
        UsageError
            Where an item is none of these.
        """
        rows = [_row(item, position) for position, item in enumerate(items)]
        keys = [self._key(row) for row in rows]
        distinct = dict(zip(keys, rows, strict=True))
        answers: dict[tuple[str, ...] | str, Decision] = {}
        open_ = self._left_open(distinct, answers) if gate else list(distinct)
        for start in range(0, len(open_), _AT_ONCE):
            piece = open_[start : start + _AT_ONCE]
            answers.update(zip(piece, self._road([distinct[key] for key in piece]), strict=True))
        return [self._of_row(answers[key], row) for key, row in zip(keys, rows, strict=True)]

    def tag_table(self, items: Iterable[str | Row | Mapping[str, Any] | None]) -> dict[str, list[str | float | bool | None]]:
        """Tag texts or rows, in order, and return the ``tag_`` columns, as a tagged catalogue has them.

        Rows that the gate settles all have the same cells, so no answer is made for each: over a long column this is several
        times as fast as :meth:`tag_many`.

        Examples
        --------
        >>> table = Tagger.load().tag_table(["Ladies leather wallet with coin pocket, brown", "gallium metal 7N ingot"])
        >>> table["tag_outcome"], table["tag_category"]
        (['unrelated', 'controlled'], ['none', 'gallium_germanium'])
        """
        with no_collection():
            given = list(items)
            done = self.settles([item if type(item) is str else _row(item, n).text for n, item in enumerate(given)])
            open_ = [n for n, is_done in enumerate(done) if not is_done]
            same = tag_columns(self._settled) if self._settled else dict.fromkeys(TAG_COLUMNS)
            table = {name: [cell] * len(given) for name, cell in same.items()}
            for n, decision in zip(open_, self.tag_many([given[n] for n in open_], gate=False), strict=True):
                for name, cell in tag_columns(decision).items():
                    table[name][n] = cell
            return table

    @property
    def model(self) -> Model:
        """The whole model, read if it was not yet."""
        return self._model.model if isinstance(self._model, ModelFolder) else self._model

    @cached_property
    def _judge(self) -> ClauseJudge:
        """Made when a row first takes the full road: what the gate settles needs none of its patterns."""
        return ClauseJudge(self.book)

    @property
    def settled(self) -> Decision | None:
        """The one answer to all texts that the gate settles; None where it is off."""
        return self._settled

    def settles(self, texts: Sequence[str]) -> list[bool]:
        """Which texts the gate settles; none where it is off.

        Examples
        --------
        >>> Tagger.load().settles(["Ladies leather wallet with coin pocket, brown", "sintered NdFeB magnet N52"])
        [True, False]
        """
        found: list[bool] = []
        for start in range(0, len(texts), _AT_THE_GATE):
            piece = texts[start : start + _AT_THE_GATE]
            found += self._settler.settles(piece).tolist() if self._settler else [False] * len(piece)
        return found

    def _left_open(
        self, distinct: Mapping[tuple[str, ...] | str, Row], answers: dict[tuple[str, ...] | str, Decision]
    ) -> list[tuple[str, ...] | str]:
        """Answer the rows that the gate settles, and return the keys of the others."""
        if self._settled is None:
            return list(distinct)
        settled_ = self.settles([row.text for row in distinct.values()])
        answers.update((key, self._settled) for key, done in zip(distinct, settled_, strict=True) if done)
        return [key for key, done in zip(distinct, settled_, strict=True) if not done]

    def _key(self, row: Row) -> tuple[str, ...] | str:
        """What an answer depends on: the text, and the cells that assumptions look at."""
        if not self._assumer.columns:
            return row.text
        return (row.text, *(str(row.extra.get(column, "")) for column in self._assumer.columns))

    def _of_row(self, d: Decision, row: Row) -> Decision:
        """The answer to a text as that of one row: its id, and the rules that cut across on what the row tells of the trade."""
        trade = {name: str(row.extra[name]) for name in COLUMNS if row.extra.get(name) is not None}
        parts = list(_PARTS(d))  # half the time of dataclasses.replace, which counts where most rows are settled
        parts[_ROW_ID], parts[_RULES] = row.id, self._rules.add(d, trade) or d.also_applies
        return Decision(*parts)

    def _road(self, rows: Sequence[Row]) -> list[Decision]:
        with no_collection():
            facts = self._facts.read(rows)
            judged = [self._judge.judge(f) for f in facts]
            scores = self.model.score(facts, [j.marks for j in judged])
            assumed = self._assumer.add(facts)
            judged = [j if f is a else self._judge.judge(a) for f, a, j in zip(facts, assumed, judged, strict=True)]
            return [decide(f, s, j, self._context) for f, s, j in zip(assumed, scores, judged, strict=True)]

    def doc(self, text: str) -> Doc:
        """A text as a spaCy ``Doc`` with its terms and figures as span groups; see :func:`tagger.facts.doc.to_doc`.

        Examples
        --------
        >>> doc = Tagger.load().doc("sintered NdFeB magnet, Dy 0.18 %")
        >>> [span.label_ for span in doc.spans["quantities"]]
        ['dysprosium_content']
        """
        from tagger.facts.doc import to_doc

        return to_doc(self._facts.read([Row("0", text)])[0])

    def tag_frame(
        self, frame: pd.DataFrame, text: str | Sequence[str], id: str | None = None, trade: Mapping[str, str] | None = None
    ) -> pd.DataFrame:
        """Tag a data frame.

        Parameters
        ----------
        frame : pandas.DataFrame
        text : str or sequence of str
            Columns that hold the description; several are joined.
        id : str, optional
            Column with the row's id; the position by default.
        trade : mapping of str, optional
            What the row tells of the trade (``origin``, ``value_share``, ``destination``, ``end_use``) to the column that holds it.

        Returns
        -------
        pandas.DataFrame
            A copy with the ``tag_`` columns added, same index and order.

        Raises
        ------
        UsageError
            Where a column is not in the frame.
        """
        import pandas as pd

        columns = [text] if isinstance(text, str) else list(text)
        extra = {**(trade or {}), **{name: name for name in self.assumptions.columns}}
        for name in [*columns, *([id] if id else []), *extra.values()]:
            if name not in frame.columns:
                raise UsageError(f"no column {name!r}; the columns are: {', '.join(map(str, frame.columns))}")
        texts = [join_columns(values) for values in frame[columns].itertuples(index=False, name=None)]
        ids = [str(v) for v in frame[id]] if id else [str(i) for i in range(len(frame))]
        cells = [{name: join_columns([frame[column].iloc[n]]) for name, column in extra.items()} for n in range(len(frame))]
        decisions = self.tag_many([Row(*row) for row in zip(ids, texts, cells, strict=True)])
        tags = pd.DataFrame([tag_columns(d) for d in decisions], index=frame.index, columns=list(TAG_COLUMNS))
        return pd.concat([frame.drop(columns=[c for c in TAG_COLUMNS if c in frame.columns]), tags], axis=1)


def _row(item: str | Row | Mapping[str, Any] | None, position: int) -> Row:
    """One item of :meth:`Tagger.tag_many` as a row."""
    if isinstance(item, Row):
        return item
    if isinstance(item, Mapping):
        if "text" not in item:
            raise UsageError(f"item {position} has no key 'text'; its keys are: {', '.join(map(str, item))}")
        extra = {key: value for key, value in item.items() if key not in ("id", "text")}
        return Row(str(item.get("id", position)), join_columns([item["text"]]), extra)
    if item is None or isinstance(item, str):
        return Row(str(position), item or "")
    raise UsageError(f"item {position} is a {type(item).__name__}: give a text, a Row, or a mapping with a key 'text'")
