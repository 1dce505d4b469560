"""The review page against those who mean harm: no one decides without the right, nothing foreign is let in."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jinja2
import pytest
import sqlalchemy as sa

from tagger.errors import UsageError
from tagger.pipeline import Tagger
from tagger.review import users as accounts
from tagger.review.items import Action, Answer, Role, Who
from tagger.review.store import ReviewStore
from tagger.review.users import LoginError, UserError, Users
from tagger.review.web.app import Address, check_address
from tagger.review.web.messages import LANGUAGES, load_messages
from tagger.review.web.visit import Room

from .review_page import PASSWORD, add_people, fill, serving

WEB = Path(accounts.__file__).parent / "web"
TEXTS = ["NdFeB block magnet N35; 20 x 10 x 5 mm, nickel plated", "60 kW class microwave CVD, diamond window", "N33H neo rod"]
Login = Callable[..., httpx.Client]


@pytest.fixture(scope="module")
def filled(tagger: Tagger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with items and people, made once."""
    path = tmp_path_factory.mktemp("review") / "review.sqlite"
    with ReviewStore.open(path, tagger.book) as opened:
        fill(opened, tagger, TEXTS)
        add_people(opened)
    return path


@pytest.fixture
def store(filled: Path, tagger: Tagger, tmp_path: Path) -> Iterator[ReviewStore]:
    with ReviewStore.open(shutil.copy(filled, tmp_path), tagger.book) as opened:
        yield opened


@pytest.fixture
def address(store: ReviewStore, tagger: Tagger) -> Iterator[str]:
    with serving(Room(store, Users(store.engine), tagger.book)) as opened:
        yield opened


@pytest.fixture
def client(address: str) -> Iterator[Login]:
    """A client of the page, logged in under a name."""
    clients: list[httpx.Client] = []

    def log_in(name: str = "") -> httpx.Client:
        opened = httpx.Client(base_url=address, follow_redirects=True, timeout=30)
        clients.append(opened)
        if name:
            page = opened.get("/login")
            done = opened.post("/login", data={"name": name, "password": PASSWORD, "csrf": csrf(page.text)})
            assert done.url.path == "/queue"
        return opened

    yield log_in
    for opened in clients:
        opened.close()


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def answer(page: str, **values: str) -> dict[str, str]:
    """A form as the page would send it: the first answer offered."""
    found = re.search(r'name="choice" value="([^"]+)"', page)
    assert found
    return {"csrf": csrf(page), "choice": found[1], **values}


def decisions(store: ReviewStore) -> int:
    return sum(e.action in (Action.DECIDE, Action.DISAGREE, Action.ADJUDICATE) for e in store.events(size=1000))


def test_nothing_is_seen_without_a_login(client: Login) -> None:
    visitor = client()
    for path in ("/", "/queue", "/items/1", "/items/1/bulk", "/progress", "/audit"):
        assert visitor.get(path).url.path == "/login"
    for path in ("/items/1/decide", "/items/1/skip", "/items/1/bulk", "/items/1/discard", "/next", "/undo", "/audit/verify"):
        assert visitor.post(path, data={"csrf": "x", "choice": "unrelated none"}).url.path == "/login"
    assert visitor.get("/docs").status_code == 404
    assert visitor.get("/static/../users.py").status_code == 404


def test_every_answer_carries_the_headers(client: Login) -> None:
    for response in (client().get("/login"), client("mei").get("/queue"), client().get("/static/app.js"), client().get("/nothing")):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
    assert client("mei").get("/queue").headers["cache-control"] == "no-store"


def test_pages_hold_no_inline_script_or_style_and_no_foreign_host(client: Login) -> None:
    mei, otto = client("mei"), client("otto")
    pages = [mei.get(path).text for path in ("/queue", "/items/1", "/items/1/bulk", "/progress")] + [otto.get("/audit").text]
    for page in pages:
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", page)
        assert not re.search(r"\sstyle=|<style|javascript:|\son[a-z]+=", page)
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", page)


