"""Catalogue files in and out: every row and column comes back, in order, unchanged; bad input is told in one line."""

from __future__ import annotations

import csv
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.catalogue.encodings import detect_encoding
from tagger.catalogue.journal import work_folder
from tagger.pipeline import Tagger
from tagger.records import TAG_COLUMNS
from tagger.review.store import ReviewStore

from .conftest import Result

TEXT = ("--text", "name", "--text", "description")
AWKWARD = [
    ["sku", "name", "description"],
    ["00123", "NdFeB magnet N35", 'quoted "words", a comma'],
    ["00124", "two\nlines", "tab\there"],
    ["1e5", "立式造粒釜 6m3", "石墨负极"],
    ["", "", ""],
    ["-5", "=1+1", "@SUM(A1)"],
    ["00123", "same id again", " spaces kept "],
    ["3-4", "NUL \x00 inside", "ok"],
]


def read_csv(path: Path, encoding: str = "utf-8", delimiter: str = ",") -> list[list[str]]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def write_csv(path: Path, rows: list[list[str]], encoding: str = "utf-8", delimiter: str = ",", newline: str = "\r\n") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_cells_come_back_unchanged(run: Callable[..., Result], tmp_path: Path, encoding: str, delimiter: str) -> None:
    source = write_csv(tmp_path / "in.csv", AWKWARD, encoding, delimiter)
    done = run("batch", source, tmp_path / "out.csv", *TEXT, "--id", "sku")
    assert done.status == 0, done.err
    out = read_csv(tmp_path / "out.csv", "utf-8-sig" if encoding == "utf-8-sig" else "utf-8", delimiter)
    assert [row[:3] for row in out] == AWKWARD
    assert out[0][3:] == list(TAG_COLUMNS)


def test_source_line_ends_and_tsv(run: Callable[..., Result], tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.tsv", AWKWARD, delimiter="\t", newline="\n")
    assert run("batch", source, tmp_path / "out.tsv", *TEXT).status == 0
    assert b"\r\n" not in (tmp_path / "out.tsv").read_bytes()
    assert [row[:3] for row in read_csv(tmp_path / "out.tsv", delimiter="\t")] == AWKWARD
    assert run("batch", source, tmp_path / "out.csv", *TEXT).status == 0
    assert [row[:3] for row in read_csv(tmp_path / "out.csv")] == AWKWARD


def test_answers_in_the_columns(run: Callable[..., Result], tmp_path: Path, root: Path) -> None:
    done = run(
        "batch", root / "tests/data/catalogue.csv", tmp_path / "out.csv", *TEXT, "--id", "sku", "--as-of", "2026-11-21", "--json"
    )
    summary = json.loads(done.out)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["sku"]: row for row in csv.DictReader(file)}
    assert summary["rows"] == len(rows) == 30
    assert summary["outcomes"]["review"] == sum(r["tag_outcome"] == "review" for r in rows.values())
    kettle = rows["00123"]
    assert (kettle["tag_outcome"], kettle["tag_codes"], kettle["tag_legal_status"]) == ("controlled", "3B901.c.1.a", "uncertain")
    assert kettle["tag_remark_zh"] == "属于两用物项 3B901.c.1.a"
    assert kettle["tag_announcement"] == "No.58 of 2025"
    assert rows["00124"]["tag_outcome"] == "not_controlled"
    assert rows["00126"]["tag_outcome"] == "unrelated"
    assert "264.706 Wh/kg (= 3.6 V x 5 Ah / 0.068 kg)" in rows["00127"]["tag_quantities"]
    assert rows["00127"]["tag_outcome"] == "not_controlled"
    assert rows["00132"]["tag_outcome"] == "review"
    assert "镝" in rows["00132"]["tag_questions"]
    assert (rows["00151"]["tag_outcome"], rows["00151"]["tag_reasons"]) == ("review", "UNREADABLE")
    assert all(r["tag_model"].startswith("model-") and r["tag_rules"].startswith("rules-") for r in rows.values())


