"""The wheel: with model and data inside, installed into an empty environment, used from another folder."""

from __future__ import annotations

import csv
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.mark.slow
def test_wheel_works_in_an_empty_environment(root: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, root], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"tagger/models/default/manifest.json", "tagger/models/default/weights.npy", "tagger/data/seal.json"} <= names
    assert "tagger/data/controls/announcements.toml" in names
    assert not any(name.startswith(("tests/", "training_data/")) for name in names)
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "in.csv").write_text("sku,name\n00123,6 m3 vertical granulation kettle for anode material\n", encoding="utf-8")
    command = [python.parent / "tagger", "batch", "in.csv", "out.csv", "--text", "name", "--id", "sku"]
    done = subprocess.run(command, check=False, cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with (elsewhere / "out.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["sku"], row["tag_outcome"], row["tag_codes"]) == ("00123", "controlled", "3B901.c.1.a")
