"""Answers for many rows: each distinct description once, in this process or by workers, in order.

The key is the text as the tagger is given it (cells stripped and joined) with the cells that an answer may depend on. Nothing
coarser will do: letter case, width and double spaces move the offsets of the evidence, and negations are read in the original.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from tagger.assumptions import Assumptions, load_assumptions
from tagger.records import NUMBER_TAGS, TAG_COLUMNS, YES_NO_TAGS, Decision, Outcome, Reason, Row, tag_columns
from tagger.review.content import found_in
from tagger.review.memory import Past, recalled
from tagger.rulebook import Rulebook, load_rulebook
from tagger.scores.clearing import Clearing

if TYPE_CHECKING:
    from tagger.pipeline import Tagger

_REMEMBERED = 36 << 20  # bytes of answers in each of two generations
_SLOT = 140  # bytes of an everyday answer: its key, and its line in the table of places
_PIECE = 2_000  # rows that a worker takes at once; of fewer, too few take the full road together
_IDLE_SECONDS = 60  # after which a worker that has lost its master ends


class Beside(NamedTuple):
    """What a row tells beside its text: other cells, and why the row cannot be read."""

    extra: Mapping[str, str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """What answers are made of, column by column: texts and, by place, what stands beside some of them."""

    texts: list[str]
    beside: Mapping[int, Beside] = field(default_factory=dict)

    def keys(self) -> list[bytes]:
        """A fingerprint of each, which two share only where their answers are the same."""
        digests = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16) for text in self.texts]
        for at, (extra, fault) in self.beside.items():
            digests[at].update(repr((sorted(extra.items()), fault)).encode("utf-8", "backslashreplace"))
        return [digest.digest() for digest in digests]

    def part(self, places: Sequence[int]) -> Items:
        """Some of them, in the given order."""
        beside = {n: self.beside[at] for n, at in enumerate(places) if at in self.beside} if self.beside else {}
        return Items([self.texts[at] for at in places], beside)

    def rows(self) -> list[Row]:
        """Each as a row without an id."""
        return [Row("", text, self.beside[at].extra if at in self.beside else {}) for at, text in enumerate(self.texts)]

    @classmethod
    def joined(cls, parts: Iterable[Items]) -> Items:
        """Those of several, one behind the other."""
        texts: list[str] = []
        beside: dict[int, Beside] = {}
        for part in parts:
            beside.update((len(texts) + at, told) for at, told in part.beside.items())
            texts += part.texts
        return cls(texts, beside)


class Answer(NamedTuple):
    """The added columns, and where a person has to look what the review store keeps of the text, as JSON."""

    tags: tuple[Any, ...]
    detail: bytes = b""


class Slot:
    """The place of an answer that may still be on its way."""

    __slots__ = ("answer", "key")

    def __init__(self, answer: Answer | None = None, key: bytes = b"") -> None:
        self.answer = answer
        self.key = key

    def taken(self) -> Answer:
        """The answer; it is there by now."""
        if self.answer is None:
            raise LookupError("an answer was asked for before it was there")
        return self.answer


@dataclass(frozen=True, slots=True)
class Setup:
    """How a tagger is loaded, here and in every worker: paths, the day for the legal status, the promise, the gate."""

    model: str | None = None
    rules: str | None = None
    assumptions: str | None = None
    as_of: dt.date = field(default_factory=dt.date.today)
    max_miss_rate: float | None = None
    gate: bool | None = None

    def load(self) -> Tagger:
        """Load the tagger, its whole model too: a run checks every file before its first row."""
        from tagger.pipeline import Tagger

        tagger = Tagger.load(self.model, self.rules, self.as_of, self.assumptions, self.max_miss_rate, gate=self.gate)
        _ = tagger.model
        return tagger

    def about(self) -> About:
        """What a run is made with, without loading the model's arrays."""
        from tagger.scores.bundle import default_model, read_manifest

        book = load_rulebook(self.rules)
        held = load_assumptions(self.assumptions, book) if self.assumptions else Assumptions()
        manifest = read_manifest(Path(self.model) if self.model else default_model())
        clearing = Clearing.from_dict(manifest["clearing"])
        if self.max_miss_rate is not None:
            clearing = clearing.promised_with(self.max_miss_rate, book.rules_id)
        return About(book, held, str(manifest["model_id"]), clearing)


