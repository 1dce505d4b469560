"""How strict automatic clearing has to be for a promise on controlled items, measured on rows that the model was not fitted on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from typing import Any

from tagger.errors import UsageError


@dataclass(frozen=True, slots=True)
class ClearingStep:
    """What one strictness let pass on the calibration rows.

    Attributes
    ----------
    strictness : float
        Least assurance, in log-odds, that a cleared row is harmless; see :meth:`tagger.decisions.decide.Context.assurance`.
    missed : int
        Risky rows (labelled controlled, or review because a fact is missing) that were cleared.
    missed_controlled : int
        Those of them whose text itself shows that they are controlled.
    upper95 : float
        One-sided upper bound of Clopper and Pearson, at 95 %, for the share of risky items that are cleared.
    review : int
        Rows of all labels that went to a person.
    gate : bool
        Whether the gate settled rows before the full road.
    """

    strictness: float
    missed: int
    missed_controlled: int
    upper95: float
    review: int
    gate: bool = True


@dataclass(frozen=True, slots=True)
class Clearing:
    """The measured steps, with the gate and without, the strictest first, and the one that is used where the user asks no other.

    Attributes
    ----------
    rules_id : str
        Rulebook with which it was measured; a promise holds for this one alone.
    rows, risky : int
        Calibration rows, and those of them that must not be cleared: controlled, or a fact is missing.
    controlled : int
        Those whose text itself shows that they are controlled.
    steps : tuple of ClearingStep
    max_miss_rate : float
        The promise behind ``strictness``; 1 where the rows carry none.
    strictness : float
    gate_from : float
        Promises below it are kept without the gate, which lets pass more than they allow; they are measured without it.
    gate : bool
        Whether the gate may settle rows under this promise.
    """

    rules_id: str = ""
    rows: int = 0
    risky: int = 0
    controlled: int = 0
    steps: tuple[ClearingStep, ...] = ()
    max_miss_rate: float = 1.0
    strictness: float = 0.0
    gate_from: float = 0.0
    gate: bool = True

    def promised(self, max_miss_rate: float) -> Clearing:
        """The same measurement with the laxest strictness that carries a promise.

        The steps are tested in one fixed order, the strictest first, until one fails; so all that pass hold together with 95 %
        confidence and the laxest of them may be taken (learn-then-test with fixed-sequence testing, Angelopoulos et al. 2021).

        Parameters
        ----------
        max_miss_rate : float
            Share of risky items that may be cleared automatically, between 0 and 1.

        Raises
        ------
        UsageError
            Where the rate is no share, or the calibration rows cannot carry it.

        Examples
        --------
        >>> figures = (4.0, 0, 0, 0.0099, 220), (2.0, 1, 0, 0.0158, 160), (0.0, 4, 0, 0.0303, 120)
        >>> measured = Clearing("rules-1", 500, 299, 140, tuple(ClearingStep(*row) for row in figures))
        >>> measured.promised(0.02).strictness
        2.0
        >>> measured.promised(0.001)
        Traceback (most recent call last):
        ...
        tagger.errors.UsageError: no promise of 0.1 %: 299 risky calibration rows carry 0.99 % at best, and 2995 without a miss \
would be needed; give more labelled rows to `tagger calibrate`, or promise less
        """
        if not 0 < max_miss_rate < 1:
            raise UsageError(f"a miss rate of {max_miss_rate:g} is no share: give a number between 0 and 1, such as 0.01 for 1 %")
        if not self.steps:
            raise UsageError("the model was trained without calibration rows and promises nothing: run `tagger calibrate` first")
        gate = max_miss_rate >= self.gate_from
        steps = [step for step in self.steps if step.gate == gate]
        held = list(takewhile(lambda step: step.upper95 <= max_miss_rate, steps))
        if not held:
            raise UsageError(
                f"no promise of {100 * max_miss_rate:.3g} %: {self.risky} risky calibration rows carry "
                f"{100 * steps[0].upper95:.3g} % at best, and {_needed(max_miss_rate)} without a miss would be needed; "
                "give more labelled rows to `tagger calibrate`, or promise less"
            )
        return replace(self, max_miss_rate=max_miss_rate, strictness=held[-1].strictness, gate=gate)

    def promised_with(self, max_miss_rate: float, rules_id: str) -> Clearing:
        """A promise of the user's own; it holds only for the rulebook with which it was measured.

        Raises
        ------
        UsageError
            Where the rulebook is another one, or as :meth:`promised`.
        """
        if self.steps and self.rules_id != rules_id:
            raise UsageError(
                f"the model was calibrated with {self.rules_id}, the rulebook is {rules_id}: run `tagger calibrate` with this "
                "rulebook, or leave --max-miss-rate out"
            )
        return self.promised(max_miss_rate)

    def tell(self) -> str:
        """The promise in one line.

        Examples
        --------
        >>> measured = Clearing("rules-1", 500, 299, 140, (ClearingStep(4.0, 1, 0, 0.0158, 220),))
        >>> print(measured.promised(0.02).tell())
        promises that at most 2 % of items that are controlled, or may be, are cleared automatically, with 95 % confidence: \
1 of 299 such calibration rows were (bound 1.6 %), 0 of the 140 whose text shows that they are controlled; \
44.0 % of all 500 rows went to a person
        >>> Clearing().tell()
        'promises nothing on what is cleared automatically'
        """
        wanted = (self.strictness, self.gate)
        step = next((step for step in self.steps if (step.strictness, step.gate) == wanted), None)
        if step is None or self.max_miss_rate >= 1:
            return "promises nothing on what is cleared automatically"
        return (
            f"promises that at most {100 * self.max_miss_rate:.3g} % of items that are controlled, or may be, are cleared "
            f"automatically, with 95 % confidence: {step.missed} of {self.risky} such calibration rows were "
            f"(bound {100 * step.upper95:.2g} %), {step.missed_controlled} of the {self.controlled} whose text shows that they are "
            "controlled; "
            f"{100 * step.review / self.rows:.1f} % of all {self.rows} rows went to a person"
            + ("" if self.gate else "; the gate is off, as it lets pass more than this")
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Clearing:
        """The reverse of :meth:`as_dict`."""
        steps: Sequence[Mapping[str, Any]] = raw["steps"]
        return cls(**{**raw, "steps": tuple(ClearingStep(**step) for step in steps)})


def _needed(max_miss_rate: float) -> int:
    """Risky rows without a miss that carry a promise at 95 %."""
    return math.ceil(math.log(0.05) / math.log(1 - max_miss_rate))
