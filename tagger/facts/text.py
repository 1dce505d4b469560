"""Normalise a text and keep, for every character, where it stood in the original."""

from __future__ import annotations

import csv
import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from tagger.records import CleanText

_MARKS = "™℠"  # no letters of the name in front of them

# Signs that mean the same to a reader of figures, where NFKC keeps them apart.
_SAME = {
    **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
    **dict.fromkeys("〜～∼∽˜", "~"),
    **dict.fromkeys("“”„‟″〝〞＂", '"'),
    **dict.fromkeys("‘’‚‛′", "'"),
    "⩾": "≥",
    "≧": "≥",
    "⩽": "≤",
    "≦": "≤",
    "Ø": "ø",
    "⌀": "ø",
    "∅": "ø",
    "Φ": "φ",
    "ϕ": "φ",
    "µ": "μ",
    "İ": "I",
    "、": ",",
    "。": ".",
    "【": "[",
    "】": "]",
    "「": "[",
    "」": "]",
    "『": "[",
    "』": "]",
    **dict.fromkeys("\u00a0\u3000", " "),
    **dict.fromkeys(_MARKS, " "),
    **dict.fromkeys("´\u02b9", "'"),
    "…": ".",
}
_AWKWARD_ASCII = re.compile(r"[&<\x00-\x1f\x7f]|\s\s")
_SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
_ENTITY = r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
_TAG = r"</?[A-Za-z][^<>]{0,200}>"
_INVISIBLE = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufff9-\ufffb\ufe00-\ufe0f"


@lru_cache(maxsize=1)
def one_to_one() -> dict[int, str]:
    """Characters that are replaced by exactly one character."""
    table: dict[int, str] = {}
    for code in (
        *range(0xA0, 0x180),
        *range(0x2000, 0x2E00),
        *range(0x2E80, 0x3400),
        *range(0xF900, 0xFB00),
        *range(0xFE30, 0x10000),
    ):
        plain = unicodedata.normalize("NFKC", chr(code))
        if len(plain) == 1 and plain != chr(code) and chr(code) not in _SUPERSCRIPT:
            table[code] = plain
    table |= {ord(k): v for k, v in _SAME.items()}
    table |= dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # half characters of broken exports
    path = Path(__file__).parent.parent / "data" / "characters.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(line for line in lines if not line.startswith("#"))
        table |= {ord(form): simplified for form, simplified in islice(rows, 1, None)}
    return table


@lru_cache(maxsize=1)
def _awkward() -> re.Pattern[str]:
    """Finds what cannot be replaced one to one: entities, tags, signs that become several characters, runs of white space."""
    several = [
        chr(code)
        for code in (
            *range(0xA8, 0x250),
            *range(0x2000, 0x2E00),
            *range(0x2E80, 0x3400),
            *range(0xFB00, 0xFE30),
            *range(0xFF00, 0x10000),
        )
        if (len(unicodedata.normalize("NFKC", chr(code))) > 1 or chr(code) in _SUPERSCRIPT) and chr(code) not in _SAME
    ]
    kinds = [
        _ENTITY,
        _TAG,
        f"[{_INVISIBLE}]",
        rf"[{_MARKS}](?!\w)",
        r"[\x00-\x08\x0e-\x1f\x7f-\x9f]",
        f"[{re.escape(''.join(several))}]",
        r"\s{2,}",
        r"[\t\r\x0b\x0c\n]",
    ]
    combining = "[\u0300-\u036f\u3099\u309a]"  # a letter and its loose accent count as one character
    hangul = "[\u1100-\u11ff]+"
    halfwidth_kana = "[\uff66-\uff9f]+"
    return re.compile("|".join([rf"\w{combining}+", hangul, halfwidth_kana, *kinds]))


def is_awkward(character: str) -> bool:
    """Whether a character alone, or as a part of what stands beside it, is not replaced one to one.

    Examples
    --------
    >>> [is_awkward(c) for c in ("a", "，", "㎥", "\u0301", "\u200b", " ", "™")]
    [False, False, True, True, True, False, False]
    """
    if character.isspace() or character in _MARKS:
        return False
    return _awkward().search(character) is not None or _awkward().search(f"a{character}") is not None


