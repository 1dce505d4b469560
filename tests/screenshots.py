"""Make the README's pictures of the review page: `python -m tests.screenshots [FOLDER]`."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tagger.pipeline import Tagger
from tagger.review.items import Answer, Filters, Stage, Who
from tagger.review.store import ReviewStore
from tagger.review.web.visit import Room

from .review_page import PEOPLE, add_people, browser, fill, folder_of_pictures, log_in, serving

ROOT = Path(__file__).parent.parent


README_PICTURES = ("queue", "item", "dispute_zh", "item_phone")
MAGNETS = (
    "MPL 42x20x5 / N38 lamellar magnet, sintered Nd2Fe14B, NiCuNi, wt 31.5 g, axial",
    "MPL 42x20x5 / N38 lamellar magnet, sintered Nd2Fe14B, NiCuNi, wt 31.5 g, axial",
    "MPL 42x20x5 / N38 lamellar magnet, sintered Nd2Fe14B, NiCuNi, wt 31.5 g, axial",
    "MPL 40x15x5 / N38SH lamellar magnet, sintered Nd2Fe14B, NiCuNi, wt 22.5 g, axial",
    "MPL 30x20x10 / N38 lamellar magnet, sintered Nd2Fe14B, NiCuNi, wt 45 g, axial",
)


def texts() -> list[str]:
    """Texts of the sample catalogue and of the evaluation rows."""
    with (ROOT / "tests/data/catalogue.csv").open(encoding="utf-8") as file:
        goods = [f"{row['name']}; {row['description']}" for row in csv.DictReader(file)]
    lines = (ROOT / "training_data/evaluation/rows.jsonl").read_text(encoding="utf-8").splitlines()
    return goods + [json.loads(line)["text"] for line in lines]


def work(store: ReviewStore, count: int) -> None:
    """Some answers of two people, so that there is something to see."""
    for n in range(count):
        who = Who(*list(PEOPLE.items())[n % 2])
        item = store.next(who, Filters(lang="en" if n % 3 else "zh"))
        if item is None:
            return
        if item.codes and item.id % 5:
            answer = Answer("controlled", item.category, item.codes[:1], "stated on the maker's data sheet")
        elif item.category != "none":
            answer = Answer("not_controlled", item.category, (), "the maker states another figure, below the threshold")
        else:
            answer = Answer("unrelated", "none", (), "no listed item is meant")
        store.decide(item.id, who, answer)


def magnets(store: ReviewStore) -> None:
    """Two past decisions on magnets like others that wait."""
    lines = store.page(Filters(batch="magnets", words="MPL")).lines
    by_size = {line.text[4:12]: line for line in lines}
    assay = Answer("controlled", "ndfeb_magnet", ("1C905.a.4",), "1.8 % dysprosium in the mill certificate")
    store.decide(by_size["40x15x5 "].id, Who("jonas"), assay)
    free = Answer("not_controlled", "ndfeb_magnet", ("1C904.a.4", "1C905.a.4"), "no Dy, no Tb in the certificate of the lot", False)
    for name in ("mei", "jonas"):
        store.decide(by_size["30x20x10"].id, Who(name), free)


def dispute(store: ReviewStore) -> None:
    """One item on which two people differ."""
    line = next(n for n in store.page(size=200).lines if n.codes and n.lang == "en" and n.stage == Stage.FIRST)
    cleared = Answer("not_controlled", line.category, (), "the maker says it is an older type")
    store.decide(line.id, Who("mei"), cleared, second=True)
    met = Answer("controlled", line.category, line.codes[:1], "the photograph shows the listed type")
    store.decide(line.id, Who("jonas"), met)


def pictures(address: str, opened: Any, folder: Path, wanted: tuple[str, ...]) -> None:
    """Log in, look, take the pictures; all of them where none are named."""

    def shoot(name: str, whole: bool = False) -> None:
        if not wanted or name in wanted:
            page.screenshot(path=folder / f"{name}.png", full_page=whole)
            shrink(folder / f"{name}.png")

    for language, size, suffix in (("en", (1280, 860), ""), ("zh", (1280, 860), "_zh"), ("en", (390, 844), "_phone")):
        locale = {"en": "en-GB", "zh": "zh-CN"}[language]
        context = opened.new_context(viewport={"width": size[0], "height": size[1]}, locale=locale, color_scheme="light")
        page = context.new_page()
        page.goto(f"{address}/login")
        shoot(f"login{suffix}")
        log_in(page, address, "ada")
        shoot(f"queue{suffix}")
        page.goto(f"{address}/queue?batch=magnets")
        page.click("#lines a.text")
        page.wait_for_selector("#answer-form")
        shoot(f"item{suffix}")
        for path in ("progress", "audit"):
            page.goto(f"{address}/{path}")
            shoot(f"{path}{suffix}")
        page.goto(f"{address}/queue?state=adjudication")
        page.click("#lines a.text")
        page.wait_for_selector("#answer-form")
        shoot(f"dispute{suffix}")
        context.close()


def shrink(path: Path) -> None:
    """Fewer colours: a page has few, and the picture is a third."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def main() -> None:
    """Make the README's pictures; with a folder named, all there are."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else folder_of_pictures()
    wanted = () if len(sys.argv) > 1 else README_PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    tagger = Tagger.load(as_of=dt.date(2026, 11, 21))
    with tempfile.TemporaryDirectory() as home, ReviewStore.open(f"{home}/review.sqlite", tagger.book) as store:
        fill(store, tagger, texts(), "spring-catalogue")
        room = Room(store, add_people(store), tagger.book)
        work(store, 64)
        dispute(store)
        fill(store, tagger, MAGNETS, "magnets")
        magnets(store)
        with serving(room) as address, browser() as opened:
            pictures(address, opened, folder, wanted)


if __name__ == "__main__":
    main()
