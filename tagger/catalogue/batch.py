"""Tag catalogue files from end to end: read, answer, write, and continue where an interrupted run was."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tagger.catalogue.answers import (
    About,
    Answer,
    Beside,
    Desk,
    Items,
    Setup,
    Slot,
    Workers,
    kept_answer,
    loaded,
    remembered_answer,
    work_out,
)
from tagger.catalogue.formats import format_of, stem_of
from tagger.catalogue.journal import REVIEW, ROWS, Journal, day_of, fingerprint, finish, held, resume, stats, unfinished
from tagger.catalogue.packed import pack, unpacking
from tagger.catalogue.summary import Summary, write_summary
from tagger.catalogue.tables import (
    Batch,
    Source,
    cell_text,
    check_target,
    find_inputs,
    open_inputs,
    open_source,
    runs_in_spreadsheet,
)
from tagger.catalogue.tables.inputs import ORIGIN_COLUMN, JoinedSource
from tagger.catalogue.tables.outputs import Encoder, encoder_for, open_sink, streams
from tagger.catalogue.tables.sheets import LONGEST_CELL
from tagger.catalogue.workbook import open_results
from tagger.collection import rare_collection
from tagger.errors import CatalogueError, InterruptionError, UsageError, WorkerError
from tagger.files import replacing
from tagger.records import TAG_COLUMNS, Row, join_columns
from tagger.review.database import database_url, shown
from tagger.review.feed import Waiting, batch_of, fill, remembering
from tagger.review.store import ReviewStore, review_path
from tagger.rulebook import Rulebook

ROWS_AT_ONCE = 2_000
_SECONDS_BETWEEN_COMMITS = 1.0
_LOGGED = 1_000  # unreadable rows; the output tells them all
_RUNS = frozenset("=+-@\t\r")  # what a cell begins with that a spreadsheet might run
_log = logging.getLogger("tagger.batch")


class Talk(Protocol):
    """Who is told how a run goes."""

    def rows(self, done: int, expected: int) -> None:
        """So many rows are done; 0 expected where nobody knows."""

    def say(self, message: str) -> None:
        """Something to know."""


class Silence:
    """Nobody is told."""

    def rows(self, done: int, expected: int) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Which columns to read and how to write.

    ``trade`` names the columns with origin, value_share, destination and end_use; ``review`` is the store for what people have
    to decide, a file or a URL, by default a file beside the output; ``only_missing`` keeps answers that the catalogue has;
    ``restart`` throws an unfinished run away; ``jobs`` is how many processes answer.
    """

    text: tuple[str, ...]
    id: str | None = None
    encoding: str | None = None
    sheets: tuple[str, ...] = ()
    safe_cells: bool = False
    trade: Mapping[str, str] = field(default_factory=dict)
    review: str | Path | None = None
    only_missing: bool = False
    restart: bool = False
    jobs: int = 1
    rows_at_once: int = ROWS_AT_ONCE

    @property
    def needed(self) -> list[str]:
        """Columns of the catalogue that are read."""
        return [*self.text, *([self.id] if self.id else []), *self.trade.values()]

    @property
    def lasting(self) -> dict[str, Any]:
        """Options that the output depends on."""
        return {k: v for k, v in json.loads(json.dumps(asdict(self))).items() if k not in ("restart", "jobs")}


def log_path(target: Path) -> Path:
    """Name of the log of a run: ``tagged.csv`` -> ``tagged.log``."""
    return target.with_name(f"{stem_of(target)}.log")


def summary_path(target: Path) -> Path:
    """Name of the summary of a run: ``tagged.csv`` -> ``tagged.summary.json``."""
    return target.with_name(f"{stem_of(target)}.summary.json")


