"""What stands between the network and the service: who asks, how much is sent, what is told.

Plain ASGI, so that a body is counted while it is read and nothing is kept of it in a log.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

from features.errors import InputError, Problem, one_line

MOST_BYTES = 1 << 20
# Seconds for a whole body.
BODY_SECONDS = 10.0
SHORTEST_TOKEN = 16
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
PATHS = ("/", "/predict", "/model", "/health", "/openapi.json")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Limits:
    """Who may ask, and how much.

    Attributes
    ----------
    hosts : tuple of str
        Names under which the service is asked; any where empty. A page of another origin that made
        its name point here is turned away by this.
    token : str
        Asked of everybody, /health aside; empty for none.
    most_bytes : int
    """

    hosts: tuple[str, ...] = LOOPBACK
    token: str = ""
    most_bytes: int = MOST_BYTES


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a service on that address."""
    return host in LOOPBACK


def read_token(file: Path | None, variable: str | None) -> str:
    """The token, of the file where one is named, else of the environment; empty without either.

    Raises
    ------
    InputError
        When the file cannot be read, or the token is short or no plain text.
    """
    where = "VENSURV_TOKEN" if file is None else f"--token-file {file}"
    text = variable or ""
    if file is not None:
        try:
            text = file.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise InputError(
                Problem(
                    what="The token cannot be read",
                    where=where,
                    got=type(error).__name__,
                    remedy="name a text file that holds the token alone",
                )
            ) from error
    elif not text:
        return ""
    token = text.strip()
    plain = token.isascii() and token.isprintable() and " " not in token
    if len(token) >= SHORTEST_TOKEN and plain:
        return token
    raise InputError(
        Problem(
            what="The token cannot be used",
            where=where,
            got=f"{len(token)} letters",
            allowed=f"{SHORTEST_TOKEN} or more letters of ASCII without blanks",
            remedy="make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    )


def as_json(problems: Iterable[Problem]) -> bytes:
    """Problems as every refusal tells them."""
    told = [
        {name: one_line(getattr(one, name), 2_000)
         for name in ("what", "where", "got", "allowed", "remedy")}
        for one in problems
    ]  # fmt: skip
    return json.dumps({"problems": told}).encode()


class Guarded:
    """A service behind its checks; every answer has the same headers, every refusal one form."""

    def __init__(self, app: App, limits: Limits, log: Callable[[str], None] | None = None) -> None:
        self._app, self._limits, self._log = app, limits, log or _to_standard_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        started, status = time.perf_counter(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        try:
            refusal = self._refusal(scope)
            body = b"" if refusal else await self._body(scope, receive)
            if isinstance(body, Refusal):
                refusal = body
            if refusal is not None:
                await refusal.send(told, head=scope["method"] == "HEAD")
                return
            await self._app(scope, _once(body, receive), told)  # type: ignore[arg-type]
        except Exception as error:
            # Not raised again: the server would print what it says, and a value with it.
            self._log(f"fault {_place(error)}")
            if not status:
                await FAULT.send(told)
        finally:
            milliseconds = 1000 * (time.perf_counter() - started)
            path = scope["path"] if scope["path"] in PATHS else "(another path)"
            method = scope["method"] if scope["method"].isalpha() else "?"
            self._log(f"{method[:10]} {path} {status or 'closed'} {milliseconds:.0f} ms")

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        if self._limits.hosts and not (
            len(hosts) == 1 and _without_port(hosts[0]) in self._limits.hosts
        ):
            return Refusal(
                400,
                Problem(
                    what="The service is not asked under its own name",
                    where="header Host",
                    allowed=", ".join(self._limits.hosts),
                    remedy="use one of these names, or start it with --allow-host NAME",
                ),
            )
        if self._limits.token and scope["path"] != "/health" and not self._may(headers):
            return _no_token()
        crossed = [value for name, value in headers if name == b"sec-fetch-site"]
        if scope["method"] == "POST" and b"cross-site" in crossed:
            return Refusal(
                403,
                Problem("A page of another origin sent this", remedy="open the service's own page"),
            )
        return None

    def _may(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        expected = self._limits.token.encode()
        given = [value for name, value in headers if name == b"authorization"]
        if len(given) != 1:
            return False
        kind, _, rest = given[0].partition(b" ")
        token = rest.strip()
        if kind.lower() == b"basic":
            # What a browser asks for: any user, the token as the password.
            token = b""
            with suppress(ValueError):
                token = base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        elif kind.lower() != b"bearer":
            return False
        return hmac.compare_digest(token, expected)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Refusal:
        most = self._limits.most_bytes
        for name, value in scope["headers"]:
            # h11 has refused what is no number, or stands twice.
            if name == b"content-length" and int(value) > most:
                return _too_large(most)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return Refusal(400, Problem("The body ended early"))
                    size += len(message.get("body", b""))
                    if size > most:
                        return _too_large(most)
                    parts.append(message.get("body", b""))
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            return Refusal(
                408, Problem("The body took too long", allowed=f"{BODY_SECONDS:g} seconds")
            )


@dataclass(frozen=True)
class Refusal:
    """One answer of the checks."""

    status: int
    problem: Problem
    headers: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send, *, head: bool = False) -> None:
        """Answer with it, and close: the rest of a body is not waited for."""
        content = as_json([self.problem])
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head else content})


def _no_token() -> Refusal:
    return Refusal(
        401,
        Problem(
            what="The token is missing or wrong",
            where="header Authorization",
            allowed="Bearer TOKEN, or in a browser any name and the token as the password",
            remedy="ask whoever runs the service",
        ),
        ((b"www-authenticate", b"Bearer"), (b"www-authenticate", b'Basic realm="vensurv"')),
    )


def _too_large(most: int) -> Refusal:
    return Refusal(
        413,
        Problem(
            what="The body is too large",
            where="body",
            allowed=f"up to {most} bytes",
            remedy="send fewer patients at once",
        ),
    )


FAULT = Refusal(
    500,
    Problem(
        what="A fault of the service, not of what was sent",
        remedy="tell whoever runs it; its place stands in the log, without any value",
    ),
)


def _once(body: bytes, receive: Receive) -> Receive:
    """The body, which was read already, then what the connection says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _without_port(host: bytes) -> str:
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _place(error: BaseException) -> str:
    """Kind and place of a fault. What it says may hold a value, so that it is not told."""
    last = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def _to_standard_error(line: str) -> None:
    with suppress(OSError, ValueError):
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S")
        print(f"{stamp} {line}", file=sys.stderr, flush=True)
