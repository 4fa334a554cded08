"""The OpenAPI document of a served model: names, units, limits and codes of its own dictionary."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from features.covariates import Covariate
from models.individual import Answer
from models.patients import PATIENT_ID
from pipelines.service.about import Served
from pipelines.service.body import LARGEST_ID, LONGEST_ID, MOST_PATIENTS, REGIMEN
from pipelines.service.options import MOST_HORIZONS, names_of

Schema = dict[str, Any]
REF = "#/components/schemas/"
REFUSALS = {
    "400": "The host's name, or the body's length, cannot be right",
    "401": "The token is missing or wrong",
    "408": "The body took too long to come",
    "413": "The body is too large",
    "415": "The body is not declared as JSON",
    "422": "A value cannot be used",
    "503": "The line of the audit file could not be written",
}


def openapi(served: Served, version: str, *, needs_token: bool) -> Schema:
    """The whole document."""
    answer = TypeAdapter(Answer).json_schema(mode="serialization", ref_template=REF + "{model}")
    parts = answer.pop("$defs", {})
    components: Schema = {
        "schemas": parts
        | {
            "Patient": patient_schema(served),
            "Answer": answer,
            "Answers": _answers(),
            "Problem": _problem(),
            "Problems": _object({"problems": {"type": "array", "items": _ref("Problem")}}),
            "Model": {"type": "object", "description": "The card of the model."},
        }
    }
    document: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": f"vensurv: {served.event}",
            "version": version,
            "description": " ".join(served.cautions),
        },
        "paths": {
            "/predict": {"post": _predict(served)},
            "/model": {"get": _get("The card of the model", "Model")},
            "/health": {"get": _get("Whether the service runs", None)},
        },
        "components": components,
    }
    if needs_token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        document["paths"]["/health"]["get"]["security"] = []
    return document


def patient_schema(served: Served) -> Schema:
    """One patient, as the body of POST /predict has it."""
    card = served.stored.card
    properties: Schema = {one.name: _field(one) for one in card.inputs}
    required = []
    if card.arms:
        properties[REGIMEN] = {"type": "string", "enum": list(card.arms)}
        required = [REGIMEN]
    properties[PATIENT_ID] = {
        "description": "Given back with the answer, kept nowhere.",
        "anyOf": [
            {"type": "string", "maxLength": LONGEST_ID},
            {"type": "integer", "minimum": -LARGEST_ID, "maximum": LARGEST_ID},
            {"type": "null"},
        ],
    }
    return {
        "type": "object",
        "description": "null, or a name left out, means unknown; at least one value is known.",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field(one: Covariate) -> Schema:
    told = one.label + (f", {one.unit}" if one.unit else "")
    note = f"; {one.structural_missing}" if one.structural_missing else ""
    found: Schema = {"title": one.label, "description": f"{told}: {one.allowed}{note}."}
    if one.unit:
        found["x-unit"] = one.unit
    if one.kind == "flag":
        return found | {"enum": [0, 1, True, False, None]}
    if not one.is_numeric:
        return found | {"enum": [*one.vocabulary, None]}
    found["type"] = ["integer" if one.kind == "integer" else "number", "null"]
    if one.limits is not None:
        found["minimum"], found["maximum"] = one.limits
    return found


def _predict(served: Served) -> Schema:
    body = {
        "oneOf": [
            _ref("Patient"),
            {
                "type": "array",
                "items": _ref("Patient"),
                "minItems": 1,
                "maxItems": MOST_PATIENTS,
            },
        ]
    }
    return {
        "summary": f"Probability of {served.event} for one patient, or for several",
        "operationId": "predict",
        "parameters": [_option(name, served) for name in names_of(served.stored.card)],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": _json("Answers", "An answer a patient, in order")} | _refusals(),
    }


def _option(name: str, served: Served) -> Schema:
    last = served.stored.card.follow_up
    month: Schema = {"type": "number", "minimum": 0.01, "maximum": last}
    earlier = {
        "type": "number",
        "minimum": 0.01,
        "exclusiveMaximum": max(served.stored.card.horizons),
    }
    schemas: dict[str, Schema] = {
        "horizons": {
            "type": "array",
            "items": month,
            "minItems": 1,
            "maxItems": MOST_HORIZONS,
            "uniqueItems": True,
            "default": list(served.stored.card.horizons),
        },
        "alive_at": earlier,
    }
    told = {
        "horizons": "Months, separated by commas",
        "alive_at": "Months: also the probability of those without the event until then; before "
        "the last horizon",
        "both_regimens": "Also under each regimen",
        "explain": "Also what each covariate adds",
        "curve": "Also the whole curve",
    }
    found: Schema = {
        "name": name,
        "in": "query",
        "description": told[name],
        "schema": schemas.get(name, {"type": "boolean", "default": False}),
    }
    return found | ({"style": "form", "explode": False} if name == "horizons" else {})


def _get(summary: str, name: str | None) -> Schema:
    schema = {"type": "object"} if name is None else _ref(name)
    refusals = {status: text for status, text in REFUSALS.items() if status in ("400", "401")}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": summary, "content": {"application/json": {"schema": schema}}},
            **{status: _json("Problems", text) for status, text in refusals.items()},
        },
    }


def _answers() -> Schema:
    return _object(
        {
            "model": {"type": "object", "additionalProperties": {"type": "string"}},
            "cautions": {"type": "array", "items": {"type": "string"}},
            "patients": {"type": "array", "items": _ref("Answer")},
        }
    )


def _problem() -> Schema:
    names = ("what", "where", "got", "allowed", "remedy")
    return _object({name: {"type": "string"} for name in names})


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _refusals() -> Schema:
    return {status: _json("Problems", text) for status, text in REFUSALS.items()}


def _json(name: str, description: str) -> Schema:
    content = {"application/json": {"schema": _ref(name)}}
    return {"description": description, "content": content}


def _ref(name: str) -> Schema:
    return {"$ref": REF + name}