def open_catalogue(sources: Sequence[Path], target: Path | None, options: BatchOptions) -> Source:
    """Open what is to be tagged, after checking the target and the columns; cheap beside loading a model.

    Parameters
    ----------
    sources : sequence of Path
        Files, folders, patterns.
    target : Path or None
        None where nothing will be written.
    options : BatchOptions

    Raises
    ------
    UsageError
        Where a column is unknown, source and target are one file, or the target cannot be written.
    CatalogueError
        Where a source cannot be read.
    """
    if target is not None:
        for source in sources:
            if source.is_file() and target.exists() and source.samefile(target):
                raise UsageError(f"{target} is the input itself: name another file to write")
        check_target(target)
    table = open_inputs(find_inputs(sources, target), options.encoding, options.sheets)
    for part in _parts(table):
        _positions(part, [*options.needed, *(["tag_outcome"] if options.only_missing else [])])
    return table


def _parts(table: Source) -> Sequence[Source]:
    return table.parts if isinstance(table, JoinedSource) else [table]


def _paths(table: Source) -> list[Path]:
    return list(dict.fromkeys(part.path for part in _parts(table)))


def tag_catalogue(table: Source, target: Path, options: BatchOptions, setup: Setup, talk: Talk | None = None) -> Summary:
    """Tag every row of a table and write them, in order, with the ``tag_`` columns.

    An interrupted run is continued where it was; its output is the same, byte for byte, as that of a run without a break.

    Parameters
    ----------
    table : Source
        From :func:`open_catalogue`.
    target : Path
        Format by suffix; it takes its name when it is complete, never before.
    options : BatchOptions
    setup : Setup
    talk : Talk, optional

    Returns
    -------
    Summary

    Raises
    ------
    CatalogueError
        Where the source cannot be read to its end or the target cannot be written.
    UsageError
        Where an unfinished run was made with something else.
    InterruptionError, WorkerError
        On Ctrl-C, or where a worker was ended or the disk is full; what is done is kept.
    """
    talk = talk or Silence()
    about = setup.about()
    columns = _columns(table, options, about)
    before = stats(_paths(table))
    prints = [fingerprint(path) for path in _paths(table)]
    made_with = {
        "inputs": [p.digest for p in prints],
        "model": about.model_id,
        "rules": about.book.rules_id,
        "assumptions": about.assumptions.id,
        "as_of": setup.as_of.isoformat(),
        "max_miss_rate": f"{about.clearing.max_miss_rate:g}",
        "gate": "as set" if setup.gate is None else str(setup.gate),
        "version": _version(),
        "options": options.lasting,
    }
    review = options.review or review_path(target)
    summary = Summary(_named(table), target, shown(database_url(review)), table.about)
    summary.made_with = {k: str(v) for k, v in made_with.items() if k not in ("inputs", "options")}
    with held(target) as folder:
        journal = resume(folder, made_with, restart=options.restart)
        summary.restore(journal.at.summary)
        run = _Run(table, target, options, summary, journal, columns, talk)
        run.expected = _expected(table, [p.lines for p in prints])
        _log.info("%s -> %s, %s, %s", summary.source, target, table.about, json.dumps(made_with, ensure_ascii=False))
        try:
            run.answer(setup, about)
            if stats(_paths(table)) != before:
                raise CatalogueError(f"{summary.source} changed while it was read: run the command again")
            run.complete(about)
        except KeyboardInterrupt:
            _log.warning("interrupted, %d rows are kept", journal.at.rows)
            raise InterruptionError(f"interrupted; {journal.at.rows:,} rows are kept, the same command continues") from None
        except OSError as error:
            _log.exception("the disk does not take more")
            raise unfinished(error, journal.at.rows) from error
        except BrokenProcessPool:
            _log.exception("a worker is gone")
            kept = f"{journal.at.rows:,} rows are kept, the same command continues"
            raise WorkerError(f"a worker process was ended from outside, perhaps for want of memory; {kept}") from None
        except CatalogueError as error:  # the same input would end at the same place again
            _log.error("%s", error)
            journal.close()
            finish(folder)
            raise
        finally:
            journal.close()
        finish(folder)
    return summary


def _version() -> str:
    from tagger import __version__

    return __version__


def _named(table: Source) -> str:
    paths = _paths(table)
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files: " + ", ".join(p.name for p in paths)


