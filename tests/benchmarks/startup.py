"""Start and single answers: python tests/benchmarks/startup.py [ROUNDS]

Prints the median time of `import tagger`, of `tagger tag` as a process for an everyday text and for one that takes the full
road, of one warm answer through the Python API, and which heavy packages tagging imports.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

EVERYDAY = "Ladies leather wallet with coin pocket, brown"
FULL_ROAD = (
    "6 m3 vertical granulation kettle for graphite anode material",
    "21700 cell 3.6V 5.0Ah 68g, energy density 265 Wh/kg",
    "N52 sintered NdFeB magnet with 1.2% dysprosium, 10x10x5 mm",
    "氧化镓粉 99.999% 5N",
    "Isostatic graphite block 300x300x600 mm, density 1.85 g/cm3, grain 10 um",
    "USB-C charging cable 2 m, 60 W, braided, black",
)
HEAVY = "sklearn pandas scipy spacy pydantic"


def as_installed() -> dict[str, str]:
    """The environment, with compiled modules kept, as they are wherever tagger is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def process_time(command: list[str], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=as_installed())
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])  # the first fills the cache


def warm_times(rounds: int) -> list[float]:
    from tagger import Tagger

    tagger = Tagger.load(gate=False)
    medians = []
    for text in FULL_ROAD:
        times = []
        for _ in range(rounds * 20):
            begin = time.perf_counter()
            tagger.tag(text)
            times.append(time.perf_counter() - begin)
        medians.append(statistics.median(times))
    return medians


def main(rounds: int) -> None:
    """Measure and print."""
    tagger = shutil.which("tagger", path=str(Path(sys.executable).parent)) or "tagger"
    inside = "import time; b = time.perf_counter(); import tagger; print(time.perf_counter() - b)"
    command = [sys.executable, "-c", inside]
    done = [subprocess.run(command, capture_output=True, check=True, env=as_installed()) for _ in range(rounds + 1)]
    imports = [float(run.stdout) for run in done[1:]]
    print(f"import tagger               {1000 * statistics.median(imports):7.0f} ms")
    print(f"python alone                {1000 * process_time([sys.executable, '-c', ''], rounds):7.0f} ms")
    print(f"tagger tag, everyday text   {1000 * process_time([tagger, 'tag', EVERYDAY], rounds):7.0f} ms")
    print(f"tagger tag, full road       {1000 * process_time([tagger, 'tag', FULL_ROAD[0]], rounds):7.0f} ms")
    warm = warm_times(rounds)
    print(f"one warm answer, full road  {1000 * statistics.median(warm):7.2f} ms (slowest text {1000 * max(warm):.2f} ms)")
    shown = f"print(*(m for m in {HEAVY!r}.split() if m in sys.modules))"
    code = f"import sys, tagger; tagger.Tagger.load().tag({FULL_ROAD[1]!r}); {shown}"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip()
    print(f"of {HEAVY}, one answer imports: {loaded or 'none'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
