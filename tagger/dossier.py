"""The statement that customs asks for when it challenges a declaration: figures, uses, reasons, clause by clause.

Built once as headings, paragraphs and tables, and written as Markdown or DOCX.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagger import __version__
from tagger.errors import UsageError
from tagger.facts.readable import readable
from tagger.files import replacing, write_text
from tagger.law import Clause, Parameter, shown_value
from tagger.records import ClauseResult, Decision, Outcome, Quantity, show_quantity, show_range
from tagger.rulebook import Rulebook

SUFFIXES = (".md", ".docx")
_OUTCOMES = {
    Outcome.CONTROLLED: ("The text itself shows that a listed clause is met.", "属于管制物项：文字本身表明满足所列条款。"),
    Outcome.NOT_CONTROLLED: ("Every clause that the text speaks of is failed.", "不属于管制物项：文字所涉及的各条款均不满足。"),
    Outcome.UNRELATED: ("The text speaks of no listed goods.", "与所列物项无关。"),
    Outcome.REVIEW: ("Not decided: a person has to settle the open points below.", "尚未确定：以下未决事项须由人员确认。"),
}
_TRUTHS = {"MET": "MET 满足", "NOT_MET": "NOT MET 不满足", "UNKNOWN": "UNKNOWN 未知"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~])")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 0 is the title."""

    text: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Grid


def dossier(text: str, d: Decision, book: Rulebook) -> list[Block]:
    """Build the statement for one item.

    Parameters
    ----------
    text : str
        The description that was tagged.
    d : Decision
    book : Rulebook
        The rulebook that the decision was made with.

    Returns
    -------
    list of Block

    Examples
    --------
    >>> from tagger.pipeline import Tagger
    >>> t = Tagger.load(as_of=dt.date(2026, 11, 21))
    >>> item = "Lithium-ion pouch cell, energy density 285 Wh/kg"
    >>> blocks = dossier(item, t.tag(item), t.book)
    >>> [b.text for b in blocks if isinstance(b, Heading)][:3]
    ['Statement on export control 出口管制物项说明', 'Item 商品', 'Result 结论']
    """
    return [
        Heading("Statement on export control 出口管制物项说明", 0),
        *_item(text, d),
        *_result(d, book),
        *_figures(d, text, book),
        *_clauses(d, book),
        *_open_points(d),
        *_rules(d, book),
        *_basis(d),
    ]


def _item(text: str, d: Decision) -> Iterator[Block]:
    yield Heading("Item 商品")
    yield Paragraph(text.strip() or "(no text 无文字)")
    if d.row_id not in ("", "0"):
        yield Paragraph(f"Row 行号: {d.row_id}")


def _result(d: Decision, book: Rulebook) -> Iterator[Block]:
    yield Heading("Result 结论")
    en, zh = _OUTCOMES[Outcome(d.outcome)]
    rows = [("Answer 结论", f"{d.outcome} – {en} {zh}")]
    if d.category != "none":
        category = book.category(d.category)
        rows.append(("Category 类别", f"{category.name_en} {category.name_zh} ({d.category})"))
    if d.codes:
        rows.append(("Codes 管制编码", ", ".join(d.codes)))
        announcement = book.announcement(book.clause(d.codes[0]).announcement)
        status = book.legal_status(announcement.id, dt.date.fromisoformat(d.as_of))
        rows.append(("Announcement 公告", f"{announcement.number} {announcement.number_zh}"))
        rows.append((f"Status on {d.as_of} 当日效力", f"{status.state}: {status.why}"))
    rows.append(("Remark for the declaration 报关单备注", d.remark_zh or "none 无"))
    if d.note:
        rows.append(("Note 说明", d.note))
    yield Grid(("", ""), tuple(rows))


def _figures(d: Decision, text: str, book: Rulebook) -> Iterator[Block]:
    yield Heading("Figures 参数")
    if not d.quantities:
        yield Paragraph("The text states no figure. 文字中无参数。")
        return
    rows = []
    for q in d.quantities:
        kind = book.kinds.get(q.kind)
        name = f"{kind.name_en} {kind.name_zh}" if kind else "not named in the text 文字未指明"
        written = text[q.span.start : q.span.end] if not q.assumed else ""
        rows.append((name, written, show_range(q), q.derived_from))
    yield Grid(("Figure of 参数", "As written 原文", "In base units 换算值", "Derivation 推导"), tuple(rows))


def _clauses(d: Decision, book: Rulebook) -> Iterator[Block]:
    yield Heading("Clause by clause 逐条对照")
    results = sorted(d.clauses, key=lambda r: r.code not in d.codes)
    if not results:
        yield Paragraph("The text speaks of no clause of the lists. 文字未涉及清单中的任何条款。")
    for result in results:
        yield from _clause(result, book.clause(result.code), d, book)


def _clause(result: ClauseResult, clause: Clause, d: Decision, book: Rulebook) -> Iterator[Block]:
    announcement = book.announcement(clause.announcement)
    yield Heading(f"{clause.code} {clause.title_zh} – {_TRUTHS[str(result.truth)]}", 2)
    margin = "" if result.margin is None else f" Distance from the threshold 与阈值的相对距离: {result.margin:+.1%}."
    combined = f" The figures combine as '{clause.combine}'." if len(clause.parameters) > 1 else ""
    yield Paragraph(f"{clause.title_en} ({announcement.number} {announcement.number_zh}).{combined}{margin}")
    rows = [(_asked(p, book), _stated(p, d.quantities, book)) for p in clause.parameters]
    rows += [(f"{c.ask_en} {c.ask_zh}", _words((*c.any_of, *c.assumed_by, *c.denied_by), result)) for c in clause.conditions]
    if rows:
        yield Grid(("The clause asks 条款要求", "The text says 原文情况"), tuple(rows))
    words = "; ".join(dict.fromkeys(f"“{e.text}” {e.says}" for e in result.evidence if e.text))
    if words:
        yield Paragraph(f"Evidence 依据: {words}")
    if clause.exclusions:
        yield Paragraph(f"Excluded by the clause 条款除外: {'; '.join(clause.exclusions)}")