def test_the_session_cookie_is_out_of_reach_of_scripts(client: Login) -> None:
    visitor = client()
    form = {"name": "mei", "password": PASSWORD, "csrf": csrf(visitor.get("/login").text)}
    given = visitor.post("/login", data=form, follow_redirects=False).headers.get_list("set-cookie")
    session = next(c for c in given if c.startswith("tagger_session="))
    assert "HttpOnly" in session
    assert "samesite=strict" in session.lower()


def test_behind_https_the_cookie_never_leaves_it(store: ReviewStore, tagger: Tagger) -> None:
    with serving(Room(store, Users(store.engine), tagger.book, secure=True)) as address:
        page = httpx.get(f"{address}/login")
        form = {"name": "mei", "password": PASSWORD, "csrf": csrf(page.text)}
        cookies = {"tagger_login": page.cookies["tagger_login"]}
        given = httpx.post(f"{address}/login", data=form, cookies=cookies).headers.get_list("set-cookie")
    (session,) = [c for c in given if c.startswith("__Host-tagger_session=")]
    assert "Secure" in session
    assert "Path=/;" in session


def test_the_page_on_each_database(store_url: str, tagger: Tagger) -> None:
    with ReviewStore.open(store_url, tagger.book) as store:
        fill(store, tagger, TEXTS)
        people = add_people(store)
        with serving(Room(store, people, tagger.book)) as address, httpx.Client(base_url=address, follow_redirects=True) as mei:
            form = {"name": "mei", "password": PASSWORD, "csrf": csrf(mei.get("/login").text)}
            assert mei.post("/login", data={**form, "name": "mei\x00"}).status_code == 401
            page = mei.post("/login", data=form).text
            for words in ("\x00", "%", "_", "'", "\\", "\ud83e"):
                assert 'id="lines"' not in mei.get("/queue", params={"words": words.encode("utf-8", "replace") + b"?!"}).text
            for _ in TEXTS:
                shown = mei.post("/next", data={"csrf": csrf(page)})
                choice = answer(shown.text, why="the maker says so")
                assert mei.post(f"{shown.url.path}/decide", data=choice).status_code == 200
            assert mei.post("/next", data={"csrf": csrf(page)}).url.path == "/queue"
            assert mei.get("/progress").status_code == 200
        assert sum(store.stats().answers.values()) == len(TEXTS)
        assert store.verify().broken == ()


def test_forged_forms_decide_nothing(client: Login, store: ReviewStore) -> None:
    mei, jonas = client("mei"), client("jonas")
    page, foreign = mei.get("/items/1").text, jonas.get("/items/1").text
    for form in (
        {"choice": answer(page)["choice"]},
        answer(page, csrf="guess"),
        answer(page, csrf=csrf(foreign)),
        answer(page, csrf=""),
    ):
        assert mei.post("/items/1/decide", data=form).status_code == 403
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert mei.post("/items/1/decide", data=answer(page), headers=headers).status_code == 403
    assert mei.get("/queue", headers={"host": "evil.example"}).status_code == 421
    assert decisions(store) == 0
    assert mei.post("/items/1/decide", data=answer(page)).status_code == 200
    assert decisions(store) == 1


def test_anothers_session_is_of_no_use_after_logout_or_made_up(client: Login, store: ReviewStore) -> None:
    mei = client("mei")
    page = mei.get("/items/1").text
    thief = client()
    thief.cookies.set("tagger_session", mei.cookies["tagger_session"])
    mei.post("/logout", data={"csrf": csrf(page)})
    assert thief.post("/items/1/decide", data=answer(page)).url.path == "/login"
    for token in ("", "0", "x" * 5_000, "' OR 1=1 --"):
        visitor = client()
        visitor.cookies.set("tagger_session", f'"{token}"')
        assert visitor.get("/queue").url.path == "/login"
    assert decisions(store) == 0


def test_each_login_gets_a_new_session(client: Login) -> None:
    visitor = client()
    visitor.cookies.set("tagger_session", "chosen-by-somebody-else")
    page = visitor.get("/login")
    done = visitor.post("/login", data={"name": "mei", "password": PASSWORD, "csrf": csrf(page.text)}, follow_redirects=False)
    assert "chosen-by-somebody-else" not in str(done.headers.get_list("set-cookie"))


