"""Countries as catalogues write them: names in eight languages and codes to ISO 3166 codes."""

from __future__ import annotations

import csv
import re
import unicodedata
from functools import cache
from itertools import islice
from pathlib import Path

_BORDERS = re.compile(r"[,;/()|:]|(?<![a-z])(?:made in|product of|from|to)(?![a-z])|产地|原产国|原产地")
_LANGUAGES = ("en", "zh", "zh_Hant", "ja", "de", "ko", "ru", "es")
_FILE = Path(__file__).parent.parent / "data" / "places.csv"


@cache
def _names() -> dict[str, str]:
    from babel import Locale

    with _FILE.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(line for line in lines if not line.startswith("#"))
        names = {_fold(name): code for name, code in islice(rows, 1, None)}
    for language in _LANGUAGES:
        for code, name in Locale.parse(language).territories.items():
            if len(code) == 2 and code.isalpha() and code not in ("ZZ", "EU", "EZ", "UN", "QO", "XA", "XB"):
                names.setdefault(_fold(name), code)
                names.setdefault(_fold(code), code)
    return names


def country(text: str) -> str:
    """ISO 3166 code of a country as a cell writes it; empty where the cell names none.

    Parameters
    ----------
    text : str
        A name in one of the languages, a code, or a name behind a city: ``Osaka, Japan``.

    Examples
    --------
    >>> [country(t) for t in ("US", "美国", "Osaka, Japan", "Made in P.R. China", "Deutschland", "to be advised")]
    ['US', 'US', 'JP', 'CN', 'DE', '']
    """
    folded = _fold(text)
    names = _names()
    if folded in names:
        return names[folded]
    pieces = [piece.strip() for piece in _BORDERS.split(folded)]
    found = {names[p] for p in pieces if p in names}
    return found.pop() if len(found) == 1 else ""


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