def test_review_rows_also_go_into_the_queue(run: Callable[..., Result], tmp_path: Path, root: Path) -> None:
    assert run("batch", root / "tests/data/catalogue.csv", tmp_path / "out.csv", *TEXT, "--id", "sku").status == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        expected = [(n, r["sku"]) for n, r in enumerate(csv.DictReader(file), 1) if r["tag_outcome"] == "review"]
    with ReviewStore.open(tmp_path / "out.review.sqlite", create=False) as store:
        items = list(store.each())
    assert [(i.row_number, i.row_id) for i in items] == expected
    assert all(i.reasons and i.questions for i in items)


def test_xlsx_keeps_text_numbers_and_dates(run: Callable[..., Result], tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["sku", "part", "name", "price", "since", "ok"])
    sheet.append(["00123", 7, "NdFeB magnet N35", 12.5, dt.date(2024, 5, 1), True])
    sheet["B2"].number_format = "00000"
    sheet.append(["00124", 12345678901, "plastics granulator", 0.1, dt.datetime(2024, 5, 1, 12, 30), None])
    sheet.append(["=1+1", None, "pen", None, None, False])
    sheet["A4"].data_type = "s"
    book.save(tmp_path / "in.xlsx")
    assert run("batch", tmp_path / "in.xlsx", tmp_path / "out.xlsx", "--text", "name", "--id", "sku").status == 0
    out = openpyxl.load_workbook(tmp_path / "out.xlsx")["all"]
    cells = list(out.iter_rows())
    assert [c.value for c in cells[1]][:6] == ["00123", 7, "NdFeB magnet N35", 12.5, dt.datetime(2024, 5, 1), True]
    assert cells[1][1].number_format == "00000"
    assert cells[2][1].value == 12345678901
    assert cells[2][4].value == dt.datetime(2024, 5, 1, 12, 30)
    assert (cells[3][0].value, cells[3][0].data_type) == ("=1+1", "s")
    assert not any(c.data_type == "f" for row in cells for c in row)
    assert (out.freeze_panes, out.auto_filter.ref) == ("A2", "A1:Z4")
    assert [c.value for c in cells[0]][6:] == list(TAG_COLUMNS)
    assert run("batch", tmp_path / "in.xlsx", tmp_path / "out.csv", "--text", "name", "--id", "part").status == 0
    rows = read_csv(tmp_path / "out.csv")
    assert [row[:5] for row in rows[1:]] == [
        ["00123", "00007", "NdFeB magnet N35", "12.5", "2024-05-01"],
        ["00124", "12345678901", "plastics granulator", "0.1", "2024-05-01T12:30:00"],
        ["=1+1", "", "pen", "", ""],
    ]