@pytest.mark.parametrize("name", ["otto", "mei"])
def test_roles_are_kept(client: Login, store: ReviewStore, name: str) -> None:
    person = client(name)
    secret = csrf(person.get("/queue").text)
    forbidden = ["/items/1/discard", "/items/1/reopen"]
    if name == "otto":
        assert "answer-form" not in person.get("/items/1").text
        forbidden += ["/items/1/decide", "/items/1/skip", "/items/1/bulk", "/next", "/undo"]
        assert person.get("/audit").status_code == 200
        assert person.get("/items/1/bulk").status_code == 403
    else:
        assert person.get("/audit").status_code == 403
        assert person.post("/audit/verify", data={"csrf": secret}).status_code == 403
    seen = ",".join(map(str, sorted(store.bulk(1, Who("mei")).items)))
    form = {"csrf": secret, "choice": "unrelated none", "why": "because", "seen": seen}
    for path in forbidden:
        assert person.post(path, data=form).status_code in (403, 409), path
    assert decisions(store) == 0
    assert store.item(1).state == "open"


def test_two_people_do_not_decide_one_item(client: Login, store: ReviewStore) -> None:
    mei, jonas = client("mei"), client("jonas")
    first, second = mei.get("/items/1").text, jonas.get("/items/1").text
    assert mei.post("/items/1/decide", data=answer(first)).status_code == 200
    late = jonas.post("/items/1/decide", data=answer(second))
    assert late.status_code == 409
    assert "waits for no answer" in late.text
    assert decisions(store) == 1


def test_the_second_reviewer_does_not_see_the_first(client: Login, store: ReviewStore) -> None:
    item = store.item(1)
    store.decide(1, Who("mei"), Answer("not_controlled", item.category, (), "secret words of mei"))
    jonas, ada = client("jonas"), client("ada")
    for path in ("/items/1", "/queue?state=everything", "/progress"):
        for person in (jonas, ada):
            assert "secret words" not in person.get(path).text
    assert "secret words" not in ada.get("/audit").text
    assert "secret words" not in ada.get("/audit?item=1").text
    assert "secret words" in client("otto").get("/audit").text
    assert "secret words" in client("mei").get("/items/1").text


def test_a_bulk_decision_touches_what_the_preview_showed_and_nothing_else(
    client: Login, store: ReviewStore, tagger: Tagger
) -> None:
    fill(store, tagger, [TEXTS[0], TEXTS[0], TEXTS[0] + "!"], "again")
    mei = client("mei")
    page = mei.get("/items/1/bulk").text
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen
    fill(store, tagger, [TEXTS[0]], "later")
    late = mei.post("/items/1/bulk", data=answer(page, seen=seen[1]))
    assert late.status_code == 409
    assert decisions(store) == 0
    everything = answer(page, seen=",".join(str(n.id) for n in store.page(size=100).lines))
    assert mei.post("/items/1/bulk", data=everything).status_code == 409
    fresh = mei.get("/items/1/bulk").text
    seen = re.search(r'name="seen" value="([^"]+)"', fresh)
    assert seen
    assert mei.post("/items/1/bulk", data=answer(fresh, seen=seen[1])).status_code == 200
    assert decisions(store) == 4


@pytest.mark.parametrize(
    "query",
    [
        {"category": "' OR '1'='1"},
        {"words": "%"},
        {"words": "'; DROP TABLE items; --"},
        {"reason": "x' UNION SELECT password FROM users --"},
        {"batch": "x" * 30_000},
        {"missing": "\u0000"},
        {"state": "open'; --", "words": "no such words"},
        {"lang": "<script>alert(1)</script>"},
    ],
)
def test_sql_in_filters_is_words(client: Login, store: ReviewStore, query: dict[str, str]) -> None:
    response = client("mei").get("/queue", params=query)
    assert response.status_code == 200
    assert 'id="lines"' not in response.text
    assert "<script>alert" not in response.text
    assert "argon2" not in response.text
    assert len(store.page().lines) == len(TEXTS)


@pytest.mark.parametrize("path", ["/queue?cursor=x", "/queue?cursor=1:2:3", "/queue?cursor=nan:1"])
def test_a_made_up_cursor_is_told(client: Login, path: str) -> None:
    assert client("mei").get(path).status_code in (200, 400)


