"""Which format a name stands for: its suffix, and the packing behind it."""

from __future__ import annotations

from pathlib import Path

DELIMITED = (".csv", ".tsv", ".txt")
JSON_LINES = (".jsonl", ".ndjson")
ARROW = (".arrow", ".feather", ".ipc")
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
PACKED = (".gz", ".zst")
READ = (*DELIMITED, *JSON_LINES, *WORKBOOKS, ".parquet", *ARROW)
WRITTEN = (*DELIMITED, *JSON_LINES, ".xlsx", ".parquet", *ARROW)


def format_of(path: Path) -> tuple[str, str]:
    """Suffix of the format, and of the packing or nothing.

    Examples
    --------
    >>> format_of(Path("export.CSV.gz")), format_of(Path("book.xlsx"))
    (('.csv', '.gz'), ('.xlsx', ''))
    """
    suffix = path.suffix.lower()
    if suffix in PACKED:
        return Path(path.stem).suffix.lower(), suffix
    return suffix, ""


def stem_of(path: Path) -> str:
    """Name without suffix and packing.

    Examples
    --------
    >>> stem_of(Path("out/tagged.v2.csv.gz"))
    'tagged.v2'
    """
    return Path(path.stem).stem if format_of(path)[1] else path.stem


def packs(suffix: str) -> bool:
    """Whether a format may be packed."""
    return suffix in (*DELIMITED, *JSON_LINES)
