"""Forms that change something: claim, decide, skip, undo, bulk, discard, check the log. Each carries the secret of its session."""

from __future__ import annotations

import hmac
import re

from fastapi import APIRouter
from fastapi.responses import Response

from tagger.errors import ReviewConflictError, ReviewError, ReviewRightError
from tagger.review.items import Answer, Bulk, Item, Role, Stage, State
from tagger.review.web.pages import Form, ItemId, SignedIn, audit_page, bulk_page, item_page, seen_of
from tagger.review.web.visit import Visit, check_form, filters_of

router = APIRouter()


@router.post("/next")
def next_item(signed: SignedIn, form: Form) -> Response:
    """Claim the riskiest item and look at it."""
    return _onward(check_form(signed, form))


@router.post("/items/{id}/decide")
def decide(signed: SignedIn, id: ItemId, form: Form) -> Response:
    """Answer an item, and go to the next."""
    here = check_form(signed, form)
    try:
        done = here.room.store.decide(id, here.who, answer_of(form), second=form.get("second") == "1")
    except ReviewRightError:
        raise
    except ReviewConflictError as error:
        return item_page(here, id, 409, str(error))
    except ReviewError as error:
        return item_page(here, id, 400, str(error), form)
    return _onward(here, id, _how(done))


def answer_of(form: dict[str, str]) -> Answer:
    """The answer that a form gives: one of those offered, or another one filled in."""
    why = form.get("why", "").strip()
    if form.get("other") == "1":
        codes = tuple(code for code in re.split(r"[\s,;，；、]+", form.get("codes", "")) if code)
        outcome, category = form.get("outcome", ""), form.get("category", "")
    else:
        outcome, category, *rest = [*form.get("choice", "").split(), "", ""]
        codes = tuple(code for code in rest if code)
    return Answer(outcome, category, codes, why, form.get("beyond_text") != "1")


def _how(done: Item) -> str:
    """Key of what to say of an answer."""
    if done.state != State.SECOND_OPINION:
        return "saved"
    return "dispute" if done.stage == Stage.ADJUDICATION else "second"


def _onward(here: Visit, done: int | None = None, how: str = "") -> Response:
    """Go to the next item under the same filters; to the queue where there is none."""
    if done is not None:
        here.room.stats.drop()
    found = here.room.store.next(here.who, filters_of(here.query, here.who))
    told = {"done": done, "how": how} if done is not None else {}
    if found is None:
        return here.go("/queue", **(told or {"how": "finished"}))
    return here.go(f"/items/{found.id}", **told)


@router.post("/items/{id}/skip")
def skip(signed: SignedIn, id: ItemId, form: Form) -> Response:
    """Leave an item to others, and go to the next."""
    here = check_form(signed, form)
    here.room.store.skip(id, here.who)
    return _onward(here, id, "skipped")


@router.post("/items/{id}/release")
def release(signed: SignedIn, id: ItemId, form: Form) -> Response:
    """Give an item back, and go to the queue."""
    here = check_form(signed, form)
    here.room.store.release(id, here.who)
    return here.go("/queue", done=id, how="released")


@router.post("/items/{id}/discard")
def discard(signed: SignedIn, id: ItemId, form: Form) -> Response:
    """Take an item off the queue without an answer."""
    here = check_form(signed, form)
    try:
        here.room.store.discard(id, here.who, form.get("why", "").strip())
    except (ReviewRightError, ReviewConflictError):
        raise
    except ReviewError as error:
        return item_page(here, id, 400, str(error), form)
    return _onward(here, id, "discarded")


@router.post("/items/{id}/reopen")
def reopen(signed: SignedIn, id: ItemId, form: Form) -> Response:
    """Open an answered item again."""
    here = check_form(signed, form)
    here.room.store.reopen(id, here.who, form.get("why", "").strip())
    here.room.stats.drop()
    return here.go(f"/items/{id}", done=id, how="reopened")


@router.post("/undo")
def undo(signed: SignedIn, form: Form) -> Response:
    """Take the last answer back, or the one named, and look at the item again."""
    here = check_form(signed, form)
    named = form.get("item", "")
    found = here.room.store.undo(here.who, int(named) if named.isdecimal() and len(named) <= 18 else None)
    here.room.stats.drop()
    return here.go(f"/items/{found.id}", done=found.id, how="undone")


@router.post("/items/{id}/bulk")
def decide_bulk(signed: SignedIn, id: ItemId, form: Form) -> Response:
    """Give one answer to all items that the preview showed, or to none."""
    here = check_form(signed, form)
    together: Bulk = here.room.store.bulk(id, here.who)
    if not hmac.compare_digest(form.get("seen", "").encode(), seen_of(together.items).encode()):
        return bulk_page(here, id, 409, here.t("bulk.changed"), form)
    try:
        count = here.room.store.decide_bulk(together, here.who, answer_of(form))
    except ReviewRightError:
        raise
    except ReviewConflictError:
        return bulk_page(here, id, 409, here.t("bulk.changed"), form)
    except ReviewError as error:
        return bulk_page(here, id, 400, str(error), form)
    return _onward(here, count, "bulk")


@router.post("/audit/verify")
def verify(signed: SignedIn, form: Form) -> Response:
    """Check the chain of hashes."""
    here = check_form(signed, form)
    if here.user.role == Role.REVIEWER:
        raise ReviewRightError(here.t("error.forbidden"))
    expected = form.get("expected", "").strip()[:64]
    return audit_page(here, verified=here.room.store.verify(expected), expected=expected)