@pytest.mark.parametrize(
    "path", ["/items/0", "/items/x", "/items/-1", f"/items/{10**30}", "/audit?item=99999", "/nothing", "/items/"]
)
def test_what_is_not_there_is_told(client: Login, path: str) -> None:
    response = client("otto").get(path)
    assert response.status_code == 404
    assert "Traceback" not in response.text


@pytest.mark.parametrize(
    "form",
    [
        {"choice": ""},
        {"choice": "controlled"},
        {"choice": "controlled ndfeb_magnet"},
        {"choice": "controlled ndfeb_magnet 9Z999"},
        {"choice": "released ndfeb_magnet"},
        {"choice": "unrelated ndfeb_magnet", "why": "x"},
        {"other": "1", "outcome": "controlled", "category": "nothing", "codes": "1C905.a.4"},
        {"choice": "not_controlled ndfeb_magnet", "why": " "},
        {"choice": "controlled ndfeb_magnet 1C905.a.4", "why": "x" * 6_000},
    ],
)
def test_an_answer_that_does_not_fit_is_refused(client: Login, store: ReviewStore, form: dict[str, str]) -> None:
    mei = client("mei")
    response = mei.post("/items/1/decide", data={"csrf": csrf(mei.get("/items/1").text), **form})
    assert response.status_code == 400
    assert 'id="page-error"' in response.text
    assert decisions(store) == 0


def test_long_bodies_and_files_are_refused(client: Login, store: ReviewStore) -> None:
    mei = client("mei")
    form = answer(mei.get("/items/1").text)
    assert mei.post("/items/1/decide", data={**form, "why": "x" * 2_000_000}).status_code == 413
    assert mei.post("/items/1/decide", data=form, files={"why": b"x"}).status_code == 400
    many = {**form, **{f"field{n}": "1" for n in range(500)}}
    assert mei.post("/items/1/decide", data=many).status_code == 400
    assert decisions(store) == 0


def test_an_undo_takes_back_ones_own_answer_only(client: Login, store: ReviewStore) -> None:
    mei, jonas = client("mei"), client("jonas")
    mei.post("/items/1/decide", data=answer(mei.get("/items/1").text))
    secret = csrf(jonas.get("/queue").text)
    assert jonas.post("/undo", data={"csrf": secret, "item": "1"}).status_code == 400
    assert store.item(1).state in ("decided", "second_opinion")
    assert mei.post("/undo", data={"csrf": csrf(mei.get("/queue").text), "item": "1"}).url.path == "/items/1"
    assert store.item(1).state == "claimed"


def test_an_adjudicator_discards_and_reopens_with_a_reason(client: Login, store: ReviewStore) -> None:
    ada = client("ada")
    secret = csrf(ada.get("/queue").text)
    assert ada.post("/items/1/discard", data={"csrf": secret, "why": " "}).status_code == 400
    assert store.item(1).state == "open"
    assert ada.post("/items/1/discard", data={"csrf": secret, "why": "a test row"}).status_code == 200
    assert "a test row" in ada.get("/items/1").text
    assert store.item(1).state == "discarded"
    assert ada.post("/items/1/reopen", data={"csrf": secret, "why": "no test row after all"}).url.path == "/items/1"
    assert store.item(1).state == "open"


def test_wrong_passwords_are_slowed_down(client: Login) -> None:
    visitor = client()

    def attempt(name: str, password: str) -> int:
        form = {"name": name, "password": password, "csrf": csrf(visitor.get("/login").text)}
        return visitor.post("/login", data=form).status_code

    assert [attempt("mei", f"guess number {n}") for n in range(accounts.ATTEMPTS_A_NAME)] == [401] * accounts.ATTEMPTS_A_NAME
    assert attempt("mei", PASSWORD) == 429
    assert attempt("jonas", PASSWORD) == 200


