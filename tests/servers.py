"""A real PostgreSQL server for the tests: made in a folder of its own, reached by a socket, gone at the end."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PLACES = "usr/lib/postgresql/*/bin/initdb", "usr/pgsql-*/bin/initdb", "opt/homebrew/opt/postgresql*/bin/initdb"


def postgres_bin() -> Path | None:
    """Folder of the server's programs; None where it is not installed."""
    found = [Path(p) for p in [shutil.which("initdb")] if p] + [p for place in _PLACES for p in sorted(Path("/").glob(place))]
    return found[-1].parent if found else None


@contextlib.contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """Start a server; gives the URL of its socket, to which ``/database`` has to be added by :func:`database`."""
    home = Path(tempfile.mkdtemp(prefix="pg"))
    user: dict[str, Any] = {"cwd": home}
    if os.geteuid() == 0:  # the server refuses to run as root
        name = next(u for u in ("postgres", "nobody") if _exists(u))
        os.chown(home, pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid)
        user |= {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
    data = home / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, **user}
    try:
        made = [programs / "initdb", "-D", data, "-U", "tagger", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(made, check=True, **quiet)
        options = f"-c listen_addresses='' -c unix_socket_directories='{home}'"
        control = [programs / "pg_ctl", "-D", data, "-w"]
        subprocess.run([*control, "-l", home / "log", "-o", options, "start"], check=True, **quiet)
        try:
            yield str(home)
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def database(socket: str, name: str) -> str:
    """Make an empty database; its URL."""
    import psycopg

    with psycopg.connect(host=socket, user="tagger", dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql+psycopg://tagger@/{name}?host={socket}"


def _exists(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False
