"""From a batch to the queue and back: memory, exchange by file, answers written back, training rows, the terminal commands."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tagger.catalogue.answers import Setup
from tagger.catalogue.batch import BatchOptions, Silence, open_catalogue, tag_catalogue
from tagger.catalogue.exchange import export_items, export_training, import_answers
from tagger.errors import InterruptionError, ReviewConflictError, ReviewError, TaggerError
from tagger.learning.dataset import read_examples
from tagger.pipeline import Tagger
from tagger.records import Row
from tagger.review.content import family, load_settings
from tagger.review.feed import batch_of
from tagger.review.items import Answer, BatchName, Filters, Role, State, Who
from tagger.review.memory import recalled
from tagger.review.store import ReviewStore, review_path
from tagger.rulebook import Rulebook

from .conftest import DAY, Result

ANN, BOB, CLEO = Who("ann"), Who("bob"), Who("cleo", Role.ADJUDICATOR)
YES = Answer("controlled", "ndfeb_magnet", ("1C905.a.4",), "2 % Dy in the assay")
NO = replace(YES, outcome="not_controlled", why="no Dy, no Tb in the assay")
GOODS = [
    ["sku", "name"],
    ["00123", "NdFeB magnet N42, zinc plated"],
    ["00124", "plastics granulator"],
    ["00125", "钕铁硼磁钢 N45"],
    ["00126", "NdFeB magnet N42, zinc plated"],
    ["00127", "6 m3 vertical granulation kettle for anode material"],
]


def write(path: Path, rows: list[list[str]] = GOODS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def batch(source: Path, target: Path, review: str | None = None) -> Any:
    options = BatchOptions(("name",), "sku", review=review)
    return tag_catalogue(open_catalogue([source], target, options), target, options, Setup(as_of=DAY))


@pytest.fixture
def store(tmp_path: Path, book: Rulebook) -> Iterator[ReviewStore]:
    with ReviewStore.open(tmp_path / "review.sqlite", book) as opened:
        opened.set_settings(replace(load_settings(), second_sample=0.0), CLEO)
        yield opened


@pytest.fixture
def filled(store: ReviewStore, tagger: Tagger, tmp_path: Path) -> ReviewStore:
    batch(write(tmp_path / "in.csv"), tmp_path / "out.csv", str(tmp_path / "review.sqlite"))
    return store


def test_a_batch_fills_the_queue_and_the_same_batch_adds_nothing(tagger: Tagger, tmp_path: Path, store_url: str) -> None:
    for _ in range(2):
        summary = batch(write(tmp_path / "in.csv"), tmp_path / "out.csv", store_url)
        with ReviewStore.open(store_url, create=False) as store:
            lines = store.page().lines
            assert {line.row_id for line in lines} == {"00123", "00125", "00126"}
            assert len(store.events()) == 3
    assert summary.outcomes["review"] == 3


def test_a_row_that_needs_nobody_any_more_leaves_the_queue(tagger: Tagger, filled: ReviewStore, tmp_path: Path) -> None:
    rows = [GOODS[0], ["00123", "pen"], *GOODS[2:]]
    batch(write(tmp_path / "in.csv", rows), tmp_path / "out.csv", str(filled))
    assert {line.row_id for line in filled.page().lines} == {"00125", "00126"}
    assert filled.verify().broken == ()


def test_a_run_that_fails_queues_nothing(book: Rulebook, tmp_path: Path) -> None:
    rows = [["sku", "name"], *([f"{n}", "NdFeB magnet N42"] for n in range(3000))]

    class Impatient(Silence):
        def rows(self, done: int, expected: int) -> None:
            raise KeyboardInterrupt

    options = BatchOptions(("name",), "sku")
    source, target = write(tmp_path / "in.csv", rows), tmp_path / "out.csv"
    with pytest.raises(InterruptionError):
        tag_catalogue(open_catalogue([source], target, options), target, options, Setup(as_of=DAY), Impatient())
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == ["in.csv"]
    batch(source, target)
    with ReviewStore.open(review_path(target), book) as store:
        assert store.stats().waiting == 3000


def test_the_queue_of_an_older_tagger_is_replaced(tagger: Tagger, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "out.review.sqlite") as old:
        old.execute("CREATE TABLE items (row_number INTEGER PRIMARY KEY)")
        old.execute("PRAGMA user_version = 1")
    old.close()
    batch(write(tmp_path / "in.csv"), tmp_path / "out.csv")
    with ReviewStore.open(tmp_path / "out.review.sqlite", create=False) as store:
        assert store.count() == 3


def test_a_row_that_comes_back_is_asked_again(store_url: str, book: Rulebook, tmp_path: Path) -> None:
    """Text A waits, a later run of the batch has text B there, a still later one text A again."""
    for name in ("NdFeB magnet N42", "steel bolt M8", "NdFeB magnet N42"):
        batch(write(tmp_path / "in.csv", [["sku", "name"], ["1", name]]), tmp_path / "out.csv", store_url)
        with ReviewStore.open(store_url, book) as store:
            assert store.stats().waiting == (name != "steel bolt M8")
            assert store.verify().broken == ()


def test_an_item_that_is_likely_nothing_listed_is_still_asked_about_its_clause(
    store: ReviewStore, tagger: Tagger, book: Rulebook
) -> None:
    d = tagger.tag("NdFeB magnet N42")
    doubtful = replace(d, category="none", confidence=0.6, probabilities={"none": 0.6, "ndfeb_magnet": 0.4})
    store.add([(Row("1", "magnetic holder N42"), doubtful, 1)], BatchName("b", "k", "s", ("name",), "sku"))
    (line,) = store.page(Filters()).lines
    item = store.item(line.id, CLEO)
    assert (item.category, item.suspected) == ("none", True)
    assert family(item, book) == "ndfeb_magnet"
    done = store.decide(line.id, CLEO, Answer("controlled", family(item, book), ("1C905.a.4",), "assay: 0.2 % Dy"))
    assert done.state in (State.DECIDED, State.SECOND_OPINION)


def test_decided_texts_answer_their_next_appearance_in_any_batch(filled: ReviewStore, tmp_path: Path) -> None:
    first = next(line.id for line in filled.page().lines if line.row_id == "00123")
    filled.decide(first, ANN, YES)
    again = write(tmp_path / "next.csv", [["sku", "name"], ["9", GOODS[1][1]], ["10", f"{GOODS[1][1]}!"], ["11", "pen"]])
    assert batch(again, tmp_path / "next_out.csv", str(filled)).remembered == 1
    told, other, pen = read(tmp_path / "next_out.csv")
    assert (told["tag_outcome"], told["tag_codes"], told["tag_decided_by"]) == ("controlled", "1C905.a.4", "memory")
    assert (told["tag_reasons"], told["tag_questions"], told["tag_legal_status"]) == ("", "", "in_force")
    assert told["tag_remark_zh"] == "属于两用物项 1C905.a.4"
    assert (other["tag_outcome"], other["tag_decided_by"]) == ("review", "machine")
    assert pen["tag_decided_by"] == "machine"


def test_past_decisions_that_disagree_are_shown_not_resolved(tagger: Tagger, filled: ReviewStore, tmp_path: Path) -> None:
    one, two = [line.id for line in filled.page().lines if line.row_id in ("00123", "00126")]
    filled.decide(one, ANN, YES)
    filled.decide(two, ANN, NO)
    filled.decide(two, BOB, NO)
    again = write(tmp_path / "next.csv", [["sku", "name"], ["9", GOODS[1][1]]])
    batch(again, tmp_path / "next_out.csv", str(filled))
    (row,) = read(tmp_path / "next_out.csv")
    assert (row["tag_outcome"], row["tag_decided_by"]) == ("review", "machine")
    assert row["tag_reasons"].startswith("RULE_MODEL_CONFLICT")
    item = next(filled.item(line.id) for line in filled.page(Filters(batch="next_out.csv")).lines)
    assert item.conflict
    assert "decided by ann, bob" in item.note
    assert "2 % Dy" in item.note


def test_a_machine_answer_against_a_past_decision_goes_to_a_person(tagger: Tagger, filled: ReviewStore) -> None:
    item = filled.page().lines[0]
    filled.decide(item.id, ANN, YES)
    (past,) = filled.recall([(filled.item(item.id).text, tagger.book.rules_id)])
    cleared = tagger.tag("pen")
    found = recalled(cleared, past, tagger.book)
    assert (found.outcome, found.reasons[0]) == ("review", "RULE_MODEL_CONFLICT")
    assert "the machine now says unrelated" in found.note
    assert recalled(cleared, [], tagger.book) is cleared


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx", "jsonl"])
def test_a_table_goes_out_is_filled_in_and_comes_back(filled: ReviewStore, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"queue.{suffix}"
    assert export_items(filled, path) == 3
    fill_in(path, {"00123": ("controlled", "", "1C905.a.4", "=assay"), "00126": ("not controlled", "", "", "no Dy")})
    assert import_answers(filled, path, ANN, "cleo") == 2
    states = {line.row_id: line.state for line in filled.page(Filters(states=tuple(State))).lines}
    assert states == {"00123": State.DECIDED, "00125": State.OPEN, "00126": State.SECOND_OPINION}
    decided = next(e for e in filled.events() if e.action == "decide")
    assert (decided.who, decided.after["said"]["via"]) == ("ann", f"queue.{suffix}, taken over by cleo")
    with pytest.raises(ReviewConflictError, match="answered or changed since the export"):
        import_answers(filled, path, BOB)
    assert filled.verify().broken == ()


def fill_in(path: Path, answers: dict[str, tuple[str, str, str, str]], **changes: str) -> None:
    """Do what a person does in a spreadsheet: fill in some cells, by row id."""
    names = ("answer", "answer_category", "answer_codes", "answer_why")

    def change(cells: dict[str, Any]) -> dict[str, Any]:
        given = dict(zip(names, answers.get(str(cells["row_id"]), ()), strict=False))
        return {**cells, **given, **(changes if given else {})}

    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        sheet = book.active
        assert sheet is not None
        head = [str(c.value) for c in sheet[1]]
        for row in sheet.iter_rows(min_row=2):
            cells = dict(zip(head, [c.value for c in row], strict=True))
            for cell, value in zip(row, change(cells).values(), strict=True):
                if value != cell.value:
                    cell.value = value
        book.save(path)
    elif path.suffix == ".jsonl":
        lines = [change(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), delimiter=delimiter))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(change(row) for row in rows)


@pytest.mark.parametrize(
    ("answer", "changes", "message"),
    [
        (("controlled", "", "1C905.a.4", ""), {"text": "plastic"}, "the text of item .* was changed in the file"),
        (("controlled", "", "1C905.a.4", ""), {"row_id": "1"}, "the row_id of item .* was changed"),
        (("controlled", "", "1C905.a.4", ""), {"review_hash": "0" * 32}, "answered or changed since the export"),
        (("controlled", "", "1C905.a.4", ""), {"review_item": "1 OR 1=1"}, "is no item"),
        (("controlled", "", "1C905.a.4", ""), {"review_item": "99999"}, "no item 99999"),
        (("perhaps", "", "", ""), {}, "answer 'perhaps' is none of"),
        (("controlled", "", "", ""), {}, "name the clause in answer_codes"),
        (("controlled", "", "9Z999", ""), {}, "no clause 9Z999"),
        (("not_controlled", "", "", ""), {}, "needs a reason in words"),
    ],
)
def test_stale_changed_or_unfit_rows_refuse_the_whole_file(
    filled: ReviewStore, tmp_path: Path, answer: tuple[str, str, str, str], changes: dict[str, str], message: str
) -> None:
    path = tmp_path / "queue.csv"
    export_items(filled, path)
    fill_in(path, {"00125": ("controlled", "", "1C905.a.4", "")})
    fill_in(path, {"00123": answer}, **changes)
    with pytest.raises(ReviewError, match=message) as caught:
        import_answers(filled, path, ANN)
    assert "nothing was taken over" in str(caught.value)
    assert filled.count() == filled.count(Filters(states=(State.OPEN,))) == 3


def test_a_row_pasted_twice_refuses_the_file(filled: ReviewStore, tmp_path: Path) -> None:
    path = tmp_path / "queue.csv"
    export_items(filled, path)
    fill_in(path, {"00123": ("controlled", "", "1C905.a.4", "")})
    text = path.read_text(encoding="utf-8")
    path.write_text(text + next(line for line in text.splitlines() if ",00123," in line) + "\n", encoding="utf-8")
    with pytest.raises(ReviewConflictError, match="is answered twice: nothing was taken over"):
        import_answers(filled, path, ANN)


def test_hostile_texts_go_through_the_exchange(store: ReviewStore, tagger: Tagger, tmp_path: Path) -> None:
    d = tagger.tag("NdFeB magnet N42, zinc plated")
    texts = [
        '=HYPERLINK("http://x") NdFeB',
        "@SUM(A1)",
        "<script>alert(1)</script>",
        "a\u202eb",
        "a\x00b\x07c\ud800",
        "two\nlines\r\nthree",
        "'quoted",
        "x" * 100_000,
    ]
    store.add([(Row(f"={n}", t), d, n) for n, t in enumerate(texts, 1)], BatchName("hostile.csv", "hostile"))
    for suffix in ("csv", "xlsx", "jsonl"):
        path = tmp_path / f"queue.{suffix}"
        count = store.count()
        assert export_items(store, path) == count
        if suffix == "csv":
            assert not any(
                cell.startswith(("=", "@"))
                for row in csv.reader(path.read_text(encoding="utf-8").splitlines(keepends=True))
                for cell in row
            )
        if suffix == "xlsx":
            sheet = openpyxl.load_workbook(path).active
            assert sheet is not None
            assert not any(c.data_type == "f" for row in sheet.iter_rows() for c in row)
        chosen = [line.row_id for line in store.page().lines][: 3 if suffix != "jsonl" else count]
        keys = {f"'{id}" if suffix == "csv" else id: ("controlled", "", "1C905.a.4", "x=cmd") for id in chosen}
        fill_in(path, keys)
        assert import_answers(store, path, ANN) == len(chosen)
    assert store.count() == 0
    assert store.verify().broken == ()


def test_label_studio_tasks_go_out_and_annotations_come_back(filled: ReviewStore, tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    assert export_items(filled, path) == 3
    tasks = json.loads(path.read_text(encoding="utf-8"))
    prediction = tasks[0]["predictions"][0]
    assert prediction["model_version"].startswith("model-")
    assert 0 < prediction["score"] <= 1
    for task in tasks:
        for part in task["predictions"][0]["result"]:
            if part["type"] == "labels":
                units = task["data"]["text"].encode("utf-16-le")
                value = part["value"]
                assert units[2 * value["start"] : 2 * value["end"]].decode("utf-16-le") == value["text"]
    assert '<Choice value="not_controlled"/>' in path.with_suffix(".xml").read_text(encoding="utf-8")
    part = {"to_name": "text", "type": "choices"}
    tasks[0]["annotations"] = [
        {"was_cancelled": True, "result": [{**part, "from_name": "answer", "value": {"choices": ["unrelated"]}}]},
        {
            "result": [
                {**part, "from_name": "answer", "value": {"choices": ["controlled"]}},
                {"from_name": "answer_codes", "to_name": "text", "type": "textarea", "value": {"text": ["1C905.a.4"]}},
            ]
        },
        {"was_cancelled": True, "result": []},
    ]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    assert import_answers(filled, path, ANN) == 1
    item = filled.item(tasks[0]["data"]["review_item"])
    assert item.answer is not None
    assert (item.state, item.answer.codes) == (State.DECIDED, ("1C905.a.4",))
    for content in ("[1]", "{}", "not json", '[{"data": 1}]', "[" * 100_000):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ReviewError, match="Label Studio"):
            import_answers(filled, path, ANN)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "jsonl", "parquet"])
def test_settled_answers_are_written_back_and_nothing_else_changes(
    run: Callable[..., Result], tagger: Tagger, store: ReviewStore, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"out.{suffix}"
    batch(write(tmp_path / "in.csv"), out, str(store))
    before = cells_of(out)
    ids = {line.row_id: line.id for line in store.page().lines}
    store.decide(ids["00123"], ANN, YES)
    store.decide(ids["00126"], ANN, NO)
    for _ in range(2):
        done = run("review", "apply", out, "--review", store)
        assert done.out == f"{out}: 1 settled answer(s) written, 2 row(s) wait for review\n"
    after = cells_of(out)
    assert [row for row in after if row["sku"] != "00123"] == [row for row in before if row["sku"] != "00123"]
    told = next(row for row in after if row["sku"] == "00123")
    assert (told["tag_outcome"], told["tag_codes"], told["tag_decided_by"]) == ("controlled", "1C905.a.4", "person")
    assert (told["tag_reasons"], told["tag_remark_zh"]) == ("", "属于两用物项 1C905.a.4")
    assert told["tag_evidence"].count("decided by ann") == 1
    assert told["tag_evidence"].startswith(next(r for r in before if r["sku"] == "00123")["tag_evidence"])
    store.undo(ANN, ids["00123"])
    assert "1 row(s) carry an answer that was taken back" in run("review", "apply", out, "--review", store).out


def cells_of(path: Path) -> list[dict[str, str]]:
    from tagger.catalogue.tagged import read_tagged

    return list(read_tagged(path))


def test_answers_to_another_text_are_not_written(run: Callable[..., Result], filled: ReviewStore, tmp_path: Path) -> None:
    filled.decide(next(line.id for line in filled.page().lines if line.row_id == "00123"), ANN, YES)
    out = tmp_path / "out.csv"
    out.write_text(out.read_text(encoding="utf-8").replace("N42", "N52"), encoding="utf-8")
    done = run("review", "apply", out, "--review", filled)
    assert "0 settled answer(s) written" in done.out
    assert "1 row(s) are settled for another text or rulebook" in done.out
    moved = out.rename(tmp_path / "moved.csv")
    assert run("review", "apply", moved, "--review", filled).status == 2
    assert run("review", "apply", moved, "--review", filled, "--batch", "out.csv").status == 0
    assert "no column tag_outcome" in run("review", "apply", tmp_path / "in.csv", "--review", filled).err


def test_decided_items_become_training_rows(filled: ReviewStore, tmp_path: Path, book: Rulebook) -> None:
    one, same, zh = (next(x.id for x in filled.page().lines if x.row_id == id) for id in ("00123", "00126", "00125"))
    filled.decide(one, ANN, YES)
    filled.decide(same, ANN, YES)
    filled.decide(zh, ANN, replace(YES, from_text=False))
    folder = tmp_path / "training"
    (folder / "evaluation").mkdir(parents=True)
    made = export_training(filled, folder / "reviewed.jsonl")
    assert (made.rows, made.known, made.disputed) == (2, 0, 0)
    rows = {e.text: e for e in read_examples(folder, book.labels)}
    assert (rows[GOODS[1][1]].decision, rows[GOODS[1][1]].code, rows[GOODS[1][1]].category) == (
        "controlled",
        "1C905.a.4",
        "ndfeb_magnet",
    )
    assert rows[GOODS[1][1]].reviewed.startswith("ann, 20")
    assert (rows[GOODS[3][1]].decision, rows[GOODS[3][1]].lang) == ("review", "zh")
    known = {"text": f"{GOODS[1][1].upper()}  "}
    (folder / "evaluation" / "rows.jsonl").write_text(json.dumps(known) + "\n", encoding="utf-8")
    again = export_training(filled, folder / "reviewed.jsonl")
    assert (again.rows, again.known) == (1, 1)
    with pytest.raises(TaggerError, match="JSON Lines"):
        export_training(filled, folder / "reviewed.csv")


def test_disputed_texts_are_no_training_rows(filled: ReviewStore, tmp_path: Path) -> None:
    one, same = (next(x.id for x in filled.page().lines if x.row_id == id) for id in ("00123", "00126"))
    filled.decide(one, ANN, YES)
    filled.decide(same, ANN, replace(YES, codes=("1C904.a.4",)))
    made = export_training(filled, tmp_path / "rows.jsonl")
    assert (made.rows, made.disputed) == (0, 1)


def test_the_terminal_commands(run: Callable[..., Result], filled: ReviewStore, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TAGGER_REVIEW", str(filled))
    monkeypatch.setenv("TAGGER_REVIEWER", "ann")
    listed = run("review", "list")
    assert listed.out.endswith("3 of 3 item(s)\n")
    lines = [json.loads(line) for line in run("review", "list", "--json", "--lang", "zh").out.splitlines()]
    assert [line["row_id"] for line in lines] == ["00125"]
    id = lines[0]["id"]
    shown = run("review", "show", id)
    assert "«钕铁硼»" in shown.out
    assert "1C905.a.4  UNKNOWN" in shown.out
    assert json.loads(run("review", "show", id, "--json").out)["item"]["row_id"] == "00125"
    assert run("review", "assign", "bob", id).out == "1 item(s) assigned to bob\n"
    assert "assigned to bob" in run("review", "decide", id, "controlled", "--code", "1C905.a.4").err
    assert run("review", "assign", "", id).status == 0
    done = run("review", "decide", id, "not_controlled", "--why", "no Dy")
    assert done.out == f"item {id}: not_controlled ndfeb_magnet; now second_opinion, second opinion\n"
    assert run("review", "undo").out == f"item {id}: your answer is taken back; now claimed by ann\n"
    assert run("review", "discard", id, "--why", "test row").status == 0
    assert run("review", "reopen", id, "--why", "no test row").status == 0
    same = next(line.id for line in filled.page().lines if line.row_id == "00123")
    both = run("review", "decide", same, "controlled", "--code", "1C905.a.4", "--same")
    assert both.out == "2 item(s) answered controlled ndfeb_magnet 1C905.a.4\n"
    assert "decided 2" in run("review", "stats").out
    assert json.loads(run("review", "stats", "--json").out)["answers"] == {"ann": 2}
    for name in ("out.csv", "out.json", "out.jsonl", "out.xlsx"):
        assert run("review", "export", tmp_path / "x" / name).status == 2
        assert run("review", "export", tmp_path / f"new_{name}").out.endswith("1 item(s)\n")
    assert run("review", "import", tmp_path / "new_out.csv").out.endswith("0 answer(s) of ann taken over\n")
    assert run("review", "export", tmp_path / "rows.jsonl", "--training").out.endswith("1 training row(s)\n")
    (tmp_path / "mine.toml").write_text(
        "claim_minutes = 5\nsecond_for_clearing = false\nsuspected_probability = 0.5\n"
        "second_sample = 0.0\nreason_for_clearing = false\n"
    )
    assert "claim_minutes = 5\n" in run("review", "settings", tmp_path / "mine.toml").out
    good = run("review", "verify")
    head = good.out.split()[-1]
    assert (good.status, run("review", "verify", "--expect", head).status) == (0, 0)
    assert run("review", "verify", "--expect", "0" * 64).status == 1
    for wrong in (("list", "--state", "odd"), ("show", "999"), ("decide", id, "maybe"), ("undo", "999")):
        failed = run("review", *wrong)
        assert failed.status in (1, 2)
        assert len(failed.err.splitlines()) == 1
    monkeypatch.setenv("TAGGER_REVIEW", str(tmp_path / "none.sqlite"))
    assert "no review store" in run("review", "list").err


def test_the_keyboard_loop(run: Callable[..., Result], filled: ReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("s\n1\nu\n4\nbecause\nx\nq\n"))
    done = run("review", "work", "--review", filled, "--as", "ann")
    assert done.status == 0, done.err
    assert "1  controlled ndfeb_magnet 1C904.a.4" in done.out
    assert "your answer is taken back" in done.out
    answered = filled.page(Filters(states=(State.SECOND_OPINION,))).lines
    assert len(answered) == 1
    assert filled.item(answered[0].id).opinions[0].answer.why == "because"
    assert done.out.endswith("1 answer(s)\n")
    assert filled.count(Filters(states=(State.CLAIMED,))) == 0


def test_a_store_with_accounts_asks_who_you_are(
    run: Callable[..., Result], filled: ReviewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tagger.review.users import Users

    users = Users(filled.engine)
    users.add("mei", Role.REVIEWER, "correct horse battery")
    users.add("otto", Role.AUDITOR, "correct horse battery")
    id = filled.page().lines[0].id
    decide = ("review", "decide", id, "controlled", "--code", "1C905.a.4", "--review", filled)
    monkeypatch.setenv("TAGGER_REVIEW_PASSWORD", "a guess")
    assert "name or password is wrong" in run(*decide, "--as", "mei").err
    monkeypatch.setenv("TAGGER_REVIEW_PASSWORD", "correct horse battery")
    assert "name or password is wrong" in run(*decide, "--as", "eve").err
    assert "otto is auditor" in run(*decide, "--as", "otto").err
    assert "mei is reviewer" in run("review", "discard", id, "--why", "x", "--review", filled, "--as", "mei").err
    assert filled.item(id).state == State.OPEN
    assert run(*decide, "--as", "mei").status == 0


def test_batches_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    assert (
        batch_of(tmp_path / "a" / "out.csv", tmp_path / "in.csv").key
        != batch_of(tmp_path / "b" / "out.csv", tmp_path / "in.csv").key
    )
