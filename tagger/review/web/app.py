"""The web page as an ASGI application, and the server that runs it."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from tagger.errors import ReviewConflictError, ReviewError, ReviewRightError, UsageError
from tagger.review.web import deeds, pages
from tagger.review.web.security import Guard
from tagger.review.web.visit import NotSignedIn, Refused, Room, visit

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where the page is served.

    Attributes
    ----------
    host, port
        Interface and port; this machine only by default.
    certificate, key : Path, optional
        Files for https.
    names : tuple of str
        Further host names by which browsers reach the page.
    behind_proxy : bool
        A proxy on this machine or network speaks https for the page.
    """

    host: str = "127.0.0.1"
    port: int = 8321
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()
    behind_proxy: bool = False

    @property
    def secure(self) -> bool:
        """Whether browsers reach the page by https."""
        return self.certificate is not None or self.behind_proxy

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the page."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def create_app(room: Room, names: Iterable[str] = ()) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    room : Room
        Store, accounts and law.
    names : iterable of str
        Host names by which the page is reached, beside those of this machine.

    Examples
    --------
    >>> import tempfile
    >>> from tagger.review.store import ReviewStore
    >>> from tagger.review.users import Users
    >>> from tagger.rulebook import load_rulebook
    >>> with tempfile.TemporaryDirectory() as folder, ReviewStore.open(f"{folder}/q.sqlite") as store:
    ...     create_app(Room(store, Users(store.engine), load_rulebook())).url_path_for("item", id=7)
    '/items/7'
    """
    app = FastAPI(title="Tagger review", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.room = room
    app.include_router(pages.router)
    app.include_router(deeds.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_exception_handler(NotSignedIn, _to_login)
    for kind in (Refused, ReviewError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _told)
    app.add_middleware(Guard, hosts=LOCAL_NAMES | {name.lower() for name in names})
    return app


async def _to_login(request: Request, error: Exception) -> Response:
    return RedirectResponse("/login", 303)


def _told(request: Request, error: Exception) -> Response:
    """An error as a page: what happened, and the way back."""
    here = visit(request)
    status, message = 400, str(error)
    if isinstance(error, Refused):
        status, message = error.status, here.t(f"error.{error.key}")
    elif isinstance(error, ReviewRightError):
        status = 403
    elif isinstance(error, ReviewConflictError):
        status = 409
    elif isinstance(error, RequestValidationError):
        status, message = 404, here.t("error.not_found")
    elif isinstance(error, HTTPException):
        status, message = error.status_code, here.t("error.not_found" if error.status_code == 404 else "error.input")
    return here.page("error.html", status, message=message)


def serve(room: Room, address: Address) -> None:
    """Serve the page until it is stopped.

    Raises
    ------
    UsageError
        Where passwords would cross a network in the clear, or the files for https cannot be used.
    """
    import uvicorn

    check_address(address)
    names = {*address.names, *(() if address.host in ("0.0.0.0", "::") else (address.host,))}  # noqa: S104
    uvicorn.run(
        create_app(room, names),
        host=address.host,
        port=address.port,
        ssl_certfile=address.certificate,
        ssl_keyfile=address.key,
        proxy_headers=address.behind_proxy,
        server_header=False,
        log_level="warning",
    )


def check_address(address: Address) -> None:
    """Refuse an address that is not safe to serve.

    Raises
    ------
    UsageError
        Saying what to do.

    Examples
    --------
    >>> check_address(Address(host="0.0.0.0"))
    Traceback (most recent call last):
    ...
    tagger.errors.UsageError: beyond this machine passwords need https: give --certificate and --key, or --behind-proxy
    """
    if not address.is_local and not address.secure:
        raise UsageError("beyond this machine passwords need https: give --certificate and --key, or --behind-proxy")
    if address.key is not None and address.certificate is None:
        raise UsageError("--key needs --certificate")
    if address.certificate is not None:
        try:
            ssl.create_default_context().load_cert_chain(address.certificate, address.key)
        except OSError as error:
            raise UsageError(f"the certificate {address.certificate} or its key cannot be used: {error}") from None
