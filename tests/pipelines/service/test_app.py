"""The service for programs: what it answers, what it refuses, what it never says."""

import json

import pytest
from pydantic import TypeAdapter

from models.artifact import ask as answers_of
from models.artifact import engine_of
from models.individual import Question
from models.patients import read_patients
from pipelines.output.audit import Audit
from pipelines.service import Limits, make_app
from pipelines.service import app as service_app
from tests.pipelines.service.asgi import ask, post

PATIENT = {
    "patient_id": "A-1",
    "age_years": 61,
    "hb_g_per_l": 98.0,
    "disease": "AML secondary",
    "mut_tp53": 1,
    "wbc_1e9_per_l": None,
    "regimen": "HMA",
}
TOKEN = "a-token-of-twenty-letters"


def test_one_patient_is_answered_as_the_model_answers(app, stored):
    import pandas as pd

    found = post(app, PATIENT)
    patients = read_patients(pd.DataFrame([PATIENT]), stored.card)
    (expected,) = answers_of(engine_of(stored), patients, Question(stored.card.horizons))
    assert found.status == 200
    assert found.json["patients"] == [json.loads(json.dumps(expected.to_dict()))]
    assert found.json["model"]["model"] == "models:/served/3"
    assert found.json["model"]["model_digest"] == "d" * 64
    assert any("not for patients" in caution for caution in found.json["cautions"])


def test_several_come_back_in_order_with_their_names(app):
    found = post(app, [PATIENT, PATIENT | {"patient_id": 7, "regimen": "LDAC"}])
    told = [(one["patient_id"], one["row"], one["regimen"]) for one in found.json["patients"]]
    assert told == [("A-1", 1, "HMA"), ("7", 2, "LDAC")]


def test_options_add_what_they_say(app):
    options = "?horizons=3,9&alive_at=2&both_regimens=true&explain=true&curve=true"
    (found,) = post(app, PATIENT, options).json["patients"]
    assert [at["month"] for at in found["horizons"]] == [3, 9]
    assert found["alive_at"]["since"] == 2
    assert {one["regimen"] for one in found["regimens"]} == {"HMA", "LDAC"}
    total = sum(part["amount"] for part in found["contributions"]["parts"])
    assert found["contributions"]["start"] + total == pytest.approx(found["contributions"]["end"])
    assert found["curve"]["survival"][0] == 1
    (plain,) = post(app, PATIENT).json["patients"]
    assert (plain["regimens"], plain["contributions"], plain["curve"]) == ([], None, None)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("horizon=6", "query"),
        ("horizons=6&horizons=7", "query, horizons"),
        ("horizons=", "query, horizons"),
        ("horizons=6,six", "query, horizons"),
        ("horizons=6,6", "query, horizons"),
        ("horizons=0", "horizons"),
        ("horizons=400", "horizons"),
        ("alive_at=12", "alive_at"),
        ("alive_at=1,2", "query, alive_at"),
        ("curve=yes", "query, curve"),
        ("&".join(["x=1"] * 60), "query"),
    ],
)
def test_an_option_that_cannot_be_is_refused(app, query, where):
    found = post(app, PATIENT, "?" + query)
    assert (found.status, found.problems[0]["where"]) == (422, where)


@pytest.mark.parametrize(
    ("changes", "where", "got"),
    [
        ({"age_years": 610}, "patient 1, age_years", "610"),
        ({"age_years": "61"}, "patient 1, age_years", '"61"'),
        ({"age_years": True}, "patient 1, age_years", "true"),
        ({"age_years": [61]}, "patient 1, age_years", "a list"),
        ({"age_years": 10**400}, "patient 1, age_years", "a huge number"),
        ({"mut_tp53": 2}, "patient 1, mut_tp53", "2"),
        ({"disease": "flu"}, "patient 1, disease", '"flu"'),
        ({"regimen": None}, "patient 1, regimen", ""),
        ({"regimen": "VEN-AZA"}, "patient 1, regimen", '"VEN-AZA"'),
        ({"patient_id": "\ud800"}, "patient 1, patient_id", '"\\ud800"'),
        ({"hgb": 9}, "patient 1", "hgb"),
    ],
)
def test_a_cell_that_cannot_be_is_named(app, changes, where, got):
    found = post(app, PATIENT | changes)
    (problem,) = found.problems
    assert (found.status, problem["where"]) == (422, where)
    assert problem["got"].startswith(got)
    assert set(problem) == {"what", "where", "got", "allowed", "remedy"}


