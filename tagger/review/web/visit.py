"""One request of somebody: who it is, in which language, and what the page is drawn with."""

from __future__ import annotations

import datetime as dt
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from tagger import __version__
from tagger.errors import ReviewError
from tagger.review.content import storable
from tagger.review.items import Facets, Filters, Role, Stage, State, Stats, Who
from tagger.review.store import ReviewStore
from tagger.review.users import Session, User, Users
from tagger.review.web.messages import LANGUAGES, Messages, load_messages, preferred
from tagger.review.web.views import Names
from tagger.rulebook import Rulebook

LANGUAGE_COOKIE = "tagger_language"
DISPUTED = "adjudication"
EVERYTHING = "everything"
FILTERS = ("category", "reason", "margin", "missing", "batch", "lang", "state", "words")
_LONGEST_FILTER = 600
_KEPT_SECONDS = 5.0


class NotSignedIn(ReviewError):  # noqa: N818
    """Nobody is logged in; the answer is the login page."""


class Refused(ReviewError):  # noqa: N818
    """The request is refused; ``status`` is the answer's, ``key`` the message."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status = status
        self.key = key


class Kept:
    """A value that is asked for again after a few seconds, or when it was dropped."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._value: Any = None
        self._until = 0.0

    def get(self) -> Any:
        """The value."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._value = self._ask()
                self._until = time.monotonic() + _KEPT_SECONDS
            return self._value

    def drop(self) -> None:
        """Ask anew next time."""
        self._until = 0.0


@dataclass(frozen=True)
class Room:
    """All that requests share: store, accounts, law, templates; ``secure`` where the page is reached by https only."""

    store: ReviewStore
    users: Users
    book: Rulebook
    secure: bool = False
    facets: Kept = field(init=False)
    stats: Kept = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facets", Kept(self.store.facets))
        object.__setattr__(self, "stats", Kept(self.store.stats))

    @property
    def session_cookie(self) -> str:
        """Name of the session's cookie; the prefix makes browsers refuse it from another host or without https."""
        return "__Host-tagger_session" if self.secure else "tagger_session"

    @cached_property
    def templates(self) -> jinja2.Environment:
        """Templates that escape every value."""
        loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
        options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "undefined": jinja2.StrictUndefined}
        return jinja2.Environment(loader=loader, autoescape=True, **options)

    @cached_property
    def names(self) -> dict[str, Names]:
        """What things are called, a language each."""
        return {language: Names(self.book, load_messages(language)) for language in LANGUAGES}


