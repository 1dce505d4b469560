"""Find out how a text file is encoded, without guessing where that can be known."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tagger.catalogue.packed import unpacking
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
    b"ARROW1": "an Arrow file",
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
_PIECE = 1 << 20
_START = 4096  # bytes by which a binary file is known
_FEW_CONTROLS = 16  # control characters that damage may leave in a small table
_FEW = 20  # a file is of an encoding although bytes are broken where it has this many good characters for each broken byte
ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that could not be decoded, as ``surrogateescape`` keeps them


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a text file is read: its encoding, and what is done with bytes that do not fit it."""

    name: str
    errors: str = "strict"

    @property
    def shown(self) -> str:
        """The name for people."""
        return self.name if self.errors == "strict" else f"{self.name} with broken bytes"


def find_encoding(path: Path, given: str | None = None) -> Encoding:
    """Encoding of a text file: the given one, its byte order mark, UTF-8 if it decodes, else the likeliest of the usual ones.

    Single broken bytes do not make another encoding of a file; they are kept as they are and their rows are marked.

    Raises
    ------
    CatalogueError
        Where the file is binary, fits no encoding, or the given one is unknown or does not fit.
    """
    name = check_name(given) if given else detect_encoding(path)
    if decodes(path, name):
        return Encoding(name)
    if _wide_name(name):
        return Encoding(name, "replace")  # these codecs cannot keep a broken byte
    if _nearly(path, name):
        return Encoding(name, "surrogateescape")
    raise CatalogueError(f"{path} cannot be decoded as {name}: leave --encoding out to have it detected, or give another")


def check_name(name: str) -> str:
    """An encoding's name, if there is such a one.

    Raises
    ------
    CatalogueError
        Where there is none, or it is no encoding of text.
    """
    try:
        known = codecs.lookup(name)
    except LookupError:
        known = None
    if known is None or not known._is_text_encoding:  # noqa: SLF001
        raise CatalogueError(f"unknown encoding {name!r}: use a name such as utf-8, gb18030, big5, shift_jis, cp1252")
    return name


def detect_encoding(path: Path) -> str:
    """Name of the encoding of a text file; see :func:`find_encoding`.

    Raises
    ------
    CatalogueError
        Where the file is binary or fits no encoding.
    """
    with unpacking(path) as file:
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
    start = head[:_START]
    controls = sum(1 for b in start if b < 32 and b not in b"\t\n\r\x1a")
    if controls > max(_FEW_CONTROLS, 0.05 * len(start)):
        raise CatalogueError(f"{path} is a binary file, not a table: export the table as CSV or XLSX")
    if decodes(path, "utf-8") or _nearly(path, "utf-8"):
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


def _wide_name(name: str) -> bool:
    return codecs.lookup(name).name.startswith(("utf-16", "utf-32"))


def _likeliest(path: Path, head: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = _telling(path, head)
    guess = from_bytes(sample, cp_isolation=_CANDIDATES).best()
    names = [_settled(guess.encoding, sample)] if guess else []
    for name in [*names, *_CANDIDATES]:
        if decodes(path, name) or (name in names and _nearly(path, name)):
            return name
    raise CatalogueError(f"{path} fits no known encoding: give it with --encoding, or save the file as UTF-8")


def _telling(path: Path, head: bytes) -> bytes:
    """A sample to guess from: lines that are not ASCII, wherever they stand, as plain ones tell nothing."""
    if not head.isascii():
        return head[: _SAMPLE // 4]
    found = b""
    with unpacking(path) as file:
        while len(found) < _SAMPLE // 4 and (line := file.readline(_PIECE)):
            found += b"" if line.isascii() else line
    return found


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
    try:
        for _ in _decoded(path, encoding, "strict"):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _nearly(path: Path, encoding: str) -> bool:
    """Whether only single bytes do not decode, beside many characters beyond ASCII that do."""
    good = broken = 0
    try:
        for text in _decoded(path, encoding, "surrogateescape"):
            if not text.isascii():
                bad = len(ESCAPED.findall(text))
                broken += bad
                good += len(re.findall("[^\x00-\x7f]", text)) - bad
    except UnicodeDecodeError:  # a byte that cannot be kept
        return False
    return good >= _FEW * broken


def _decoded(path: Path, encoding: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    with unpacking(path) as file:
        while piece := file.read(_PIECE):
            yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def to_bytes(text: str, *, broken: bool) -> bytes:
    r"""UTF-8; where the source had ``broken`` bytes they come out as they were, half characters of JSON stay half.

    Examples
    --------
    >>> to_bytes("caf\udce9", broken=True)
    b'caf\xe9'
    """
    if not broken:
        return text.encode("utf-8", "surrogatepass")
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pieces = re.split(f"({ESCAPED.pattern}+)", text)
        return b"".join(p.encode("utf-8", "surrogateescape" if ESCAPED.match(p) else "surrogatepass") for p in pieces)
