"""Pieces of the HTML pages that reports are written as; nothing on them is loaded from elsewhere, and all text is escaped."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tagger.errors import UsageError
from tagger.files import write_text

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2530; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; margin: .6rem 0 }
td, th { padding: .25rem .7rem; border-bottom: 1px solid #dde3ea; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.note { color: #5a6676 } figure { margin: 1rem 0 } svg { max-width: 100%; height: auto }
td.text { max-width: 34rem; overflow-wrap: anywhere }
"""
_SIZE = (6.4, 4.0)  # inches
_PICTURE: dict[Any, Any] = {"font.size": 10, "axes.grid": True, "grid.color": "#e3e8ee", "svg.fonttype": "none"}


def check_pictures() -> None:
    """Refuse a report before any work is done where its pictures cannot be drawn.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UsageError("the report's pictures need matplotlib: pip install 'tagger[report]'")


def write_page(path: Path, title: str, parts: Iterable[str]) -> None:
    """Write a page of parts that are HTML already.

    Raises
    ------
    UsageError
        Where the file cannot be written.
    """
    head = [
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>tagger: {text(title)}</title>",
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<style>{_STYLE}</style></head><body>",
    ]
    page = "\n".join([*head, *parts, "</body></html>"])
    try:
        write_text(path, page)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error})") from None


def table(head: Sequence[str], rows: Iterable[Sequence[str]], wide: int = -1) -> str:
    """A table; all columns but the first are figures, or one is wide text.

    Examples
    --------
    >>> table(("a", "b"), [("<b>", "1")])
    "<table><tr><th>a</th><th class='n'>b</th></tr><tr><td>&lt;b&gt;</td><td class='n'>1</td></tr></table>"
    """

    def cell(tag: str, i: int, value: str) -> str:
        kind = " class='text'" if i == wide else " class='n'" if i and wide < 0 else ""
        return f"<{tag}{kind}>{text(value)}</{tag}>"

    lines = ["<tr>" + "".join(cell("th", i, h) for i, h in enumerate(head)) + "</tr>"]
    lines += ["<tr>" + "".join(cell("td", i, v) for i, v in enumerate(row)) + "</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def text(value: str) -> str:
    """Text for a page."""
    return html.escape("".join(c if c.isprintable() else " " for c in value))


def picture(size: tuple[float, float] | None = None) -> tuple[Any, Any]:
    """A figure with axes, for a picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_PICTURE):
        figure = Figure(figsize=size or _SIZE, layout="constrained")
        return figure, figure.subplots()


def svg(figure: Any) -> str:
    """A picture as part of a page."""
    from matplotlib import rc_context

    target = io.StringIO()
    with rc_context({**_PICTURE, "svg.hashsalt": "tagger"}):
        figure.savefig(target, format="svg", metadata={"Date": None})
    drawn = target.getvalue()
    return drawn[drawn.index("<svg") :]