def test_parquet_keeps_types(run: Callable[..., Result], tmp_path: Path) -> None:
    table = pa.table(
        {
            "sku": ["00123", "00124", None],
            "name": ["NdFeB magnet N35", "plastics granulator", None],
            "price": pa.array([1.5, None, 3.25], pa.float32()),
            "day": pa.array([dt.date(2024, 1, 1), None, dt.date(2024, 1, 3)]),
            "tags": pa.array([["a", "b"], [], None]),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    assert run("batch", tmp_path / "in.parquet", tmp_path / "out.parquet", "--text", "name", "--id", "sku").status == 0
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.select(table.column_names).equals(table)
    assert out.column("tag_outcome").to_pylist() == ["review", "unrelated", "review"]
    assert out.schema.field("tag_confidence").type == pa.float64()


def test_parquet_without_pyarrow_says_what_to_install(
    run: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run("batch", tmp_path / "in.parquet", tmp_path / "out.csv", "--text", "name")
    assert (done.status, "pip install 'tagger[parquet]'" in done.err) == (1, True)


def test_json_lines_keep_their_own_text(run: Callable[..., Result], tmp_path: Path) -> None:
    lines = [
        '{"sku": "00123", "name": "NdFeB magnet N35", "price": 1.10}',
        '{"sku":"00124","name":"pen","extra":{"a":[1,2]}}',
        "{}",
        "not json",
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert run("batch", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--text", "name").status == 0
    out = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert out[0].startswith(lines[0][:-1])
    assert out[1].startswith(lines[1][:-1])
    assert [json.loads(line)["tag_outcome"] for line in out] == ["review", "unrelated", "review", "review"]
    assert json.loads(out[3])["unreadable_line"] == "not json"
    assert json.loads(out[3])["tag_reasons"].startswith("UNREADABLE")
    assert run("batch", tmp_path / "in.jsonl", tmp_path / "out.csv", "--text", "name").status == 0
    assert read_csv(tmp_path / "out.csv")[1][:3] == ["00123", "NdFeB magnet N35", "1.1"]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx", "parquet", "jsonl"])
def test_half_characters_and_control_characters_do_no_harm(run: Callable[..., Result], tmp_path: Path, suffix: str) -> None:
    """A lone surrogate and a control character, as broken exports hold them, in the text and in the id."""
    (tmp_path / "in.jsonl").write_text('{"id": "\\ud83d7", "name": "NdFeB magnet \\ud83d N35 \\u0001"}\n', encoding="utf-8")
    done = run("batch", tmp_path / "in.jsonl", tmp_path / f"out.{suffix}", "--text", "name", "--id", "id")
    assert done.status == 0, done.err
    again = (
        run("batch", tmp_path / f"out.{suffix}", tmp_path / "again.jsonl", "--text", "name")
        if suffix in ("xlsx", "parquet")
        else done
    )
    assert again.status == 0, again.err


def test_a_tagged_file_can_be_tagged_again(run: Callable[..., Result], tmp_path: Path, root: Path) -> None:
    for name in ("one.csv", "one.jsonl", "one.xlsx", "one.parquet"):
        first, second = tmp_path / name, tmp_path / f"again_{name}"
        assert run("batch", root / "tests/data/catalogue.csv", first, *TEXT).status == 0
        assert run("batch", first, second, *TEXT).status == 0
        target = tmp_path / f"{name}.csv"
        assert run("batch", second, target, *TEXT).status == 0
        assert read_csv(target)[0] == ["sku", "name", "description", "category", *TAG_COLUMNS]


def test_ragged_rows_are_kept_and_go_to_review(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("sku,name\n1,pen\n2,pen,too,many\n3\n\n4,pen\n", encoding="utf-8")
    assert run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name", "--id", "sku").status == 0
    rows = read_csv(tmp_path / "out.csv")
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "", "4"]
    assert [row[2] for row in rows[1:]] == ["unrelated", "review", "review", "review", "unrelated"]
    assert rows[2][-2:] == ["too", "many"]
    assert "line 3 has 4 cells, the header has 2" in rows[2][8]


def test_spreadsheet_formulas_in_added_columns_and_on_request(run: Callable[..., Result], tmp_path: Path) -> None:
    text = "=HYPERLINK(1) Li-ion cell 3.6V 5Ah 68g"
    write_csv(tmp_path / "in.csv", [["id", "name"], ["-5", text], ["+49 30 1", "pen"]])
    plain = run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name")
    assert "1 cell(s) of the source begin like a formula" in plain.out
    rows = read_csv(tmp_path / "out.csv")
    assert [row[:2] for row in rows[1:]] == [["-5", text], ["+49 30 1", "pen"]]
    assert not any(cell[:1] in ("=", "@") for row in rows[1:] for cell in row[2:])
    run("batch", tmp_path / "in.csv", tmp_path / "safe.csv", "--text", "name", "--safe-cells")
    assert [row[:2] for row in read_csv(tmp_path / "safe.csv")[1:]] == [["-5", f"'{text}"], ["+49 30 1", "pen"]]


BAD: list[tuple[str, Callable[[Path], Any], tuple[str, ...], int, str]] = [
    ("missing file", lambda p: None, ("--text", "name"), 1, "no file"),
    ("folder", lambda p: p.mkdir(), ("--text", "name"), 1, "is a folder"),
    ("empty file", lambda p: p.write_text(""), ("--text", "name"), 1, "is empty"),
    (
        "unknown column",
        lambda p: p.write_text("sku,name\n1,pen\n"),
        ("--text", "nme"),
        2,
        "has no column 'nme'; its columns are: 'sku', 'name'",
    ),
    ("unknown id", lambda p: p.write_text("sku,name\n1,pen\n"), ("--text", "name", "--id", "ean"), 2, "has no column 'ean'"),
    ("binary", lambda p: p.write_bytes(bytes(range(256)) * 50), ("--text", "name"), 1, "is a binary file"),
    ("zip as csv", lambda p: p.write_bytes(b"PK\x03\x04rest"), ("--text", "name"), 1, "is a ZIP or XLSX file"),
    (
        "wrong encoding",
        lambda p: p.write_bytes("sku,名称\n".encode("gb18030")),
        ("--text", "名称", "--encoding", "utf-8"),
        1,
        "cannot be decoded as utf-8",
    ),
    (
        "unknown encoding",
        lambda p: p.write_text("a,b\n"),
        ("--text", "a", "--encoding", "klingon"),
        1,
        "unknown encoding 'klingon'",
    ),
    ("no text option", lambda p: p.write_text("a,b\n"), (), 2, "--text"),
    (
        "unknown model",
        lambda p: p.write_text("name\npen\n"),
        ("--text", "name", "--model", "no/such"),
        1,
        "no model folder no/such",
    ),
    (
        "unknown rules",
        lambda p: p.write_text("name\npen\n"),
        ("--text", "name", "--rules", "no/such"),
        1,
        "no rulebook folder no/such",
    ),
]


@pytest.mark.parametrize(("make", "options", "status", "expected"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(
    run: Callable[..., Result], tmp_path: Path, make: Callable[[Path], Any], options: tuple[str, ...], status: int, expected: str
) -> None:
    source = tmp_path / "in.csv"
    make(source)
    before = sorted(p.name for p in tmp_path.iterdir())
    done = run("batch", source, tmp_path / "out.csv", *options)
    assert done.status == status
    assert expected in done.err
    assert "Traceback" not in done.err
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    if options:
        assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("in.xlsx", b"not a workbook", "cannot be read as an XLSX workbook"),
        ("in.parquet", b"not parquet", "cannot be read as Parquet"),
        ("in.jsonl", b"[1, 2]\n", "holds no JSON object"),
        ("in.doc", b"x", "has suffix '.doc'"),
    ],
)
def test_damaged_files(run: Callable[..., Result], tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = run("batch", tmp_path / name, tmp_path / "out.csv", "--text", "name")
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert expected in done.err


def test_header_only_gives_a_header(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("sku,name\n", encoding="utf-8")
    done = run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name", "--json")
    assert json.loads(done.out)["rows"] == 0
    assert read_csv(tmp_path / "out.csv") == [["sku", "name", *TAG_COLUMNS]]


def test_target_that_cannot_be_written(run: Callable[..., Result], tmp_path: Path, root: Path) -> None:
    source = root / "tests/data/catalogue.csv"
    for target, expected in [("no/such/out.csv", "no folder"), ("out.pdf", "has suffix '.pdf'")]:
        done = run("batch", source, tmp_path / target, *TEXT)
        assert done.status == 2
        assert expected in done.err
    copy = tmp_path / "same.csv"
    copy.write_bytes(source.read_bytes())
    assert "is the input itself" in run("batch", copy, copy, *TEXT).err
    assert copy.read_bytes() == source.read_bytes()


def test_a_huge_cell_and_nul_bytes_are_answered(run: Callable[..., Result], tmp_path: Path, tagger: Tagger) -> None:
    huge = "vertical granulation kettle for anode material 6 m3 " * 2000
    write_csv(tmp_path / "in.csv", [["name"], [huge], ["a\x00b\x00c"], ["\x00\x01\x02\x03\x04\x05"]])
    assert run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name").status == 0
    rows = read_csv(tmp_path / "out.csv")
    assert [row[0] for row in rows[1:]] == [huge, "a\x00b\x00c", "\x00\x01\x02\x03\x04\x05"]
    assert rows[1][1] == "controlled"
    assert (rows[3][1], rows[3][5]) == ("review", "UNREADABLE")
    assert tagger.tag("x" * 300_000).reasons == ["UNREADABLE"]


def test_a_cell_too_long_for_a_workbook_is_one_line(tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", [["name"], ["pen " * 20_000]])
    command = [sys.executable, "-m", "tagger", "batch", "in.csv", "out.xlsx", "--text", "name"]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: row 2 has a cell of 80,000 characters, XLSX holds 32,767: write .csv instead\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.log"]


def test_an_interrupted_run_leaves_no_half_output(tmp_path: Path) -> None:
    """Kill the command while it writes: the final name does not exist, or is the old file."""
    write_csv(tmp_path / "in.csv", [["name"], *([f"Li-ion cell {i}, 3.7 V"] for i in range(200_000))])
    (tmp_path / "out.csv").write_text("old", encoding="utf-8")
    command = [sys.executable, "-m", "tagger", "batch", str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), "--text", "name"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = work_folder(tmp_path / "out.csv") / "rows"
    while process.poll() is None and not (rows.exists() and rows.stat().st_size > 100_000):
        time.sleep(0.05)
    process.kill()
    assert process.wait() != 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "old"
    assert not (tmp_path / "out.review.sqlite").exists()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "名称;Größe"),
        ("utf-16-le", "sku,name,description and more Latin text"),
        ("gb18030", "商品名称,描述,立式造粒釜 石墨负极材料 容积6立方 烧结钕铁硼磁钢\n" * 20),
        ("big5", "商品名稱,描述,燒結釹鐵硼磁鐵 石墨負極材料 鋰離子電池 容量\n" * 20),
        ("shift_jis", "商品名,説明,リチウムイオン電池 ネオジム磁石 造粒機 ダイヤモンドワイヤー\n" * 20),
        ("euc_kr", "상품명,설명,리튬이온 배터리 네오디뮴 자석 흑연화로 다이아몬드\n" * 20),
        ("cp1252", "Größe;Gewicht;Beschreibung für Lithium-Ionen-Zelle, Kühlgerät, Öl, Bänder\n" * 20),
    ],
)
def test_encodings_are_found(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode(encoding))
    assert detect_encoding(path) == encoding


def test_data_frame(tagger: Tagger) -> None:
    import pandas as pd

    from tagger import UsageError

    frame = pd.DataFrame(
        {"sku": ["00123", "00124"], "name": ["NdFeB magnet N35", None], "description": ["nickel", "plastics granulator"]},
        index=[7, 3],
    )
    out = tagger.tag_frame(frame, text=["name", "description"], id="sku")
    assert list(out.index) == [7, 3]
    assert list(out.columns) == [*frame.columns, *TAG_COLUMNS]
    assert list(out["tag_outcome"]) == ["review", "unrelated"]
    pd.testing.assert_frame_equal(out[frame.columns], frame)
    with pytest.raises(UsageError, match=r"no column 'nme'; the columns are: sku, name, description"):
        tagger.tag_frame(frame, text="nme")


def test_texts_rows_and_mappings(tagger: Tagger) -> None:
    from tagger import Row, UsageError

    items = ["pen", Row("00123", "NdFeB magnet N35"), {"id": "x", "text": "plastics granulator"}, {"text": "pen"}, None]
    decisions = tagger.tag_many(items)
    assert [d.row_id for d in decisions] == ["0", "00123", "x", "3", "4"]
    assert [d.outcome for d in decisions] == ["unrelated", "review", "unrelated", "unrelated", "review"]
    assert tagger.tag_many([]) == []
    with pytest.raises(UsageError, match="item 0 has no key 'text'; its keys are: name"):
        tagger.tag_many([{"name": "pen"}])
    with pytest.raises(UsageError, match="item 0 is a int"):
        tagger.tag_many([5])  # type: ignore[list-item]
