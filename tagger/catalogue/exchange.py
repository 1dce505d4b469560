"""The review queue as files: tables to fill in, JSON Lines, Label Studio tasks, training rows; and answers back from them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tagger.catalogue.tables import Batch, NoSource, cell_text, check_target, open_sink, open_source
from tagger.errors import ReviewConflictError, ReviewError, UsageError
from tagger.files import write_text
from tagger.learning.dataset import LANGUAGES
from tagger.review.items import ANSWERED, ANSWERS, Answer, Filters, Item, Who
from tagger.review.queries import stamp_of
from tagger.review.store import ReviewStore

_ROWS_AT_ONCE = 1_000
_XLSX_TEXT = 30_000
_FILLED = ("answer", "answer_category", "answer_codes", "answer_why")
COLUMNS = (
    *("review_item", "review_hash", "state", "stage", "batch", "row_id", "text", "lang", "category", "codes", "reasons"),
    *("questions", "evidence", "clauses", "confidence", "margin", "risk"),
    *("decided", "decided_category", "decided_codes", "decided_why", "decided_by", "decided_at"),
    *_FILLED,
)
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffd␀]+")
_BETWEEN_CODES = re.compile(r"[;,\s]+")
LABEL_CONFIG = """<View>
  <Header value="$category: $codes ($reasons)"/>
  <Labels name="evidence" toName="text"><Label value="evidence"/></Labels>
  <Text name="text" value="$text"/>
  <Text name="questions" value="$questions"/>
  <Choices name="answer" toName="text" choice="single" required="true">
    <Choice value="controlled"/><Choice value="not_controlled"/><Choice value="unrelated"/>
  </Choices>
  <TextArea name="answer_category" toName="text" maxSubmissions="1" placeholder="category, where it is not the suggested one"/>
  <TextArea name="answer_codes" toName="text" maxSubmissions="1" placeholder="clauses, such as 3B901.c.1.a"/>
  <TextArea name="answer_why" toName="text" maxSubmissions="1" placeholder="why"/>
</View>
"""


@dataclass(frozen=True, slots=True)
class _Filled:
    """One row that somebody filled in: where it stands, and its cells."""

    where: str
    cells: Mapping[str, str]


def export_items(store: ReviewStore, target: Path, filters: Filters | None = None) -> int:
    """Write items to a file; the suffix chooses: .csv, .tsv, .xlsx (to fill in), .jsonl (all there is), .json (Label Studio).

    Items are written blind: without what others said of those that are not settled.

    Parameters
    ----------
    store : ReviewStore
    target : Path
        With ``.json``, the labelling configuration is written beside it as ``.xml``.
    filters : Filters, optional
        What waits, by default.

    Returns
    -------
    int
        How many items were written.

    Raises
    ------
    UsageError
        Where the file cannot be written or the suffix is none of these.
    """
    items = store.each(filters)
    suffix = target.suffix.lower()
    if suffix == ".json":
        check_target(target.with_suffix(".jsonl"))
        tasks = [_task(item) for item in items]
        write_text(target, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
        write_text(target.with_suffix(".xml"), LABEL_CONFIG)
        return len(tasks)
    check_target(target)
    if suffix in (".jsonl", ".ndjson"):
        lines = [json.dumps(_plain(item), ensure_ascii=False) + "\n" for item in items]
        write_text(target, "".join(lines))
        return len(lines)
    longest = _XLSX_TEXT if suffix == ".xlsx" else None
    count = 0
    with open_sink(target, NoSource(target), COLUMNS) as sink:
        for piece in _pieces(items):
            sink.write(Batch([[] for _ in piece]), [_cells(item, longest) for item in piece])
            count += len(piece)
    return count


def _pieces(items: Iterator[Item]) -> Iterator[list[Item]]:
    piece: list[Item] = []
    for item in items:
        piece.append(item)
        if len(piece) == _ROWS_AT_ONCE:
            yield piece
            piece = []
    if piece:
        yield piece


def _cells(item: Item, longest: int | None) -> list[Any]:
    answer = item.answer
    said = (answer.outcome, answer.category, "; ".join(answer.codes), answer.why) if answer else ("", "", "", "")
    evidence = "; ".join(dict.fromkeys(f"{e['text']} [{e['says']}]" for e in item.evidence)) or item.note
    clauses = "; ".join(f"{c['code']} {c['truth']}" for c in item.clauses)
    cells = [
        *(item.id, stamp_of(item), str(item.state), str(item.stage), item.batch, item.row_id, item.text, item.lang),
        *(item.category, "; ".join(item.codes), "; ".join(item.reasons), " | ".join(item.questions), evidence, clauses),
        *(round(item.confidence, 4), None if item.margin is None else round(item.margin, 4), item.risk),
        *(*said, item.decided_by, item.decided_at),
        *("" for _ in _FILLED),
    ]
    return [cell[:longest] if isinstance(cell, str) else cell for cell in cells]


def _plain(item: Item) -> dict[str, Any]:
    values = asdict(item)
    values.pop("opinions")
    return {"review_item": item.id, "review_hash": stamp_of(item), **values, **dict.fromkeys(_FILLED, "")}


def _task(item: Item) -> dict[str, Any]:
    """A Label Studio task with the tagger's suggestion as its prediction; offsets count as JavaScript does."""
    spans = [
        {
            "from_name": "evidence",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": _utf16(item.text, e["start"]),
                "end": _utf16(item.text, e["end"]),
                "text": e["text"],
                "labels": ["evidence"],
            },
        }
        for e in item.evidence
    ]
    met = any(c["truth"] == "MET" and c["code"] in item.codes for c in item.clauses)
    guess = "controlled" if met else "unrelated" if item.category == "none" else None
    choice = [{"from_name": "answer", "to_name": "text", "type": "choices", "value": {"choices": [guess]}}] if guess else []
    data = {
        "review_item": item.id,
        "review_hash": stamp_of(item),
        "text": item.text,
        "row_id": item.row_id,
        "batch": item.batch,
        "category": item.category,
        "codes": " ".join(item.codes),
        "reasons": " ".join(item.reasons),
        "questions": "\n".join(item.questions),
    }
    return {"data": data, "predictions": [{"model_version": item.model_id, "score": item.confidence, "result": [*spans, *choice]}]}


