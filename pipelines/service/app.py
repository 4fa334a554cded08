"""The service: POST /predict, GET /model, GET /health, and the page for one patient at /."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from features.errors import InputError, Problem
from models.artifact import StoredModel, ask
from models.individual import Answer, Question
from models.patients import Patients
from pipelines.output.audit import Audit, canonical
from pipelines.service.about import Served
from pipelines.service.body import patients_of, read_json
from pipelines.service.options import read_options
from pipelines.service.page import Page
from pipelines.service.schema import openapi
from pipelines.service.security import FAULT, Guarded, Limits, as_json

WEB = Path(__file__).with_name("web")
FILES = {
    "/style.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
# Names in a query, and in a form.
MOST_OPTIONS, MOST_FIELDS = 50, 500


class AuditError(RuntimeError):
    """A prediction was not told, because its line could not be written."""


@dataclass(frozen=True)
class Service:
    """A model and where its predictions are noted."""

    served: Served
    audit: Audit | None = None

    def answers(self, patients: Patients, question: Question) -> tuple[Answer, ...]:
        """Answer, and note each prediction before it is told.

        Raises
        ------
        InputError
            When the model cannot be asked that.
        AuditError
        """
        found = ask(self.served.engine, patients, question)
        if self.audit is not None:
            stored = self.served.stored
            inputs = canonical(patients, stored.card)
            try:
                self.audit.write(inputs, question.horizons, stored.uri, stored.digest)
            except OSError as error:
                raise AuditError from error
        return found


def make_app(
    stored: StoredModel,
    limits: Limits | None = None,
    audit: Audit | None = None,
    log: Callable[[str], None] | None = None,
) -> Guarded:
    """The whole service of one model, an ASGI application.

    Parameters
    ----------
    stored : StoredModel
        Loaded with its refits, which the limits of a probability are made of.
    limits : Limits, optional
        Who may ask, and how much; this machine without a token if left out.
    audit : Audit, optional
    log : callable, optional
        What is told of each request: method, path, status, time. Standard error if left out.
    """
    limits = limits or Limits()
    service = Service(Served(stored), audit)
    # The documentation pages of FastAPI would load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    document = openapi(service.served, version("vensurv"), needs_token=bool(limits.token))
    app.openapi = lambda: document  # type: ignore[method-assign]
    _programs(app, service)
    _pages(app, service, Page(service.served, audit is not None))
    _refusals(app)
    return Guarded(app, limits, log)


def _programs(app: FastAPI, service: Service) -> None:
    served = service.served

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        if _media_type(request) != "application/json":
            return _refused(
                415,
                Problem(
                    what="The body is not declared as JSON",
                    where="header Content-Type",
                    allowed="application/json",
                ),
            )
        query, content = request.url.query, await request.body()
        return await run_in_threadpool(_predicted, service, query, content)

    @app.get("/model")
    async def model() -> Response:
        return _as_json(served.described())

    @app.get("/health")
    async def health() -> Response:
        return _as_json({"status": "ok", "model_digest": served.stored.digest})


def _predicted(service: Service, query: str, content: bytes) -> Response:
    card = service.served.stored.card
    question = read_options(_pairs(query, MOST_OPTIONS, "query"), card)
    answers = service.answers(patients_of(read_json(content), card), question)
    return _as_json(
        {
            "model": service.served.identity,
            "cautions": service.served.cautions,
            "patients": [answer.to_dict() for answer in answers],
        }
    )


def _pages(app: FastAPI, service: Service, page: Page) -> None:
    @app.get("/")
    async def empty() -> Response:
        return _html(page.empty())

    @app.post("/")
    async def asked(request: Request) -> Response:
        if _media_type(request) != "application/x-www-form-urlencoded":
            return _refused(415, Problem("The form is not one of this page", where="body"))
        text = (await request.body()).decode("utf-8", errors="replace")
        return await run_in_threadpool(_answered, service, page, text)

    for path, kind in FILES.items():
        content = (WEB / path.removeprefix("/")).read_bytes()
        _file(app, path, Response(content, media_type=kind))


def _answered(service: Service, page: Page, text: str) -> Response:
    form = page.read(_pairs(text, MOST_FIELDS, "form"))
    if not form.problems:
        try:
            (answer,) = service.answers(form.patients, form.question)
        except InputError as error:
            form = form.refused(error.problems)
        else:
            return _html(page.answered(form, answer))
    return _html(page.refused(form), 422)


def _pairs(text: str, most: int, where: str) -> list[tuple[str, str]]:
    if text.count("&") >= most:
        raise InputError(Problem("Too many names", where=where, allowed=f"up to {most}"))
    return parse_qsl(text, keep_blank_values=True)


def _file(app: FastAPI, path: str, response: Response) -> None:
    @app.get(path, name=path)
    async def file() -> Response:
        return response


def _refusals(app: FastAPI) -> None:
    @app.exception_handler(InputError)
    async def wrong(request: Request, error: InputError) -> Response:
        return _refused(422, *error.problems)

    @app.exception_handler(AuditError)
    async def unnoted(request: Request, error: AuditError) -> Response:
        return _refused(
            503,
            Problem(
                what="The prediction could not be noted, and is not told",
                remedy="tell whoever runs the service: its audit file cannot be written",
            ),
        )

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        return _refused(500, FAULT.problem)

    @app.exception_handler(HTTPException)
    async def nothing_there(request: Request, error: HTTPException) -> Response:
        allowed = ", ".join(f"{' or '.join(methods)} {path}" for path, methods in KNOWN)
        what = "There is no such method here" if error.status_code == 405 else "Nothing is here"
        refused = _refused(error.status_code, Problem(what, where="address", allowed=allowed))
        refused.headers.update(error.headers or {})
        return refused


KNOWN: Sequence[tuple[str, tuple[str, ...]]] = (
    ("/", ("GET", "POST")),
    ("/predict", ("POST",)),
    ("/model", ("GET",)),
    ("/health", ("GET",)),
    ("/openapi.json", ("GET",)),
)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _as_json(content: Any, status: int = 200) -> Response:
    text = json.dumps(content, allow_nan=False)
    return Response(text, status, media_type="application/json")


def _refused(status: int, *problems: Problem) -> Response:
    return Response(as_json(problems), status, media_type="application/json")


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/html; charset=utf-8")
