"""Keep what was worked out of the data files, so that the next start need not do it again.

A cache file is plain JSON: reading it runs no code. Its name holds a fingerprint of the data files and of the program files
that read them, so that a changed law or a new version never meets an old file. A folder that cannot be written is no fault:
the work is then done at every start. ``TAGGER_CACHE`` names another folder, or ``off``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from Stemmer import version as stemmer

from tagger.collection import no_collection

VARIABLE = "TAGGER_CACHE"
_PACKAGE = Path(__file__).parent
_MOST_FILES = 16  # older ones are of rulebooks and versions that are gone


def cache_folder() -> Path | None:
    """Folder of the cache files; None where the cache is off."""
    given = os.environ.get(VARIABLE, "")
    if given.lower() == "off":
        return None
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
        return Path(base) / "tagger" / "cache" if base else None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if base:
        return Path(base) / "tagger"
    return Path("~/.cache/tagger").expanduser()


def recall(name: str, rules_id: str, sources: Iterable[str]) -> Any:
    """What :func:`keep` kept under this name for the same data and the same program files; None where there is nothing.

    Parameters
    ----------
    name : str
    rules_id : str
        Fingerprint of the data files.
    sources : iterable of str
        Program and data files, relative to the package, that the kept value depends on.
    """
    return _read(name, rules_id, sources, json.loads)


class Parts(Sequence[Any]):
    """The parts of a cache file, each of which is read when it is asked for."""

    def __init__(self, content: bytes, borders: Sequence[int]) -> None:
        self._content = content
        self._borders = borders

    def __len__(self) -> int:
        return len(self._borders) - 1

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        place = range(len(self))[at]
        return json.loads(self._content[self._borders[place] : self._borders[place + 1]])


def recall_parts(name: str, rules_id: str, sources: Iterable[str]) -> tuple[Any, Parts] | None:
    """The value and the parts that :func:`keep_parts` kept; None where there is nothing, or a damaged file."""
    found: tuple[Any, Parts] | None = _read(name, rules_id, sources, _in_parts)
    return found


def _in_parts(content: bytes) -> tuple[Any, Parts]:
    begin = content.find(b"\n") + 1
    try:
        value, lengths, check = json.loads(content[:begin])
        ends = list(accumulate(lengths, initial=begin))
    except TypeError:
        raise ValueError("the head of the file is something else") from None
    if zlib.crc32(memoryview(content)[begin:]) != check or ends[-1] != len(content):
        raise ValueError("the file is cut off or damaged")
    return value, Parts(content, ends)


def _read(name: str, rules_id: str, sources: Iterable[str], parsed: Callable[[bytes], Any]) -> Any:
    folder = cache_folder()
    if folder is None:
        return None
    try:
        content = (folder / _file_name(name, rules_id, sources)).read_bytes()
        with no_collection():
            return parsed(content)
    except (OSError, ValueError):  # not there, not readable, or cut off by a full disk
        return None


def keep(name: str, rules_id: str, sources: Iterable[str], value: Any) -> None:
    """Keep a value of plain JSON; a folder that cannot be written is passed over in silence."""
    _write(name, rules_id, sources, _plain(value))


def keep_parts(name: str, rules_id: str, sources: Iterable[str], value: Any, parts: Iterable[Any]) -> None:
    """Keep a value, and parts that are read one by one: JSON in lines, the first of which tells how long the others are."""
    lines = [_plain(part) + b"\n" for part in parts]
    rest = b"".join(lines)
    _write(name, rules_id, sources, _plain([value, list(map(len, lines)), zlib.crc32(rest)]) + b"\n" + rest)


def _plain(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _write(name: str, rules_id: str, sources: Iterable[str], content: bytes) -> None:
    folder = cache_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, written = tempfile.mkstemp(dir=folder, suffix=".new")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
            os.replace(written, folder / _file_name(name, rules_id, sources))
        except OSError:
            Path(written).unlink(missing_ok=True)
            raise
        _tidy(folder)


def _tidy(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in files[_MOST_FILES:]:
        old.unlink(missing_ok=True)


def _file_name(name: str, rules_id: str, sources: Iterable[str]) -> str:
    return f"{name}-{rules_id}-{_print_of(tuple(sources))}.json"


@lru_cache(maxsize=8)
def _print_of(sources: tuple[str, ...]) -> str:
    """Short fingerprint of the interpreter, the stemmer and some files of the package."""
    digest = hashlib.sha256(f"{sys.version} {stemmer()}".encode())
    for source in (*sources, "cache.py"):
        digest.update((_PACKAGE / source).read_bytes())
    return digest.hexdigest()[:12]