def _utf16(text: str, offset: int) -> int:
    return len(text[:offset].encode("utf-16-le")) // 2


def import_answers(store: ReviewStore, source: Path, who: Who, by: str = "") -> int:
    """Take answers over from a file that :func:`export_items` wrote and somebody filled in: all of them, or none.

    Rows without an answer are left alone. An item that changed or was answered since, or a row whose text was changed, refuses
    the file.

    Parameters
    ----------
    store : ReviewStore
    source : Path
    who : Who
        Whose answers they are.
    by : str
        Who takes them over, for the log.

    Returns
    -------
    int
        How many answers were taken over.

    Raises
    ------
    ReviewConflictError
        Where a row is stale or changed.
    ReviewError, CatalogueError
        Where an answer does not fit, or the file cannot be read.
    """
    rows = _labelled(source) if source.suffix.lower() == ".json" else _table(source)
    answers: list[tuple[int, str, Answer]] = []
    faults: list[str] = []
    for row in rows:
        if not row.cells.get("answer", "").strip():
            continue
        try:
            answers.append(_answer(store, row))
        except ReviewError as error:
            faults.append(f"{row.where}: {error}")
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ReviewConflictError(f"{source.name}: nothing was taken over: {'; '.join(faults[:5])}{more}")
    return store.decide_all(answers, who, f"{source.name}{f', taken over by {by}' if by else ''}")


def _table(source: Path) -> Iterator[_Filled]:
    table = open_source(source)
    missing = [c for c in ("review_item", "review_hash", "answer", "text", "row_id") if c not in table.columns]
    if missing:
        raise UsageError(f"{source} has no column {missing[0]!r}: name a file that `tagger review export` wrote")
    number = 1
    for batch in table.batches(_ROWS_AT_ONCE):
        for position, row in enumerate(batch.rows):
            number += 1
            if position in batch.faults:
                raise ReviewConflictError(f"{source.name}: row {number}: {batch.faults[position]}: nothing was taken over")
            yield _Filled(f"row {number}", {n: cell_text(row[i]) if i < len(row) else "" for i, n in enumerate(table.columns)})


def _labelled(source: Path) -> Iterator[_Filled]:
    """Tasks as Label Studio exports them; of several annotations the last that was not cancelled."""
    try:
        tasks = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ReviewError(f"{source} cannot be read as a JSON export of Label Studio: {error}") from None
    if not isinstance(tasks, list) or not all(isinstance(t, dict) and isinstance(t.get("data"), dict) for t in tasks):
        raise ReviewError(f"{source} is no list of Label Studio tasks")
    for number, task in enumerate(tasks, 1):
        given = task.get("annotations") or []
        done = [a for a in given if isinstance(a, dict) and not a.get("was_cancelled")] if isinstance(given, list) else []
        cells = {name: str(task["data"].get(name, "")) for name in ("review_item", "review_hash", "text", "row_id")}
        yield _Filled(f"task {number}", {**cells, **(_choices(done[-1].get("result")) if done else {})})


