"""The commands ``tagger review ...``: parse, call the function of the same name, print."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tagger.errors import ReviewConflictError, ReviewError, ReviewRightError, UsageError
from tagger.records import Span
from tagger.screen import highlighted, is_coloured, one_line

if TYPE_CHECKING:
    from tagger.review.items import Answer, Filters, Item, Who
    from tagger.review.store import ReviewStore
    from tagger.rulebook import Rulebook

review_app = typer.Typer(rich_markup_mode=None, suggest_commands=False)  # its help stands with its name, in cli.py

_MOST_CHOICES = 9
StoreOption = Annotated[
    str,
    typer.Option(
        "--review",
        envvar="TAGGER_REVIEW",
        help="Review store: the .review.sqlite file beside a tagged file, or a postgresql+psycopg:// URL.",
    ),
]
AsOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        envvar="TAGGER_REVIEWER",
        help="Who you are; your login name by default. A store with accounts asks for the password (or TAGGER_REVIEW_PASSWORD).",
    ),
]
RulesOption = Annotated[Path | None, typer.Option("--rules", help="Rulebook folder; the shipped one by default.")]
CategoryOption = Annotated[str, typer.Option("--category", help="Only this category.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Only this reason, such as MISSING_FACT.")]
MarginOption = Annotated[float | None, typer.Option("--margin", help="Only figures within this share of a threshold, such as 0.1.")]
MissingOption = Annotated[str, typer.Option("--missing", help="Only items that wait for this question (its English text).")]
BatchOption = Annotated[str, typer.Option("--batch", help="Only this batch.")]
LangOption = Annotated[str, typer.Option("--lang", help="Only this language: en, zh, ja, ko, ru, other.")]
WordsOption = Annotated[str, typer.Option("--words", help="Only texts or row ids with these words.")]
StateOption = Annotated[
    list[str] | None,
    typer.Option("--state", help="open, claimed, second_opinion, decided, settled, discarded; repeatable; what waits by default."),
]
WhyOption = Annotated[str, typer.Option("--why", help="Why, in your words.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextlib.contextmanager
def _store(target: str, rules: Path | None = None, *, book: bool = False) -> Iterator[ReviewStore]:
    from tagger.review.store import ReviewStore

    with ReviewStore.open(target, _book(rules) if book else None, create=False) as store:
        yield store


def _book(rules: Path | None) -> Rulebook:
    from tagger.rulebook import load_rulebook

    return load_rulebook(rules)


def _who(store: ReviewStore, name: str | None) -> Who:
    """Who is at work: where the store has accounts, somebody who proves it; otherwise who has the file has the right."""
    from tagger.review.items import Role, Who
    from tagger.review.users import Users

    name = name or getpass.getuser()
    users = Users(store.engine)
    if not users.list():
        return Who(name, Role.ADJUDICATOR)
    password = os.environ.get("TAGGER_REVIEW_PASSWORD") or typer.prompt(f"Password of {name}", hide_input=True, err=True)
    token = users.log_in(name, password, "terminal")
    users.log_out(token)
    return Who(name, users.get(name).role)


def _filters(states: list[str] | None, **values: Any) -> Filters:
    from tagger.review.items import WAITING, Filters, State

    known = [str(s) for s in State]
    for state in states or []:
        if state not in known:
            raise UsageError(f"no state {state!r}; the states are: {', '.join(known)}")
    return Filters(states=tuple(State(s) for s in states) if states else WAITING, **values)


@review_app.command("list")
def review_list(
    review: StoreOption,
    category: CategoryOption = "",
    reason: ReasonOption = "",
    margin: MarginOption = None,
    missing: MissingOption = "",
    batch: BatchOption = "",
    lang: LangOption = "",
    words: WordsOption = "",
    state: StateOption = None,
    size: Annotated[int, typer.Option("--size", min=1, max=500, help="How many lines.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List items, the riskiest first."""
    chosen = _filters(state, category=category, reason=reason, margin=margin, missing=missing, batch=batch, lang=lang, words=words)
    with _store(review) as store:
        page, count = store.page(chosen, size=size), store.count(chosen)
    for line in page.lines:
        if as_json:
            typer.echo(json.dumps(asdict(line), ensure_ascii=False))
        else:
            codes = " ".join(line.codes)
            who = line.claimed_by or line.decided_by or (f"for {line.assigned_to}" if line.assigned_to else "")
            state_ = f"{line.state}{f' ({line.stage})' if line.stage != 'first' and line.state != 'settled' else ''}"
            parts = (f"{line.id:>6}", f"{line.risk:.2f}", f"{state_:<14}", line.category, codes, who, one_line(line.text[:80]))
            typer.echo("  ".join(p for p in parts if p))
    if not as_json:
        typer.echo(f"{len(page.lines):,} of {count:,} item(s)")


