"""Rows a second against peers, side by side in one run: python tests/benchmarks/million.py DATA [--rows 1000000]

DATA is a folder of real catalogues (consumer_en.csv, offers_multilingual.csv, titles_zh_gb18030.csv, harmonized_system.csv).
A catalogue of distinct rows is made of their titles and descriptions, with 1 % of labelled in-category rows mixed in. Every
engine reads it, answers it in two processes and writes it with its answers, cold start included; slow peers answer a part of
it and are measured by their rows a second. Peers that are not installed are left out: fasttext-wheel, spacy, scikit-learn,
pyspark.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[2]
AT_ONCE = 10_000
PROCESSES = 2
SOURCES = (
    ("offers_multilingual.csv", "utf-8-sig", ("title",)),
    ("titles_zh_gb18030.csv", "gb18030", ("商品名称",)),
    ("consumer_en.csv", "utf-8-sig", ("name",)),
    ("consumer_en.csv", "utf-8-sig", ("description",)),
    ("harmonized_system.csv", "utf-8-sig", ("description",)),
)
IN_CATEGORY = 0.01
Rows = list[list[str]]


def labelled() -> list[dict[str, str]]:
    """The training rows."""
    paths = sorted((ROOT / "training_data").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def make_corpus(data: Path, rows: int, target: Path) -> None:
    """Distinct rows of real text, about as many of each file as the file has; the same rows at every call."""
    pools = []
    for name, encoding, columns in SOURCES:
        with (data / name).open(encoding=encoding, newline="") as lines:
            pools.append([text for row in csv.DictReader(lines) if (text := " ".join(row[c].strip() for c in columns))])
    inside = [row["text"] for row in labelled() if row["category"] != "none"]
    chance = random.Random(0)  # noqa: S311
    seen: set[str] = set()
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["part", "text"])
        while len(seen) < rows:
            if chance.random() < IN_CATEGORY:
                text = f"{chance.choice(inside)}, lot {chance.randrange(10**6)}"
            else:
                pool = chance.choices(pools, weights=[len(p) for p in pools])[0]
                text = _crossed(chance.choice(pool), chance.choice(pool), chance)
            if text not in seen:
                seen.add(text)
                writer.writerow([f"{len(seen):08}", text])


def _crossed(first: str, second: str, chance: random.Random) -> str:
    """The beginning of one text and the end of another of the same catalogue, with a number: as long as one of them."""
    joint = " " if " " in first else ""
    head, tail = (t.split(" ") if joint else list(t) for t in (first[:400], second[:400]))
    cut = chance.randint(len(head) // 2, len(head))
    end = tail[len(tail) * cut // max(len(head), 1) :]
    return f"{joint.join(head[:cut])}{joint}{joint.join(end)} {chance.randrange(10**5)}".strip()


def pieces(source: Path, most: int) -> Iterator[Rows]:
    with source.open(encoding="utf-8", newline="") as lines:
        rows = islice(csv.reader(lines), 1, most + 1)
        while piece := list(islice(rows, AT_ONCE)):
            yield piece


def written(rows: Rows, answers: list[tuple[object, ...]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([*row, *answer] for row, answer in zip(rows, answers, strict=True))
    return out.getvalue().encode()


# Engines: each answers a piece in a worker, which makes what it needs once.


def by_nothing(rows: Rows) -> bytes:
    return written(rows, [()] * len(rows))


@lru_cache(maxsize=2)
def _tagger(gate: bool):  # type: ignore[no-untyped-def]
    from tagger import Tagger

    return Tagger.load(gate=gate)


def by_tagger(rows: Rows) -> bytes:
    table = _tagger(True).tag_table([row[1] for row in rows])
    return written(rows, list(zip(*table.values(), strict=True)))


def by_tagger_without_gate(rows: Rows) -> bytes:
    table = _tagger(False).tag_table([row[1] for row in rows])
    return written(rows, list(zip(*table.values(), strict=True)))


def by_fasttext(rows: Rows) -> bytes:
    model = _fasttext()
    return written(rows, [model.f.predict(row[1].replace("\n", " ") + "\n", 1, 0.0, "strict")[0] for row in rows])


def by_spacy(rows: Rows) -> bytes:
    docs = _spacy().pipe((row[1] for row in rows), batch_size=256)
    return written(rows, [(max(doc.cats, key=doc.cats.get),) for doc in docs])


def by_sklearn(rows: Rows) -> bytes:
    return written(rows, [(label,) for label in _sklearn().predict([row[1] for row in rows])])


@lru_cache(maxsize=1)
def _fasttext():  # type: ignore[no-untyped-def]
    import fasttext

    return fasttext.load_model(os.environ["BENCH_FASTTEXT"])


@lru_cache(maxsize=1)
def _spacy():  # type: ignore[no-untyped-def]
    import spacy

    return spacy.load(os.environ["BENCH_SPACY"])


@lru_cache(maxsize=1)
def _sklearn():  # type: ignore[no-untyped-def]
    import joblib

    return joblib.load(os.environ["BENCH_SKLEARN"])


def fit_peers(where: Path, names: set[str]) -> None:
    """Train the peers on the training rows; not part of the time."""
    rows = labelled()
    if "fasttext" in names:
        import fasttext

        lines = [f"__label__{r['category']} {' '.join(r['text'].split())}" for r in rows]
        (where / "fasttext.txt").write_text("\n".join(lines), encoding="utf-8")
        model = fasttext.train_supervised(str(where / "fasttext.txt"), epoch=15, wordNgrams=2, minn=2, maxn=5, dim=100, verbose=0)
        model.save_model(str(where / "fasttext.bin"))
        os.environ["BENCH_FASTTEXT"] = str(where / "fasttext.bin")
    if "scikit-learn" in names:
        import joblib
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        pipeline = make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2), LinearSVC())
        joblib.dump(pipeline.fit([r["text"] for r in rows], [r["category"] for r in rows]), where / "sklearn.joblib")
        os.environ["BENCH_SKLEARN"] = str(where / "sklearn.joblib")
    if "spacy" in names:
        import spacy
        from spacy.training import Example

        nlp = spacy.blank("xx")
        textcat = nlp.add_pipe("textcat")  # the default is the ensemble
        labels = sorted({r["category"] for r in rows})
        for label in labels:
            textcat.add_label(label)
        part = rows[::8]
        examples = [
            Example.from_dict(nlp.make_doc(r["text"]), {"cats": {k: float(k == r["category"]) for k in labels}}) for r in part
        ]
        nlp.initialize(lambda: examples)
        for start in range(0, len(examples), 128):
            nlp.update(examples[start : start + 128])
        nlp.to_disk(where / "spacy")
        os.environ["BENCH_SPACY"] = str(where / "spacy")


def run_engine(name: str, source: Path, target: Path, most: int) -> None:
    """Answer a catalogue in two processes, order kept; called in a process of its own, so that every start is cold."""
    from multiprocessing import Pool

    if name == "by_spark":
        run_spark(source, target.with_suffix(".parquet"), most)
        return
    work: Callable[[Rows], bytes] = globals()[name]
    with target.open("wb") as out, Pool(PROCESSES) as pool:
        for part in pool.imap(work, pieces(source, most)):
            out.write(part)


def run_spark(source: Path, target: Path, most: int) -> None:
    """The same with Spark: the rows as a folder of Parquet files, which it reads and writes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tagger.catalogue.spark import Setup, tag_folder

    folder = target.with_name("spark-in")
    folder.mkdir(exist_ok=True)
    for n, rows in enumerate(pieces(source, most)):
        part, text = zip(*rows, strict=True)
        pq.write_table(pa.table({"part": part, "text": text}), folder / f"part-{n:05}.parquet")
    shutil.rmtree(target, ignore_errors=True)
    tag_folder(folder, target, {"text": "text", "id": "part"}, Setup(), f"local[{PROCESSES}]")