def _expected(table: Source, lines: Sequence[int]) -> int:
    """How many rows there will be, about; 0 where nobody knows."""
    parts = _parts(table)
    known = [getattr(p, "rows", None) for p in parts]
    if all(known):
        return sum(int(n) for n in known if n)
    text = [getattr(p, "encoding", None) is not None for p in parts]
    return max(0, sum(lines) - len(lines)) if all(text) else 0


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the cells stand that a row is made of."""

    text: list[int]
    id: int | None
    extra: dict[str, int]
    tags: dict[str, int] = field(default_factory=dict)


def _columns(table: Source, options: BatchOptions, about: About) -> _Columns:
    own = about.assumptions.columns
    return _Columns(
        _positions(table, options.text),
        _positions(table, (options.id,))[0] if options.id else None,
        dict(zip(options.trade, _positions(table, list(options.trade.values())), strict=True))
        | dict(zip(own, _positions(table, own), strict=True)),
        {n: table.columns.index(n) for n in TAG_COLUMNS if n in table.columns} if options.only_missing else {},
    )


def _positions(table: Source, names: Sequence[str]) -> list[int]:
    for name in names:
        if name not in table.columns:
            known = ", ".join(repr(c) for c in table.columns)
            hint = ": --only-missing fills a catalogue that `tagger batch` wrote" if name == "tag_outcome" else ""
            raise UsageError(f"{table.path} has no column {name!r}{hint or f'; its columns are: {known}'}")
    return [table.columns.index(name) for name in names]


@dataclass(frozen=True, slots=True)
class _Written:
    """A batch on its way: its ids and texts, and the places of their answers."""

    batch: Batch
    ids: list[str]
    texts: list[str]
    slots: list[Slot]
    kept: int  # rows that had an answer


@dataclass(slots=True)
class _Run:
    """One run over a table."""

    table: Source
    target: Path
    options: BatchOptions
    summary: Summary
    journal: Journal
    columns: _Columns
    talk: Talk
    expected: int = 0
    committed: float = 0.0
    desk: Desk = field(default_factory=Desk)

    @property
    def added(self) -> list[str]:
        """Names of the added columns."""
        return [*([ORIGIN_COLUMN] if isinstance(self.table, JoinedSource) else []), *TAG_COLUMNS]

    @property
    def review(self) -> str | Path:
        """The store for what people have to decide."""
        return self.options.review or review_path(self.target)

    def answer(self, setup: Setup, about: About) -> None:
        """Answer all rows that have no answer yet and append them to the files of the journal."""
        began = self.committed = time.monotonic()
        encoder = encoder_for(self.target, self.table, self.added, safe_cells=self.options.safe_cells) if self.streams else _Tags()
        if self.journal.at.batches == 0:
            self.journal.append(ROWS, pack(encoder.head(), self._packing))
        else:
            self.talk.say(f"continuing after {self.journal.at.rows:,} rows of an interrupted run")
            _log.info("continuing after %d rows", self.journal.at.rows)
        with rare_collection(), Workers(setup, self.options.jobs) as workers, remembering(self.review, about.book) as store:
            memory = _Memory(store, setup, about.book.rules_id)
            wave: list[_Written] = []
            slots: list[Slot] = []
            found: Iterator[list[Answer]] = iter(())
            for following, all_slots, all_items in self._waves(workers.appetite):  # read while others work on the wave before
                self._fill(slots, found)
                slots, items = memory.answer(all_slots, all_items)
                found = workers.start(items)
                self._write(wave, encoder)  # while others work
                wave = following
            self._fill(slots, found)
            self._write(wave, encoder)
        self.journal.commit()
        self.summary.seconds = time.monotonic() - began
        _log.info("%d rows answered, %.0f rows/s", self.summary.rows, self.summary.rate)

    @property
    def streams(self) -> bool:
        """Whether the output is written row by row."""
        return streams(self.target)

    @property
    def _packing(self) -> str:
        return format_of(self.target)[1] if self.streams else ".gz"

    def _fill(self, slots: Sequence[Slot], found: Iterator[list[Answer]]) -> None:
        at = 0
        for answers in found:
            self.desk.fill(slots[at : at + len(answers)], answers)
            at += len(answers)

    def _waves(self, appetite: int) -> Iterator[tuple[list[_Written], list[Slot], Items]]:
        """Batches that are answered together, with the distinct items among them that have no answer yet."""
        batches = self.table.batches(self.options.rows_at_once)
        done = self.journal.at.rows
        fresh = itertools.islice(batches, self.journal.at.batches, None)
        while wave := list(itertools.islice(fresh, appetite)):
            written: list[_Written] = []
            slots: list[Slot] = []
            items: list[Items] = []
            for batch in wave:
                one, new_slots, new_items = self._ask(batch, done)
                done += len(one.ids)
                written.append(one)
                slots += new_slots
                items.append(new_items)
            yield written, slots, Items.joined(items)

    def _ask(self, batch: Batch, done: int) -> tuple[_Written, list[Slot], Items]:
        """A batch with the places of its answers, and what of it nobody has asked yet."""
        ids, items = _read(batch, self.columns, done)
        kept = self._kept(batch, items.texts)
        asked = items.part([at for at in range(len(ids)) if at not in kept]) if kept else items
        found, new = self.desk.slots(asked.keys())
        self.summary.distinct += len(new)
        others = iter(found)
        slots = [kept[at] if at in kept else next(others) for at in range(len(ids))]
        return _Written(batch, ids, items.texts, slots, len(kept)), [found[at] for at in new], asked.part(new)

    def _kept(self, batch: Batch, texts: Sequence[str]) -> dict[int, Slot]:
        """The answers that rows of an already tagged catalogue have."""
        found: dict[int, Slot] = {}
        for i, cells in enumerate(batch.rows) if self.columns.tags else ():
            tags = {name: cell_text(cells[at]) for name, at in self.columns.tags.items() if at < len(cells)}
            if tags.get("tag_outcome"):
                found[i] = Slot(kept_answer(tags, texts[i]))
        return found

    def _write(self, wave: Sequence[_Written], encoder: Encoder) -> None:
        for one in wave:
            answers = [slot.taken() for slot in one.slots]
            tags = [a.tags for a in answers]
            if format_of(self.target)[0] == ".xlsx":
                _check_cells(one.batch, self.summary.rows)
            shown = [(one.batch.origin, *t) for t in tags] if isinstance(self.table, JoinedSource) else tags
            self.journal.append(ROWS, pack(encoder.rows(one.batch, shown), self._packing))
            self._note(one, answers)
            self._count(one, tags)
            at = self.journal.at
            at.batches += 1
            at.rows = self.summary.rows
            at.summary = self.summary.state()
            if time.monotonic() - self.committed > _SECONDS_BETWEEN_COMMITS:
                self.journal.commit()
                self.committed = time.monotonic()
            self.talk.rows(self.summary.rows, self.expected)

    def _note(self, one: _Written, answers: Sequence[Answer]) -> None:
        """Keep what the review store will hold of rows that a person has to look at."""
        first = self.summary.rows + 1
        lines = [
            b"[%d,%s,%s]\n" % (first + at, json.dumps(one.ids[at]).encode("ascii"), answer.detail)
            for at, answer in enumerate(answers)
            if answer.detail
        ]
        if lines:
            self.journal.append(REVIEW, pack(b"".join(lines), ".gz"))

    def _count(self, one: _Written, tags: Sequence[Sequence[Any]]) -> None:
        if format_of(self.target)[0] in (".csv", ".tsv", ".txt"):
            self.summary.formula_cells += _formula_cells(one.batch)
        self.summary.kept += one.kept
        self.summary.faults += len(one.batch.faults)
        for i, fault in one.batch.faults.items():
            if self.summary.faults <= _LOGGED:
                _log.warning("row %d: %s", self.summary.rows + i + 1, fault)
        self.summary.add(tags, one.ids, one.texts)

    def complete(self, about: About) -> None:
        """Write the review queue, the summary and, last, the output under its name."""
        queue_rows(self.journal.folder / REVIEW, self, about.book)
        write_summary(self.summary, summary_path(self.target))
        if self.streams:
            _publish(self.journal.folder / ROWS, self.target)
        elif format_of(self.target)[0] == ".xlsx":
            with open_results(self.target, self.table, self.added, (self.summary, about.book)) as results:
                for batch, tags in self._again():
                    results.write(batch, tags)
        else:
            with open_sink(self.target, self.table, self.added) as sink:
                for batch, tags in self._again():
                    sink.write(batch, tags)
        _log.info("done: %d rows, %s", self.summary.rows, dict(self.summary.outcomes))

    def _again(self) -> Iterator[tuple[Batch, list[list[Any]]]]:
        """The rows once more, with the answers that were kept."""
        with unpacking(self.journal.folder / ROWS, ".gz") as answers:
            for batch in self.table.batches(self.options.rows_at_once):
                yield batch, [json.loads(line) for line in itertools.islice(answers, len(batch.rows))]


@dataclass(slots=True)
class _Memory:
    """Answers what people decided before, without asking the workers."""

    store: ReviewStore | None
    setup: Setup
    rules_id: str

    def answer(self, slots: Sequence[Slot], items: Items) -> tuple[list[Slot], Items]:
        """Fill the places of remembered items, and return the others with theirs."""
        if self.store is None or not items.texts:
            return list(slots), items
        past = self.store.recall([(text, self.rules_id) for text in items.texts])
        for at, answers in enumerate(past):
            if answers:
                slots[at].answer = remembered_answer(loaded(self.setup), items.part([at]), answers)
        rest = [at for at, answers in enumerate(past) if not answers]
        return [slots[at] for at in rest], items.part(rest)


class _Tags:
    """The added columns alone, a line a row, where the output is put together at the end."""

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, batch: Batch, tags: Sequence[Sequence[Any]]) -> bytes:
        """Lines of JSON."""
        return "".join(json.dumps(tag) + "\n" for tag in tags).encode("ascii")


def queue_rows(kept: Path, run: _Run, book: Rulebook) -> None:
    """Fill the review store from a run: the one place that knows how rows get into it."""
    options = run.options
    batch = batch_of(run.target, _paths(run.table)[0], options.text, options.id)
    with unpacking(kept, ".gz") as lines:
        fill(run.review, batch, book, (Waiting(*json.loads(line)) for line in lines), run.summary.rows)


def _publish(part: Path, target: Path) -> None:
    """Give the finished rows their name; they also stay where they are until the run is over."""
    with replacing(target) as temporary:
        temporary.unlink()
        try:
            os.link(part, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(part, temporary)


def find_row(source: Path, wanted: str, text: tuple[str, ...], id: str | None = None) -> Row:
    """Find one row of a catalogue.

    Parameters
    ----------
    source : Path
    wanted : str
        Its id; without an id column, its number, the first row of data being 1.
    text : tuple of str
        Columns with the description.
    id : str, optional

    Raises
    ------
    UsageError
        Where a column or the row is not there, or several rows have the id.
    """
    table = open_source(source)
    positions = _Columns(_positions(table, text), _positions(table, (id,))[0] if id else None, {})
    rows: list[Row] = []
    done = 0
    for batch in table.batches(ROWS_AT_ONCE):
        ids, items = _read(batch, positions, done)
        rows += [Row(id, text) for id, text in zip(ids, items.texts, strict=True) if id == wanted]
        done += len(ids)
    if len(rows) != 1:
        found = f"{len(rows)} rows" if rows else "no row"
        raise UsageError(f"{source} has {found} with {f'{id} {wanted!r}' if id else f'the number {wanted}, of {done}'}")
    return rows[0]


def _read(batch: Batch, columns: _Columns, done: int) -> tuple[list[str], Items]:
    """Ids of the rows of a batch, their number where they have none, and what their answers are made of."""
    rows = batch.rows
    parts = [_column(rows, at) for at in columns.text]
    texts = [text.strip() for text in parts[0]] if len(parts) == 1 else [join_columns(cells) for cells in zip(*parts, strict=True)]
    numbers = range(done + 1, done + len(rows) + 1)
    if columns.id is None:
        ids = list(map(str, numbers))
    else:
        cells = zip(_column(rows, columns.id), rows, numbers, strict=True)
        ids = [cell if columns.id < len(row) else str(n) for cell, row, n in cells]
    beside = {n: Beside({}, fault) for n, fault in batch.faults.items()}
    if columns.extra:
        for n, row in enumerate(rows):
            extra = {name: cell_text(row[at]) for name, at in columns.extra.items() if at < len(row)}
            beside[n] = Beside(extra, batch.faults.get(n, ""))
    return ids, Items(texts, beside)


def _column(rows: Sequence[Sequence[Any]], at: int) -> list[str]:
    """One column as texts; nothing where a row is too short."""
    try:
        return [cell if type(cell := row[at]) is str else cell_text(cell) for row in rows]
    except IndexError:
        return [cell_text(row[at]) if at < len(row) else "" for row in rows]


def _check_cells(batch: Batch, done: int) -> None:
    """Refuse a cell that a workbook cannot hold when it comes, not after hours."""
    for i, row in enumerate(batch.rows):
        for cell in row:
            if isinstance(cell, str) and len(cell) > LONGEST_CELL:
                raise CatalogueError(
                    f"row {done + i + 2} has a cell of {len(cell):,} characters, XLSX holds {LONGEST_CELL:,}: write .csv instead"
                )


def _formula_cells(batch: Batch) -> int:
    return sum(1 for row in batch.rows for cell in row if isinstance(cell, str) and cell[:1] in _RUNS and runs_in_spreadsheet(cell))


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would read, and how long it would take."""

    source: str
    about: str
    columns: tuple[str, ...]
    rows: int
    faults: int
    with_answer: int
    distinct_share: float
    rows_a_second: float

    @property
    def seconds(self) -> float:
        """Estimate for the answers alone."""
        todo = (self.rows - self.with_answer) * self.distinct_share
        return todo / self.rows_a_second if self.rows_a_second else 0.0


