"""Files that may be packed by gzip or Zstandard, read and written as if they were not."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from tagger.catalogue.formats import format_of
from tagger.errors import CatalogueError

_LEVEL = 6


def _zstandard() -> Any:
    try:
        import zstandard
    except ModuleNotFoundError:
        raise CatalogueError(".zst needs the package zstandard: pip install 'tagger[zstd]', or use .gz") from None
    return zstandard


@contextlib.contextmanager
def unpacking(path: Path, packing: str | None = None) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where its name, or ``packing``, says so.

    Raises
    ------
    CatalogueError
        Where the file cannot be opened, or is damaged or cut off, at whatever place the block gets to.
    """
    packing = format_of(path)[1] if packing is None else packing
    damaged: tuple[type[Exception], ...] = (gzip.BadGzipFile, EOFError, zlib.error)
    if packing == ".zst":
        damaged = (*damaged, _zstandard().ZstdError)
    try:
        with _opened(path, packing) as file:
            yield file
    except damaged as error:
        raise CatalogueError(f"{path} is damaged or cut off ({error}): pack it again") from None
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise CatalogueError(f"{path} cannot be read ({error.strerror})") from None


def _opened(path: Path, packing: str) -> IO[bytes]:
    if packing == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if packing == ".zst":
        return cast(IO[bytes], _zstandard().open(path, "rb", dctx=_zstandard().ZstdDecompressor(max_window_size=1 << 27)))
    return path.open("rb")


def pack(data: bytes, packing: str) -> bytes:
    """Bytes as one gzip member or Zstandard frame; members that follow each other are one file, and always the same bytes."""
    if packing == ".gz":
        return gzip.compress(data, _LEVEL, mtime=0)
    if packing == ".zst":
        return bytes(_zstandard().ZstdCompressor().compress(data))
    return data
