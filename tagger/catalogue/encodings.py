"""Find out how a text file is encoded, without guessing where that can be known."""

from __future__ import annotations

import codecs
from pathlib import Path

from tagger.errors import CatalogueError

_MARKS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]
_BINARY = {
    b"PK\x03\x04": "a ZIP or XLSX file",
    b"\xd0\xcf\x11\xe0": "an old Office (XLS) file",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"SQLite format 3": "an SQLite database",
}
_CANDIDATES = ["gb18030", "big5", "shift_jis", "euc_kr", "cp1252", "cp1251", "cp1250"]
_SAMPLE = 1 << 18


def detect_encoding(path: Path) -> str:
    """Encoding of a text file: its byte order mark, else UTF-8 if all of it decodes, else the likeliest of the usual ones.

    Raises
    ------
    CatalogueError
        Where the file is binary or fits no encoding.
    """
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise CatalogueError(f"{path} is {what}, not text: give it the suffix that it has, or export the table as CSV or XLSX")
    wide = _wide(head)
    if wide:
        return wide
    if sum(1 for b in head[:4096] if b < 32 and b not in b"\t\n\r\x1a") > 0.05 * len(head[:4096]):
        raise CatalogueError(f"{path} is a binary file, not a table: export the table as CSV or XLSX")
    if decodes(path, "utf-8"):
        return "utf-8"
    return _likeliest(path, head)


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: every other byte of Latin text is zero."""
    sample = head[:4000]
    if len(sample) < 8:
        return ""
    even, odd = sample[0::2].count(0) / len(sample[0::2]), sample[1::2].count(0) / len(sample[1::2])
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.05 else ""


def _likeliest(path: Path, head: bytes) -> str:
    from charset_normalizer import from_bytes

    guess = from_bytes(head[: _SAMPLE // 4], cp_isolation=_CANDIDATES).best()
    names = [_settled(guess.encoding, head)] if guess else []
    for name in [*names, *_CANDIDATES]:
        if decodes(path, name):
            return name
    raise CatalogueError(f"{path} fits no known encoding: give it with --encoding, or save the file as UTF-8")


def _settled(name: str, head: bytes) -> str:
    """Settle what a statistical guess on a short text leaves open.

    Korean text is nearly all Hangul, so that a mixture of Hangul and Han is Chinese read wrongly; the two Windows code pages
    for Europe are told apart only where they differ.
    """
    if name in ("gb2312", "gbk"):
        return "gb18030"
    if name in ("euc_kr", "cp949", "johab"):
        letters = [c for c in head.decode(name, "ignore") if ord(c) > 0x7F and c.isalpha()]
        hangul = sum(1 for c in letters if "\uac00" <= c <= "\ud7af")
        return name if hangul >= 0.9 * len(letters) else "gb18030"
    if name == "cp1250" and head.decode("cp1250", "replace") == head.decode("cp1252", "replace"):
        return "cp1252"
    return name


def decodes(path: Path, encoding: str) -> bool:
    """Whether the whole file decodes; read in pieces, so that its size does not matter."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def check_encoding(path: Path, encoding: str) -> str:
    """An encoding that the user gave, if the file decodes with it.

    Raises
    ------
    CatalogueError
        Where the name is unknown or the file does not decode.
    """
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise CatalogueError(f"unknown encoding {encoding!r}: use a name such as utf-8, gb18030, big5, shift_jis, cp1252") from None
    if not decodes(path, encoding):
        raise CatalogueError(f"{path} cannot be decoded as {encoding}: leave --encoding out to have it detected, or give another")
    return encoding
