"""Find the unit of a number: behind it, in front of it in brackets, or in the next cell of a joined row."""

from __future__ import annotations

import math
import re

from tagger.facts.cues import CueBook
from tagger.facts.figures import UnitPlace
from tagger.facts.text import fold_words, normalise
from tagger.facts.words import AnyOf, any_of
from tagger.law import QuantityFile, Unit, Units
from tagger.records import CleanText

_CJK = re.compile("[\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# dimensions of which "5 kg/bag" is a content, "5 m3/h" a rate and "0.5 Pa/h" a leak
_RATED = ("mass", "volume", "length", "count", "pressure", "temperature")
_IN_A_NAME = re.compile(r"\d|-[a-z]|/[a-z]")  # what behind a single letter makes it part of a name: 6A2, 4H-SiC, 40-20 S/D
_QUOTED = re.compile(r'"[^\W\d_][^"\d]{0,40}"')  # item 3 "DW", but not 2 "dia x 0.1 "thick
_MOTOR_FRAME = re.compile(r"(?:80|90|1[0136]0|112|132|180|2[0258]0|225|315|355)[lsm]$")  # YE3-180L-4: the frame of a motor
_POLES = re.compile(r"-(?:[2468]|1[02])(?![\d.]|\s?l)")
_CELL_TYPE = re.compile(r"(?:1[0-9]|2[0-9]|3[0-9]|4[0-9])\d{2,3}[a-z]?-\d{2}g$")  # INR21700-50G: no 50 grams
_NAME_LETTERS = "ahsltcnkа"
_NEXT_CELL = re.compile(r"\s*[;|\t]\s*")
_CELL_END = re.compile(r"\s*(?:[;|\t\n]|$)")
_A_DAY = {"天": 1.0, "日": 1.0, "小时": 24.0, "分": 1440.0}  # volume_rate is counted in m3 a day
# "每小时二十立方" is a rate, and "每秒四十八米" a speed: what it is per stands in front of the number
_PER_IN_FRONT = re.compile(
    r"每(秒钟?|小时|分钟?|天|日|班|年|月)[约达近可\s]{0,3}[\d.,\s〇零一二两三四五六七八九十百千万点至到~-]{1,16}$"
)
_EACH_REACH = 24  # characters in front of a unit in which 每秒 may stand
_LEFT = 48  # characters in front of a number in which its unit may stand
_OPENS = re.compile(r"[(\[/,;|]\s*")
_BRACKETED = 20  # characters of a figure with its tolerance, its brackets included
_WITH_TOLERANCE = re.compile(r"\(\s?[\d.,]+\s?(?:±|\+/-|\+-|[-~])\s?[\d.,]+\s?\)")
_HYPHEN = re.compile(r"-(?=[a-zµμ]{2}|m[23])(?!in[- ]\d)")  # in front of a unit of several letters: 330-Wh/kg, no 3-in-1
_PLAIN_NUMBER = re.compile(r"(?<![\w.,-])\d[\d.,]*$")  # no piece of a type: INR21700-50
_BRACKET_OPENS = re.compile(r"\s*[(\[]\s*")
_BRACKET_CLOSES = re.compile(r"\s*[)\]]")
_CLOSES = re.compile(r"\s*[)\]]?\s*[:=;|,]?\s*(?:is\s)?(?:[≥≤<>≈~φ]=?|min\.?|max\.?|约|约为|为)?\s*$")


class UnitFinder:
    """Finds units by the spellings of ``units.toml``.

    Parameters
    ----------
    units : Units
    quantities : QuantityFile
        Its cues tell a unit from the first character of a word, and name a figure whose unit stands in front.

    Examples
    --------
    >>> from tagger.rulebook import load_rulebook
    >>> book = load_rulebook()
    >>> finder = UnitFinder(book.units, book.quantities)
    >>> clean = normalise("容积(m3): 5 or 6000 L")
    >>> place, kind = finder.in_front(clean, 8)
    >>> place.dimension, kind, finder.behind(clean, 17).unit.factor
    ('volume', 'vessel_volume', 0.001)
    """

    def __init__(self, units: Units, quantities: QuantityFile) -> None:
        self._folded: dict[str, tuple[str, Unit]] = {}
        self._exact: dict[str, tuple[str, Unit]] = {}
        known = [(dimension.name, unit) for dimension in units.dimension for unit in dimension.units]
        meant = [named for named in known for _ in named[1].forms]
        forms, mesh = fold_words(form for _, unit in known for form in unit.forms), fold_words(units.mesh.forms)
        for form, named in zip(forms, meant, strict=True):
            self._folded.setdefault(_squeeze(form), named)
        for form in mesh:
            self._folded[_squeeze(form)] = ("mesh", Unit(factor=1.0))
        exact = [(normalise(form), named) for named in known for form in named[1].exact]
        for clean, named in exact:
            self._exact.setdefault(_squeeze(clean.text), named)
        self._unit = AnyOf([*map(_loose, (*forms, *(clean.folded for clean, _ in exact))), *mesh], spaced=True)
        self._rate = re.compile(rf"\s?(?:/|每|per\s)\s?{any_of(quantities.words.rate)}")
        self.cues = CueBook(quantities, (d.name for d in units.dimension))

    def spelled(self, spelling: str) -> tuple[str, Unit]:
        """Dimension and unit of a spelling of the data files."""
        return self._exact.get(spelling) or self._folded[_squeeze(spelling.lower())]

    def behind(self, clean: CleanText, at: int, value: float = math.inf) -> UnitPlace | None:
        """The unit that stands at a place; spaces before it and brackets around it are allowed.

        Parameters
        ----------
        clean : CleanText
        at : int
            Where the number ends.
        value : float
            The number: some spellings mean a unit only from a least value on.
        """
        found = self._read(clean, _skip_spaces(clean.folded, _behind_joint(clean.folded, at)), value)
        if found is None:
            bracket = _BRACKET_OPENS.match(clean.folded, at)
            found = self._read(clean, bracket.end(), value) if bracket else None
            closing = _BRACKET_CLOSES.match(clean.folded, found.end) if found else None
            return found._replace(end=closing.end()) if found and closing else None
        time = _time_in_front(clean.folded, at) if found.dimension in ("length", "volume", "mass") else ""
        if time:
            return self._per(found, time)
        if found.end - _skip_spaces(clean.folded, at) == 1:
            glued = clean.folded[at : at + 1] != " "
            if not glued and _digit(clean.folded, found.end):
                return None  # a model name: ProBook 450 G5
            if not glued and _QUOTED.match(clean.folded, found.end - 1):
                return None
            if glued and _MOTOR_FRAME.search(clean.folded, max(0, at - 3), found.end) and _POLES.match(clean.folded, found.end):
                return None
            if glued and clean.text[found.end - 1] == "G" and _CELL_TYPE.search(clean.folded, max(0, at - 9), found.end):
                return None
            if clean.folded[found.end - 1] in _NAME_LETTERS and _IN_A_NAME.match(clean.folded, found.end):
                return None
        return found

    def _per(self, found: UnitPlace, time: str) -> UnitPlace | None:
        """A unit behind ``每秒``: a length is a speed, a volume a flow; other rates are no figure of the thing itself."""
        flow = next((f for word, f in _A_DAY.items() if time.startswith(word)), None)
        if flow and found.dimension == "volume":
            return UnitPlace("volume_rate", Unit(factor=found.unit.factor * flow), found.end)
        if not time.startswith("秒") or found.dimension != "length":
            return None
        metre, speed = self._folded[_squeeze("m")][1], self._folded[_squeeze("m/s")]
        return UnitPlace(*speed, found.end) if found.unit == metre else None

    def is_rate(self, clean: CleanText, at: int) -> bool:
        """Whether what stands behind a number is a content or a count: ``24只/箱``."""
        unit = self._unit.match(clean.folded, _skip_spaces(clean.folded, at))
        return bool(unit and self._rate.match(clean.folded, unit.end))

    def in_next_cell(self, clean: CleanText, at: int, value: float) -> UnitPlace | None:
        """The unit that is all of the next cell of a joined row: ``容积; 5; m3``."""
        border = _NEXT_CELL.match(clean.folded, at)
        found = self._read(clean, border.end(), value) if border else None
        return found if found and _CELL_END.match(clean.folded, found.end) else None

    def in_front(self, clean: CleanText, at: int) -> tuple[UnitPlace, str] | None:
        """The unit that stands with the name, in front of the number, and the kind that it names: ``Capacity (Ah): 5``.

        Its ``end`` is the start of the number. A unit of one letter counts only beside a word that names a figure of its dimension.
        """
        begin = max(0, at - _LEFT)
        left = clean.folded[begin:at]
        for opening in reversed(list(_OPENS.finditer(left))):
            found = self._read(clean, begin + opening.end(), math.inf)
            if found is None or found.end > at or not _CLOSES.fullmatch(left[found.end - begin :]):
                continue
            cues = self.cues.of(found.dimension)
            cue = cues.last(left[: opening.start()]) if cues else None
            glued = cue is not None and not left[cue[2] : opening.start()].strip()
            sign = opening.group()[0]
            if sign in ";|" and not re.match(r"\s*[;|]", left[found.end - begin :]):
                continue  # a cell that holds the unit alone: Specific capacity; mAh/g; 351
            bracketed = sign in "([;|"
            if glued or (bracketed and (cue is not None or found.end - begin - opening.end() > 1)):
                return found._replace(end=at), cue[0] if cue and glued else ""
        return None

    def _read(self, clean: CleanText, start: int, value: float) -> UnitPlace | None:
        unit = self._unit.match(clean.folded, start)
        if unit is None:
            return None
        end = unit.end
        entry = self._exact.get(_squeeze(clean.text[start:end])) or self._folded.get(_squeeze(unit.text))
        if entry is None or value < entry[1].least:
            return None
        word = self.cues.any.match(clean.folded, start) if _CJK.match(unit.text[-1]) else None
        if word and word.end > end:
            return None  # the first character of a word: 2.55 克容量
        if entry[0] in _RATED and self._rate.match(clean.folded, end):
            return None
        return UnitPlace(*entry, end)


def _loose(form: str) -> str:
    """A spelling in which spaces may stand around a stroke: ``g / cm 3``."""
    return form.replace("/cm3", "/cm 3").replace("/", " / ") if "/" in form[1:] else form


def _behind_joint(text: str, at: int) -> int:
    """Behind the hyphen of ``4-inch``, or the bracket that closes ``(435±5)g``; else the same place."""
    joint = text[at : at + 1]
    if joint == "-" and _HYPHEN.match(text, at):
        return at + 1 if _PLAIN_NUMBER.search(text, max(0, at - _BRACKETED), at) else at
    opening = text.rfind("(", max(0, at - _BRACKETED), at) if joint == ")" else -1
    return at + 1 if opening >= 0 and _WITH_TOLERANCE.fullmatch(text, opening, at + 1) else at


def _time_in_front(text: str, at: int) -> str:
    """The time in ``每小时二十立方``, which stands in front of the number and its unit; empty where there is none."""
    begin = max(0, at - _EACH_REACH)
    found = _PER_IN_FRONT.search(text, begin, at) if "每" in text[begin:at] else None
    return found.group(1) if found else ""


def _digit(text: str, at: int) -> bool:
    return text[at : at + 1].isdigit()


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _skip_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at