def test_a_login_form_of_another_site_is_refused(client: Login) -> None:
    assert client().post("/login", data={"name": "mei", "password": PASSWORD, "csrf": "x"}).status_code == 403


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_accounts_on_each_database(store_url: str) -> None:
    clock = Clock()
    with ReviewStore.open(store_url) as store:
        users = Users(store.engine, clock)
        users.add("mei", Role.REVIEWER, PASSWORD)
        with pytest.raises(UserError, match="already"):
            users.add("mei", Role.AUDITOR, PASSWORD)
        for name in ("", "a b", "a,b", "x" * 65, "<script>"):
            with pytest.raises(UserError, match="no user name"):
                users.add(name, Role.REVIEWER, PASSWORD)
        for password in ("short", "x" * 300):
            with pytest.raises(UserError, match="characters"):
                users.set_password("mei", password)

        token = users.log_in("mei", PASSWORD, "here")
        with store.reading() as connection:
            row = connection.execute(sa.select(accounts.users_table)).one()
            kept = connection.execute(sa.select(accounts.sessions_table.c.token_hash)).scalar_one()
        assert row.password.startswith("$argon2id$")
        assert PASSWORD not in row.password
        assert token != kept

        clock.now += accounts.IDLE_SECONDS - 10
        assert users.session(token) is not None
        clock.now += accounts.IDLE_SECONDS - 10
        assert users.session(token) is not None
        clock.now += accounts.IDLE_SECONDS + 10
        assert users.session(token) is None

        token = users.log_in("mei", PASSWORD, "here")
        for _ in range(accounts.SESSION_SECONDS // 1800 + 1):
            clock.now += 1800
            users.session(token)
        assert users.session(token) is None

        for end in (lambda: users.set_password("mei", PASSWORD + "!"), lambda: users.set_disabled("mei", True)):
            token = users.log_in("mei", PASSWORD, "here") if users.get("mei").created and end else ""
            assert users.session(token) is not None
            end()
            assert users.session(token) is None
            users.set_disabled("mei", False)
            users.set_password("mei", PASSWORD)
        users.set_disabled("mei", True)
        with pytest.raises(LoginError, match="name or password is wrong"):
            users.log_in("mei", PASSWORD, "here")


def test_beyond_this_machine_only_by_https(tmp_path: Path) -> None:
    check_address(Address())
    check_address(Address(host="::1"))
    check_address(Address(host="0.0.0.0", behind_proxy=True))  # noqa: S104
    with pytest.raises(UsageError, match="https"):
        check_address(Address(host="192.168.1.5"))
    with pytest.raises(UsageError, match="cannot be used"):
        check_address(Address(certificate=tmp_path / "none.pem"))


def test_both_languages_have_the_same_words() -> None:
    english, *others = [load_messages(language).words for language in LANGUAGES]
    for other in others:
        assert other.keys() == english.keys()
        for key, text in english.items():
            assert set(re.findall(r"{(\w+)", text)) == set(re.findall(r"{(\w+)", other[key])), key


def test_templates_use_known_words_and_never_skip_escaping() -> None:
    words = load_messages("en").words
    for path in sorted((WEB / "templates").glob("*.html")):
        source = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape false|Markup", source), path.name
        for key in re.findall(r'\bt\("([a-z_]+\.[a-z_]+)"', source) + re.findall(r"\bt\('([a-z_]+\.[a-z_]+)'", source):
            assert key in words, f"{path.name}: {key}"
        jinja2.Environment(autoescape=True).parse(source)


def test_the_vendored_script_has_its_licence() -> None:
    static = WEB / "static"
    scripts = [p for p in static.glob("*.js") if p.name != "app.js"]
    assert [p.name for p in scripts] == ["htmx-2.0.11.min.js"]
    assert "0BSD" in (static / "htmx-2.0.11.LICENSE.txt").read_text() or "Zero-Clause BSD" in (
        static / "htmx-2.0.11.LICENSE.txt"
    ).read_text(encoding="utf-8")
    assert 'version:"2.0.11"' in scripts[0].read_text(encoding="utf-8")


def test_message_files_say_what_they_are() -> None:
    for language in LANGUAGES:
        text = (WEB / "messages" / f"{language}.toml").read_text(encoding="utf-8")
        assert "format = tagger review messages, version 1" in text.splitlines()[0]
        assert tomllib.loads(text)["nav"]["queue"]
