"""One test body for every engine: plain, joblib and Spark give the same answer to every row."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tagger.pipeline import Tagger
from tagger.records import TAG_COLUMNS

from .conftest import DAY, Result

Table = list[dict[str, object]]
COLUMNS = ("part", "name", "note", "origin")


def _rows(root: Path) -> Table:
    """Labelled texts, everyday goods, odd cells, a repeated row, and part numbers that must stay as they are."""
    lines = (root / "training_data" / "evaluation" / "rows.jsonl").read_text(encoding="utf-8").splitlines()[::4]
    texts = [json.loads(line)["text"] for line in lines]
    texts += ["Ladies leather wallet, brown", "Cotton bath towel set, grey", "", 'a "quoted" cell, with\na second line', "x" * 5000]
    rows = [dict(zip(COLUMNS, (f"{n:05}", text, "", "China" if n % 3 else ""), strict=True)) for n, text in enumerate(texts)]
    return [*rows, rows[0]]


def _cells(row: dict[str, object]) -> dict[str, object]:
    return {"id": row["part"], "text": "; ".join(str(v).strip() for v in (row["name"], row["note"]) if v), "origin": row["origin"]}


def _plain(rows: Table, where: Path) -> Table:
    table = Tagger.load(as_of=DAY).tag_table([_cells(row) for row in rows])
    tags = [dict(zip(table, cells, strict=True)) for cells in zip(*table.values(), strict=True)]
    return [{**row, **tag} for row, tag in zip(rows, tags, strict=True)]


def _joblib(rows: Table, where: Path) -> Table:
    from joblib import Parallel, delayed

    pieces = [rows[start : start + 37] for start in range(0, len(rows), 37)]
    return [row for piece in Parallel(n_jobs=2)(delayed(_plain)(piece, where) for piece in pieces) for row in piece]


def _spark(rows: Table, where: Path) -> Table:
    import os
    import sys

    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("no Java runtime")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    from tagger.catalogue.spark import Setup, tag

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", False).getOrCreate()
    try:
        frame = session.createDataFrame([tuple(row[c] for c in COLUMNS) for row in rows], list(COLUMNS)).repartition(2)
        tagged = tag(frame, text=["name", "note"], id="part", setup=Setup(as_of=DAY), trade={"origin": "origin"})
        found = [row.asDict() for row in tagged.collect()]
    finally:
        session.stop()
    return sorted(found, key=lambda row: str(row["part"]))


ENGINES = [_plain, _joblib, pytest.param(_spark, marks=[pytest.mark.spark, pytest.mark.filterwarnings("ignore")])]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_every_row_the_same_answer(engine: Callable[[Table, Path], Table], root: Path, tmp_path: Path) -> None:
    rows = _rows(root)
    answered = engine(rows, tmp_path)
    expected = Tagger.load(as_of=DAY).tag_many([_cells(row) for row in rows])
    by_part = {str(row["part"]): d for row, d in zip(rows, expected, strict=True)}
    assert sorted(str(row["part"]) for row in answered) == sorted(str(row["part"]) for row in rows)
    for row in answered:
        d = by_part[str(row["part"])]
        assert set(row) == {*COLUMNS, *TAG_COLUMNS}
        assert (row["tag_outcome"], row["tag_category"], row["tag_codes"]) == (d.outcome, d.category, "; ".join(d.codes))
        assert row["tag_confidence"] == round(d.confidence, 4)
        assert row["tag_near_threshold"] is d.near_threshold
        assert row["tag_model"] == d.model_id


def _write(rows: Sequence[dict[str, object]], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _read(folder: Path) -> Table:
    found: Table = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            found += list(csv.DictReader(lines))
    return found


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")
def test_a_folder_of_csv_files_on_the_command_line(run: Callable[..., Result], root: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("no Java runtime")
    rows = [*_rows(root)[::3], {"part": "cold", "name": "sintered NdFeB magnet -18 °C", "note": "", "origin": ""}]
    _write(rows[:20], tmp_path / "in" / "a.csv")
    _write(rows[20:], tmp_path / "in" / "b.csv")
    promise = ("--max-miss-rate", "0.015", "--no-gate")
    where = ("--text", "name", "--id", "part", "--engine", "spark", "--master", "local[2]")
    done = run("batch", tmp_path / "in", tmp_path / "out", *where, *promise)
    assert done.status == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["rows"] == len(rows)
    answered = {row["part"]: row for row in _read(tmp_path / "out")}
    strict = Tagger.load(max_miss_rate=0.015, gate=False)
    for row, d in zip(rows, strict.tag_many([{"id": row["part"], "text": row["name"]} for row in rows]), strict=True):
        found = answered[row["part"]]
        assert float(str(found["tag_max_miss_rate"])) == d.max_miss_rate == 0.015
        assert (found["name"] or "", found["tag_outcome"], found["tag_category"]) == (row["name"], d.outcome, d.category)
    assert answered["cold"]["tag_quantities"] == "'-18 degC"  # no formula for a spreadsheet
    again = run("batch", tmp_path / "in", tmp_path / "out", "--text", "name", "--engine", "spark")
    assert again.status == 2
    assert "already there" in again.err


def test_what_spark_cannot_do_is_told_before_it_starts(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.xlsx").write_bytes(b"")
    wrong = run("batch", tmp_path / "in", tmp_path / "out", "--text", "name", "--engine", "spark")
    assert wrong.status == 1
    assert "neither Parquet nor CSV" in wrong.err
    assert run("batch", tmp_path / "gone", tmp_path / "out", "--text", "name", "--engine", "spark").status == 1
    assert run("batch", tmp_path / "in", tmp_path / "out", "--text", "name", "--engine", "duck").status == 2
    for options in (["--dry-run"], ["--safe-cells", "--jobs", "4"], ["--only-missing"], ["--review", "queue.sqlite"]):
        refused = run("batch", tmp_path / "in", tmp_path / "out", "--text", "name", "--engine", "spark", *options)
        assert refused.status == 2
        assert f"--engine spark has no {', '.join(o for o in options if o[:2] == '--')}: leave it out" in refused.err
        assert not (tmp_path / "out").exists()