def test_another_unit_is_recognised(app):
    (problem,) = post(app, PATIENT | {"hb_g_per_l": 9.8}).problems
    assert "looks like g/dL: multiply by 10" in problem["remedy"]


def test_every_mistake_is_told_at_once(app):
    found = post(app, [PATIENT | {"age_years": 7}, 5, {"regimen": "HMA"}])
    assert [one["where"] for one in found.problems] == [
        "patient 1, age_years", "patient 2", "patient 3",
    ][: len(found.problems)]  # fmt: skip
    assert len(found.problems) >= 2


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b"[]", b"null", b"5", b'"x"', b"NaN", b'{"age_years": NaN}',
        b'{"age_years": Infinity}', b'{"age_years": 61, "age_years": 62}', b"[" * 100_000,
        b'{"a":' * 50_000, b"[[[]]]", b"\xef\xbb\xbf{}", b"1" * 5_000, b'{"age_years": 1e999}',
        json.dumps([{}] * 1_001).encode(),
    ],
)  # fmt: skip
def test_what_is_no_patient_is_refused(app, body):
    found = post(app, body)
    assert found.status == 422
    assert found.problems
    assert b"Traceback" not in found.content


def test_nothing_known_is_no_patient(app):
    (problem,) = post(app, {"regimen": "HMA"}).problems
    assert problem["what"] == "Nothing is known of this patient"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/predict", 405), ("DELETE", "/model", 405),
     ("POST", "/health", 405), ("GET", "/docs", 404), ("GET", "/../etc/passwd", 404)],
)  # fmt: skip
def test_another_address_or_method_is_refused_in_the_same_form(app, method, path, status):
    found = ask(app, method, path)
    assert found.status == status
    assert "POST /predict" in found.problems[0]["allowed"]


def test_a_body_is_to_be_declared_as_json(app):
    assert post(app, PATIENT, content_type="text/plain").status == 415


# -- who asks, and how much -----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil", "", None])
def test_another_name_is_turned_away(app, host):
    found = ask(app, "GET", "/model", host=host)
    assert (found.status, found.problems[0]["where"]) == (400, "header Host")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000"])
def test_this_machine_s_names_are_let_in(app, host):
    assert ask(app, "GET", "/health", host=host).status == 200


def test_a_form_of_another_origin_is_turned_away(app):
    assert ask(app, "POST", "/", b"", sec_fetch_site="cross-site").status == 403


def test_a_large_body_is_refused_by_its_length_and_while_it_is_read(app):
    assert post(app, b" ", content_length=str(2 << 20)).status == 413
    assert post(app, b" " * (1 << 20)).status == 422
    taken = []

    def chunks():
        for _ in range(40):
            taken.append(1)
            yield b" " * (1 << 16)

    found = ask(app, "POST", "/predict", chunks=chunks(), content_type="application/json")
    assert found.status == 413


def test_a_body_that_does_not_come_is_given_up(stored, monkeypatch):
    import asyncio

    from pipelines.service import security

    monkeypatch.setattr(security, "BODY_SECONDS", 0.05)
    told = []

    async def receive():
        await asyncio.sleep(5)

    async def send(message):
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [(b"host", b"localhost")]}  # fmt: skip  # noqa: E501
    guarded = security.Guarded(None, Limits(), lambda line: None)
    asyncio.run(guarded(scope, receive, send))
    assert told[0]["status"] == 408


def test_every_answer_has_the_same_headers(app):
    for found in (ask(app, "GET", "/"), post(app, PATIENT), ask(app, "GET", "/x"),
                  ask(app, "GET", "/style.css"), ask(app, "GET", "/", host="x")):  # fmt: skip
        assert "default-src 'none'" in found.headers["content-security-policy"]
        assert "unsafe" not in found.headers["content-security-policy"]
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["referrer-policy"] == "no-referrer"
        assert found.headers["cache-control"] == "no-store"