@dataclass(frozen=True, slots=True)
class About:
    """The rulebook, the assumptions, the name of the model and the promise of a run."""

    book: Rulebook
    assumptions: Assumptions
    model_id: str
    clearing: Clearing


class Desk:
    """Hands out the places of answers and remembers the latest ones; its memory is bounded.

    Two generations: what was not asked for during the last one is forgotten. Items with the same answer share one place as soon
    as it is known, so that an everyday row costs little more than its key.
    """

    def __init__(self) -> None:
        self._young: dict[bytes, Slot] = {}
        self._old: dict[bytes, Slot] = {}
        self._size = 0
        self._shared: dict[tuple[Any, ...], Slot] = {}

    def slots(self, keys: Sequence[bytes]) -> tuple[list[Slot], list[int]]:
        """The places of answers, and which of them still have to be worked out."""
        young, old = self._young, self._old
        slots: list[Slot] = []
        new: list[int] = []
        size = 0
        for at, key in enumerate(keys):
            slot = young.get(key)
            if slot is None:
                slot = old.get(key)
                if slot is None:
                    slot = Slot(key=key)
                    new.append(at)
                young[key] = slot
                size += _SLOT + (_size(slot.answer) if slot.answer and slot.answer.detail else 0)
            slots.append(slot)
        self._grow(size)
        return slots, new

    def fill(self, slots: Sequence[Slot], answers: Sequence[Answer]) -> None:
        """Put answers into their places; columns that are the same are held once."""
        before = shared = None
        for slot, answer in zip(slots, answers, strict=True):
            if answer.detail:
                slot.answer = answer
                self._grow(_size(answer))
                continue
            if shared is None or answer is not before:  # everyday rows share one
                before, shared = answer, self._place(answer)
            slot.answer = shared.answer
            if self._young.get(slot.key) is slot:
                self._young[slot.key] = shared

    def _place(self, answer: Answer) -> Slot:
        """The one place of an answer that several items may have."""
        found = self._shared.get(answer.tags)
        if found is None:
            found = self._shared[answer.tags] = Slot(answer)
            self._grow(_size(answer))
        return found

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > _REMEMBERED:
            self._old, self._young, self._size = self._young, {}, 0
            self._shared = {}


def _size(answer: Answer) -> int:
    """Bytes of an answer, about."""
    return len(answer.detail) + 2 * len(repr(answer.tags))


def work_out(tagger: Tagger, items: Items) -> list[Answer]:
    """Answers of a tagger, in order; those that the gate settles are all the same one."""
    settled = tagger.settled
    done = tagger.settles(items.texts)
    for at, told in items.beside.items():
        done[at] = done[at] and not told.fault
    rest = items.part([at for at, is_done in enumerate(done) if not is_done])
    answers = iter([_answer(d, text) for d, text in zip(_decided(tagger, rest, gate=False), rest.texts, strict=True)])
    same = _answer(settled, "") if settled is not None else None
    return [same if is_done and same is not None else next(answers) for is_done in done]


def remembered_answer(tagger: Tagger, item: Items, past: Sequence[Past]) -> Answer:
    """The answer to a single item that people decided before: theirs, or a question where they disagree."""
    (decision,) = _decided(tagger, item)
    return _answer(recalled(decision, past, tagger.book), item.texts[0])


def _decided(tagger: Tagger, items: Items, *, gate: bool = True) -> list[Decision]:
    decisions = tagger.tag_many(items.rows(), gate=gate)
    for at, told in items.beside.items():
        decisions[at] = with_fault(decisions[at], told.fault)
    return decisions


def with_fault(d: Decision, fault: str) -> Decision:
    """A row that could not be read as a row goes to review, whatever its text says."""
    if not fault:
        return d
    reasons = [Reason.UNREADABLE.value, *(r for r in d.reasons if r != Reason.UNREADABLE)]
    return replace(d, outcome=Outcome.REVIEW.value, reasons=reasons, note=fault, evidence=(), remark_zh="")


def _answer(d: Decision, text: str) -> Answer:
    return Answer(tuple(tag_columns(d).values()), _detail(d, text) if d.outcome == Outcome.REVIEW else b"")