def normalise(text: str) -> CleanText:
    """Normalise a text: NFKC, simplified characters, HTML undone, white space single; offsets kept.

    Parameters
    ----------
    text : str
        Any text; it is never refused.

    Returns
    -------
    CleanText
        ``clean.span(i, j)`` gives the characters of the original behind clean characters ``i`` to ``j``.

    Examples
    --------
    >>> clean = normalise("能量密度３００Ｗｈ／ｋｇ&nbsp;&ge; 5㎥")
    >>> clean.text
    '能量密度300Wh/kg ≥ 5m3'
    >>> span = clean.span(4, 12)
    >>> clean.original[span.start:span.end]
    '３００Ｗｈ／ｋｇ'
    """
    awkward = _awkward_pieces(text)
    clean = _plain(text, awkward)
    if not awkward:
        return CleanText(text, clean, clean.lower(), range(len(text)), range(1, len(text) + 1))
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for start, end, plain in awkward:
        starts.extend(range(at, start))
        ends.extend(range(at + 1, start + 1))
        starts.extend([start] * len(plain))
        ends.extend([end] * len(plain))
        at = end
    starts.extend(range(at, len(text)))
    ends.extend(range(at + 1, len(text) + 1))
    return CleanText(text, clean, clean.lower(), tuple(starts), tuple(ends))


def _awkward_pieces(text: str) -> list[tuple[int, int, str]]:
    """What cannot be replaced one to one: its place in a text, and what it becomes."""
    if text.isascii() and not _AWKWARD_ASCII.search(text):  # nearly every text; the whole pattern takes far longer
        return []
    table = one_to_one()
    return [
        (*found.span(), _replace(found.group(), text[found.start() - 1 : found.start()]).translate(table))
        for found in _awkward().finditer(text)
    ]


def _plain(text: str, awkward: Sequence[tuple[int, int, str]]) -> str:
    """A text with its awkward pieces replaced, and every other character one to one."""
    table = one_to_one()
    if not awkward:
        return text.translate(table)
    pieces = []
    at = 0
    for start, end, plain in awkward:
        pieces += [text[at:start].translate(table), plain]
        at = end
    return "".join([*pieces, text[at:].translate(table)])


def plain_words(words: Iterable[str]) -> list[str]:
    """The normalised text of each of some words: much quicker than one by one, which counts where a start has thousands.

    Examples
    --------
    >>> plain_words(["Größe", "電圧", "㎡/g", "a | b"])
    ['Größe', '电压', 'm2/g', 'a | b']
    """
    given = list(words)
    joined = _BETWEEN.join(given)
    found = _plain(joined, _awkward_pieces(joined)).split(_BETWEEN)
    return found if len(found) == len(given) else [normalise(word).text for word in given]


def fold_words(words: Iterable[str]) -> list[str]:
    """Each of some words normalised, in lower case.

    Examples
    --------
    >>> fold_words(["Größe", "電圧"])
    ['größe', '电压']
    """
    return [word.lower() for word in plain_words(words)]


def _replace(found: str, before: str) -> str:
    """What an awkward piece of text becomes; ``before`` is the character in front of it."""
    if found.isspace():
        return "\n" if "\n" in found or "\r" in found else " "
    if found[0] == "&":
        plain = html.unescape(found)
        return " " if plain.isspace() else unicodedata.normalize("NFKC", plain)
    if found[0] == "<" and len(found) > 1:
        if re.match(r"</?su[pb]\b", found, re.IGNORECASE):
            return "^" if found[1] != "/" and found[3] in "pP" and before.isdigit() else ""
        return "\n" if re.match(r"</?(?:br|p|li|tr|div|h\d)\b", found, re.IGNORECASE) else " "
    if found in _MARKS:
        return ""
    if found in _SUPERSCRIPT:
        plain = unicodedata.normalize("NFKC", found).replace("−", "-")
        starts_power = before.isdigit() and before not in _SUPERSCRIPT
        return f"^{plain}" if starts_power else plain
    if unicodedata.category(found[0]) in ("Cc", "Cf") or "\ufe00" <= found[0] <= "\ufe0f":
        return " " if found[0] < "\x20" else ""
    return unicodedata.normalize("NFKC", found)


_BETWEEN = "|"  # normalising leaves it as it is, and joins nothing across it
_DIGIT = re.compile(r"\d")


def has_digit(text: str) -> bool:
    """Whether a text has a digit of any script."""
    return _DIGIT.search(text) is not None or (not text.isascii() and any(c.isdigit() for c in text))


def unreadable_share(text: str) -> float:
    """Share of characters that no catalogue text holds: control characters, replacement signs, unassigned code points."""
    if text.replace("\n", " ").isprintable() and "\ufffd" not in text:
        return 0.0
    bad = sum(1 for c in text if c == "\ufffd" or (c < " " and c not in "\t\n\r") or unicodedata.category(c) in ("Cn", "Co", "Cs"))
    return bad / len(text)