@review_app.command("show")
def review_show(
    review: StoreOption,
    id: Annotated[int, typer.Argument(metavar="ITEM", help="Number of the item.")],
    as_: AsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one item with its evidence, clauses, questions, past decisions and log."""
    with _store(review) as store:
        who = _who(store, as_)
        item, log, like = store.item(id, who), store.history(id, who), store.similar(id)
    if as_json:
        found = {"item": asdict(item), "log": [asdict(e) for e in log], "similar": [asdict(s) for s in like]}
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    _show(item)
    for s in like:
        typer.echo(_label("similar", f"{s.likeness:.0%} {_said(s.answer)} by {s.who} on {s.at[:10]}: {one_line(s.text[:100])}"))
    for e in log:
        typer.echo(_label("log", f"{e.seq} {e.at[:19]} {e.who} {e.action}{f': {one_line(e.why)}' if e.why else ''}"))


@review_app.command("decide")
def review_decide(
    review: StoreOption,
    id: Annotated[int, typer.Argument(metavar="ITEM", help="Number of the item.")],
    outcome: Annotated[str, typer.Argument(help="controlled, not_controlled or unrelated.")],
    code: Annotated[list[str] | None, typer.Option("--code", help="Clause met (or failed); repeatable.")] = None,
    category: Annotated[str, typer.Option("--category", help="Category, where it is not the suggested one.")] = "",
    why: WhyOption = "",
    beyond_text: Annotated[
        bool, typer.Option("--beyond-text", help="The answer rests on more than the text, and is not remembered for the same text.")
    ] = False,
    second: Annotated[bool, typer.Option("--second", help="Ask for a second opinion.")] = False,
    same: Annotated[
        bool, typer.Option("--same", help="Also decide all waiting items of the same text, clauses and rules.")
    ] = False,
    as_: AsOption = None,
    rules: RulesOption = None,
) -> None:
    """Answer an item in the stage it is in: first opinion, second opinion or adjudication."""
    from tagger.review.content import family
    from tagger.review.items import Answer

    with _store(review, rules, book=True) as store:
        who = _who(store, as_)
        item = store.item(id, who)
        named = category or ("none" if outcome == "unrelated" else family(item, store.book))
        codes = tuple(code or ()) or (item.codes if outcome == "controlled" and len(item.codes) == 1 else ())
        answer = Answer(outcome, named, codes, why, not beyond_text)
        if same:
            if second:
                raise UsageError("--same and --second do not go together")
            typer.echo(f"{store.decide_bulk(store.bulk(id, who), who, answer)} item(s) answered {_said(answer)}")
        else:
            done = store.decide(id, who, answer, second=second)
            typer.echo(f"item {id}: {_said(answer)}; now {_stands(done)}")


@review_app.command("undo")
def review_undo(
    review: StoreOption,
    id: Annotated[int | None, typer.Argument(metavar="ITEM", help="Number of the item; your latest answer by default.")] = None,
    as_: AsOption = None,
) -> None:
    """Take back your own answer."""
    with _store(review) as store:
        item = store.undo(_who(store, as_), id)
        typer.echo(f"item {item.id}: your answer is taken back; now {_stands(item)}")


@review_app.command("reopen")
def review_reopen(
    review: StoreOption,
    id: Annotated[int, typer.Argument(metavar="ITEM", help="Number of the item.")],
    why: WhyOption = "",
    as_: AsOption = None,
) -> None:
    """Open an answered or discarded item again (adjudicators)."""
    with _store(review) as store:
        typer.echo(f"item {id}: now {_stands(store.reopen(id, _who(store, as_), why))}")


@review_app.command("discard")
def review_discard(
    review: StoreOption,
    id: Annotated[int, typer.Argument(metavar="ITEM", help="Number of the item.")],
    why: WhyOption = "",
    as_: AsOption = None,
) -> None:
    """Take an item off the queue without an answer (adjudicators)."""
    with _store(review) as store:
        typer.echo(f"item {id}: now {_stands(store.discard(id, _who(store, as_), why))}")


@review_app.command("assign")
def review_assign(
    review: StoreOption,
    to: Annotated[str, typer.Argument(help="Who shall have them; an empty text frees them.")],
    ids: Annotated[list[int] | None, typer.Argument(metavar="ITEM...", help="Numbers of the items; or give filters.")] = None,
    category: CategoryOption = "",
    reason: ReasonOption = "",
    batch: BatchOption = "",
    lang: LangOption = "",
    size: Annotated[int, typer.Option("--size", min=1, max=500, help="With filters: how many, the riskiest first.")] = 50,
    as_: AsOption = None,
) -> None:
    """Reserve waiting items for a person."""
    with _store(review) as store:
        who = _who(store, as_)
        if not ids:
            page = store.page(_filters(None, category=category, reason=reason, batch=batch, lang=lang), size=size)
            ids = [line.id for line in page.lines]
        typer.echo(f"{store.assign(ids, to, who)} item(s) {f'assigned to {to}' if to else 'freed'}")


@review_app.command("stats")
def review_stats(review: StoreOption, as_json: JsonOption = False) -> None:
    """Show progress, and what was done today (UTC)."""
    with _store(review) as store:
        stats, facets = store.stats(), store.facets()
    if as_json:
        typer.echo(json.dumps({**asdict(stats), "day": stats.day.isoformat(), "waiting_by": facets.counts}, ensure_ascii=False))
        return
    typer.echo("  ".join(f"{state} {n:,}" for state, n in stats.states.items()))
    typer.echo(f"waiting {stats.waiting:,}, in dispute {stats.disputed:,}")
    pace = f", {stats.seconds:.0f} s each (median)" if stats.seconds is not None else ""
    people = ", ".join(f"{who} {n:,}" for who, n in stats.answers.items()) or "nobody"
    typer.echo(f"answers on {stats.day}: {people}{pace}")
    if stats.agreement is not None:
        typer.echo(f"second opinions that agree: {stats.agreement:.1%}")
    for kind in ("batch", "category", "reason", "lang"):
        own = facets.counts.get(kind, {})
        if own:
            typer.echo(f"{kind}: {', '.join(f'{value} {n:,}' for value, n in own.items())}")


@review_app.command("verify")
def review_verify(
    review: StoreOption,
    expect: Annotated[
        str, typer.Option("--expect", help="Hash that an earlier check printed; it has to be in the log still.")
    ] = "",
) -> None:
    """Check the log: every line, the chain, its end, and that every item stands as its last line says."""
    with _store(review) as store:
        found = store.verify(expect)
    for fault in found.broken:
        typer.echo(f"line {fault.seq}: {fault.what}" if fault.seq else fault.what)
    if found.broken:
        raise typer.Exit(1)
    typer.echo(f"{found.events:,} lines, no fault; the last has the hash {found.head}")


@review_app.command("export")
def review_export(
    review: StoreOption,
    out: Annotated[
        Path, typer.Argument(help="File: .csv .tsv .xlsx to fill in, .jsonl with all there is, .json for Label Studio.")
    ],
    training: Annotated[
        bool, typer.Option("--training", help="Write settled answers as training rows (.jsonl), marked as reviewed.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="With --training: folder with the training rows there are; that of OUT by default."),
    ] = None,
    category: CategoryOption = "",
    reason: ReasonOption = "",
    margin: MarginOption = None,
    missing: MissingOption = "",
    batch: BatchOption = "",
    lang: LangOption = "",
    words: WordsOption = "",
    state: StateOption = None,
) -> None:
    """Write items to a file, to be filled in elsewhere; or settled answers as training rows."""
    from tagger.catalogue.exchange import export_items, export_training

    with _store(review) as store:
        if training:
            made = export_training(store, out, data)
            left = f"; left out: {made.known} known text(s), {made.disputed} in dispute" if made.known or made.disputed else ""
            typer.echo(f"{out}: {made.rows} training row(s){left}")
            return
        chosen = _filters(
            state, category=category, reason=reason, margin=margin, missing=missing, batch=batch, lang=lang, words=words
        )
        typer.echo(f"{out}: {export_items(store, out, chosen)} item(s)")


@review_app.command("import")
def review_import(
    review: StoreOption,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="File that `tagger review export` wrote, filled in.")],
    of: Annotated[str | None, typer.Option("--of", help="Whose answers these are, where not your own (adjudicators).")] = None,
    as_: AsOption = None,
    rules: RulesOption = None,
) -> None:
    """Take over the answers of a filled-in file: all of them, or none where a row is stale or changed."""
    from tagger.catalogue.exchange import import_answers
    from tagger.review.items import Role, Who

    with _store(review, rules, book=True) as store:
        me = _who(store, as_)
        if of and of != me.name and me.role != Role.ADJUDICATOR:
            raise ReviewRightError(f"{me.name} is {me.role}: to take over somebody else's answers takes an adjudicator")
        person = Who(of) if of and of != me.name else me
        count = import_answers(store, source, person, me.name if person != me else "")
    typer.echo(f"{source}: {count} answer(s) of {person.name} taken over")


@review_app.command("apply")
def review_apply(
    review: StoreOption,
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Tagged catalogue that `tagger batch` wrote.")],
    batch: Annotated[str, typer.Option("--batch", help="Name of the batch, where the file was moved since.")] = "",
    rules: RulesOption = None,
) -> None:
    """Write settled answers back into the tagged file."""
    from tagger.catalogue.apply import apply_answers

    with _store(review) as store:
        done = apply_answers(store, target, _book(rules), batch)
    typer.echo(f"{target}: {done.written} settled answer(s) written, {done.waiting} row(s) wait for review")
    if done.stale:
        typer.echo(f"{done.stale} row(s) are settled for another text or rulebook and were left: run the batch again")
    if done.taken_back:
        typer.echo(f"{done.taken_back} row(s) carry an answer that was taken back since: run the batch again")


@review_app.command("settings")
def review_settings(
    review: StoreOption,
    file: Annotated[Path | None, typer.Argument(help="Settings (TOML) for the store to take over; show them by default.")] = None,
    as_: AsOption = None,
) -> None:
    """Show which items need two people and how long a claim holds; or change it (adjudicators)."""
    from tagger.review.content import load_settings

    with _store(review) as store:
        if file is not None:
            store.set_settings(load_settings(file), _who(store, as_))
        for name, value in store.settings.as_dict().items():
            typer.echo(f"{name} = {str(value).lower() if isinstance(value, bool) else value}")


@review_app.command("work")
def review_work(
    review: StoreOption,
    category: CategoryOption = "",
    reason: ReasonOption = "",
    batch: BatchOption = "",
    lang: LangOption = "",
    as_: AsOption = None,
    rules: RulesOption = None,
) -> None:
    """Go through the queue by keyboard: 1 to 9 answer, s skip, u undo, n next, q quit."""
    from tagger.review.content import family

    chosen = _filters(None, category=category, reason=reason, batch=batch, lang=lang)
    with _store(review, rules, book=True) as store:
        who = _who(store, as_)
        done = 0
        item = store.next(who, chosen)
        while item is not None:
            _show(item)
            choices = _choices(item, family(item, store.book))
            for number, choice in enumerate(choices, 1):
                typer.echo(f"  {number}  {_said(choice)}")
            key = _key("1-9 answer, s skip, u undo, n next, q quit: ")
            if key == "q":
                store.release(item.id, who)
                break
            done += _deed(store, who, item, (key, choices))
            item = _onward(store, who, chosen, key)
    typer.echo(f"{done} answer(s)" if item is not None else f"{done} answer(s); nothing waits for you")


def _deed(store: ReviewStore, who: Who, item: Item, pressed: tuple[str, list[Answer]]) -> int:
    """Do what a key asks for; how many answers that gave."""
    from dataclasses import replace

    key, choices = pressed
    try:
        if key in ("s", "n"):
            store.skip(item.id, who)
        elif key == "u":
            store.release(item.id, who)
            typer.echo(f"item {store.undo(who).id}: your answer is taken back")
            return -1
        elif key.isdigit() and 1 <= int(key) <= len(choices):
            choice = choices[int(key) - 1]
            why = typer.prompt("why", default="", show_default=False) if choice.outcome != "controlled" else ""
            typer.echo(f"item {item.id}: now {_stands(store.decide(item.id, who, replace(choice, why=why)))}")
            return 1
    except (ReviewConflictError, ReviewError) as error:
        typer.echo(str(error))
    return 0


def _onward(store: ReviewStore, who: Who, chosen: Filters, key: str) -> Item | None:
    """The item to show next; after an undo the one that was taken back."""
    from tagger.review.items import Filters, State

    if key == "u":
        own = store.page(Filters(states=(State.CLAIMED,), who=who.name), size=1).lines
        if own:
            return store.item(own[0].id, who)
    return store.next(who, chosen)


def _key(ask: str) -> str:
    """One key from a terminal, or the first character of a line."""
    typer.echo(ask, nl=False)
    if sys.stdin.isatty():
        key = str(typer.getchar())
        typer.echo(key)
        return key.lower()
    line = sys.stdin.readline()
    typer.echo()
    return line.strip()[:1].lower() if line else "q"


def _choices(item: Item, listed: str) -> list[Answer]:
    """Answers to choose from by one key: each clause in question, all of them, none, another thing."""
    from tagger.review.items import Answer

    codes = item.codes[: _MOST_CHOICES - 3]
    single = [Answer("controlled", listed, (code,)) for code in codes]
    together = [Answer("controlled", listed, item.codes)] if len(item.codes) > 1 else []
    failed = [Answer("not_controlled", listed)] if listed != "none" else []
    return [*single, *together, *failed, Answer("unrelated", "none")]


def _show(item: Item) -> None:
    coloured = is_coloured()
    typer.echo(f"item {item.id}  {item.category}  {' '.join(item.codes)}  risk {item.risk:.2f}  {_stands(item)}")
    shown = highlighted(item.text, [Span(e["start"], e["end"]) for e in item.evidence], marks=not coloured)
    typer.echo(f"  {'text':<12}{shown}", color=coloured)
    for clause in item.clauses:
        margin = "" if clause["margin"] is None else f"  {clause['margin']:+.1%} from the threshold"
        typer.echo(_label("clause", f"{clause['code']}  {clause['truth']}{margin}"))
    likely = sorted(item.probabilities.items(), key=lambda pair: -pair[1])[:3]
    typer.echo(_label("likely", ", ".join(f"{name} {p:.2f}" for name, p in likely)))
    typer.echo(_label("reasons", ", ".join(item.reasons)))
    for question in item.questions:
        typer.echo(_label("ask", question))
    for opinion in item.opinions:
        typer.echo(_label(opinion.stage, f"{opinion.who}: {_said(opinion.answer)} {one_line(opinion.answer.why)}".rstrip()))
    if item.conflict:
        typer.echo(_label("conflict", "past decisions on this text disagree"))
    if item.note:
        typer.echo(_label("note", item.note))
    typer.echo(_label("row", f"{item.row_id} of {item.batch}; {item.model_id}, {item.rules_id}, {item.as_of}"))


def _label(name: str, text: str) -> str:
    return f"  {name:<12}{one_line(text)}"


def _said(answer: Answer) -> str:
    return " ".join(t for t in (answer.outcome, answer.category if answer.category != "none" else "", *answer.codes) if t)


def _stands(item: Item) -> str:
    who = item.decided_by or item.claimed_by
    turn = {"second": ", second opinion", "adjudication": ", in dispute"}.get(item.stage, "") if not item.answer else ""
    return f"{item.state}{turn}{f' by {who}' if who else ''}"
