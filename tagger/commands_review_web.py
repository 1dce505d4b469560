"""The commands ``tagger review serve`` and ``tagger review user ...``: parse, call the function of the same name, print."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tagger.commands_review import RulesOption, StoreOption, review_app
from tagger.errors import UsageError

if TYPE_CHECKING:
    from tagger.review.items import Role

__all__ = ["review_app"]

user_app = typer.Typer(help="Accounts of the review page.", no_args_is_help=True, rich_markup_mode=None)
review_app.add_typer(user_app, name="user")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="User name.")]
RoleOption = Annotated[str, typer.Option("--role", help="reviewer, adjudicator or auditor.")]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts; it is asked for by default.")
]
_NEEDED = ("fastapi", "uvicorn", "jinja2", "python_multipart", "argon2")


def _check_installed() -> None:
    if any(find_spec(name) is None for name in _NEEDED):
        raise UsageError("the review page needs more packages: pip install 'tagger[review]'")


@review_app.command("serve")
def review_serve(
    review: StoreOption,
    host: Annotated[str, typer.Option("--host", help="Interface; beyond this machine only with https.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port.")] = 8321,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="Certificate for https (PEM).")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Key of the certificate, where it is not in the same file.")] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="Host name by which browsers reach the page; repeatable.")
    ] = None,
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="A proxy speaks https for the page.")] = False,
    rules: RulesOption = None,
) -> None:
    """Serve the review page: queue, items, progress and audit, for people with an account."""
    _check_installed()
    from tagger.review.store import ReviewStore
    from tagger.review.users import Users
    from tagger.review.web.app import Address, check_address, serve
    from tagger.review.web.visit import Room
    from tagger.rulebook import load_rulebook

    address = Address(host, port, certificate, key, tuple(name or ()), behind_proxy)
    check_address(address)
    book = load_rulebook(rules)
    with ReviewStore.open(review, book, create=False) as store:
        users = Users(store.engine)
        if not users.list():
            typer.echo("nobody has an account yet: tagger review user add NAME --role reviewer", err=True)
        scheme = "https" if certificate else "http"
        typer.echo(f"{store} on {scheme}://{host}:{port} (ctrl-c ends)", err=True)
        serve(Room(store, users, book, secure=address.secure), address)


@user_app.command("add")
def user_add(
    name: NameArgument, review: StoreOption, role: RoleOption = "reviewer", password_stdin: PasswordOption = False
) -> None:
    """Make an account; the store is made too where there is none."""
    _check_installed()
    from tagger.review.store import ReviewStore
    from tagger.review.users import Users

    with ReviewStore.open(review) as store:
        user = Users(store.engine).add(name, _role(role), _password(name, password_stdin))
    typer.echo(f"{user.name}: {user.role}")


@user_app.command("passwd")
def user_passwd(name: NameArgument, review: StoreOption, password_stdin: PasswordOption = False) -> None:
    """Change a password; the user's sessions end."""
    _check_installed()
    from tagger.review.store import ReviewStore
    from tagger.review.users import Users

    with ReviewStore.open(review, create=False) as store:
        users = Users(store.engine)
        users.get(name)
        users.set_password(name, _password(name, password_stdin))
    typer.echo(f"{name}: password changed")


@user_app.command("list")
def user_list(review: StoreOption) -> None:
    """List the accounts: name, role, day, and whether it is disabled."""
    from tagger.review.store import ReviewStore
    from tagger.review.users import Users

    with ReviewStore.open(review, create=False) as store:
        for user in Users(store.engine).list():
            since = datetime.fromtimestamp(user.created, UTC).date()
            typer.echo(f"{user.name:<24} {user.role:<12} since {since}{'  disabled' if user.disabled else ''}")


@user_app.command("disable")
def user_disable(name: NameArgument, review: StoreOption) -> None:
    """Close an account; its sessions end, what it decided stays."""
    _set_disabled(name, review, disabled=True)


@user_app.command("enable")
def user_enable(name: NameArgument, review: StoreOption) -> None:
    """Open a closed account again."""
    _set_disabled(name, review, disabled=False)


@user_app.command("role")
def user_role(name: NameArgument, review: StoreOption, role: RoleOption) -> None:
    """Give an account another role; its sessions end."""
    from tagger.review.store import ReviewStore
    from tagger.review.users import Users

    with ReviewStore.open(review, create=False) as store:
        Users(store.engine).set_role(name, _role(role))
    typer.echo(f"{name}: {role}")


def _set_disabled(name: str, review: str, *, disabled: bool) -> None:
    from tagger.review.store import ReviewStore
    from tagger.review.users import Users

    with ReviewStore.open(review, create=False) as store:
        Users(store.engine).set_disabled(name, disabled)
    typer.echo(f"{name}: {'disabled' if disabled else 'enabled'}")


def _role(name: str) -> Role:
    from tagger.review.items import Role

    if name not in [str(role) for role in Role]:
        raise UsageError(f"no role {name!r}; the roles are: {', '.join(Role)}")
    return Role(name)


def _password(name: str, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
    return asked
