"""Pages that are looked at: login, queue, item, bulk preview, progress, audit."""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import RedirectResponse, Response

from tagger.errors import ReviewError, ReviewRightError
from tagger.review.items import Action, Event, Item, Role, Stage, State
from tagger.review.users import SESSION_SECONDS, LoginError
from tagger.review.web import views
from tagger.review.web.visit import (
    DISPUTED,
    EVERYTHING,
    Refused,
    Visit,
    check_form,
    facets_of,
    filters_of,
    form_of,
    shown_query,
    signed_in,
    today,
    visit,
)

router = APIRouter()
PAGE_SIZE = 50
AUDIT_SIZE = 100
LOGIN_COOKIE = "tagger_login"
MARGINS = ("0.02", "0.05", "0.1", "0.25", "0.5")
_LONGEST_OPTION = 90
_SHOWN_ROWS = 200
SignedIn = Annotated[Visit, Depends(signed_in)]
Anybody = Annotated[Visit, Depends(visit)]
Form = Annotated[dict[str, str], Depends(form_of)]
ItemId = Annotated[int, Path(ge=0, lt=1 << 53)]


@router.get("/")
def home(here: SignedIn) -> Response:
    """Go to the queue."""
    return here.go("/queue")


@router.get("/login")
def login_page(here: Anybody) -> Response:
    """Ask for name and password."""
    return RedirectResponse("/queue", 303) if here.session else login_form(here)


def login_form(here: Visit, fault: str = "", name: str = "", status: int = 200) -> Response:
    """The login page; its form carries a secret that also stands in a cookie, since there is no session yet."""
    secret = here.request.cookies.get(LOGIN_COOKIE) or secrets.token_urlsafe(32)
    response = here.page("login.html", status, login_csrf=secret, fault=fault, name=name)
    options: dict[str, Any] = {"httponly": True, "samesite": "strict", "secure": here.room.secure, "path": "/login"}
    response.set_cookie(LOGIN_COOKIE, secret, max_age=3600, **options)
    return response


@router.post("/login")
def log_in(here: Anybody, form: Form) -> Response:
    """Check name and password; the session's token is new with every login."""
    secret = here.request.cookies.get(LOGIN_COOKIE, "")
    if not secret or not hmac.compare_digest(secret.encode(), form.get("csrf", "").encode()):
        return login_form(here, "stale", status=403)
    name = form.get("name", "").strip()
    address = here.request.client.host if here.request.client else ""
    try:
        token = here.room.users.log_in(name, form.get("password", ""), address)
    except LoginError as error:
        return login_form(here, "throttled" if error.throttled else "failed", name[:64], 429 if error.throttled else 401)
    if old := here.request.cookies.get(here.room.session_cookie):
        here.room.users.log_out(old)
    response = RedirectResponse("/queue", 303)
    options: dict[str, Any] = {"httponly": True, "samesite": "strict", "secure": here.room.secure, "path": "/"}
    response.set_cookie(here.room.session_cookie, token, max_age=SESSION_SECONDS, **options)
    return response


@router.post("/logout")
def log_out(here: SignedIn, form: Form) -> Response:
    """End the session."""
    check_form(here, form)
    here.room.users.log_out(here.request.cookies[here.room.session_cookie])
    response = RedirectResponse("/login", 303)
    response.delete_cookie(here.room.session_cookie, path="/", secure=here.room.secure, httponly=True, samesite="strict")
    return response


@router.get("/queue")
def queue(here: SignedIn, request: Request) -> Response:
    """The queue with its filters, the riskiest first."""
    cursor = request.query_params.get("cursor", "")[:80]
    found = here.room.store.page(filters_of(here.query, here.who), cursor, PAGE_SIZE)
    more = f"/queue{shown_query({**here.query, 'cursor': found.cursor})}" if found.cursor else ""
    blank = dict.fromkeys(("category", "reason", "margin", "missing", "batch", "lang", "state", "words"), "")
    return here.page(
        "queue.html",
        here="queue",
        lines=views.lines(found.lines, here.names, here.user.name),
        more=more,
        waiting=here.room.stats.get().waiting,
        chosen={**blank, **here.query},
        options=_options(here),
        flash=flash(here),
    )


