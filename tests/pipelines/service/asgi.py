"""Requests to an ASGI application without any server."""

import asyncio
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self):
        return json.loads(self.content)

    @property
    def text(self):
        return self.content.decode()

    @property
    def problems(self):
        return self.json["problems"]


def ask(app, method, target, body=b"", chunks=None, **headers):
    """One request; header names with _ for -, `host` 127.0.0.1 unless given."""
    path, _, query = target.partition("?")
    sent = {"host": "127.0.0.1:8000", **{k.replace("_", "-"): v for k, v in headers.items()}}
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "scheme": "http", "http_version": "1.1", "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in sent.items() if v is not None],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    parts = [body] if chunks is None else list(chunks)
    waiting = [
        {"type": "http.request", "body": part, "more_body": place + 1 < len(parts)}
        for place, part in enumerate(parts)
    ]
    told = []

    async def receive():
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message):
        told.append(message)

    asyncio.run(app(scope, receive, send))
    found = {k.decode(): v.decode() for k, v in told[0]["headers"]}
    return Answered(told[0]["status"], found, b"".join(m.get("body", b"") for m in told[1:]))


def post(app, document, query="", **headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"content_type": "application/json", **headers}
    return ask(app, "POST", "/predict" + query, body, **headers)


def send_form(app, **fields):
    from urllib.parse import urlencode

    kind = "application/x-www-form-urlencoded"
    return ask(app, "POST", "/", urlencode(fields).encode(), content_type=kind)