def _detail(d: Decision, text: str) -> bytes:
    return json.dumps(found_in(text, d), separators=(",", ":")).encode("ascii")


def kept_answer(cells: Mapping[str, str], text: str) -> Answer:
    """The answer that a tagged catalogue already holds for a text, from its ``tag_`` columns as texts."""
    tags = tuple(_kept(name, cells.get(name, "")) for name in TAG_COLUMNS)
    row = dict(zip(TAG_COLUMNS, tags, strict=True))
    if row["tag_outcome"] != Outcome.REVIEW:
        return Answer(tags)
    decision = Decision(
        row_id="",
        outcome=Outcome.REVIEW.value,
        category=row["tag_category"],
        confidence=row["tag_confidence"] or 0.0,
        codes=_parts(row["tag_codes"], "; "),
        reasons=_parts(row["tag_reasons"], "; "),
        questions=_parts(row["tag_questions"], " | "),
        near_threshold=bool(row["tag_near_threshold"]),
        evidence=(),
        quantities=(),
        legal_status=row["tag_legal_status"],
        announcement=row["tag_announcement"],
        remark_zh=row["tag_remark_zh"],
        model_id=row["tag_model"],
        rules_id=row["tag_rules"],
        as_of=row["tag_as_of"],
        note=row["tag_evidence"],
        assumptions=tuple(_parts(row["tag_assumptions"], "; ")),
    )
    return Answer(tags, _detail(decision, text))


def _parts(text: str, between: str) -> list[str]:
    return text.split(between) if text else []


def _kept(name: str, text: str) -> Any:
    if name in NUMBER_TAGS:
        return float(text) if text else None
    return text.strip().lower() == "true" if name in YES_NO_TAGS else text


class Workers:
    """Works out answers, piece by piece and in order: in this process, or in ``jobs`` others that load the model once."""

    def __init__(self, setup: Setup, jobs: int) -> None:
        self._setup = setup
        self._jobs = jobs
        self._parallel: Any = None
        self._found: Any = None
        self._stack = ExitStack()

    def __enter__(self) -> Workers:
        if self._jobs > 1:
            from joblib import Parallel, parallel_config

            worker = {"initializer": _start_worker, "initargs": (os.getpid(),)}
            options = {**worker, "idle_worker_timeout": _IDLE_SECONDS, "inner_max_num_threads": 1}
            self._stack.enter_context(parallel_config(backend="loky", **options))
            parallel = Parallel(n_jobs=self._jobs, return_as="generator", batch_size=1, pre_dispatch="2*n_jobs", max_nbytes=None)
            self._parallel = self._stack.enter_context(parallel)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if self._parallel is None:
            return
        from joblib.externals.loky import get_reusable_executor

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that work of an interrupted run is dropped is what is wanted
            if self._found is not None:
                self._found.close()
            self._stack.__exit__(kind, *rest)
            # the workers that there are, whatever they were started with
            get_reusable_executor(reuse=True).shutdown(wait=kind is None, kill_workers=kind is not None)

    @property
    def appetite(self) -> int:
        """How many batches are worth being on the way together."""
        return 8 * self._jobs if self._jobs > 1 else 4

    def start(self, items: Items) -> Iterator[list[Answer]]:
        """Begin to work out answers; other processes work while this one does something else."""
        count = len(items.texts)
        size = max(1, min(_PIECE, -(-count // (2 * self._jobs))))
        pieces = [items.part(range(start, min(start + size, count))) for start in range(0, count, size)]
        if self._parallel is None:
            return (_piece(self._setup, piece) for piece in pieces)
        from joblib import delayed

        found = self._found = self._parallel(delayed(_piece)(self._setup, piece) for piece in pieces)
        return cast(Iterator[list[Answer]], found)


def _piece(setup: Setup, items: Items) -> list[Answer]:
    return work_out(loaded(setup), items)


@lru_cache(maxsize=1)
def loaded(setup: Setup) -> Tagger:
    """The tagger of this process, loaded once."""
    return setup.load()


def _start_worker(master: int) -> None:
    """A worker leaves Ctrl-C to its master, and ends when the master is gone, also where that was before it had started."""
    import signal
    import threading
    import time

    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == master:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