def _options(here: Visit) -> dict[str, list[tuple[str, str]]]:
    """What can be filtered by, with the number of waiting items; what the address asks for is there even where nothing has it."""
    counts = facets_of(here.room).counts
    t, names = here.t, here.names
    shown: dict[str, Callable[[str], str]] = {
        "category": names.category,
        "reason": lambda value: t.named("reason", value),
        "missing": names.question,
        "batch": str,
        "lang": lambda value: t.named("lang", value),
    }
    found = {}
    for name, show in shown.items():
        values = dict(counts.get(name, {}))
        if here.query.get(name):
            values.setdefault(here.query[name], 0)
        found[name] = [(value, f"{_cut(show(value))} ({n:,})") for value, n in values.items()]
    states = [*((s, t.named("state", s)) for s in State), (DISPUTED, t("stage.adjudication")), ("mine", t("queue.mine"))]
    found["state"] = [(str(value), shown) for value, shown in (*states, (EVERYTHING, t("filter.everything")))]
    found["margin"] = [(m, t("filter.within", share=f"{float(m):.0%}")) for m in MARGINS]
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_OPTION else f"{text[:_LONGEST_OPTION]}…"


@router.get("/items/{id}")
def item(here: SignedIn, id: ItemId) -> Response:
    """One item with all that the tagger found, and the answers to choose from."""
    return item_page(here, id)


def item_page(here: Visit, id: int, status: int = 200, fault: str = "", form: dict[str, str] | None = None) -> Response:
    """Draw an item; with ``fault`` the answer that was refused, as it was filled in."""
    store, names = here.room.store, here.names
    try:
        found = store.item(id, here.who)
    except ReviewError:
        raise Refused(404, "not_found") from None
    turn = turn_of(found, here)
    near = store.similar(id)
    whole = here.request.query_params.get("whole") == "1"
    truths = {c["code"]: c["truth"] for c in found.clauses}
    length = len(found.text) if whole else views.LONGEST_SHOWN
    answering = turn in ("mine", "free")
    offered = []
    if answering:
        suggestion = views.suggested(found, near, names.book)
        offered = views.choices(found, suggestion, names, needs_why=store.settings.reason_for_clearing)
    return here.page(
        "item.html",
        status,
        here="item",
        item=found,
        row=views.plain(found.row_id, 120),
        batch=views.plain(found.batch, 60),
        segments=views.marked(found.text, found.evidence, truths, length),
        cut=len(found.text) > length,
        evidence=views.evidence(found),
        figures=list(views.figures(found, names)),
        clauses=views.clauses(found, names),
        most_clauses=views.MOST_CLAUSES,
        bars=views.bars(found, names),
        questions=views.questions(found),
        past=views.past(near, names),
        category=names.category(found.category),
        announcement=names.announcement(found.announcement) if found.announcement else "",
        opinions=views.opinions(found.opinions, names),
        hidden=views.is_hidden(found),
        turn=turn,
        offered=offered,
        same=len(store.bulk(id, here.who).items) - 1 if answering and found.stage == Stage.FIRST else 0,
        categories=[(label, names.category(label)) for label in here.room.book.labels],
        history=store.history(id, here.who),
        fault=fault,
        form=form or {},
        flash=flash(here),
    )


def turn_of(found: Item, here: Visit) -> str:
    """Whether the reader may answer: ``mine`` (held), ``free``, or why not."""
    me = here.user
    held = found.claimed_by if found.claimed_until >= dt.datetime.now(dt.UTC).isoformat() else ""
    reasons = (
        ("discarded", found.state == State.DISCARDED),
        ("done", found.state in (State.DECIDED, State.SETTLED)),
        ("read_only", not me.may_decide),
        ("not_yours", any(o.who == me.name for o in found.opinions)),
        ("adjudicator_only", found.stage == Stage.ADJUDICATION and me.role != Role.ADJUDICATOR),
        ("taken", held not in ("", me.name)),
        ("assigned", found.assigned_to not in ("", me.name)),
        ("mine", held == me.name),
    )
    return next((name for name, true in reasons if true), "free")


def flash(here: Visit) -> dict[str, Any] | None:
    """What the last form did, from the address; an own answer can be taken back."""
    how, done = here.request.query_params.get("how", ""), here.request.query_params.get("done", "")
    if how == "finished":
        return {"text": here.t("answer.flash_finished"), "undo": ""}
    if how == "bulk" and done.isdecimal():
        return {"text": here.t("answer.flash_bulk", count=int(done[:9])), "undo": ""}
    if f"answer.flash_{how}" not in here.t.words and how != "saved":
        return None
    if not done.isdecimal() or len(done) > _LONGEST_NUMBER:
        return None
    try:
        found = here.room.store.item(int(done), here.who)
    except ReviewError:
        return None
    mine = next((o for o in found.opinions if o.who == here.user.name), None)
    row = "".join(s.text for s in views.plain(found.row_id, 60)) or f"#{found.id}"
    outcome = here.t.named("outcome", mine.answer.outcome) if mine else ""
    key = "answer.flash" if how == "saved" else f"answer.flash_{how}"
    return {"text": here.t(key, row=row, outcome=outcome, count=""), "undo": str(found.id) if mine else ""}