ENGINES = {  # name: (function, module that it needs, share of the rows that it answers)
    "read and write only": ("by_nothing", "", 1.0),
    "tagger": ("by_tagger", "", 1.0),
    "tagger on Spark": ("by_spark", "pyspark", 1.0),
    "tagger, no gate": ("by_tagger_without_gate", "", 0.1),
    "fasttext": ("by_fasttext", "fasttext", 1.0),
    "scikit-learn": ("by_sklearn", "sklearn", 0.1),
    "spacy": ("by_spacy", "spacy", 0.04),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1, help="medians are over the rounds")
    parser.add_argument("--only", nargs="*", choices=list(ENGINES))
    given = parser.parse_args()
    names = [n for n, (_, need, _) in ENGINES.items() if (not given.only or n in given.only) and (not need or _installed(need))]
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        corpus = where / f"corpus-{given.rows}.csv"
        make_corpus(given.data, given.rows, corpus)
        fit_peers(where, set(names))
        size, load = corpus.stat().st_size / 1e6, os.getloadavg()[0]
        print(f"{given.rows:,} distinct rows, {size:.0f} MB, {PROCESSES} processes, load {load:.1f} before the start")
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(given.rounds):
            for name in names:
                seconds[name].append(_timed(name, corpus, where / "out.csv", given.rows))
    table = {name: statistics.median(times) for name, times in seconds.items()}
    for name, time_ in table.items():
        rows = _most(name, given.rows)
        scaled = time_ * given.rows / rows
        versus = scaled / (table["tagger"]) if "tagger" in table else float("nan")
        print(f"{name:<20} {rows:>9,} rows {time_:8.1f} s {rows / time_:>10,.0f} rows/s   {versus:6.2f} x the time of tagger")
    print(f"peak memory of a process: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _most(name: str, rows: int) -> int:
    return max(1, int(rows * ENGINES[name][2]))


def _timed(name: str, corpus: Path, target: Path, rows: int) -> float:
    begin = time.perf_counter()
    function, _, _ = ENGINES[name]
    command = [sys.executable, __file__, "--engine", function, str(corpus), str(target), str(_most(name, rows))]
    subprocess.run(command, check=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    if sys.argv[1:2] == ["--engine"]:
        run_engine(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
