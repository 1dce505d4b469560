"""The answer to a row that the gate settles."""

from __future__ import annotations

from tagger.decisions.decide import NONE, Context
from tagger.records import Decision, Outcome
from tagger.scores.gate import Gate


def settled(gate: Gate, context: Context) -> Decision:
    """The answer that all rows share which the gate settles; only their ids differ.

    Parameters
    ----------
    gate : Gate
    context : Context

    Returns
    -------
    Decision
        ``unrelated``; its note says that the gate settled it and how often that is wrong, its confidence is the lower bound of
        how often such a row is unrelated.
    """
    return Decision(
        row_id="",
        outcome=Outcome.UNRELATED.value,
        category=NONE,
        confidence=gate.confidence,
        codes=[],
        reasons=[],
        questions=[],
        near_threshold=False,
        evidence=(),
        quantities=(),
        legal_status="",
        announcement="",
        remark_zh="",
        model_id=context.model_id,
        rules_id=context.book.rules_id,
        as_of=context.as_of.isoformat(),
        note="settled by the gate: everyday goods by its words, without a word that names a listed item or a figure that alone "
        f"meets a clause; of controlled and open texts the gate settles at most {gate.most_missed:.2%} (95 % bound)",
        max_miss_rate=context.max_miss_rate,
    )
