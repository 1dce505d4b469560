"""What every answer and every request passes: headers that let the page load only itself, a limit to what is read, one origin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LONGEST_BODY = 1 << 20  # bytes; the largest honest form is a bulk decision
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with none at all, browsers send forms with the origin "null"
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE_METHODS = ("GET", "HEAD")


class Guard:
    """Put the headers on every answer; refuse other host names, bodies that are too long, and forms sent from another site.

    Forms carry the secret of their session as well; the origin is checked before anything is read. The host name is checked
    because a foreign page could otherwise give its own name this machine's address.
    """

    def __init__(self, app: App, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        cached = scope["path"].startswith("/static/")

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {**HEADERS, "cache-control": "public, max-age=3600" if cached else "no-store"}
                own = [(k, v) for k, v in message.get("headers", ()) if k.decode("latin-1").lower() not in named]
                message = {**message, "headers": own + [(k.encode(), v.encode()) for k, v in named.items()]}
            await send(message)

        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        fault = _fault(headers, self.hosts, safe=scope["method"] in _SAFE_METHODS)
        if fault:
            await _refuse(with_headers, *fault.split(" ", 1))
            return
        await self.app(scope, _limited(receive), with_headers)


def _fault(headers: dict[str, str], hosts: frozenset[str], *, safe: bool) -> str:
    """Status and reason why a request is refused unread; empty where it is not."""
    if (urlsplit(f"//{headers.get('host', '')}").hostname or "") not in hosts:
        return "421 the page is not reached by this name; see --name of tagger review serve"
    if safe:
        return ""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "403 the form was sent from another site"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("host"):
        return "403 the form was sent from another site"
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LONGEST_BODY:
        return "413 the form is too long"
    return ""


def _limited(receive: Receive) -> Receive:
    """Stop reading a body that is longer than it said."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        return {"type": "http.disconnect"} if read > LONGEST_BODY else message

    return limited


async def _refuse(send: Send, status: str, reason: str) -> None:
    head = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": int(status), "headers": head})
    await send({"type": "http.response.body", "body": reason.encode() + b"\n"})
