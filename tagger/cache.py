"""Keep what was worked out of the data files, so that the next start need not do it again.

A cache file is plain JSON: reading it runs no code. Its name holds a fingerprint of the data files and of the program files
that read them, so that a changed law or a new version never meets an old file. A folder that cannot be written is no fault:
the work is then done at every start. ``TAGGER_CACHE`` names another folder, or ``off``.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

VARIABLE = "TAGGER_CACHE"
_PACKAGE = Path(__file__).parent
_MOST_FILES = 12  # older ones are of rulebooks and versions that are gone


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
    folder = cache_folder()
    if folder is None:
        return None
    try:
        content = (folder / _file_name(name, rules_id, sources)).read_bytes()
        with _no_collection():
            return json.loads(content)
    except (OSError, ValueError):  # not there, not readable, or cut off by a full disk
        return None


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing that is read is garbage, and looking for some takes longer than reading."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def keep(name: str, rules_id: str, sources: Iterable[str], value: Any) -> None:
    """Keep a value of plain JSON; a folder that cannot be written is passed over in silence."""
    folder = cache_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, written = tempfile.mkstemp(dir=folder, suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(value, out, ensure_ascii=False, separators=(",", ":"))
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
    """Short fingerprint of the interpreter and of some files of the package."""
    digest = hashlib.sha256(sys.version.encode())
    for source in (*sources, "cache.py"):
        digest.update((_PACKAGE / source).read_bytes())
    return digest.hexdigest()[:12]