_SAMPLE = 1_000


def preview(table: Source, options: BatchOptions, setup: Setup) -> Preview:
    """Read a table to its end and time a sample of its rows; nothing is written.

    Parameters
    ----------
    table : Source
        From :func:`open_catalogue`.
    options : BatchOptions
    setup : Setup

    Raises
    ------
    CatalogueError
        Where the source cannot be read to its end.
    """
    columns = _columns(table, options, setup.about())
    sample = Items([])
    rows = faults = answered = 0
    for batch in table.batches(options.rows_at_once):
        every = max(1, (rows + len(batch.rows)) // _SAMPLE)
        if len(sample.texts) >= 2 * _SAMPLE:
            sample = sample.part(range(0, len(sample.texts), 2))
        _, items = _read(batch, columns, rows)
        sample = Items.joined((sample, items.part(range(0, len(items.texts), every))))
        at = columns.tags.get("tag_outcome")
        answered += sum(1 for r in batch.rows if at is not None and at < len(r) and cell_text(r[at]))
        rows += len(batch.rows)
        faults += len(batch.faults)
    size = len(sample.texts)
    distinct = len(set(sample.keys())) / max(1, size)
    rate = _rate(setup, sample.part(range(min(_SAMPLE, size)))) * max(1, options.jobs) if size else 0.0
    return Preview(_named(table), table.about, tuple(table.columns), rows, faults, answered, distinct, rate)


def _rate(setup: Setup, sample: Items) -> float:
    tagger = setup.load()
    work_out(tagger, sample.part([0]))
    distinct = sample.part(Desk().slots(sample.keys())[1])
    began = time.perf_counter()
    work_out(tagger, distinct)
    return len(distinct.texts) / (time.perf_counter() - began)


def day_for(target: Path, given: dt.date | None) -> dt.date:
    """The day for the legal status: the given one, else that of an unfinished run, else today."""
    return given or (dt.date.fromisoformat(found) if (found := day_of(target)) else dt.date.today())