def _asked(p: Parameter, book: Rulebook) -> str:
    kind = book.kinds.get(p.quantity)
    name = f"{kind.name_en} {kind.name_zh}" if kind else p.quantity.replace("_", " ")
    alternative = f" (alternative 之一: {p.alt})" if p.alt else ""
    return f"{name} {p.operator} {shown_value(p.value)} {p.unit}".rstrip() + alternative


def _stated(p: Parameter, quantities: Sequence[Quantity], book: Rulebook) -> str:
    kind = book.kinds.get(p.quantity) if p.unit else None
    if kind is None:
        return "see the evidence 见依据"
    found = [q for q in quantities if q.kind in kind.sides] if kind.sides else readable(kind, quantities)
    return "; ".join(dict.fromkeys(show_quantity(q) for q in found)) or "not stated 未说明"


def _words(concepts: Sequence[str], result: ClauseResult) -> str:
    says = [e for e in result.evidence if e.says.rpartition(" ")[2] in concepts and e.text]
    return "; ".join(dict.fromkeys(f"“{e.text}” {e.says}" for e in says)) or "not stated 未说明"


def _open_points(d: Decision) -> Iterator[Block]:
    if not d.reasons and not d.questions:
        return
    yield Heading("Open points 未决事项")
    if d.reasons:
        yield Paragraph("Reasons 原因: " + ", ".join(d.reasons))
    pairs = tuple(zip(d.questions[::2], d.questions[1::2], strict=False))
    if pairs:
        yield Grid(("Question", "问题"), pairs)


def _rules(d: Decision, book: Rulebook) -> Iterator[Block]:
    if not d.also_applies:
        return
    yield Heading("Rules that cut across the lists 其他相关规定")
    says = {r.id: r.says for r in book.rules}
    rows = tuple(
        (f"{says[r.rule]} ({r.rule})", _TRUTHS[str(r.truth)], f"{r.state}: {r.why}", ", ".join(r.needs)) for r in d.also_applies
    )
    yield Grid(("Rule 规定", "Answer 结论", "Status 效力", "Needs 尚需"), rows)


def _basis(d: Decision) -> Iterator[Block]:
    yield Heading("Basis 依据版本")
    rows = [
        ("Day 日期", d.as_of),
        ("Model 模型", f"{d.model_id}, confidence 置信度 {d.confidence:.3f}"),
        ("Rulebook 规则版本", d.rules_id),
        ("Standing assumptions 常设假设", "; ".join(d.assumptions) or "none 无"),
        ("Software 软件", f"tagger {__version__}"),
    ]
    yield Grid(("", ""), tuple(rows))
    yield Paragraph(
        "A reading aid, not legal advice; the Chinese text of the announcements decides. 仅供参考，以公告中文文本为准。"
    )
    yield Paragraph("Name and date 姓名、日期: ______________________    Signature 签字: ______________________")


def to_markdown(blocks: Sequence[Block]) -> str:
    r"""The statement as Markdown; nothing in the item's text acts as markup.

    Examples
    --------
    >>> print(to_markdown([Heading("A", 1), Paragraph("<b>x</b>"), Grid(("k", "v"), (("a|b", "c"),))]))
    ## A
    <BLANKLINE>
    \<b\>x\</b\>
    <BLANKLINE>
    | k | v |
    |---|---|
    | a\|b | c |
    <BLANKLINE>
    """
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, Heading):
            lines += [f"{'#' * (block.level + 1)} {_escaped(block.text)}", ""]
        elif isinstance(block, Paragraph):
            lines += [_escaped(block.text), ""]
        else:
            lines += [_row(block.head), "|" + "---|" * len(block.head), *map(_row, block.rows), ""]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(c) for c in cells) + " |"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(_CONTROL.sub(" ", text).split()))


def write_dossier(blocks: Sequence[Block], path: Path) -> None:
    """Write the statement; the suffix chooses Markdown or DOCX.

    Raises
    ------
    UsageError
        Where the suffix is neither, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: a dossier is written as {' or '.join(SUFFIXES)}, not {suffix or 'without a suffix'}")
    try:
        if suffix == ".md":
            write_text(path, to_markdown(blocks))
        else:
            with replacing(path) as temporary:
                _write_docx(blocks, temporary)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None


def _write_docx(blocks: Sequence[Block], path: Path) -> None:
    from docx import Document
    from docx.oxml.ns import qn
    from docx.shared import Pt

    document = Document()
    style = document.styles["Normal"]
    style.font.name, style.font.size = "Arial", Pt(10)
    style.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "SimSun")
    for block in blocks:
        if isinstance(block, Heading):
            document.add_heading(_plain(block.text), block.level)
        elif isinstance(block, Paragraph):
            document.add_paragraph(_plain(block.text))
        else:
            table = document.add_table(rows=0, cols=len(block.head), style="Table Grid")
            for cells in (*([block.head] if any(block.head) else []), *block.rows):
                for cell, text in zip(table.add_row().cells, cells, strict=True):
                    cell.text = _plain(text)
            document.add_paragraph()
    document.save(str(path))


def _plain(text: str) -> str:
    """No control characters: XML holds none, and direction marks could turn a figure round."""
    return _CONTROL.sub(" ", text)
