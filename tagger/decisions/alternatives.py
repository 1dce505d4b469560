"""What a text leaves open by "or": of ``SmCo or ferrite`` and ``希土類かフェライトか`` neither is stated, and neither denied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tagger.decisions.wording import alternation
from tagger.law import AlternativeWords
from tagger.records import Span

_REACH = 16  # characters from the "or" to where its other side begins
_BESIDE = re.compile(r"[\s\"'“”„«»()（）「」,、]{0,3}")  # what may stand between a mention and the "or"
_MOST_BETWEEN = 14  # characters between the two of "AかBか"


@dataclass(frozen=True)
class Joints:
    """The places of a text at which an "or" stands; they are looked for when a clause first asks.

    Attributes
    ----------
    text : str
        The original text.
    pattern : re.Pattern
        What an "or" looks like.
    """

    text: str
    pattern: re.Pattern[str]

    @cached_property
    def spans(self) -> Sequence[Span]:
        """Where each "or" stands."""
        return tuple(Span(*m.span()) for m in self.pattern.finditer(self.text))

    def leave_open(self, mention: Span, same: Iterable[Span]) -> bool:
        """Whether a mention is one side of an "or" whose other side is none of the ``same``, which would say as much."""
        beyond = [joint for joint in self.spans if self._is_behind(mention, joint)]
        ahead = [joint for joint in self.spans if self._is_in_front(mention, joint)]
        others = [span for span in same if span != mention]
        alike = any(j.end <= o.start <= j.end + _REACH for j in beyond for o in others)
        alike |= any(j.start - _REACH <= o.end <= j.start for j in ahead for o in others)
        return bool(beyond or ahead) and not alike

    def _is_behind(self, mention: Span, joint: Span) -> bool:
        return joint.start >= mention.end and _BESIDE.fullmatch(self.text, mention.end, joint.start) is not None

    def _is_in_front(self, mention: Span, joint: Span) -> bool:
        if joint.start == mention.start:  # the words of the rulebook may begin with it: "o grafito"
            return joint.end < mention.end
        return joint.end <= mention.start and _BESIDE.fullmatch(self.text, joint.end, mention.start) is not None


class Alternatives:
    """Finds the "or" of a text.

    Examples
    --------
    >>> words = AlternativeWords(between=("or", "或"), twice=("か",), but_not=("more", "以上"), ask_en="Which?", ask_zh="哪一种？")
    >>> [joints.text[s.start:s.end] for joints in [Alternatives(words).of("SmCo or ferrite, 5 or more, 铁氧体或钐钴, 5个或以上")]
    ...  for s in joints.spans]
    ['or', '或']
    >>> joints = Alternatives(words).of("Ring magnet, SmCo or ferrite")
    >>> joints.leave_open(Span(13, 17), []), joints.leave_open(Span(13, 17), [Span(21, 28)]), joints.leave_open(Span(0, 4), [])
    (True, False, False)
    """

    def __init__(self, words: AlternativeWords) -> None:
        spaced, wide = (alternation(words.between, wide=w) for w in (False, True))
        spaced_not, wide_not = (alternation(words.but_not, wide=w) for w in (False, True))
        twice = "|".join(rf"{re.escape(w)}(?=[^。、，,\s]{{1,{_MOST_BETWEEN}}}{re.escape(w)})" for w in words.twice)
        self._joint = re.compile(
            rf"(?<=[\s\"“”«»)）,])(?:{spaced})(?=\s)(?!\s+(?:\d|(?:{spaced_not})(?!\w)))"
            rf"|(?:{wide})(?!\s*(?:\d|{wide_not}))|{twice or '(?!)'}",
            re.IGNORECASE,
        )

    def of(self, text: str) -> Joints:
        """All of one text."""
        return Joints(text, self._joint)
