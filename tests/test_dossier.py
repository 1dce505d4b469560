"""The statement for customs: figures, uses, reasons, clause by clause, as Markdown and DOCX; nothing in the text acts as markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tagger.dossier import Grid, dossier, to_markdown, write_dossier
from tagger.errors import UsageError
from tagger.pipeline import Tagger

from .conftest import DAY, Result

CELL = "Lithium-ion pouch cell 3.7 V, 30 Ah, 390 g"


def test_it_shows_figures_clauses_and_versions(tagger: Tagger) -> None:
    text = to_markdown(dossier(CELL, tagger.tag(CELL), tagger.book)).replace("\\", "")
    for part in (
        "not_controlled",
        "284.615 Wh/kg",
        "3.7 V x 30 Ah / 0.39 kg",
        "3A001 高能量密度可充放电锂离子电池（含电芯、电池组） – NOT MET 不满足",
        "specific energy 质量能量密度 >= 300 Wh/kg",
        "-5.1%",
        "uncertain: suspension ended on 2026-11-10",
        "不属于管制物项，质量能量密度284.6Wh/kg",
        tagger.model.model_id,
        tagger.book.rules_id,
        "2026-11-21",
    ):
        assert part in text, part


def test_open_points_carry_the_questions(tagger: Tagger) -> None:
    text = to_markdown(dossier("x", tagger.tag("NdFeB magnet N52, 20 x 10 x 5 mm"), tagger.book))
    assert "MISSING" in text
    assert "dysprosium" in text
    assert "是否含镝" in text
    assert "Rules that cut across" in text


@pytest.mark.parametrize(
    "text", ["", "plastics granulator", "6 m3 vertical granulation kettle for anode material", "NdFeB N42SH Dy 0.18%"]
)
def test_every_outcome_can_be_written(tagger: Tagger, tmp_path: Path, text: str) -> None:
    from docx import Document

    blocks = dossier(text, tagger.tag(text), tagger.book)
    write_dossier(blocks, tmp_path / "a.docx")
    write_dossier(blocks, tmp_path / "a.md")
    document = Document(str(tmp_path / "a.docx"))
    cells = [c.text for table in document.tables for row in table.rows for c in row.cells]
    assert tagger.book.rules_id in cells
    grids = [b for b in blocks if isinstance(b, Grid)]
    assert len(document.tables) == len(grids)
    assert all(len(row) == len(grid.head) for grid in grids for row in grid.rows)


def test_hostile_text_stays_text(tagger: Tagger, tmp_path: Path) -> None:
    from docx import Document

    text = "<script>alert(1)</script> | [x](javascript:1) ![](http://x) `a` # b\n# NdFeB \x00\x07\u202e magnet N52 =HYPERLINK(1)"
    blocks = dossier(text, tagger.tag(text), tagger.book)
    written = to_markdown(blocks)
    assert "<script" not in written.replace("\\<", "")
    assert not re.search(r"(?<!\\)\]\(", written)
    assert "\u202e" not in written
    assert "\x07" not in written
    assert all(line.count("|") - line.count("\\|") in (0, 3, 4, 5) for line in written.splitlines())
    write_dossier(blocks, tmp_path / "a.docx")
    assert "<script>alert(1)</script>" in "\n".join(p.text for p in Document(str(tmp_path / "a.docx")).paragraphs)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.md or \.docx"):
        write_dossier([], tmp_path / "a.pdf")
    with pytest.raises(UsageError, match="cannot be written"):
        write_dossier([], tmp_path / "no" / "a.md")


def test_on_the_command_line(run: Callable[..., Result], tmp_path: Path) -> None:
    done = run("dossier", CELL, "--as-of", DAY)
    assert done.status == 0
    assert done.out.startswith("# Statement on export control 出口管制物项说明")
    done = run("dossier", CELL, "--as-of", DAY, "--out", tmp_path / "cell.docx")
    assert (done.status, "not_controlled 3A001" in done.out, (tmp_path / "cell.docx").stat().st_size > 10_000) == (0, True, True)


def test_of_a_row(run: Callable[..., Result], tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f'sku,name\n007,"{CELL}"\n008,book\n008,again\n', encoding="utf-8")
    for arguments in (("007", "--id", "sku"), ("1",)):
        done = run("dossier", arguments[0], "--from", source, "--text", "name", *arguments[1:], "--as-of", DAY)
        assert "284.615" in done.out, done.err
        assert f"Row 行号: {arguments[0]}" in done.out
    for arguments, said in (
        (("9", "--from", source, "--text", "name"), "no row"),
        (("008", "--from", source, "--text", "name", "--id", "sku"), "2 rows"),
        (("1", "--from", source), "--from needs --text"),
        (("1", "--text", "name"), "give it with --from"),
        (("1", "--from", source, "--text", "title"), "no column 'title'"),
    ):
        done = run("dossier", *arguments)
        assert (done.status, said in done.err) == (2, True), done.err