def _choices(result: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in result if isinstance(result, list) else []:
        value = part.get("value", {}) if isinstance(part, dict) else {}
        texts = value.get("choices") or value.get("text") if isinstance(value, dict) else None
        if isinstance(part, dict) and part.get("from_name") in _FILLED and isinstance(texts, list) and texts:
            found[part["from_name"]] = " ".join(map(str, texts))
    return found


def _answer(store: ReviewStore, row: _Filled) -> tuple[int, str, Answer]:
    cells = {name: row.cells.get(name, "").strip() for name in (*_FILLED, "review_item", "review_hash")}
    if not cells["review_item"].isascii() or not cells["review_item"].isdigit() or len(cells["review_item"]) > 18:
        raise ReviewConflictError(f"review_item {cells['review_item'][:30]!r} is no item")
    item = store.item(int(cells["review_item"]))
    if stamp_of(item) != cells["review_hash"]:
        raise ReviewConflictError(f"item {item.id} was answered or changed since the export: export it again")
    for name, own in (("text", item.text), ("row_id", item.row_id)):
        if not _same_cell(row.cells.get(name, ""), own):
            raise ReviewConflictError(f"the {name} of item {item.id} was changed in the file: it has to stay as it was exported")
    outcome = cells["answer"].lower().replace(" ", "_")
    if outcome not in ANSWERS:
        raise ReviewError(f"answer {cells['answer'][:30]!r} is none of {', '.join(ANSWERS)}")
    codes = tuple(c for c in _BETWEEN_CODES.split(cells["answer_codes"].lstrip("'")) if c)
    if outcome == "controlled" and not codes:
        if len(item.codes) != 1:
            raise ReviewError(f"item {item.id} is answered controlled: name the clause in answer_codes")
        codes = item.codes
    category = cells["answer_category"] or ("none" if outcome == "unrelated" else item.category)
    return item.id, cells["review_hash"], Answer(outcome, category, codes, cells["answer_why"].removeprefix("'"))


def _same_cell(cell: str, own: str) -> bool:
    """Whether a cell holds a text, but for what spreadsheets cannot hold, what protects from formulas, and the cut in workbooks."""
    read, kept = (_INVISIBLE.sub(" ", value).strip() for value in (cell.removeprefix("'"), own.removeprefix("'")))
    return read == kept or (len(own) > _XLSX_TEXT and read == _INVISIBLE.sub(" ", own[:_XLSX_TEXT].removeprefix("'")).strip())


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of writing training rows: how many, and how many texts were left out because they are known or disputed."""

    rows: int
    known: int
    disputed: int


def export_training(store: ReviewStore, target: Path, data: Path | None = None) -> Trained:
    """Write settled answers as training rows, marked as reviewed, for the folder that ``tagger train`` reads.

    An answer that rests on more than the text is a row of its category that a person has to decide (``review``). Texts on
    which people disagree are left out, and so are those that stand in the training data or the evaluation rows already.

    Parameters
    ----------
    store : ReviewStore
    target : Path
        A ``.jsonl`` file.
    data : Path, optional
        Folder with the training rows there are; that of ``target`` by default.

    Raises
    ------
    UsageError
        Where the file is no ``.jsonl``.
    """
    if target.suffix.lower() != ".jsonl":
        raise UsageError(f"training rows are JSON Lines: name {target.with_suffix('.jsonl').name}")
    check_target(target)
    known = _texts_in(data or target.parent, target)
    latest: dict[str, Item] = {}
    disputed: set[str] = set()
    for item in store.each(Filters(states=ANSWERED)):
        other = latest.get(item.text)
        if other is not None and other.answer and item.answer and not item.answer.agrees_with(other.answer):
            disputed.add(item.text)
        if other is None or item.decided_at > other.decided_at:
            latest[item.text] = item
    wanted = [item for text, item in latest.items() if text.strip() and text not in disputed]
    fresh = [item for item in wanted if _key(item.text) not in known]
    write_text(target, "".join(json.dumps(_training_row(item), ensure_ascii=False) + "\n" for item in fresh))
    return Trained(len(fresh), len(wanted) - len(fresh), len(disputed))


def _key(text: str) -> str:
    return " ".join(text.casefold().split())


def _texts_in(folder: Path, but: Path) -> set[str]:
    found: set[str] = set()
    for path in sorted(folder.rglob("*.jsonl")):
        if path.resolve() == but.resolve():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue  # `tagger train` tells it
            if isinstance(row, dict) and isinstance(row.get("text"), str):
                found.add(_key(row["text"]))
    return found


def _training_row(item: Item) -> dict[str, Any]:
    answer = item.answer
    if answer is None:
        raise ReviewError(f"item {item.id} has no answer")
    mark = hashlib.sha256(item.text.encode()).hexdigest()[:12]
    decision = answer.outcome if answer.from_text or answer.category == "none" else "review"
    return {
        "id": f"reviewed-{mark}",
        "lang": item.lang if item.lang in LANGUAGES else "en",
        "text": item.text,
        "category": answer.category,
        "decision": decision,
        "code": answer.codes[0] if answer.codes else None,
        "why": answer.why or "decided by a person",
        "source": None,
        "group": f"g-reviewed-{mark}",
        "reviewed": f"{item.decided_by}, {item.decided_at[:10]}",
    }
