"""Chinese numerals as digits, for the reader of figures: 四千五百升, 二点三一, 百分之零点三六.

Only the figures are read from the rewritten text; the words are looked up in the text as it stands, where 三元 and 二氧化锗 are no
numbers. One numeral alone counts only in front of a unit; spans point into the original text as ever.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise

from tagger.records import CleanText

_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_PLACES = {"十": 10, "百": 100, "千": 1000}
_GROUPS = {"万": 10**4, "亿": 10**8}
_SHARES = {"百": 0, "千": 1, "万": 2, "十万": 3, "百万": 4}  # how many decimals 千分之 stands behind 百分之
_DIGIT = "".join(_DIGITS)
_ANY = "".join((*_DIGITS, *_PLACES, *_GROUPS))
_ANY_BUT_PLACES = _ANY.replace("千", "").replace("百", "")
_OF_A_THOUSAND = "克瓦米帕伏安焦赫升卡牛"  # 千克 and 千瓦 are units, but 一万两千安 is a number; 百万赫 is a unit in Taiwan
_NUMERAL = re.compile(
    rf"(?:(?P<share>[十百]万|[百千万])分之)?(?P<whole>(?:[{_ANY_BUT_PLACES}]|百(?!万赫)|千(?![{_OF_A_THOUSAND}])|(?<=万[{_DIGIT}])千)+)"
    rf"(?:[点・](?P<decimals>[{_DIGIT}]{{1,12}}))?"
)
# 六点六乘十的负三次方帕, 五乘十负四帕, 六点六乘负三: a vacuum as it is spoken
_POWER = re.compile(
    rf"(?P<whole>[{_DIGIT}]|\d{{1,3}})(?:[点.](?P<decimals>[{_DIGIT}\d]{{1,4}}))?[乘x×*]以?(?:(?:十|10)的?)?负(?P<power>十?[{_DIGIT}]|十|\d{{1,2}})(?:次[方幂])?"
)
_VAGUE = "几数"  # 数十公斤, 几百升
_ORDINAL = "第"
_RANGE = re.compile(rf"(?:[到至~-]|乘以?)(?=[{_ANY}])")
# Of one numeral and a unit of one character, only these are a figure: 三安 is a company, 第三方 a party, 三度 three times.
_PLAIN_UNITS = "升吨米克寸吋帕"
_PIECE = re.compile(r"个(?=[a-z%])")  # 五十个ppm
_APART = ",、"
_LONGEST_NUMERAL = 20  # characters; a longer run is no number that anyone writes
_LONGEST_VAGUE = 3  # 五六 is about five or six; of three digits only those that count up (五六七) are vague
_TOP_PLACE, _TOP_GROUP = 10**4, 10**12
_ANY_NUMERAL = re.compile(f"[{_ANY}]")


def value_of(numeral: str) -> int | None:
    """Value of a whole number in Chinese numerals; None where it is none (万一, 五六百) or is vague.

    Examples
    --------
    >>> [value_of(n) for n in ("四千五百", "十二", "两百五", "一万零八十", "二〇一六", "九一五", "万一", "五六", "五六七")]
    [4500, 12, 250, 10080, 2016, 915, None, None, None]
    """
    if len(numeral) > _LONGEST_NUMERAL:
        return None
    if all(c in _DIGITS for c in numeral):
        sure = (
            len(numeral) == 1 or "零" in numeral or "〇" in numeral or (len(numeral) >= _LONGEST_VAGUE and not _counts_up(numeral))
        )
        return int("".join(str(_DIGITS[c]) for c in numeral)) if sure else None
    total = section = 0
    digit: int | None = None
    place, group = _TOP_PLACE, _TOP_GROUP  # the last ones; they must fall
    for c in numeral:
        if c in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[c]
        elif c in _PLACES:
            if (not digit and c != "十") or _PLACES[c] >= place:
                return None
            place = _PLACES[c]
            section += (digit or 1) * place
            digit = None
        else:
            section += digit or 0
            if not section or _GROUPS[c] >= group:
                return None
            group, place = _GROUPS[c], _TOP_PLACE
            total, section, digit = total + section * group, 0, None
    if not digit:
        return total + section
    # 两百五 is 250, 十五 is 15, 一百零五 is 105
    unit = _PLACES.get(numeral[-2]) or _GROUPS.get(numeral[-2]) or 10
    return total + section + digit * unit // 10


def _counts_up(numeral: str) -> bool:
    """Whether three digits follow each other (五六七): about so many, and no figure."""
    values = [_DIGITS[c] for c in numeral]
    return len(values) == _LONGEST_VAGUE and all(after == before + 1 for before, after in pairwise(values))


def has_numeral(text: str) -> bool:
    """Whether a text has a character that a Chinese number is written with."""
    return not text.isascii() and _ANY_NUMERAL.search(text) is not None


def in_digits(clean: CleanText, unit_behind: Callable[[CleanText, int], int]) -> CleanText:
    """The text with its Chinese numbers in digits.

    Parameters
    ----------
    clean : CleanText
    unit_behind : callable
        Of a text and a place, where the unit ends that begins there; 0 where none does.

    Returns
    -------
    CleanText
        The text itself where it has no such number.
    """
    if not has_numeral(clean.folded):
        return clean
    powers = [(m.start(), m.end(), _power(m)) for m in _POWER.finditer(clean.folded)]
    begins, stops = [start for start, _, _ in powers], [end for _, end, _ in powers]

    def in_power(found: re.Match[str]) -> bool:
        behind = bisect_right(stops, found.start())
        return behind < len(powers) and begins[behind] < found.end()

    numerals = (m for m in _NUMERAL.finditer(clean.folded) if not in_power(m))
    rewritten = [(m.start(), m.end(), said) for m in numerals if (said := _said(clean, m, unit_behind))]
    rewritten = sorted([*rewritten, *powers])
    if not rewritten:
        return clean
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for start, end, said in rewritten:
        gap = " " if clean.folded[start - 1 : start].isdigit() else ""  # D50十六微米
        pieces += [clean.text[at:start], gap, said]
        starts += [*clean.starts[at:start], *[clean.starts[start]] * len(gap + said)]
        ends += [*clean.ends[at:start], *[clean.ends[end - 1]] * len(gap + said)]
        at = end
        if clean.folded[at : at + 1] in tuple(_APART) or _PIECE.match(clean.folded, at):
            pieces.append(" ")  # 二十，三十 is no 20.30
            starts.append(clean.starts[at])
            ends.append(clean.ends[at])
            at += 1
    pieces.append(clean.text[at:])
    text = "".join(pieces)
    return CleanText(clean.original, text, text.lower(), (*starts, *clean.starts[at:]), (*ends, *clean.ends[at:]))


def _power(found: re.Match[str]) -> str:
    """A number times a power of ten, in digits."""
    whole, decimals, power = ("".join(str(_DIGITS.get(c, c)) for c in found.group(g) or "") for g in ("whole", "decimals", "power"))
    power = str(value_of(found.group("power"))) if "十" in power else power
    return f"{whole}{'.' + decimals if decimals else ''}x10-{power}"


def _said(clean: CleanText, found: re.Match[str], unit_behind: Callable[[CleanText, int], int]) -> str:
    """A Chinese number in digits; empty where it is part of a word."""
    whole, decimals, share = found.group("whole"), found.group("decimals"), found.group("share")
    before = clean.folded[found.start() - 1 : found.start()] if found.start() else ""
    value = value_of(whole)
    if value is None or (before and before in _VAGUE):
        return ""
    said = str(value) + ("." + "".join(str(_DIGITS[c]) for c in decimals) if decimals else "")
    if share:
        return f"{float(said) / 10 ** _SHARES[share]:.10g}%"
    if decimals or len(whole) > 1 or _RANGE.match(clean.folded, found.end()):
        return said
    if before == _ORDINAL:
        return ""
    unit = clean.folded[found.end() : unit_behind(clean, found.end())].strip()
    plain = unit and (before == "负" or (unit in _PLAIN_UNITS and whole != "一"))  # 正负八度
    return said if len(unit) > 1 or plain else ""
