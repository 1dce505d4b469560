"""How time and memory grow with a catalogue: python tests/benchmarks/growth.py DATA [--rows 5000000] [--spark]

DATA is a folder of real catalogues, as for million.py, whose rows of real text this takes: all distinct, 1 % of them labelled
in-category rows. `tagger batch` answers the first ten thousand, hundred thousand, million and so on in two workers, reading and
writing included, then a million rows of which 70 % repeat an earlier description; --spark answers the whole again by the Spark
engine, as a folder of Parquet files. Memory is that of the largest process, and of all its processes together.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

REPEATED = 0.7
OF_REPEATS = 1_000_000
PARQUET_ROWS = 100_000


def main() -> None:
    """Measure and print."""
    from million import make_corpus  # beside this file, which is run as a script

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--corpus", type=Path, help="catalogue to use instead of making one: columns part, text")
    parser.add_argument("--spark", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        corpus = given.corpus or where / "corpus.csv"
        if not given.corpus:
            make_corpus(given.data, given.rows, corpus)
        print(f"load {os.getloadavg()[0]:.1f} before the start")
        sizes = [size for size in (10_000, 100_000, 1_000_000) if size < given.rows]
        for size in (*sizes, given.rows):
            part = where / f"first-{size}.csv"
            head(corpus, size, part)
            told(f"{size:,} distinct rows", size, run(part, where / "out.csv", "--jobs", "2"))
            if size in (OF_REPEATS, given.rows):
                repeats = where / "repeats.csv"
                repeated(corpus, size, repeats)
                told(f"{size:,} rows, {REPEATED:.0%} repeated", size, run(repeats, where / "out.csv", "--jobs", "2"))
            part.unlink()
        if given.spark:
            pieces = where / "pieces"
            to_parquet(corpus, given.rows, pieces)
            told("the same with workers", given.rows, run(pieces, where / "out.parquet", "--jobs", "2"))
            told("the same on Spark", given.rows, run(pieces, where / "out", "--engine", "spark", "--master", "local[2]"))


def head(corpus: Path, rows: int, target: Path) -> None:
    """The first rows of a catalogue."""
    with corpus.open(encoding="utf-8", newline="") as lines, target.open("w", encoding="utf-8", newline="") as out:
        out.writelines(islice(lines, rows + 1))


def repeated(corpus: Path, rows: int, target: Path) -> None:
    """A catalogue of which a part repeats earlier descriptions, under other part numbers."""
    chance = random.Random(0)  # noqa: S311
    seen: list[str] = []
    with corpus.open(encoding="utf-8", newline="") as lines, target.open("w", encoding="utf-8", newline="") as out:
        writer, texts = csv.writer(out), (row[1] for row in islice(csv.reader(lines), 1, None))
        writer.writerow(["part", "text"])
        for number in range(rows):
            if seen and chance.random() < REPEATED:
                text = chance.choice(seen)
            else:
                seen.append(text := next(texts))
            writer.writerow([f"{number:08}", text])


def to_parquet(corpus: Path, rows: int, folder: Path) -> None:
    """The rows as a folder of Parquet files, which both engines read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    with corpus.open(encoding="utf-8", newline="") as lines:
        reader = islice(csv.reader(lines), 1, rows + 1)
        for number, piece in enumerate(iter(lambda: list(islice(reader, PARQUET_ROWS)), [])):
            part, text = zip(*piece, strict=True)
            pq.write_table(pa.table({"part": part, "text": text}), folder / f"{number:05}.parquet")


def run(source: Path, target: Path, *options: str) -> tuple[float, float, float]:
    """Seconds, the peak of the largest process and that of all together, in MB."""
    command = [sys.executable, "-m", "tagger", "batch", str(source), str(target), "--text", "text", "--id", "part"]
    command += [] if "--engine" in options else ["--restart"]  # a Spark run leaves nothing to continue
    begin = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    largest = together = 0.0
    while process.poll() is None:
        sizes = list(memory_of(process.pid))
        largest, together = max(largest, *sizes, 0.0), max(together, sum(sizes))
        with contextlib.suppress(subprocess.TimeoutExpired):  # to look oftener would cost the run some per cent
            process.wait(timeout=1)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(process.stderr.read().decode(errors="replace") if process.stderr else "failed")
    if target.is_dir():
        shutil.rmtree(target)
    return seconds, largest, together


def memory_of(pid: int) -> Iterator[float]:
    """Resident memory of a process and of those that it started, in MB, each without what it shares with others."""
    try:
        fields = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        sizes = {name: int(size) / 1024 for name, size, *_ in fields}
        yield sizes["Pss:"]
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from memory_of(int(child))
    except (OSError, ProcessLookupError):  # it has just ended
        return


def told(name: str, rows: int, figures: tuple[float, float, float]) -> None:
    """Print one line."""
    seconds, largest, together = figures
    print(f"{name:<34} {seconds:8.1f} s {rows / seconds:>9,.0f} rows/s  {largest:6.0f} MB, together {together:6.0f} MB", flush=True)


if __name__ == "__main__":
    main()
