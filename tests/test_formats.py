"""Every format and the nastiest files: a right answer or a one-line error, and no cell is lost or changed."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import xlwt
import zstandard

from tagger.catalogue.encodings import find_encoding
from tagger.catalogue.tables import cell_text, open_source
from tagger.catalogue.tables.sheets import Book
from tagger.records import TAG_COLUMNS

from .conftest import Result

HEAD = ["sku", "name"]
ROWS = [["00123", "NdFeB magnet N35"], ["00124", "plastics granulator"], ["0", 'quoted "words", a comma']]
Run = Callable[..., Result]


def texts(path: Path, **how: Any) -> list[list[str]]:
    source = open_source(path, **how)
    return [source.columns, *([cell_text(c) for c in row] for batch in source.batches(2) for row in batch.rows)]


def csv_bytes(rows: list[list[str]], encoding: str = "utf-8") -> bytes:
    return "".join(",".join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in row) + "\r\n" for row in rows).encode(encoding)


# --- packed files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix", [".csv.gz", ".csv.zst", ".tsv.gz", ".jsonl.zst", ".arrow", ".feather", ".parquet", ".jsonl", ".xlsx"]
)
def test_each_format_gives_back_what_it_was_given(run: Run, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.csv").write_bytes(csv_bytes([HEAD, *ROWS]))
    first, second = tmp_path / f"one{suffix}", tmp_path / "two.csv"
    assert run("batch", tmp_path / "in.csv", first, "--text", "name", "--id", "sku").status == 0
    done = run("batch", first, second, "--text", "name", "--id", "sku", "--only-missing")
    assert done.status == 0, done.err
    assert [row[:2] for row in texts(second)] == [HEAD, *ROWS]
    assert texts(second)[0][2:] == list(TAG_COLUMNS)


def test_packed_files_of_others_are_read(tmp_path: Path) -> None:
    plain = csv_bytes([HEAD, *ROWS], "gb18030")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(plain[:20]) + gzip.compress(plain[20:]))
    (tmp_path / "b.csv.zst").write_bytes(zstandard.ZstdCompressor().compress(plain))
    assert texts(tmp_path / "a.csv.gz") == texts(tmp_path / "b.csv.zst") == [HEAD, *ROWS]


# --- workbooks ------------------------------------------------------------------------------------------------------------


def test_xlsx_shows_what_a_person_sees(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    cells: list[tuple[Any, str, str]] = [
        (123, "00000", "00123"),
        (1234567, "000-0000", "123-4567"),
        (12.0, "General", "12"),
        (12.5, "#,##0.00", "12.5"),
        (0.25, "0.00%", "0.25"),
        (12345678901, "General", "12345678901"),
        (dt.datetime(2024, 5, 1), "dd.mm.yyyy", "2024-05-01"),
        (dt.datetime(2024, 5, 1, 12, 30), "yyyy-mm-dd hh:mm", "2024-05-01T12:30:00"),
        ("00123", "@", "00123"),
        ("#N/A", "General", "#N/A"),
        (True, "General", "True"),
    ]
    sheet.append([f"c{i}" for i in range(len(cells))])
    sheet.append([value for value, _, _ in cells])
    for i, (_, shown, _) in enumerate(cells, 1):
        sheet.cell(2, i).number_format = shown
    sheet.cell(2, 10).data_type = "e"
    sheet.append([None, "alone"])
    book.save(tmp_path / "in.xlsx")
    assert texts(tmp_path / "in.xlsx")[1] == [text for _, _, text in cells]
    assert texts(tmp_path / "in.xlsx")[2][:3] == ["", "alone", ""]


def test_a_sheet_that_begins_elsewhere(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["B1"], sheet["C1"], sheet["B3"], sheet["C3"] = "sku", "name", 7, "pen"
    sheet["B3"].number_format = "0000"
    book.save(tmp_path / "in.xlsx")
    assert texts(tmp_path / "in.xlsx") == [["column_1", "sku", "name"], ["", "", ""], ["", "0007", "pen"]]


def test_xls(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("old")
    date = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for i, row in enumerate([["sku", "name", "since", "qty"], ["00123", "NdFeB magnet", dt.datetime(2024, 5, 1), 12]]):
        for j, cell in enumerate(row):
            sheet.write(i, j, cell, date if isinstance(cell, dt.datetime) else xlwt.Style.default_style)
    book.save(str(tmp_path / "in.xls"))
    assert texts(tmp_path / "in.xls") == [["sku", "name", "since", "qty"], ["00123", "NdFeB magnet", "2024-05-01", "12"]]


def ods(path: Path, rows: list[list[str]]) -> None:
    """An OpenDocument sheet as office programs write it."""
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    number = '<table:table-cell office:value-type="float" office:value="12"><text:p>12</text:p></table:table-cell>'
    lines = [
        "<table:table-row>" + "".join(number if c == "12" else cell.format(c) for c in row) + "</table:table-row>" for row in rows
    ]
    names = {n: f"urn:oasis:names:tc:opendocument:xmlns:{n}:1.0" for n in ("office", "table", "text")}
    spaces = " ".join(f'xmlns:{n}="{u}"' for n, u in names.items())
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces}><office:body><office:spreadsheet>'
        f'<table:table table:name="one">{"".join(lines)}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
        )


def test_ods(tmp_path: Path) -> None:
    ods(tmp_path / "in.ods", [["sku", "name", "qty"], ["00123", "钕铁硼磁钢", "12"]])
    assert texts(tmp_path / "in.ods") == [["sku", "name", "qty"], ["00123", "钕铁硼磁钢", "12"]]


def xlsb(path: Path, rows: list[list[str | float]]) -> None:
    """A binary workbook of the records that a sheet needs."""

    def record(kind: int, data: bytes = b"") -> bytes:
        head = bytes([kind]) if kind < 128 else bytes([(kind & 0x7F) | 0x80, kind >> 7])
        size, count = b"", len(data)
        while True:
            size += bytes([(count & 0x7F) | (0x80 if count > 127 else 0)])
            count >>= 7
            if not count:
                return head + size + data

    def wide(text: str) -> bytes:
        return struct.pack("<I", len(text)) + text.encode("utf-16-le")

    cells = b""
    for i, row in enumerate(rows):
        cells += record(0, struct.pack("<IIHHBI", i, 0, 300, 0, 0, 0))
        for j, cell in enumerate(row):
            place = struct.pack("<II", j, 0)
            cells += record(5, place + struct.pack("<d", cell)) if isinstance(cell, float) else record(6, place + wide(cell))
    size = struct.pack("<IIII", 0, len(rows) - 1, 0, len(rows[0]) - 1)
    sheet = record(129) + record(148, size) + record(145) + cells + record(146) + record(130)
    book = (
        record(131) + record(143) + record(156, struct.pack("<II", 0, 1) + wide("rId1") + wide("one")) + record(144) + record(132)
    )
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    link = f'<Relationship Id="rId1" Type="{kind}" Target="worksheets/sheet1.bin"/>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.bin", book)
        archive.writestr(
            "xl/_rels/workbook.bin.rels", f'<?xml version="1.0"?><Relationships xmlns="{space}">{link}</Relationships>'
        )
        archive.writestr("xl/worksheets/sheet1.bin", sheet)


def test_xlsb(tmp_path: Path) -> None:
    xlsb(tmp_path / "in.xlsb", [["sku", "name", "qty"], ["00123", "NdFeB magnet", 12.0]])
    assert texts(tmp_path / "in.xlsb") == [["sku", "name", "qty"], ["00123", "NdFeB magnet", "12"]]


def test_a_workbook_that_people_can_work_in(run: Run, tmp_path: Path) -> None:
    rows = [*ROWS, ["=1+1", "=HYPERLINK(1) 6 m3 vertical granulation kettle for anode material"]]
    (tmp_path / "in.csv").write_bytes(csv_bytes([HEAD, *rows]))
    assert run("batch", tmp_path / "in.csv", tmp_path / "out.xlsx", "--text", "name", "--id", "sku").status == 0
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames == ["summary", "controlled", "review", "all", "clauses"]
    assert [row[0].value for row in book["all"].iter_rows(min_row=2)] == [row[0] for row in rows]
    assert [row[0].value for row in book["controlled"].iter_rows(min_row=2)] == ["=1+1"]
    assert [row[0].value for row in book["review"].iter_rows(min_row=2)] == ["00123"]
    assert not any(c.data_type == "f" for sheet in book for row in sheet.iter_rows() for c in row)
    for name in ("controlled", "review", "all", "clauses"):
        assert book[name].auto_filter.ref
        assert str(book[name].freeze_panes).endswith("2")
    codes = book["controlled"].cell(2, 2 + 3)
    assert codes.hyperlink is not None
    sheet, place = str(codes.hyperlink.location).replace("'", "").split("!")
    assert book[sheet][place].value == str(codes.value).split("; ")[0]
    outcomes = {book["all"].cell(row, 3).fill.fgColor.rgb for row in range(2, 6)}
    assert len(outcomes) == 3
    counts = {row[0].value: row[1].value for row in book["summary"].iter_rows() if row[0].value}
    assert (counts["controlled"], counts["review"], counts["all"]) == (1, 1, 4)


def test_a_full_sheet_is_continued_on_another(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.catalogue.workbook.MOST_ROWS", 3)
    (tmp_path / "in.csv").write_bytes(csv_bytes([HEAD, *ROWS]))
    assert run("batch", tmp_path / "in.csv", tmp_path / "out.xlsx", "--text", "name").status == 0
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert book.sheetnames[3:] == ["all", "clauses", "all 2"]
    assert run("batch", tmp_path / "out.xlsx", tmp_path / "again.csv", "--text", "name").status == 0
    assert [row[:2] for row in texts(tmp_path / "again.csv")] == [HEAD, *ROWS]


def test_a_workbook_that_is_given_up_leaves_no_file(tmp_path: Path) -> None:
    book = Book(tmp_path / "out.xlsx")
    book.write(book.sheet("one"), 0, ["a"])
    book.release()
    assert list(tmp_path.iterdir()) == []


# --- several at once ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three tables: one lacks a column of another, one is in another encoding."""
    place = tmp_path / "exports"
    place.mkdir()
    (place / "a.csv").write_bytes(csv_bytes([HEAD, ROWS[0]]))
    (place / "b.csv").write_bytes(csv_bytes([["name", "colour", "sku"], ["钕铁硼磁钢 立式造粒釜", "灰", "00200"]], "gb18030"))
    (place / "c.jsonl").write_text('{"sku": "00300", "name": "pen", "price": 1.10}\n', encoding="utf-8")
    (place / "readme.md").write_text("not a table", encoding="utf-8")
    return place


