"""The review page as people use it: a real server, a real Chromium, the keyboard."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tagger.pipeline import Tagger
from tagger.review.content import load_settings
from tagger.review.items import Who
from tagger.review.store import ReviewStore
from tagger.review.users import Users
from tagger.review.web.visit import Room

from .review_page import PEOPLE, add_people, browser, chromium_path, fill, log_in, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
TEXTS = [
    "钕铁硼磁钢 N42 镀锌 沉孔",
    "NdFeB block magnet N35; 20 x 10 x 5 mm, nickel plated",
    "Rotary kiln for anode material carbonization & coating, 8 zones, drum dia. 1200 x 15000 mm",
    "MAG,NDFEB N35 D10X2 NICUNI AX 10K/CTN",
    "MPL 42x20x5 / N38 lamellar magnet, sintered Nd2Fe14B, NiCuNi, wt 31.5 g",
    "ACHESON GRAPHITIZATION FURNACE 3000C",
    "Cell core hot press, pneumatic, 2 plates 300x200, RT-150C, PLC, shaping of bare cell",
    "60 kW class microwave CVD, diamond window",
    "Fluidised bed opposed jet mill AFG, nitrogen loop, for LFP and NMC cathode material, ceramic lining, 400 kg/h",
    "LiFePO4 powder for Li-ion cathodes, particle diameter from 100 nm up to 5 micron",
    "Formation & capacity grading machine for LFP 3.65V / NCM 4.2V cells, multi stage CC-CV",
    "N33H neo rod, Hci above 17 kOe",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if chromium_path() is None:
        pytest.fail("no Chromium is installed: apt-get install chromium, or name it in the variable CHROMIUM")
    with browser() as opened:
        yield opened


@pytest.fixture
def store(tagger: Tagger, tmp_path: Path) -> Iterator[ReviewStore]:
    with ReviewStore.open(tmp_path / "review.sqlite", tagger.book) as opened:
        add_people(opened)
        fill(opened, tagger, TEXTS)
        # no random sample: which items need two people is then known beforehand
        opened.set_settings(dataclasses.replace(load_settings(), second_sample=0.0), Who("ada", PEOPLE["ada"]))
        yield opened


@pytest.fixture
def visit(store: ReviewStore, tagger: Tagger, chromium: Browser) -> Iterator[Callable[[str], Page]]:
    """Log in as one of the people, in a browser window of their own; a script error on the page fails the test."""
    faults: list[str] = []
    contexts: list[Any] = []
    with serving(Room(store, Users(store.engine), tagger.book)) as address:

        def open_as(name: str, **options: Any) -> Page:
            context = chromium.new_context(base_url=address, locale="en-GB", **options)
            contexts.append(context)
            page = context.new_page()
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", lambda r: faults.append(r.url) if not r.url.startswith(address) else None)
            log_in(page, address, name)
            return page

        yield open_as
        for context in contexts:
            context.close()
    assert faults == []


def press(page: Page, *keys: str) -> None:
    """Press keys, the last of which leads to another page."""
    for key in keys[:-1]:
        page.keyboard.press(key)
    before = page.url
    page.keyboard.press(keys[-1])
    page.wait_for_function("before => location.href !== before", arg=before)
    page.wait_for_load_state()


def test_ten_items_by_keyboard_to_the_audit(visit: Callable[..., Page], store: ReviewStore) -> None:
    mei = visit("mei")
    press(mei, "n")
    for _ in range(9):
        press(mei, "1", "a")
        assert "controlled saved" in mei.inner_text("#flash")
    assert mei.inner_text("#mine-today") == "9"

    undone = mei.inner_text("#flash").split(":")[0]
    press(mei, "u")
    assert mei.inner_text("h1") == undone
    assert mei.inner_text("#mine-today") == "8"
    press(mei, "1", "a")

    doubtful = mei.inner_text("h1")
    mei.keyboard.press("2")
    mei.keyboard.press("w")
    mei.keyboard.type("the maker says so")
    mei.keyboard.press("Escape")
    press(mei, "o")
    assert "second person" in mei.inner_text("#flash")
    assert mei.inner_text("#mine-today") == "10"

    jonas = visit("jonas")
    jonas.goto("/queue?state=second_opinion")
    press(jonas, "n")
    assert jonas.inner_text("h1") == doubtful
    assert "blind" in jonas.inner_text("main")
    assert "the maker says so" not in jonas.content()
    press(jonas, "1", "a")
    assert "adjudicator" in jonas.inner_text("#flash")

    ada = visit("ada")
    press(ada, "n")
    assert ada.inner_text("h1") == doubtful
    assert "the maker says so" in ada.inner_text("#opinions")
    assert "jonas" in ada.inner_text("#opinions")
    ada.keyboard.press("1")
    ada.keyboard.press("w")
    ada.keyboard.type("the drawing shows it")
    press(ada, "Enter")

    otto = visit("otto")
    otto.goto("/audit")
    told = otto.inner_text("#events")
    for words in ("mei", "took back", "jonas", "disagreed", "ada", "settled", "the maker says so", "the drawing shows it"):
        assert words in told
    otto.click("text=Check the chain of hashes")
    otto.wait_for_selector("#verified")
    assert "intact" in otto.inner_text("#verified")
    assert store.stats().states["settled"] == 1
    assert store.stats().states["decided"] == 9


def test_a_reason_is_asked_for_before_an_item_is_cleared(visit: Callable[..., Page], store: ReviewStore) -> None:
    mei = visit("mei")
    press(mei, "n")
    here = mei.url
    mei.keyboard.press("2")
    mei.keyboard.press("a")
    assert mei.evaluate("document.activeElement.id") == "why"
    assert mei.url == here
    assert store.stats().answers == {}


def test_skip_comes_back_last_and_the_question_is_copied(visit: Callable[..., Page]) -> None:
    mei = visit("mei", permissions=["clipboard-read", "clipboard-write"])
    press(mei, "n")
    first = mei.inner_text("h1")
    mei.keyboard.press("y")
    mei.wait_for_selector("text=Copied")
    copied = mei.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == mei.get_attribute("#ask", "data-text").strip()  # type: ignore[union-attr]
    press(mei, "s")
    assert mei.inner_text("h1") != first


def test_another_answer_and_a_bulk_decision(visit: Callable[..., Page], store: ReviewStore, tagger: Tagger) -> None:
    fill(store, tagger, [TEXTS[1]] * 5, "again")
    mei = visit("mei")
    mei.goto("/queue?words=20+x+10+x+5")
    press(mei, "n")
    mei.click("text=Decide them together")
    mei.wait_for_selector("#together")
    assert mei.locator("#together tbody tr").count() == 6
    press(mei, "1", "a")
    assert "6 items decided" in mei.inner_text("#flash")
    assert sum(store.stats().answers.values()) == 6

    mei.goto("/queue?words=microwave")
    press(mei, "n")
    mei.keyboard.press("c")
    mei.select_option("details select[name=outcome]", "unrelated")
    mei.select_option("details select[name=category]", "none")
    mei.fill("details input[name=why]", "a window only")
    mei.click("text=Save this answer")
    mei.wait_for_selector("#page-error")
    assert "unrelated has no clause" in mei.inner_text("#page-error")
    assert mei.input_value("details input[name=why]") == "a window only"
    mei.fill("details input[name=codes]", "")
    before = mei.url
    mei.click("text=Save this answer")
    mei.wait_for_function("before => location.href !== before", arg=before)
    assert "second person" in mei.inner_text("#flash")


def test_filters_narrow_the_queue_and_stay_while_reviewing(visit: Callable[..., Page]) -> None:
    mei = visit("mei")
    mei.select_option("select[name=lang]", "zh")
    mei.wait_for_url("**lang=zh**")
    mei.wait_for_selector("#lines")
    assert mei.locator("#lines tr").count() == 1
    press(mei, "n")
    assert "lang=zh" in mei.url
    assert "钕铁硼" in mei.inner_text("#product")
    mei.go_back()
    mei.wait_for_selector("#lines")
    assert mei.locator("#lines tr").count() == 1


def test_the_page_speaks_chinese_and_fits_a_phone(visit: Callable[..., Page]) -> None:
    page = visit("mei", viewport={"width": 390, "height": 844})
    page.click("text=中文")
    page.wait_for_selector("h1:has-text('队列')")
    for path in ("/queue", "/progress"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto("/queue")
    page.click("#lines a.text")
    page.wait_for_selector("#answer-form")
    assert "您的回答" in page.inner_text("main")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    "text",
    [
        "<script>window.hit = 1</script> NdFeB magnet N35",
        "<img src=x onerror='window.hit = 1'> NdFeB magnet N35",
        'NdFeB magnet " onmouseover="window.hit = 1" x=\'',
        "{{ 7 * 7 }} {% raw %} NdFeB magnet N35",
        "NdFeB magnet \u202eN35 gnihtyna\u202c \u2066",
        "NdFeB magnet N35 " + "<b>x</b> " * 12_000,
    ],
)
def test_hostile_texts_are_shown_and_nothing_runs(
    visit: Callable[..., Page], store: ReviewStore, tagger: Tagger, text: str
) -> None:
    fill(store, tagger, [text], "<script>window.hit = 1</script>")
    mei = visit("mei")
    mei.goto("/queue?state=everything")
    lines = store.page(size=100).lines
    line = next(n for n in lines if n.batch.startswith("<script>"))
    for path in (f"/items/{line.id}", f"/items/{line.id}?whole=1", f"/items/{line.id}/bulk"):
        mei.goto(path)
        assert mei.evaluate("window.hit") is None
        assert mei.locator("#product img, .product img, .product b, .product script").count() == 0
        assert "49" not in mei.inner_text(".product") or "49" in text
    if "\u202e" in text:
        assert "U+202E" in mei.inner_text(".product")
        assert "\u202e" not in mei.inner_text("main")
