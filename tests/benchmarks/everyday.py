"""How many everyday goods go to a person: python tests/benchmarks/everyday.py DATA

DATA is a folder of real catalogues, as for million.py. Of each catalogue of everyday goods it prints how many rows come out
`controlled`, how many are asked for the energy density of a battery, and how many others go to a person.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tagger import Decision, Tagger
from tagger.catalogue.tables import cell_text, open_source
from tagger.records import join_columns

CATALOGUES = {  # file: columns with the description
    "consumer_en.csv": ("name", "description"),
    "offers_multilingual.csv": ("title",),
    "titles_zh_gb18030.csv": ("商品名称",),
}
BATTERY = "3A001"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    tagger = Tagger.load()
    for name, columns in CATALOGUES.items():
        answers = tagger.tag_many(texts(given.data / name, columns))
        controlled = sum(d.outcome == "controlled" for d in answers)
        asked = [d for d in answers if d.outcome == "review"]
        others = sum(not is_battery(d) for d in asked)
        print(f"{name:<26} {len(answers):>6,} rows, controlled {controlled}", end=", to a person: ")
        print(f"{len(asked) - others} for a battery, {others} others ({others / len(answers):.2%})")


def texts(path: Path, columns: tuple[str, ...]) -> list[str]:
    """The descriptions of a catalogue."""
    table = open_source(path)
    places = [table.columns.index(column) for column in columns]
    return [join_columns([cell_text(row[i]) for i in places]) for batch in table.batches(2_000) for row in batch.rows]


def is_battery(d: Decision) -> bool:
    """Whether what is asked is the energy density of a battery."""
    return d.category == "high_energy_cell" or BATTERY in d.codes


if __name__ == "__main__":
    main()
