"""What an interrupted run leaves beside its output, so that the same command continues where it was.

A hidden folder holds the rows written so far, the decisions for people, and a journal: its first line tells what the run was
made with, each further line how far it is and the checksums of what is written up to there. A line counts only when what it
speaks of is on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tagger.catalogue.packed import unpacking
from tagger.errors import UsageError, WorkerError

FORMAT = "tagger journal, version 1"
_PIECE = 1 << 20
ROWS, REVIEW = "rows", "review"  # the two files that grow
_CHANGED = {
    "inputs": "the input",
    "model": "the model",
    "rules": "the rulebook",
    "assumptions": "the standing assumptions",
    "as_of": "the day for the legal status",
    "options": "an option of the command",
    "version": "the version of tagger",
    "max_miss_rate": "the promise (--max-miss-rate)",
    "gate": "the gate (--gate)",
}


def work_folder(target: Path) -> Path:
    """The folder of an unfinished run.

    Examples
    --------
    >>> work_folder(Path("out/tagged.csv")).as_posix()
    'out/.tagged.csv.run'
    """
    return target.with_name(f".{target.name}.run")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Content of a file, unpacked: its checksum and how many lines it has."""

    digest: str
    lines: int


def fingerprint(path: Path) -> Fingerprint:
    """Read a file once for its checksum and the number of its lines."""
    digest = hashlib.blake2b(digest_size=16)
    lines = 0
    with unpacking(path) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            lines += piece.count(b"\n")
    return Fingerprint(digest.hexdigest(), lines)


@dataclass(slots=True)
class Progress:
    """How far a run is: batches and rows done, what was counted, and size and checksum of the files."""

    batches: int = 0
    rows: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[int]] = field(default_factory=lambda: {ROWS: [0, 0], REVIEW: [0, 0]})


class Journal:
    """Appends rows to the files of an unfinished run and says, line by line, how far they are good."""

    def __init__(self, folder: Path, at: Progress) -> None:
        self.folder = folder
        self.at = at
        self._files: dict[str, IO[bytes]] = {}
        for name in (ROWS, REVIEW):
            file = self._files[name] = (folder / name).open("ab")
            file.truncate(at.files[name][0])
        self._journal = (folder / "journal").open("ab")

    def append(self, name: str, data: bytes) -> None:
        """Add bytes to one of the files."""
        self._files[name].write(data)
        place = self.at.files[name]
        place[0] += len(data)
        place[1] = zlib.crc32(data, place[1])

    def commit(self) -> None:
        """Put on the disk what was appended, then the line that says so."""
        for file in self._files.values():
            _sync(file)
        self._journal.write(_line(vars_of(self.at)))
        _sync(self._journal)

    def close(self) -> None:
        """Let go of the files; what a full disk has not taken is lost, and no line speaks of it."""
        for file in (*self._files.values(), self._journal):
            with contextlib.suppress(OSError):
                file.close()


def vars_of(at: Progress) -> dict[str, Any]:
    """Plain values of a progress."""
    return {"batches": at.batches, "rows": at.rows, "summary": at.summary, "files": at.files}


@contextlib.contextmanager
def held(target: Path) -> Iterator[Path]:
    """The folder of an unfinished run, for this process alone.

    Raises
    ------
    UsageError
        Where another process is writing the same output.
    """
    from filelock import FileLock, Timeout

    folder = work_folder(target)
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{target} is being written by another run: wait for it, or name another file") from None
    try:
        yield folder
    finally:
        lock.release()


def resume(folder: Path, made_with: Mapping[str, Any], *, restart: bool = False) -> Journal:
    """Continue the journal of a folder, or begin one.

    Parameters
    ----------
    folder : Path
    made_with : mapping
        What the run is made with, as JSON values; an unfinished run that was made with something else is not continued.
    restart : bool
        Whether an unfinished run is thrown away.

    Raises
    ------
    UsageError
        Where the unfinished run was made with something else.
    """
    told = _told(folder)
    if told and not restart:
        _refuse_changes(folder, told[0], made_with)
        at = next((p for p in reversed([_progress(t) for t in told[1:]]) if _is_whole(folder, p)), Progress())
        with (folder / "journal").open("r+b") as file:
            file.truncate(sum(len(_line(t)) for t in told))  # a line that was torn
        return Journal(folder, at)
    for name in (ROWS, REVIEW, "journal"):
        (folder / name).unlink(missing_ok=True)
    with (folder / "journal").open("wb") as file:
        file.write(_line({"format": FORMAT, **made_with}))
        _sync(file)
    return Journal(folder, Progress())


def day_of(target: Path) -> str:
    """The day for the legal status of an unfinished run; empty where there is none."""
    told = _told(work_folder(target))
    return str(told[0].get("as_of", "")) if told else ""


def finish(folder: Path) -> None:
    """Take away the folder: first the journal, so that a run which ends here is not taken for an unfinished one."""
    (folder / "journal").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _told(folder: Path) -> list[dict[str, Any]]:
    """The lines of a journal that are whole, if it is one."""
    path = folder / "journal"
    if not path.exists():
        return []
    told: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines(keepends=True):
        check, _, content = line.partition(b" ")
        if not line.endswith(b"\n") or check != b"%08x" % zlib.crc32(content.rstrip(b"\n")):
            break
        told.append(json.loads(content))
    return told if told and told[0].get("format") == FORMAT else []


def _line(value: Mapping[str, Any]) -> bytes:
    content = json.dumps(value, ensure_ascii=True, sort_keys=True).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _progress(told: Mapping[str, Any]) -> Progress:
    return Progress(told["batches"], told["rows"], told["summary"], told["files"])


def _is_whole(folder: Path, at: Progress) -> bool:
    """Whether the files hold what a line of the journal says."""
    return all(_checksum(folder / name, size) == check for name, (size, check) in at.files.items())


def _checksum(path: Path, size: int) -> int:
    if not path.exists() or path.stat().st_size < size:
        return -1
    check, left = 0, size
    with path.open("rb") as file:
        while left and (piece := file.read(min(_PIECE, left))):
            check = zlib.crc32(piece, check)
            left -= len(piece)
    return check


def _refuse_changes(folder: Path, told: Mapping[str, Any], made_with: Mapping[str, Any]) -> None:
    changed = [name for name in _CHANGED if told.get(name) != made_with.get(name)]
    if changed:
        what = ", ".join(f"{_CHANGED[n]}{_from_to(told.get(n), made_with.get(n))}" for n in changed)
        raise UsageError(
            f"an unfinished run is kept in {folder}, and since then {what} changed: "
            "add --restart to begin again, or undo the change to continue"
        )


def _from_to(old: Any, new: Any) -> str:
    if isinstance(old, str) and isinstance(new, str):
        return f" ({old or 'none'} -> {new or 'none'})"
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return " (" + ", ".join(sorted(k.replace("_", "-") for k in {*old, *new} if old.get(k) != new.get(k))) + ")"
    return ""


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def unfinished(error: OSError, rows: int) -> WorkerError:
    """What to say when a file cannot be written or read any more."""
    why = error.strerror or str(error)
    return WorkerError(f"the run stopped ({why}); {rows:,} rows are kept: make room or mend that, and the same command continues")


def stats(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Size and time of files, to see whether they change while they are read."""
    return [(s.st_size, s.st_mtime_ns) for s in (p.stat() for p in paths)]
