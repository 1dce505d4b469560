"""The command line: parse, call the function of the same name, print. Results on stdout, talk on stderr."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_command_name

from tagger import __version__
from tagger.errors import InterruptionError, RulebookError, TaggerError, UsageError

if TYPE_CHECKING:
    import click
    from rich.console import Console
    from typer.models import CommandInfo

    from tagger.pipeline import Tagger
    from tagger.rulebook import Rulebook


def _later(source: Callable[[], typer.Typer]) -> type[TyperGroup]:
    """A group that makes the one command that is asked for, or all for its help: typer takes a twentieth of a start for all."""

    class Later(TyperGroup):
        _made_all = False

        def list_commands(self, ctx: click.Context) -> list[str]:
            self._make_all()
            return super().list_commands(ctx)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            made = super().get_command(ctx, cmd_name)
            if made is not None:
                return made
            alone = next((info for info in source().registered_commands if _name(info) == cmd_name), None)
            if alone is not None:
                one = typer.Typer(name=cmd_name, add_completion=False, rich_markup_mode=None)
                one.registered_commands.append(alone)
                return typer.main.get_command(one)
            self._make_all()  # a group, or a slip for which click names the likely command
            return super().get_command(ctx, cmd_name)

        def _make_all(self) -> None:
            if not self._made_all:
                self.commands = {**typer.main.get_group(source()).commands, **self.commands}
                self._made_all = True

    return Later


def _name(info: CommandInfo) -> str:
    return info.name or (get_command_name(info.callback.__name__) if info.callback else "")


def _review_commands() -> typer.Typer:
    from tagger.commands_review_web import review_app

    return review_app


_commands = typer.Typer(rich_markup_mode=None)
_rules_commands = typer.Typer(rich_markup_mode=None)
app = typer.Typer(
    cls=_later(lambda: _commands),
    name="tagger",
    help="Tag product texts with the export-control categories of China's MOFCOM announcements. Not legal advice.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    suggest_commands=False,  # click itself does
)
app.add_typer(
    typer.Typer(
        cls=_later(lambda: _rules_commands),
        help="The law as data: list and show clauses, legal status on a day.",
        no_args_is_help=True,
        rich_markup_mode=None,
    ),
    name="rules",
)
app.add_typer(
    typer.Typer(
        cls=_later(_review_commands),
        help="Review what the tagger is not sure of: look, decide, exchange files, check the log.",
        no_args_is_help=True,
        rich_markup_mode=None,
    ),
    name="review",
)

_STDIN_AT_ONCE = 256
_COLLECTED_AFTER = 50_000  # new objects: what is loaded at a start holds no cycles, and looking for them takes a tenth of it
ModelOption = Annotated[Path | None, typer.Option("--model", help="Model folder; the shipped one by default.")]
RulesOption = Annotated[Path | None, typer.Option("--rules", help="Rulebook folder; the shipped one by default.")]
MaxMissRateOption = Annotated[
    float | None,
    typer.Option(
        "--max-miss-rate",
        help="Share of controlled items that may be cleared automatically, such as 0.01; the model's own promise by default.",
    ),
]
AssumptionsOption = Annotated[
    Path | None, typer.Option("--assumptions", help="Your own file of standing assumptions (TOML); none by default.")
]
OriginOption = Annotated[str | None, typer.Option("--origin", help="Country in which the goods were made.")]
ValueShareOption = Annotated[
    str | None, typer.Option("--value-share", help="Share of their value, in %, that is Annex 1 part 1 material from China.")
]
DestinationOption = Annotated[str | None, typer.Option("--destination", help="Country to which the goods go.")]
EndUseOption = Annotated[str | None, typer.Option("--end-use", help="End user and end use, in words.")]
AsOfOption = Annotated[
    dt.datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Day for the legal status; today by default.")
]
TextColumnOption = Annotated[str, typer.Option("--text", help="Column with the description.")]
DecisionColumnOption = Annotated[
    str, typer.Option("--decision", help="Column with the right answer: controlled, not_controlled, unrelated or review.")
]
CategoryColumnOption = Annotated[str, typer.Option("--category", help="Column with the right category; none where unrelated.")]
GateOption = Annotated[
    bool,
    typer.Option("--gate/--no-gate", help="Settle everyday goods by the quick gate first, or send every row down the full road."),
]
OnOption = Annotated[
    dt.datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Day for the legal status; today by default.")
]


def _day(value: dt.datetime | None) -> dt.date:
    return value.date() if value else dt.date.today()


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 160)


def _load(
    model: Path | None,
    rules: Path | None,
    as_of: dt.datetime | None,
    assumptions: Path | None = None,
    max_miss_rate: float | None = None,
    *,
    gate: bool = True,
) -> Tagger:
    from tagger.pipeline import Tagger

    return Tagger.load(model, rules, _day(as_of), assumptions, max_miss_rate, gate=None if gate else False)


def _given(**values: str | None) -> dict[str, str]:
    """The options that were given."""
    return {name: value for name, value in values.items() if value is not None}


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tagger {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Options before the command."""


