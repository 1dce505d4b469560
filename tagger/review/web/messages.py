"""The words of the page, a file a language; every file has the same keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tagger.errors import ReviewError

LANGUAGES = {"en": "English", "zh": "中文"}
_FOLDER = Path(__file__).parent / "messages"


@dataclass(frozen=True, slots=True)
class Messages:
    """The words of one language.

    Examples
    --------
    >>> load_messages("en")("queue.open", count=3)
    '3 open'
    >>> load_messages("fr")
    Traceback (most recent call last):
    ...
    tagger.errors.ReviewError: the page speaks no 'fr'; it speaks: en, zh
    """

    language: str
    words: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The message of a key, with its values put in."""
        return self.words[key].format(**values)

    def named(self, group: str, value: object) -> str:
        """The word for a value of a group, such as ``reason`` ``MISSING_FACT``; the value itself where there is none."""
        return self.words.get(f"{group}.{value}", str(value))


@cache
def load_messages(language: str) -> Messages:
    """Read the words of a language.

    Raises
    ------
    ReviewError
        Where the page does not speak it.
    """
    if language not in LANGUAGES:
        raise ReviewError(f"the page speaks no {language[:10]!r}; it speaks: {', '.join(LANGUAGES)}")
    tables = tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return Messages(language, {f"{group}.{key}": text for group, table in tables.items() for key, text in table.items()})


def preferred(accept_language: str) -> str:
    """The first language of a browser's list that the page speaks.

    Examples
    --------
    >>> preferred("fr-CH, zh-CN;q=0.9, en;q=0.8")
    'zh'
    >>> preferred("")
    'en'
    """
    asked = (part.split(";")[0].strip().lower()[:2] for part in accept_language[:200].split(","))
    return next((code for code in asked if code in LANGUAGES), "en")