@dataclass(frozen=True)
class Visit:
    """A request, and who sends it."""

    request: Request
    room: Room
    session: Session | None
    carried: Mapping[str, str] | None = None  # filters that a form brought along

    @property
    def user(self) -> User:
        """Who is logged in."""
        if self.session is None:
            raise NotSignedIn("nobody is logged in")
        return self.session.user

    @property
    def who(self) -> Who:
        """Who is logged in, as the store asks."""
        return Who(self.user.name, self.user.role)

    @cached_property
    def language(self) -> str:
        """The language chosen, or the browser's."""
        chosen = self.request.query_params.get("language") or self.request.cookies.get(LANGUAGE_COOKIE, "")
        return chosen if chosen in LANGUAGES else preferred(self.request.headers.get("accept-language", ""))

    @property
    def t(self) -> Messages:
        """Words of the language."""
        return load_messages(self.language)

    @property
    def names(self) -> Names:
        """Names of the language."""
        return self.room.names[self.language]

    @cached_property
    def query(self) -> dict[str, str]:
        """Filters of the address, or of the form."""
        return _cleaned(self.request.query_params if self.carried is None else self.carried)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Draw a page."""
        user = self.session.user if self.session else None
        base = {
            "t": self.t,
            "me": user,
            "may_decide": bool(user and user.may_decide),
            "may_audit": bool(user and user.role != Role.REVIEWER),
            "day": self._day() if user else None,
            "query": shown_query(self.query),
            "other_language": self._other_language(),
            "csrf_field": self._csrf_field,
            "version": __version__,
            "here": "",
            "flash": None,
            "back": "/queue",
        }
        body = self.room.templates.get_template(template).render({**base, **values})
        response = HTMLResponse(body, status)
        if self.request.query_params.get("language") in LANGUAGES:
            options: dict[str, Any] = {"httponly": True, "samesite": "strict", "secure": self.room.secure}
            response.set_cookie(LANGUAGE_COOKIE, self.language, max_age=365 * 86400, **options)
        return response

    def go(self, path: str, **values: object) -> Response:
        """Answer a form: look at another page, with the same filters."""
        query = {**self.query, **{k: str(v) for k, v in values.items()}}
        return RedirectResponse(f"{path}{shown_query(query)}", 303)

    def _csrf_field(self) -> Markup:
        value = self.session.csrf if self.session else ""
        return Markup('<input type="hidden" name="csrf" value="{}">').format(value)

    def _day(self) -> dict[str, Any] | None:
        try:
            stats: Stats = self.room.stats.get()
        except ReviewError:  # the page may be the one that tells that the store fails
            return None
        total = sum(stats.states.values()) - stats.states.get(State.DISCARDED, 0)
        share = (total - stats.waiting) / total if total else 0.0
        return {"all": sum(stats.answers.values()), "mine": stats.answers.get(self.user.name, 0), "share": share}

    def _other_language(self) -> str:
        other = "en" if self.language == "zh" else "zh"
        path = self.request.url.path if self.request.method == "GET" else "/queue"
        kept = {k: v for k, v in self.request.query_params.items() if k != "language"}
        return f"{path}?{urlencode({**kept, 'language': other})}"


def visit(request: Request) -> Visit:
    """Who sends a request, if anybody."""
    room: Room = request.app.state.room
    token = request.cookies.get(room.session_cookie, "")
    return Visit(request, room, room.users.session(token) if token else None)


def signed_in(request: Request) -> Visit:
    """Who sends a request.

    Raises
    ------
    NotSignedIn
        Where nobody is logged in.
    """
    found = visit(request)
    if found.session is None:
        raise NotSignedIn("nobody is logged in")
    return found


async def form_of(request: Request) -> dict[str, str]:
    """Fields of a form; files are none."""
    async with request.form(max_files=0, max_fields=200) as form:
        return {key: value for key, value in form.items() if isinstance(value, str)}


def check_form(visited: Visit, form: Mapping[str, str]) -> Visit:
    """The visit with the filters that the form carries.

    Raises
    ------
    Refused
        Where the form does not carry the secret of this session.
    """
    session = visited.session
    if session is None or not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise Refused(403, "csrf")
    carried = form.get("back", "")[: len(FILTERS) * _LONGEST_FILTER].removeprefix("?")
    return replace(visited, carried=dict(parse_qsl(carried, max_num_fields=50) if carried.count("&") < 50 else ()))


def filters_of(query: Mapping[str, str], who: Who) -> Filters:
    """Filters of an address; what cannot be read does not filter."""
    state = query.get("state", "")
    states: dict[str, Any] = {}
    if state == EVERYTHING:
        states = {"states": tuple(State)}
    elif state == DISPUTED:
        states = {"stages": (Stage.ADJUDICATION,)}
    elif state == "mine":
        states = {"states": tuple(State), "who": who.name}
    elif state in State.__members__.values():
        states = {"states": (State(state),)}
    named: dict[str, Any] = {key: query.get(key, "") for key in ("category", "reason", "missing", "batch", "lang", "words")}
    return Filters(margin=_share(query.get("margin", "")), **named, **states)


def shown_query(query: Mapping[str, str]) -> str:
    """Filters as the end of an address; empty where there is none."""
    return f"?{urlencode(query)}" if query else ""


def today() -> dt.date:
    """The day in UTC, as the log counts days."""
    return dt.datetime.now(dt.UTC).date()


def facets_of(room: Room) -> Facets:
    """Values to filter by."""
    found: Facets = room.facets.get()
    return found


def _cleaned(query: Mapping[str, str]) -> dict[str, str]:
    return {key: storable(query[key][:_LONGEST_FILTER]) for key in FILTERS if query.get(key, "").strip()}


def _share(value: str) -> float | None:
    try:
        share = float(value)
    except ValueError:
        return None
    return share if 0.0 <= share <= 1.0 else None
