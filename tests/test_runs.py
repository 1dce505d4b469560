"""A run over a catalogue: each answer is what the row alone would get, and an interrupted run ends as one without a break."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tagger.catalogue import batch
from tagger.catalogue.answers import Setup
from tagger.catalogue.batch import BatchOptions, open_catalogue, summary_path, tag_catalogue
from tagger.catalogue.journal import work_folder
from tagger.catalogue.tables import cell_text
from tagger.errors import InterruptionError, UsageError
from tagger.pipeline import Tagger
from tagger.records import TAG_COLUMNS, join_columns, tag_columns
from tagger.review.store import review_path

from .conftest import DAY, Result

SETUP = Setup(as_of=DAY)
# each example is a whole run: looking for a smaller failing one would take minutes
SLOW_EXAMPLES = settings(
    deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.reuse, Phase.generate], database=None
)
TEXTS = [
    "steel bolt M8 zinc plated",
    "ｓｔｅｅｌ　ｂｏｌｔ Ｍ８ zinc plated",
    "NdFeB magnet N52, 20 x 10 x 5 mm",
    "NdFeB  magnet N52, 20 x 10 x 5 mm",
    "ＮｄＦｅＢ magnet N52, 20 x 10 x 5 mm",
    "not a magnet, plastic",
    "6 m3 vertical granulation kettle for graphite anode material",
    "6 M3 VERTICAL GRANULATION KETTLE FOR GRAPHITE ANODE MATERIAL",
    "石墨负极材料造粒用立式造粒釜 8立方",
    "Li-ion cell 21700, 3.6 V, 5.0 Ah, 68 g",
    "Li-ion cell 21700,\n3.6 V, 5.0 Ah, 68 g",
    "gallium\x00arsenide wafer",
    "",
    "=1+1",
    "\x01\x02\x03\x04",
]
Rows = list[tuple[str, str]]


def write(path: Path, rows: Rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("sku", "name"), *rows])
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def many(count: int, seed: int = 1) -> Rows:
    chance = random.Random(seed)  # noqa: S311
    return [(f"{i:05d}", chance.choice(TEXTS) + ("" if chance.random() < 0.5 else f" no {i}")) for i in range(count)]


def repeated(count: int) -> Rows:
    return [(f"{i:05d}", TEXTS[i % len(TEXTS)]) for i in range(count)]


def run_once(source: Path, target: Path, **options: object) -> None:
    chosen = BatchOptions(text=("name",), id="sku", **options)  # type: ignore[arg-type]
    tag_catalogue(open_catalogue([source], target, chosen), target, chosen, SETUP)


NO_CONTROLS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30)  # a table that is full of them is no table


def queue_of(target: Path) -> list[tuple[object, ...]]:
    """What waits for a person: row number, row id, text, answer, figures."""
    connection = sqlite3.connect(review_path(target))
    columns = "row_number, row_id, text, outcome, category, codes, reasons, confidence, margin, quantities"
    try:
        query = f"SELECT {columns} FROM items JOIN findings ON item_id = id WHERE waiting ORDER BY row_number"  # noqa: S608
        return list(connection.execute(query))
    finally:
        connection.close()


def results(target: Path) -> tuple[bytes, list[tuple[object, ...]], str]:
    """All that a run leaves for people: its output, its queue, its summary without the names of files."""
    summary = json.loads(summary_path(target).read_text(encoding="utf-8"))
    for name in ("source", "target", "review_queue"):
        del summary[name]
    return target.read_bytes(), queue_of(target), json.dumps(summary)


@settings(SLOW_EXAMPLES, max_examples=20)
@example(rows=[("00123", "magnet"), ("1", "\x01\x02\x03\x04")], size=1)
@given(
    rows=st.lists(st.tuples(st.sampled_from(["1", "00123", ""]), st.sampled_from(TEXTS) | NO_CONTROLS), max_size=40),
    size=st.integers(1, 50),
)
def test_each_answer_is_what_the_row_alone_would_get(tagger: Tagger, tmp_path: Path, rows: Rows, size: int) -> None:
    """Order, duplicates, size of the batches: nothing but the row itself changes its answer, evidence included."""
    rows = [(id, text.encode("utf-8", "replace").decode("utf-8")) for id, text in rows]
    source = write(tmp_path / "in.csv", rows)
    run_once(source, tmp_path / "out.jsonl", rows_at_once=size)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    found = [json.loads(line) for line in lines]
    assert [(f["sku"], f["name"]) for f in found] == [tuple(r.values()) for r in read(source)]
    for row in found:
        alone = tag_columns(tagger.tag(join_columns([row["name"]])))
        assert {name: row[name] for name in TAG_COLUMNS} == alone
    noted = {n: (text, json.loads(str(quantities))) for n, _, text, *_, quantities in queue_of(tmp_path / "out.jsonl")}
    for number, row in enumerate(found, 1):
        assert (number in noted) == (row["tag_outcome"] == "review")
        if number in noted:
            alone_quantities = tagger.tag(join_columns([row["name"]])).as_dict()["quantities"]
            keys = ("kind", "low", "unit", "start", "end")
            assert [[q[k] for k in keys] for q in noted[number][1]] == [[q[k] for k in keys] for q in alone_quantities]


@pytest.mark.parametrize("suffix", ["csv", "jsonl.gz", "csv.zst", "parquet", "xlsx"])
def test_workers_change_nothing(tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "in.csv", many(700))
    run_once(source, tmp_path / f"one.{suffix}", rows_at_once=100)
    run_once(source, tmp_path / f"two.{suffix}", rows_at_once=100, jobs=2)
    assert results(tmp_path / f"one.{suffix}") == results(tmp_path / f"two.{suffix}")


def test_a_distinct_description_is_read_once_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    through = Tagger.settles

    def counted(self: Tagger, texts: list[str]) -> list[bool]:
        asked.extend(texts)
        return through(self, texts)

    monkeypatch.setattr(Tagger, "settles", counted)
    source = write(tmp_path / "in.csv", [(str(i), TEXTS[i % 7]) for i in range(500)])
    run_once(source, tmp_path / "out.csv", rows_at_once=30)
    assert sorted(asked) == sorted(TEXTS[:7])


class StopAt:
    """Someone who presses Ctrl-C after so many rows."""

    def __init__(self, rows: int) -> None:
        self.after = rows

    def rows(self, done: int, expected: int) -> None:
        assert expected >= 0
        if done >= self.after:
            raise KeyboardInterrupt

    def say(self, message: str) -> None:
        assert message


@settings(SLOW_EXAMPLES, max_examples=15)
@given(data=st.data(), suffix=st.sampled_from(["csv", "csv.gz", "jsonl", "parquet", "xlsx"]))
def test_an_interrupted_run_ends_as_one_without_a_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject, suffix: str
) -> None:
    """Interrupted at any row, with the last writes lost, torn or half done, as after a loss of power."""
    monkeypatch.setattr(batch, "_SECONDS_BETWEEN_COMMITS", data.draw(st.sampled_from([0.0, 0.0, 60.0])))
    source = write(tmp_path / "in.csv", many(120))
    name = suffix.replace(".", "_")  # files beside the output share its stem
    whole, target = tmp_path / f"whole_{name}.{suffix}", tmp_path / f"out_{name}.{suffix}"
    if not whole.exists():
        run_once(source, whole, rows_at_once=10)
    options = BatchOptions(text=("name",), id="sku", rows_at_once=10)
    for _ in range(data.draw(st.integers(1, 3))):
        target.unlink(missing_ok=True)
        stop = StopAt(data.draw(st.integers(1, 120)))
        try:
            tag_catalogue(open_catalogue([source], target, options), target, options, SETUP, stop)
        except InterruptionError as error:
            assert "the same command continues" in str(error)  # noqa: PT017  where all rows were done before, nobody stops it
        else:
            continue
        assert not target.exists()
        for name in ("rows", "review", "journal"):
            damage = data.draw(st.sampled_from(["none", "none", "cut", "more"]))
            path = work_folder(target) / name
            size = path.stat().st_size
            if damage == "cut" and name != "journal":
                os.truncate(path, data.draw(st.integers(0, size)))
            elif damage != "none":
                with path.open("ab") as file:
                    file.write(b"0123abcd {")
    tag_catalogue(open_catalogue([source], target, options), target, options, SETUP)
    assert results(target) == results(whole)
    assert not work_folder(target).exists()


def command(source: Path, target: Path, *more: str) -> list[str]:
    options = ["--text", "name", "--id", "sku", "--as-of", DAY.isoformat(), *more]
    return [sys.executable, "-m", "tagger", "batch", str(source), str(target), *options]


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "jobs", "kills"), [("csv", 1, 8), ("jsonl.gz", 2, 8), ("xlsx", 1, 4)])
def test_kill_nine_at_random_moments(tmp_path: Path, suffix: str, jobs: int, kills: int) -> None:
    """Twenty times in all: whatever the moment, the same command ends with the same files."""
    chance = random.Random(20261122 + kills)  # noqa: S311
    source = write(tmp_path / "in.csv", many(9_000))
    whole, target = tmp_path / f"whole.{suffix}", tmp_path / f"out.{suffix}"
    subprocess.run(command(source, whole), check=True, capture_output=True)
    done = 0
    while done < kills:
        process = subprocess.Popen(
            command(source, target, "--jobs", str(jobs)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            process.communicate(timeout=chance.uniform(0.5, 6.0))
        except subprocess.TimeoutExpired:
            process.kill()  # workers find out by themselves
            process.communicate()
            done += 1
            assert not target.exists() or target.read_bytes() == whole.read_bytes()
        else:
            assert process.returncode == 0
            assert results(target) == results(whole)
            target.unlink()
    subprocess.run(command(source, target, "--jobs", str(jobs)), check=True, capture_output=True)
    assert results(target) == results(whole)


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """pytest's workers ignore it, and what they start would too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.parametrize(("jobs", "sent"), [("1", signal.SIGINT), ("2", signal.SIGINT), ("2", signal.SIGTERM)])
def test_ctrl_c_ends_cleanly(tmp_path: Path, jobs: str, sent: signal.Signals) -> None:
    source = write(tmp_path / "in.csv", [(str(i), f"NdFeB magnet N{i}, 20 x 10 x {i} mm") for i in range(60_000)])
    process = subprocess.Popen(
        command(source, tmp_path / "out.csv", "--jobs", jobs),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    journal = work_folder(tmp_path / "out.csv") / "journal"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
        time.sleep(0.05)
    os.killpg(process.pid, sent)  # as a terminal does: the whole group
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert (out, err.count(b"\n")) == (b"", 1), err
    assert b"rows are kept, the same command continues" in err
    assert not (tmp_path / "out.csv").exists()
    while living(process.pid):  # none is left; one that was just killed needs a moment to go
        time.sleep(0.1)


def living(group: int) -> list[str]:
    """Processes of a group, without those that are only waiting to be counted out."""
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], check=True, capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group) and not line.split()[1].startswith("Z")]