def test_the_token_is_asked_of_everything_but_health(stored):
    import base64

    locked = make_app(stored, Limits(token=TOKEN), log=lambda line: None)
    assert ask(locked, "GET", "/health").status == 200
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    for given, status in (
        (None, 401), ("", 401), ("Bearer", 401), (f"Bearer {TOKEN}x", 401), ("Bearer é", 401),
        (f"bearer {TOKEN}", 200), (f"Basic {basic}", 200), ("Basic !", 401),
    ):  # fmt: skip
        assert ask(locked, "GET", "/model", authorization=given).status == status, given
    refused = ask(locked, "GET", "/")
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="vensurv"'
    assert ask(locked, "GET", "/openapi.json", authorization=f"Bearer {TOKEN}").json["security"]


# -- what is told --------------------------------------------------------------------------------


def test_the_log_holds_no_value_and_no_query(app, log):
    log.clear()
    post(app, PATIENT | {"patient_id": "Erika", "age_years": 777}, "?horizons=3.25")
    ask(app, "GET", "/Erika?age=61")
    assert len(log) == 2
    for word in ("Erika", "777", "61", "3.25", "horizons", "secondary"):
        assert word not in "\n".join(log)
    assert log[0].startswith("POST /predict 422 ")
    assert log[1].startswith("GET (another path) 404 ")


def test_a_fault_tells_its_place_and_nothing_else(stored, monkeypatch, capsys):
    told = []
    broken = make_app(stored, log=told.append)

    def fail(*arguments):
        raise RuntimeError("the patient Erika, 61 years")

    monkeypatch.setattr(service_app, "ask", fail)
    found = post(broken, PATIENT)
    assert found.status == 500
    assert "Erika" not in found.text + "".join(told) + "".join(capsys.readouterr())
    assert told[0].startswith("fault RuntimeError at test_app.py:")


def test_the_card_is_told_in_words(app, stored):
    told = ask(app, "GET", "/model").json
    assert told["event"] == "death"
    assert told["training"]["patients"] == stored.card.training["patients"]
    (age,) = [one for one in told["inputs"] if one["name"] == "age_years"]
    assert (age["unit"], age["limits"]) == ("years", [18, 110])
    assert told["model_run_id"] == "run7"


def test_the_schema_comes_from_the_dictionary(app):
    document = ask(app, "GET", "/openapi.json").json
    patient = document["components"]["schemas"]["Patient"]
    age = patient["properties"]["age_years"]
    assert (age["minimum"], age["maximum"], age["x-unit"]) == (18, 110, "years")
    assert age["type"] == ["number", "null"]
    assert None in patient["properties"]["disease"]["enum"]
    assert patient["properties"]["regimen"]["enum"] == ["LDAC", "HMA"]
    assert patient["required"] == ["regimen"]
    assert patient["additionalProperties"] is False
    last = document["paths"]["/predict"]["post"]["parameters"][0]["schema"]["items"]["maximum"]
    assert last > 12
    references = set(_references(document))
    assert {one.rpartition("/")[2] for one in references} <= set(document["components"]["schemas"])


def _references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _references(one)


def test_an_answer_is_what_the_schema_says(app):
    from models.individual import Answer

    (told,) = post(app, PATIENT, "?explain=true&curve=true").json["patients"]
    for doubt in told["doubts"]:
        del doubt["text"]
    TypeAdapter(Answer).validate_python(told)


# -- audit ---------------------------------------------------------------------------------------


def test_each_prediction_is_noted_before_it_is_told(stored, tmp_path):
    path = tmp_path / "audit.jsonl"
    noted = make_app(stored, audit=Audit(path), log=lambda line: None)
    post(noted, [PATIENT, PATIENT], "?horizons=6")
    post(noted, PATIENT | {"age_years": 999})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0].keys() == {"time", "model", "digest", "horizons", "input"}
    assert lines[0]["input"] == lines[1]["input"]
    assert (lines[0]["model"], lines[0]["horizons"]) == ("models:/served/3", [6.0])


def test_what_cannot_be_noted_is_not_told(stored, tmp_path):
    path = tmp_path / "audit.jsonl"
    noted = make_app(stored, audit=Audit(path), log=lambda line: None)
    path.unlink()
    path.mkdir()
    found = post(noted, PATIENT)
    assert found.status == 503
    assert "patients" not in found.json
