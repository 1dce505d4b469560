"""The command line: readable answers, JSON lines, standard input, help and errors."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable

import pytest

from .conftest import Result


def test_a_readable_answer(run: Callable[..., Result]) -> None:
    done = run("tag", "Li-ion cell 21700, 3.6 V, 5.0 Ah, 68 g", "--as-of", "2026-11-21")
    assert done.status == 0
    for part in (
        "not_controlled",
        "«",
        "3A001",
        "264.706 Wh/kg",
        "3.6 V x 5 Ah / 0.068 kg",
        "uncertain on 2026-11-21",
        "model-",
        "rules-",
    ):
        assert part in done.out


def test_one_json_object_a_line(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "plastics granulator\n\n6 m3 vertical granulation kettle for anode material\n钕铁硼 N35\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode() + b"\xff\xfe\xff broken\n")))
    done = run("tag", "-", "--json")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert [a["outcome"] for a in answers[:4]] == ["unrelated", "review", "controlled", "review"]
    assert answers[1]["reasons"] == ["UNREADABLE"]
    assert len(answers) == 5
    keys = {
        "outcome",
        "category",
        "codes",
        "confidence",
        "reasons",
        "questions",
        "evidence",
        "quantities",
        "legal_status",
        "remark_zh",
    }
    assert keys <= set(answers[0])
    assert [a["row_id"] for a in answers] == ["0", "1", "2", "3", "4"]


def test_control_characters_do_not_reach_the_terminal(run: Callable[..., Result]) -> None:
    done = run("tag", "pen \x1b[31mred\x1b[0m \x07 [bold]not markup[/bold]")
    assert "\x1b" not in done.out
    assert "\x07" not in done.out
    assert "[bold]not markup[/bold]" in done.out


def test_evidence_is_bold_where_there_is_colour_and_marked_where_there_is_none(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "N52 sintered NdFeB magnet"
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = run("tag", text).out
    assert "N52 sintered \x1b[1m\x1b[4mNdFeB\x1b[0m magnet" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    plain = run("tag", text).out
    assert "N52 sintered «NdFeB» magnet" in plain
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == re.sub("[«»]", "", plain)


def test_help_and_version(run: Callable[..., Result]) -> None:
    assert "batch" in run("--help").out
    assert run("--version").out.startswith("tagger ")
    for command in ("tag", "batch", "train"):
        assert run(command, "--help").status == 0
    assert run("nonsense").status == 2
    assert run("tag").status == 2
    assert run("tag", "pen", "--as-of", "21.11.2026").status == 2


def test_unknown_model_is_one_line(run: Callable[..., Result]) -> None:
    done = run("tag", "pen", "--model", "no/such/folder")
    assert (done.status, done.out) == (1, "")
    assert done.err == "error: no model folder no/such/folder: give a folder written by `tagger train`, or leave --model out\n"


def test_the_day_changes_the_status_and_not_the_outcome(run: Callable[..., Result]) -> None:
    answers = [
        json.loads(run("tag", "Li-ion pouch cell 330 Wh/kg", "--json", "--as-of", day).out)
        for day in ("2025-10-10", "2026-01-01", "2026-11-21")
    ]
    assert [a["legal_status"] for a in answers] == ["not_yet_in_force", "suspended", "uncertain"]
    assert {a["outcome"] for a in answers} == {"controlled"}