def test_a_full_disk_is_one_line_and_the_same_command_continues(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", many(3_000))
    limited = ["bash", "-c", 'ulimit -f 300; exec "$@"', "bash", *command(source, tmp_path / "out.csv")]
    full = subprocess.run(limited, check=False, capture_output=True, text=True)
    assert (full.returncode, len(full.stderr.splitlines())) == (1, 1), full.stderr
    assert "the same command continues" in full.stderr
    done = subprocess.run(command(source, tmp_path / "out.csv"), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run_once(source, tmp_path / "whole.csv")
    assert results(tmp_path / "out.csv") == results(tmp_path / "whole.csv")


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a run that was interrupted after some of 5,000 rows."""
    monkeypatch.setattr(batch, "_SECONDS_BETWEEN_COMMITS", 0.0)
    source, target = write(tmp_path / "in.csv", repeated(5_000)), tmp_path / "out.csv"
    options = BatchOptions(text=("name",), id="sku")
    with pytest.raises(InterruptionError):
        tag_catalogue(open_catalogue([source], target, options), target, options, SETUP, StopAt(3_000))
    return tmp_path


CALL = ("--text", "name", "--id", "sku", "--as-of", DAY)


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        (lambda p: write(p / "in.csv", [*repeated(4_999), ("04999", "pencil")]), CALL, "the input changed"),
        (lambda p: None, ("--text", "name", "--as-of", DAY), "an option of the command (id) changed"),
        (lambda p: None, (*CALL[:-1], "2026-01-01"), "the day for the legal status (2026-11-21 -> 2026-01-01) changed"),
        (lambda p: None, (*CALL, "--assumptions", "ASSUMPTIONS"), "the standing assumptions (none -> assumptions-"),
        (lambda p: None, (*CALL, "--max-miss-rate", "0.05"), "the promise (--max-miss-rate) (0.02 -> 0.05) changed"),
    ],
    ids=["input", "option", "day", "assumptions", "promise"],
)
def test_a_change_is_noticed_and_refused(
    run: Callable[..., Result],
    interrupted: Path,
    root: Path,
    change: Callable[[Path], object],
    arguments: tuple[object, ...],
    said: str,
) -> None:
    change(interrupted)
    own = (root / "tests/data/assumptions.toml").read_text(encoding="utf-8").splitlines(keepends=True)
    (interrupted / "own.toml").write_text("".join(line for line in own if not line.startswith("where")), encoding="utf-8")
    named = [interrupted / "own.toml" if a == "ASSUMPTIONS" else a for a in arguments]
    refused = run("batch", interrupted / "in.csv", interrupted / "out.csv", *named)
    assert (refused.status, len(refused.err.splitlines())) == (2, 1), refused.err
    assert said in refused.err
    assert "--restart" in refused.err
    again = run("batch", interrupted / "in.csv", interrupted / "out.csv", *named, "--restart", "--json")
    assert (again.status, json.loads(again.out)["rows"]) == (0, 5_000), again.err


def test_the_same_command_continues_the_day_it_began(run: Callable[..., Result], interrupted: Path) -> None:
    done = run("batch", interrupted / "in.csv", interrupted / "out.csv", "--text", "name", "--id", "sku")
    assert done.status == 0, done.err
    assert "continuing after 4,000 rows" in done.err
    assert {row["tag_as_of"] for row in read(interrupted / "out.csv")} == {DAY.isoformat()}


def test_two_runs_do_not_write_one_output(run: Callable[..., Result], interrupted: Path) -> None:
    from tagger.catalogue.journal import held

    with held(interrupted / "out.csv"):
        done = run("batch", interrupted / "in.csv", interrupted / "out.csv", *CALL)
    assert (done.status, "is being written by another run" in done.err) == (2, True)


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet", "jsonl"])
def test_only_missing_fills_rows_without_an_answer(run: Callable[..., Result], tmp_path: Path, suffix: str) -> None:
    source = write(tmp_path / "in.csv", many(40))
    assert run("batch", source, tmp_path / "out.csv", *CALL).status == 0
    rows = read(tmp_path / "out.csv")
    for n, row in enumerate(rows):
        row["name"] = "changed, but answered before" if n % 2 else row["name"]
        if n % 4 == 0:
            row.update(dict.fromkeys(TAG_COLUMNS, ""))
    with (tmp_path / "some.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    done = run("batch", tmp_path / "some.csv", tmp_path / f"filled.{suffix}", *CALL, "--only-missing")
    assert done.status == 0, done.err
    assert "30 row(s) had an answer and kept it" in done.out
    found = open_catalogue([tmp_path / f"filled.{suffix}"], None, BatchOptions(text=("name",)))
    table = [dict(zip(found.columns, map(cell_text, row), strict=True)) for b in found.batches(100) for row in b.rows]
    for filled, before in zip(table, read(tmp_path / "out.csv"), strict=True):
        held = {n: before[n].replace("\0", "\ufffd") if suffix == "xlsx" else before[n] for n in TAG_COLUMNS}
        assert {n: filled[n] for n in TAG_COLUMNS} == held
    reviewed = sum(row["tag_outcome"] == "review" for row in table)
    assert len(queue_of(tmp_path / f"filled.{suffix}")) == reviewed


def test_only_missing_needs_a_tagged_catalogue(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", many(3))
    with pytest.raises(UsageError, match="--only-missing fills a catalogue that `tagger batch` wrote"):
        open_catalogue([source], tmp_path / "out.csv", BatchOptions(text=("name",), only_missing=True))


def test_dry_run_tells_and_writes_nothing(run: Callable[..., Result], tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", many(300))
    source.write_text(source.read_text(encoding="utf-8") + "9,pen,more\n", encoding="utf-8")
    done = run("batch", source, tmp_path / "out.csv", *CALL, "--dry-run")
    assert done.status == 0, done.err
    for part in ("301, 1 of them unreadable", "CSV, utf-8, comma", "'sku', 'name'", "about "):
        assert part in done.out
    told = json.loads(run("batch", source, tmp_path / "out.csv", *CALL, "--dry-run", "--json").out)
    assert (told["rows"], told["faults"], told["columns"]) == (301, 1, ["sku", "name"])
    assert 0 < told["distinct_share"] < 0.9
    assert told["rows_a_second"] > 0
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


def test_what_a_run_leaves_to_read(run: Callable[..., Result], tmp_path: Path) -> None:
    rows = [
        *many(60),
        ("<script>", "NdFeB magnet <img src=x onerror=alert(1)>"),
        ("61", "6 m3 vertical granulation kettle for anode"),
    ]
    source = write(tmp_path / "in.csv", rows)
    done = run("batch", source, tmp_path / "out.csv", *CALL, "--report", tmp_path / "report.html", "--json")
    assert done.status == 0, done.err
    summary = json.loads((tmp_path / "out.summary.json").read_text(encoding="utf-8"))
    assert summary == json.loads(done.out)
    outcomes = [row["tag_outcome"] for row in read(tmp_path / "out.csv")]
    assert summary["outcomes"] == {o: outcomes.count(o) for o in summary["outcomes"]}
    cleared = [r["confidence"] for r in summary["riskiest_cleared"]]
    own = sorted(
        float(r["tag_confidence"]) for r in read(tmp_path / "out.csv") if r["tag_outcome"] in ("unrelated", "not_controlled")
    )
    assert cleared == own[: len(cleared)]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in (
        "Outcomes",
        "Categories",
        "Why rows go to a person",
        "Cleared with the least confidence",
        "<svg",
        "default-src 'none'",
    ):
        assert part in page
    assert "<script" not in page
    assert "<img" not in page
    log = (tmp_path / "out.log").read_text(encoding="utf-8")
    assert "rows/s" in log
    assert "magnet" not in log


def test_a_worker_that_dies_is_one_line(tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", [(str(i), f"NdFeB magnet N{i}, 20 x 10 x {i} mm") for i in range(40_000)])
    process = subprocess.Popen(command(source, tmp_path / "out.csv", "--jobs", "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    journal = work_folder(tmp_path / "out.csv") / "journal"
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
        time.sleep(0.05)
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)], check=True, capture_output=True, text=True
    ).stdout
    worker = next(int(line.split()[0]) for line in listed.splitlines() if "popen_loky" in line)
    os.kill(worker, signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert b"a worker process was ended from outside" in err
    assert b"Traceback" not in err