_LONGEST_NUMBER = 18


@router.get("/items/{id}/bulk")
def bulk(here: SignedIn, id: ItemId) -> Response:
    """What one answer to several items would decide."""
    return bulk_page(here, id)


def bulk_page(here: Visit, id: int, status: int = 200, fault: str = "", form: dict[str, str] | None = None) -> Response:
    """Draw the preview of a bulk decision."""
    store = here.room.store
    if not here.user.may_decide:
        raise ReviewRightError(here.t("error.forbidden"))
    try:
        found = store.item(id, here.who)
    except ReviewError:
        raise Refused(404, "not_found") from None
    together = store.bulk(id, here.who)
    suggestion = views.suggested(found, store.similar(id), here.room.book)
    return here.page(
        "bulk.html",
        status,
        here="item",
        item=found,
        segments=views.marked(found.text, found.evidence, {c["code"]: c["truth"] for c in found.clauses}),
        lines=views.lines(together.lines[:_SHOWN_ROWS], here.names, here.user.name),
        count=len(together.items),
        seen=seen_of(together.items),
        offered=views.choices(found, suggestion, here.names, needs_why=store.settings.reason_for_clearing),
        fault=fault,
        form=form or {},
    )


def seen_of(ids: tuple[int, ...]) -> str:
    """What a preview showed, so that nothing else is decided."""
    return ",".join(map(str, sorted(ids)))


@router.get("/progress")
def progress(here: SignedIn, day: str = "") -> Response:
    """What was done on a day, and where the items stand."""
    try:
        asked = dt.date.fromisoformat(day) if day else today()
    except ValueError:
        asked = today()
    stats = here.room.store.stats(asked)
    total = sum(stats.states.values()) - stats.states.get(State.DISCARDED, 0)
    at, parts = 0.0, []
    for state, count in stats.states.items():
        share = count / (sum(stats.states.values()) or 1)
        parts.append((state, count, at, share))
        at += share
    return here.page(
        "progress.html",
        here="progress",
        stats=stats,
        total=total,
        done=(total - stats.waiting) / total if total else 0.0,
        parts=parts,
        highest=max(*stats.by_hour, 1),
        all=sum(stats.answers.values()),
        mine=stats.answers.get(here.user.name, 0),
    )


@router.get("/audit")
def audit(here: SignedIn, request: Request) -> Response:
    """The log, the newest line first."""
    return audit_page(here, request.query_params.get("item", ""), request.query_params.get("before", ""))


def audit_page(here: Visit, item_id: str = "", before: str = "", **values: Any) -> Response:
    """Draw the log, of all items or of one."""
    if here.user.role == Role.REVIEWER:
        raise ReviewRightError(here.t("error.forbidden"))
    store = here.room.store
    one = int(item_id) if item_id.isdecimal() and len(item_id) < _LONGEST_NUMBER else None
    older = int(before) if before.isdecimal() and len(before) < _LONGEST_NUMBER else None
    try:
        events = list(reversed(store.history(one, here.who))) if one is not None else store.latest(AUDIT_SIZE, older)
    except ReviewError:
        raise Refused(404, "not_found") from None
    more = f"/audit?before={events[-1].seq}" if one is None and len(events) == AUDIT_SIZE else ""
    secret = _secret_items(here, events)
    rows = [{"e": e, "said": {} if e.item in secret else e.after.get("said", {}), "hidden": e.item in secret} for e in events]
    base = {"verified": None, "one": one, "more": more, "expected": ""}
    return here.page("audit.html", here="audit", rows=rows, **{**base, **values})


def _secret_items(here: Visit, events: list[Event]) -> set[int]:
    """Items that this reader may still be the blind second reviewer of."""
    asked = {e.item for e in events if e.item is not None and e.action in (Action.DECIDE, Action.UNDO)}
    return {id for id in asked if here.user.role != Role.AUDITOR and views.is_hidden(here.room.store.item(id, here.who))}
