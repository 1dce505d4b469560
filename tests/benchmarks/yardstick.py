"""Outcomes on the evaluation rows: python tests/benchmarks/yardstick.py [FOLDER]

Prints how many rows of each label come out as what, how many controlled rows are cleared and harmless ones raise an alarm,
and those rows.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from tagger.learning.dataset import read_examples
from tagger.pipeline import Tagger
from tagger.records import Row

CLEARED = ("unrelated", "not_controlled")


def main(folder: Path) -> None:
    """Measure and print."""
    tagger = Tagger.load()
    examples = read_examples(folder, tagger.book.labels)
    decisions = tagger.tag_many(Row(e.id, e.text) for e in examples)
    table = Counter((e.decision, str(d.outcome)) for e, d in zip(examples, decisions, strict=True))
    print(f"{len(examples)} rows, {tagger.model.model_id}, {tagger.book.rules_id}")
    for (label, outcome), count in sorted(table.items()):
        print(f"{label:<15} -> {outcome:<15} {count}")
    controlled = [d for e, d in zip(examples, decisions, strict=True) if e.decision == "controlled"]
    harmless = [d for e, d in zip(examples, decisions, strict=True) if e.decision in CLEARED]
    cleared = sum(d.outcome in CLEARED for d in controlled)
    alarms = sum(d.outcome == "controlled" for d in harmless)
    reviews = sum(d.outcome == "review" for d in decisions)
    right = sum(e.category == d.category for e, d in zip(examples, decisions, strict=True))
    print(f"controlled rows cleared: {cleared} of {len(controlled)}")
    print(f"harmless rows called controlled: {alarms} of {len(harmless)}")
    print(f"rows for a person: {reviews / len(examples):.1%}; category right: {right / len(examples):.1%}")
    for e, d in zip(examples, decisions, strict=True):
        wrong = (e.decision == "controlled" and d.outcome in CLEARED) or (e.decision in CLEARED and d.outcome == "controlled")
        if wrong:
            print(f"  {e.id} {e.decision} -> {d.outcome} {d.category} {d.codes}: {e.text[:110]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "training_data" / "evaluation")
