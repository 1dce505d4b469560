"""Every command of the README runs, its shown output is the real one, and its figures are those of the model."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
FINGERPRINT = re.compile(r"\b(model|rules)-[0-9a-f]{12}\b")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "160", "PYTHONIOENCODING": "utf-8"}
    options = {"cwd": folder, "env": environment, "encoding": "utf-8"}
    return subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the README's commands read; of the rows to train on every sixth, which takes one minute instead of six."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "tests").mkdir()
    shutil.copytree(README.parent / "tests" / "data", folder / "tests" / "data")
    shutil.copytree(README.parent / "training_data", folder / "training_data")
    for path in (folder / "training_data").glob("*.jsonl"):
        path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[::6]), encoding="utf-8")
    return folder


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("tagger ")]


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 7
    assert len(blocks("console")) == 1


@pytest.mark.parametrize("command", [pytest.param(c, marks=pytest.mark.slow if "train" in c else ()) for c in COMMANDS])
def test_commands_run(command: str, clone: Path) -> None:
    done = shell(command, clone)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_first_command_tags_the_sample(clone: Path) -> None:
    install, tag = blocks("sh")[0].strip().split(" && ")
    assert install == "pip install ."
    assert shell(tag, clone).returncode == 0
    assert (clone / "tagged.csv").exists()


def test_shown_output_is_the_real_output(clone: Path) -> None:
    parts = re.split(r"^\$ (.*)\n", blocks("console")[0], flags=re.MULTILINE)[1:]
    for command, shown in zip(parts[::2], parts[1::2], strict=True):
        done = shell(command, clone)
        assert FINGERPRINT.sub("ID", done.stdout) == FINGERPRINT.sub("ID", shown), command


def test_python_example(clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(clone)
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102  the README's own example
    printed = capsys.readouterr().out.splitlines()
    expected = re.findall(r"print\(.*\)\s+# (.*)", code)
    assert [line for line in printed if line in expected] == expected


def test_figures_are_those_of_the_model() -> None:
    from tagger.scores.bundle import default_model, read_manifest

    figures = read_manifest(default_model())["figures"]
    decisions = figures["decisions"]
    for value in (
        f"{figures['rows']:,} rows",
        f"accuracy {figures['accuracy']:.3f}",
        f"macro-F1 {figures['macro_f1']:.3f}",
        f"calibration error {figures['ece']:.3f}",
        f"{decisions['false_clear_rate']:.2%} of the controlled rows",
        f"{decisions['false_alarm_rate']:.2%} of the harmless rows",
    ):
        assert value in TEXT, value