@pytest.mark.parametrize("given", ["folder", "pattern", "files"])
def test_a_folder_a_pattern_or_several_files(run: Run, tmp_path: Path, folder: Path, given: str) -> None:
    named = {"folder": [folder], "pattern": [folder / "*.[cj]*"], "files": sorted(folder.glob("?.*"))}[given]
    done = run("batch", *named, tmp_path / "out.csv", "--text", "name", "--id", "sku")
    assert done.status == 0, done.err
    rows = texts(tmp_path / "out.csv")
    assert rows[0] == ["sku", "name", "colour", "price", "tag_source", *TAG_COLUMNS]
    assert [row[:5] for row in rows[1:]] == [
        ["00123", "NdFeB magnet N35", "", "", "a.csv"],
        ["00200", "钕铁硼磁钢 立式造粒釜", "灰", "", "b.csv"],
        ["00300", "pen", "", "1.1", "c.jsonl"],
    ]


def test_several_sheets(run: Run, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for name, sku in (("first", "1"), ("second", "2"), ("third", "3")):
        sheet = book.create_sheet(name)
        sheet.append(HEAD)
        sheet.append([sku, "pen"])
    del book["Sheet"]
    book.save(tmp_path / "in.xlsx")
    for sheets, skus in ((["--sheet", "*"], "123"), (["--sheet", "third", "--sheet", "first"], "31"), ([], "1")):
        assert run("batch", tmp_path / "in.xlsx", tmp_path / "out.csv", "--text", "name", *sheets).status == 0
        assert "".join(row[0] for row in texts(tmp_path / "out.csv")[1:]) == skus
    unknown = run("batch", tmp_path / "in.xlsx", tmp_path / "out.csv", "--text", "name", "--sheet", "fourth")
    assert (unknown.status, "the sheets are: first, second, third" in unknown.err) == (2, True)


def test_parquet_parts_keep_their_types(run: Run, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for i in range(3):
        table = pa.table({"sku": [f"0{i}"], "name": ["pen"], "qty": pa.array([i], pa.int16())})
        pq.write_table(table, tmp_path / "parts" / f"{i}.parquet")
    assert run("batch", tmp_path / "parts", tmp_path / "out.arrow", "--text", "name").status == 0
    with pa.memory_map(str(tmp_path / "out.arrow")) as mapped:
        out = pa.ipc.open_file(mapped).read_all()
    assert (out.column("qty").to_pylist(), out.schema.field("qty").type) == ([0, 1, 2], pa.int16())
    assert out.column("tag_source").to_pylist() == ["0.parquet", "1.parquet", "2.parquet"]


def test_a_missing_column_is_told_with_its_file(run: Run, tmp_path: Path, folder: Path) -> None:
    (folder / "d.csv").write_text("sku,title\n1,pen\n", encoding="utf-8")
    done = run("batch", folder, tmp_path / "out.csv", "--text", "name")
    assert (done.status, "d.csv has no column 'name'" in done.err) == (2, True)


# --- nasty files ----------------------------------------------------------------------------------------------------------


def test_broken_bytes_mark_their_row_and_come_back(run: Run, tmp_path: Path) -> None:
    good = "".join(f"{i},立式造粒釜 石墨负极材料 {i}\n" for i in range(50)).encode()
    content = b"sku,name\n" + good + b"x,NdFeB magnet \xff\xfe N35\n" + good
    (tmp_path / "in.csv").write_bytes(content)
    done = run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["unreadable_rows"] == 1
    assert "utf-8 with broken bytes" in done.out
    lines = (tmp_path / "out.csv").read_bytes().splitlines()
    assert [line.split(b",")[:2] for line in lines] == [line.split(b",") for line in content.splitlines()]
    row = lines[51].decode("utf-8", "replace")
    assert "review" in row
    assert "UNREADABLE" in row
    assert "line 52 has bytes that are not utf-8" in row


def test_one_accent_is_another_encoding_and_no_damage(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("sku,name\n1,Kühlgerät für Café\n".encode("cp1252"))
    assert find_encoding(tmp_path / "in.csv").errors == "strict"
    (tmp_path / "late.csv").write_bytes(
        b"sku,name\n" + b"1,steel bolt\n" * 40_000 + "2,Kühlgerät für Öl und Bänder\n".encode("cp1252")
    )
    assert texts(tmp_path / "late.csv")[-1] == ["2", "Kühlgerät für Öl und Bänder"]


def test_utf_16_that_is_cut_off_is_answered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("sku,name\n1,pen\n2,pencil".encode("utf-16")[:-1])
    done = run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name")
    assert done.status == 0, done.err
    assert [row[2] for row in texts(tmp_path / "out.csv")[1:]] == ["unrelated", "review"]


def test_a_hundred_columns_and_names_that_stand_twice_or_are_empty(run: Run, tmp_path: Path) -> None:
    head = ["name", "", "name", "", *(f"c{i}" for i in range(96))]
    rows = [[f"{i}-{j}" for j in range(100)] for i in range(5)]
    (tmp_path / "in.csv").write_bytes(csv_bytes([head, *rows]))
    assert run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name").status == 0
    assert [row[:100] for row in texts(tmp_path / "out.csv")] == [head, *rows]
    assert run("batch", tmp_path / "in.csv", tmp_path / "out.xlsx", "--text", "name").status == 0


def test_a_cell_of_32_mb(run: Run, tmp_path: Path) -> None:
    huge = "vertical granulation kettle " * (32 * 1024 * 1024 // 28)
    (tmp_path / "in.csv").write_bytes(csv_bytes([HEAD, ["1", huge], ["2", "pen"]]))
    done = run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name")
    assert done.status == 0, done.err
    rows = texts(tmp_path / "out.csv")
    assert rows[1][1] == huge
    assert [row[2] for row in rows[1:]] == ["review", "unrelated"]
    assert rows[1][6] == "UNREADABLE"


def bomb(path: Path) -> None:
    book = openpyxl.Workbook()
    book.save(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/bomb.xml", b"0" * (100 << 20))


def nested_json(path: Path) -> None:
    path.write_text('{"name": "pen"}\n{"name": ' + "[" * 100_000 + "\n", encoding="utf-8")


def locked(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096) + "EncryptedPackage".encode("utf-16-le") + bytes(512))


def cut_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(csv_bytes([HEAD, *ROWS * 5_000]))[:-200])


def cut_zstd(path: Path) -> None:
    path.write_bytes(b"\x28\xb5\x2f\xfd" + b"nonsense" * 40)


def cut_parquet(path: Path) -> None:
    pq.write_table(pa.table({"name": [f"pen {i}" for i in range(50_000)]}), path)
    content = bytearray(path.read_bytes())
    content[1000:9000] = bytes(8000)
    path.write_bytes(content)


def no_zip(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(500))


NASTY: list[tuple[str, Callable[[Path], Any], str]] = [
    ("in.xlsx", bomb, "would unpack to"),
    ("in.xlsx", locked, "is protected by a password"),
    ("in.xls", locked, "is protected by a password"),
    ("in.xlsx", no_zip, "cannot be read as an XLSX workbook"),
    ("in.ods", no_zip, "cannot be read as an ODS workbook"),
    ("in.xlsb", no_zip, "cannot be read as an XLSB workbook"),
    ("in.xls", no_zip, "cannot be read as an XLS workbook"),
    ("in.csv.gz", cut_gzip, "is damaged or cut off"),
    ("in.csv.zst", cut_zstd, "is damaged or cut off"),
    ("in.csv.gz", lambda p: p.write_bytes(b"sku,name\n1,pen\n"), "is damaged or cut off"),
    ("in.parquet", cut_parquet, "cannot be read as Parquet"),
    ("in.arrow", lambda p: p.write_bytes(b"ARROW1\0\0" + bytes(100)), "cannot be read as Arrow"),
    ("in.parquet.gz", lambda p: p.write_bytes(b"x"), "unpack it first"),
    ("in.csv", lambda p: p.write_bytes(b"\n\n\n"), "has no column names"),
]


@pytest.mark.parametrize(("name", "make", "said"), NASTY, ids=[f"{n}-{s[:22]}" for n, _, s in NASTY])
def test_nasty_files_end_in_one_line(run: Run, tmp_path: Path, name: str, make: Callable[[Path], Any], said: str) -> None:
    make(tmp_path / name)
    done = run("batch", tmp_path / name, tmp_path / "out.csv", "--text", "name")
    assert (done.status, len(done.err.splitlines())) == (1, 1), done.err
    assert said in done.err
    assert not (tmp_path / "out.csv").exists()


def test_json_nested_without_end_is_one_row_for_a_person(run: Run, tmp_path: Path) -> None:
    nested_json(tmp_path / "in.jsonl")
    done = run("batch", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--text", "name")
    assert done.status == 0, done.err
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1])["tag_reasons"] == "UNREADABLE"
    assert len(lines) == 2


def test_a_quote_that_is_never_closed_is_told_with_its_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.catalogue.tables.delimited._LONGEST", 1 << 20)
    (tmp_path / "in.csv").write_text('sku,name\n1,pen\n2,"3,5 inch disk\n' + "3,pen\n" * 300_000, encoding="utf-8")
    done = run("batch", tmp_path / "in.csv", tmp_path / "out.csv", "--text", "name")
    csv.field_size_limit(sys.maxsize)
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert "line 3: a cell of more than 1 million characters, or a quote that is never closed" in done.err


def test_tagged_workbook_is_the_same_bytes_on_another_day(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(csv_bytes([HEAD, *ROWS]))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert (
            run("batch", tmp_path / "in.csv", tmp_path / name / "out.xlsx", "--text", "name", "--as-of", "2026-11-21").status == 0
        )
    assert (tmp_path / "one/out.xlsx").read_bytes() == (tmp_path / "two/out.xlsx").read_bytes()
