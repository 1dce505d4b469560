"""Numbers as the market writes them, without their units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from tagger.facts.words import any_of

_NUMBER = re.compile(
    r"10\^[-+]?\d{1,2}"
    r"|(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+(?:[.,]\d+)?|(?<![\d.])\.\d+)"
    r"(?:\s?[x×*·]\s?10\s?(?:\^\s?[-+]?|-)\d{1,2}(?!\d)|e[-+]\d{1,2}(?![\d.])|e\d{1,2}(?![\w.]))?"
)
# Where a text has a decimal comma or is German, Spanish or Russian, a dot or space before three digits groups thousands: 6.000 L.
_DECIMAL_COMMA = re.compile(r"(?<![\d,])\d{1,3},\d{1,2}(?!\d)")
_CONTINENTAL_LETTERS = re.compile(r"[äöüßñ¿áéíóú]|[а-яё]{3}")
_CONTINENTAL_THOUSANDS = re.compile(r"(?<![\w.,])[1-9]\d{0,2}(?:[. ]\d{3})+(?:,\d+)?(?![\d.,]|\s?[x×*х])")
# No number begins with a zero: 100 000 and 12 050 are thousands in any language.
_SPACED_THOUSANDS = re.compile(r"(?<![\w.,])[1-9]\d{0,2}(?: \d{3})*? 0\d{2}(?: \d{3})*(?![\d.,]|\s?[x×*х])")
# A temperature has no three decimals: 1.600 °C and 1 050 °C are thousands in any language.
_DEGREES_THOUSANDS = re.compile(r"(?<![\d.,])[1-9][. ]\d{3}(?=\s?(?:°|℃|deg))")
# No share is of thousands of percent: 99,995 % has a decimal comma in any language.
_PERCENT_DECIMALS = re.compile(r"[1-9]\d,\d{3}(?=\s?(?:%|prozent|procent|por ciento|процент))")
_POWER_ONLY = re.compile(r"10\^([-+]?\d{1,2})$")
_MANTISSA = re.compile(r"^([\d.,]+)(?:\s?[x×*·]\s?10\s?\^?\s?([-+]?\d{1,2})|e([-+]?\d{1,2}))?$")


@dataclass(frozen=True, slots=True)
class Number:
    """A number and where it stands, its multiplier (万) included."""

    start: int
    end: int
    value: float


def numbers(folded: str, multipliers: Mapping[str, float]) -> Iterator[Number]:
    """Numbers of a lower-case text, in order.

    Examples
    --------
    >>> [n.value for n in numbers("5,000 l, 99,95 %, 1×10^-3 pa, 2万毫安", {"万": 1e4})]
    [5000.0, 99.95, 0.001, 20000.0]
    >>> [n.value for n in numbers("nutzvolumen für 6.000 l", {})]
    [6000.0]
    >>> [n.value for n in numbers("reinheit 99,995 %, 10,000 pcs", {})]
    [99.995, 10000.0]
    >>> [n.value for n in numbers("diamond grit, 325 up to 100 000 mesh", {})]
    [325.0, 100000.0]
    """
    factor_after = _factor_after(tuple(multipliers)) if multipliers else None
    thousands = {m.start(): m for m in _CONTINENTAL_THOUSANDS.finditer(folded)} if _is_continental(folded) else {}
    if "°" in folded or "℃" in folded or "deg" in folded:
        thousands |= {m.start(): m for m in _DEGREES_THOUSANDS.finditer(folded)}
    if " 0" in folded:
        thousands |= {m.start(): m for m in _SPACED_THOUSANDS.finditer(folded)}
    done = 0
    for plain in _NUMBER.finditer(folded):
        if plain.start() < done:
            continue
        match = thousands.get(plain.start(), plain)
        grouped = match is not plain
        continental = grouped or _is_percent_decimal(folded, match)
        value = float(re.sub("[. ]", "", match.group()).replace(",", ".")) if continental else number_value(match.group())
        end = done = match.end()
        multiplier = factor_after.match(folded, end) if factor_after else None
        if multiplier:
            value *= multipliers[multiplier.group(1)]
            end = multiplier.end()
        yield Number(match.start(), end, value)


def _is_continental(folded: str) -> bool:
    if "," in folded and _DECIMAL_COMMA.search(folded):
        return True
    return not folded.isascii() and _CONTINENTAL_LETTERS.search(folded) is not None


@lru_cache(maxsize=8)
def _factor_after(multipliers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\s?({any_of(multipliers)})(?=\s?\S)")


@lru_cache(maxsize=16384)
def number_value(text: str) -> float:
    """Value of a number as written; a comma before exactly three digits groups thousands, else it is a decimal comma.

    Examples
    --------
    >>> [number_value(t) for t in ("5,000", "99,95", "0,350", "1×10^-3", "10^-3")]
    [5000.0, 99.95, 0.35, 0.001, 0.001]
    """
    power_only = _POWER_ONLY.match(text)
    if power_only:
        return float(10.0 ** int(power_only.group(1)))
    match = _MANTISSA.match(text.strip())
    if match is None:
        return math.nan
    mantissa = match.group(1)
    grouped = re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", mantissa)
    number = float(mantissa.replace(",", "") if grouped else mantissa.replace(",", "."))
    power = match.group(2) or match.group(3)
    return float(f"{number!r}e{int(power)}") if power else number


def _is_percent_decimal(folded: str, number: re.Match[str]) -> bool:
    found = _PERCENT_DECIMALS.match(folded, number.start()) if "," in number.group() else None
    return found is not None and found.end() == number.end()