@_commands.command()
def tag(
    text: Annotated[str, typer.Argument(help="The product text; - reads standard input, a line an item.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    origin: OriginOption = None,
    value_share: ValueShareOption = None,
    destination: DestinationOption = None,
    end_use: EndUseOption = None,
    as_of: AsOfOption = None,
    assumptions: AssumptionsOption = None,
    max_miss_rate: MaxMissRateOption = None,
    model: ModelOption = None,
    rules: RulesOption = None,
    gate: GateOption = True,
) -> None:
    """Answer for one text, or for every line of standard input."""
    from tagger.screen import show_decision

    tagger = _load(model, rules, as_of, assumptions, max_miss_rate, gate=gate)
    trade = _given(origin=origin, value_share=value_share, destination=destination, end_use=end_use)
    for texts in _texts(text):
        for item, decision in zip(texts, tagger.tag_many({"text": t, **trade} for t in texts), strict=True):
            if as_json:
                typer.echo(json.dumps({"text": item, **decision.as_dict()}, ensure_ascii=False))
            else:
                show_decision(decision, item, tagger.book)


def _texts(text: str) -> Iterator[list[str]]:
    """The text itself, or the lines of standard input in pieces; at a terminal each line is answered at once."""
    if text != "-":
        yield [text]
        return
    at_once = 1 if sys.stdin.isatty() else _STDIN_AT_ONCE
    piece: list[str] = []
    for raw in sys.stdin.buffer:
        piece.append(raw.decode("utf-8", errors="replace").rstrip("\r\n"))
        if len(piece) >= at_once:
            yield piece
            piece = []
    if piece:
        yield piece


@_commands.command()
def batch(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN...",
            help="Catalogues, folders or patterns: .csv .tsv .txt .jsonl (also .gz, .zst) .xlsx .xls .xlsb .ods .parquet .arrow",
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Tagged catalogue; the suffix chooses the format.")],
    text: Annotated[list[str], typer.Option("--text", help="Column with the description; repeat it to join several.")],
    id: Annotated[str | None, typer.Option("--id", help="Column with the row's id; the row number by default.")] = None,
    as_of: AsOfOption = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Encoding of a text file; detected by default.")] = None,
    sheet: Annotated[
        list[str] | None, typer.Option("--sheet", help="Sheet of a workbook, repeatable, * for all; the first by default.")
    ] = None,
    origin: Annotated[str | None, typer.Option("--origin", help="Column with the country in which the goods were made.")] = None,
    value_share: Annotated[
        str | None,
        typer.Option("--value-share", help="Column with the share of value, in %, of Annex 1 part 1 material from China."),
    ] = None,
    destination: Annotated[str | None, typer.Option("--destination", help="Column with the country to which the goods go.")] = None,
    end_use: Annotated[str | None, typer.Option("--end-use", help="Column with end user and end use, in words.")] = None,
    assumptions: AssumptionsOption = None,
    max_miss_rate: MaxMissRateOption = None,
    safe_cells: Annotated[
        bool,
        typer.Option("--safe-cells", help="In CSV output, put an apostrophe before source cells that a spreadsheet would run."),
    ] = False,
    review: Annotated[
        str | None,
        typer.Option(
            "--review",
            envvar="TAGGER_REVIEW",
            help="Review store to fill: a file or a postgresql+psycopg:// URL; OUT.review.sqlite beside the output by default.",
        ),
    ] = None,
    only_missing: Annotated[
        bool, typer.Option("--only-missing", help="IN was tagged before: keep its answers, fill only rows without one.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what an interrupted run has left, and begin again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell rows, encoding, columns and an estimate; write nothing.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes that answer; 0 for one a core.")] = 1,
    report: Annotated[Path | None, typer.Option("--report", help="HTML page of the run to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    model: ModelOption = None,
    rules: RulesOption = None,
    gate: GateOption = True,
    engine: Annotated[
        str, typer.Option("--engine", help="local, or spark: then IN is a folder of Parquet or CSV files, and OUT a new folder.")
    ] = "local",
    master: Annotated[str, typer.Option("--master", help="With --engine spark: URL of the Spark master.")] = "local[*]",
) -> None:
    """Tag a catalogue: every row and column comes back, in order, with tag_ columns; unsure rows also go into a review queue.

    An interrupted run is continued by the same command. Exit status: 0 done, 1 an input or output is at fault, 2 the command is,
    130 interrupted.
    """
    from tagger.catalogue.answers import Setup

    if engine not in ("local", "spark"):
        raise UsageError(f"no engine {engine!r}: give local or spark")
    trade = _given(origin=origin, value_share=value_share, destination=destination, end_use=end_use)
    used_model, used_rules, stated = (str(p) if p else None for p in (model, rules, assumptions))
    setup = Setup(used_model, used_rules, stated, max_miss_rate=max_miss_rate, gate=None if gate else False)
    if engine == "spark":
        from tagger.catalogue.spark import tag_folder

        if len(sources) != 1:
            raise UsageError("--engine spark reads one folder: name one IN and one OUT")
        _not_for_spark(
            encoding=encoding,
            sheet=sheet,
            safe_cells=safe_cells,
            review=review if review != os.environ.get("TAGGER_REVIEW") else None,
            only_missing=only_missing,
            restart=restart,
            dry_run=dry_run,
            jobs=jobs != 1,
            report=report,
        )
        setup = replace(setup, as_of=_day(as_of) or dt.date.today())
        cells = {"text": text, "id": id, "trade": trade}
        typer.echo(json.dumps(tag_folder(sources[0], target, cells, setup, master), ensure_ascii=False))
        return
    from tagger.catalogue.batch import BatchOptions, day_for, log_path, open_catalogue, preview, tag_catalogue
    from tagger.catalogue.summary import summary_dict
    from tagger.display import show_preview, show_summary

    options = BatchOptions(
        tuple(text), id, encoding, tuple(sheet or ()), safe_cells, trade, review, only_missing, restart, jobs or os.cpu_count() or 1
    )
    if report is not None:
        from tagger.page import check_pictures

        check_pictures()
    # a wrong file or column is told before the model is loaded
    table = open_catalogue(sources, None if dry_run else target, options)
    day = _day(as_of) if restart else day_for(target, as_of.date() if as_of else None)
    setup = replace(setup, as_of=day)
    if dry_run:
        found = preview(table, options, setup)
        if as_json:
            typer.echo(json.dumps({**asdict(found), "seconds": found.seconds}, ensure_ascii=False))
        else:
            show_preview(_console(), found)
        return
    with _logging(log_path(target)), _termination(), _ProgressLine(_console(stderr=True)) as talk:
        summary = tag_catalogue(table, target, options, setup, talk)
    if report is not None:
        from tagger.catalogue.report import write_run_report

        write_run_report(summary, report)
    if as_json:
        typer.echo(json.dumps(summary_dict(summary), ensure_ascii=False))
    else:
        show_summary(_console(), summary)


@contextlib.contextmanager
def _logging(path: Path) -> Iterator[None]:
    """Append what a run does to a log that support can read; it holds no text of the catalogue."""
    logger = logging.getLogger("tagger.batch")
    handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def _termination() -> Iterator[None]:
    """A request to end (SIGTERM) ends a run as Ctrl-C does: what is done is kept."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _not_for_spark(**options: object) -> None:
    """Refuse options that Spark would not hear, rather than do without them."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if given:
        raise UsageError(f"--engine spark has no {', '.join(given)}: leave it out, or use the local engine")


class _ProgressLine:
    """A progress line on stderr: rows, rows a second, time left; nothing where stderr is not a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.completed:,.0f} rows"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._console = console
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task("tagging", total=None, rate="")
        self._first = -1

    def __enter__(self) -> _ProgressLine:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def rows(self, done: int, expected: int) -> None:
        """So many rows are done."""
        self._first = done if self._first < 0 else self._first  # rows of an interrupted run took no time now
        elapsed = self._progress.tasks[0].elapsed or 0.0
        rate = f"{(done - self._first) / elapsed:,.0f} rows/s" if elapsed > 0 else ""
        self._progress.update(self._task, completed=done, total=max(done, expected) if expected else None, rate=rate)

    def say(self, message: str) -> None:
        """Something to know."""
        self._console.print(message, soft_wrap=True)


@_commands.command()
def dossier(
    item: Annotated[str, typer.Argument(help="The product text; with --from, the id (or, without --id, the number) of a row.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write, .md or .docx; Markdown on stdout by default.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Catalogue that the row stands in.")] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="With --from: column with the description; repeatable.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="With --from: column with the row's id.")] = None,
    origin: OriginOption = None,
    value_share: ValueShareOption = None,
    destination: DestinationOption = None,
    end_use: EndUseOption = None,
    as_of: AsOfOption = None,
    assumptions: AssumptionsOption = None,
    max_miss_rate: MaxMissRateOption = None,
    model: ModelOption = None,
    rules: RulesOption = None,
) -> None:
    """Write the statement that customs asks for: figures, uses, reasons, clause by clause."""
    from tagger.catalogue.batch import find_row
    from tagger.dossier import dossier as build
    from tagger.dossier import to_markdown, write_dossier
    from tagger.records import Row

    trade = _given(origin=origin, value_share=value_share, destination=destination, end_use=end_use)
    if source is None and (text or id):
        raise UsageError("--text and --id name columns of a catalogue: give it with --from")
    if source is not None and not text:
        raise UsageError("--from needs --text, the column with the description")
    row = find_row(source, item, tuple(text or ()), id) if source else Row("", item)
    tagger = _load(model, rules, as_of, assumptions, max_miss_rate)
    decision = tagger.tag_many([Row(row.id, row.text, {**row.extra, **trade})])[0]
    blocks = build(row.text, decision, tagger.book)
    if out is None:
        typer.echo(to_markdown(blocks))
    else:
        write_dossier(blocks, out)
        typer.echo(f"{out}: {decision.outcome} {' '.join(decision.codes)}".rstrip())


@_commands.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Tagged catalogue.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The same catalogue, tagged again.")],
    id: Annotated[str | None, typer.Option("--id", help="Column that names a row; its position by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Show which rows of two tagged catalogues differ in outcome, code or status, and why."""
    from tagger.catalogue.tagged import compare_tagged, comparison_dict
    from tagger.display import show_comparison

    found = compare_tagged(old, new, id)
    if as_json:
        typer.echo(json.dumps(comparison_dict(found), ensure_ascii=False))
    else:
        show_comparison(_console(), found)


@_commands.command()
def questions(
    source: Annotated[Path, typer.Argument(metavar="OUT", help="Tagged catalogue.")],
    by: Annotated[str | None, typer.Option("--by", help="Column with the supplier; all together by default.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="Column that names a row; its number by default.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Table to write (.csv .tsv .xlsx .jsonl .parquet); letters on stdout by default.")
    ] = None,
) -> None:
    """Gather the open questions of a tagged catalogue, each once a supplier, in English and Chinese."""
    from tagger.catalogue.tagged import letters, questions_of, write_questions

    asks = questions_of(source, by, id)
    if out is not None:
        write_questions(asks, out)
        typer.echo(f"{out}: {len(asks)} question(s) to {len({a.supplier for a in asks})} supplier(s)")
    elif asks:
        typer.echo(letters(asks))
    else:
        typer.echo("no row waits for an answer")


@_commands.command()
def evaluate(
    source: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Labelled rows: a table, or a folder of *.jsonl, with text, decision and category."),
    ],
    report: Annotated[
        Path | None, typer.Option("--report", help="HTML page to write; its figures also as .json beside it.")
    ] = None,
    text: TextColumnOption = "text",
    decision: DecisionColumnOption = "decision",
    category: CategoryColumnOption = "category",
    against: Annotated[
        Path | None, typer.Option("--against", help="Folder of another model: show what --model gains or loses against it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON.")] = False,
    as_of: AsOfOption = None,
    assumptions: AssumptionsOption = None,
    max_miss_rate: MaxMissRateOption = None,
    model: ModelOption = None,
    rules: RulesOption = None,
) -> None:
    """Measure the answers on labelled rows: false clears with their bound, false alarms, review, categories, calibration."""
    from tagger.catalogue.labelled import LabelColumns, read_labelled
    from tagger.display import show_evaluation, show_gain
    from tagger.learning.evaluation import evaluate as measure
    from tagger.learning.evaluation import evaluation_dict
    from tagger.records import Row

    if report is not None:
        from tagger.files import write_text
        from tagger.learning.report import write_report
        from tagger.page import check_pictures

        check_pictures()
    tagger = _load(model, rules, as_of, assumptions, max_miss_rate)
    examples = read_labelled(source, tagger.book.labels, LabelColumns(text, decision, category))
    other = _load(against, rules, as_of, assumptions, max_miss_rate) if against else None
    rows = [Row(e.id, e.text) for e in examples]
    found = measure(examples, tagger.tag_many(rows))
    before = measure(examples, other.tag_many(rows)) if other else None
    if report is not None:
        write_report(found, report, str(source))
        write_text(report.with_suffix(".json"), json.dumps(evaluation_dict(found), ensure_ascii=False, indent=1) + "\n")
    if as_json:
        figures = evaluation_dict(found) | ({"against": evaluation_dict(before)} if before else {})
        typer.echo(json.dumps(figures, ensure_ascii=False))
    else:
        show_evaluation(_console(), found)
        if before:
            show_gain(_console(), before, found)


@_commands.command()
def train(
    data: Annotated[Path, typer.Option("--data", help="Folder with training rows (*.jsonl).")] = Path("training_data"),
    out: Annotated[Path, typer.Option("--out", help="Folder of the model.")] = Path("models/default"),
    rules: RulesOption = None,
) -> None:
    """Train a model from labelled rows: the same rows give the same model."""
    from tagger.learning.training import train as fit
    from tagger.rulebook import load_rulebook

    talk = _console(stderr=True)
    figures = fit(data, out, load_rulebook(rules), say=lambda message: talk.print(message, soft_wrap=True))
    typer.echo(json.dumps({"model": str(out), **figures}, ensure_ascii=False, indent=1))


@_commands.command()
def calibrate(
    source: Annotated[
        Path,
        typer.Argument(metavar="LABELLED", help="Rows of your own with their labels: a table with text, decision and category."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the recalibrated model, for --model.")],
    text: TextColumnOption = "text",
    decision: DecisionColumnOption = "decision",
    category: CategoryColumnOption = "category",
    max_miss_rate: MaxMissRateOption = None,
    model: ModelOption = None,
    rules: RulesOption = None,
) -> None:
    """Recalibrate what may be cleared automatically on labelled rows of your own catalogue."""
    from tagger.catalogue.labelled import LabelColumns, read_labelled
    from tagger.display import show_clearing
    from tagger.learning.calibration import calibrate as recalibrate
    from tagger.scores.bundle import default_model

    book = _book(rules)
    examples = read_labelled(source, book.labels, LabelColumns(text, decision, category))
    show_clearing(_console(), recalibrate(model or default_model(), examples, out, book, max_miss_rate))


@_rules_commands.command("list")
def rules_list(
    category: Annotated[str | None, typer.Option("--category", help="Only this category.")] = None,
    announcement: Annotated[str | None, typer.Option("--announcement", help="Only this announcement, such as 2025-58.")] = None,
    on: OnOption = None,
    rules: RulesOption = None,
) -> None:
    """List the clauses: code, status on the day, category, item."""
    from tagger.display import show_clauses

    book = _book(rules)
    if category and category not in book.labels:
        raise UsageError(f"no category {category!r}; the categories are: {', '.join(book.labels)}")
    if announcement:
        book.announcement(announcement)
    chosen = [c for c in book.clauses if category in (None, c.category) and announcement in (None, c.announcement)]
    show_clauses(_console(), book, chosen, _day(on))


@_rules_commands.command("show")
def rules_show(
    code: Annotated[str, typer.Argument(help="Clause code, such as 3B901.c.1.a, or the id of a cross-cutting rule.")],
    on: OnOption = None,
    rules: RulesOption = None,
) -> None:
    """Show one clause with its parameters, exclusions, tariff hints, status and source."""
    from tagger.display import show_clause, show_rule

    book = _book(rules)
    rule = next((r for r in book.rules if r.id == code), None)
    if rule is not None:
        show_rule(_console(), book, rule, _day(on))
    else:
        show_clause(_console(), book, book.clause(code), _day(on))


@_rules_commands.command("status")
def rules_status(on: OnOption = None, rules: RulesOption = None) -> None:
    """Show the legal status of every announcement on a day."""
    from tagger.display import show_status

    show_status(_console(), _book(rules), _day(on))


@_rules_commands.command("diff")
def rules_diff(
    start: Annotated[dt.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    end: Annotated[dt.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
    rules: RulesOption = None,
) -> None:
    """Show which announcements and rules change their legal status between two days, when, and which clauses hang on them."""
    from tagger.display import changes_dict, show_status_changes

    first, last = start.date(), end.date()
    if last < first:
        raise UsageError(f"--to {last} lies before --from {first}")
    book = _book(rules)
    if as_json:
        typer.echo(json.dumps(changes_dict(book, first, last), ensure_ascii=False))
    else:
        show_status_changes(_console(), book, first, last)


@_rules_commands.command("kinds")
def rules_kinds(rules: RulesOption = None) -> None:
    """List the kinds of figures with their base units, for assumptions and clauses."""
    from tagger.display import show_kinds

    show_kinds(_console(), _book(rules))


@_rules_commands.command("check")
def rules_check(rules: RulesOption = None) -> None:
    """Check every file of a rulebook and print all faults; the seal is not looked at."""
    from tagger.rulebook import load_rulebook

    try:
        book = load_rulebook(rules, sealed=False)
    except RulebookError as error:
        typer.echo("\n".join(error.faults or (str(error),)))
        raise typer.Exit(1) from None
    typer.echo(f"{book.rules_id}: {len(book.clauses)} clauses, {len(book.rules)} rules, {len(book.terms)} terms, no fault")


@_rules_commands.command("seal")
def rules_seal(rules: RulesOption = None) -> None:
    """Seal a rulebook after a change of the law: check it and write the checksums of its files."""
    from tagger.rulebook import load_rulebook, write_seal

    book = load_rulebook(rules, sealed=False)
    typer.echo(f"{write_seal(book.folder)}: {book.rules_id}")


def _book(rules: Path | None) -> Rulebook:
    from tagger.rulebook import load_rulebook

    return load_rulebook(rules)


def main() -> None:
    """Run the command line; errors of the tagger become one line on stderr."""
    gc.set_threshold(_COLLECTED_AFTER)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no product here is large enough for threads, and they take time to start
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except TaggerError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 130 if isinstance(error, InterruptionError) else 1)
