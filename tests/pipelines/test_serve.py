"""The command: where it listens, for whom, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from models.artifact.folder import save_model
from pipelines.serve import main

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-twenty-letters"
PATIENT = {"age_years": 61, "mut_tp53": 1, "regimen": "HMA"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, models, card):
    folder = tmp_path_factory.mktemp("served") / "model"
    save_model(folder, models["cox"], card)
    return folder


def start(folder, *options, **variables):
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.serve", "--model", str(folder), "--port", "0", *options],
        cwd=ROOT, env=os.environ | variables, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    told = process.stdout.readline()
    found = re.search(r"http://\S+:\d+", told)
    assert found, told + process.communicate(timeout=60)[1]
    return process, found[0]


def get(address, body=None, **headers):
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        address, content, {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_answers_ends_when_asked_and_starts_again_after_a_kill(folder, tmp_path):
    audit = tmp_path / "audit.jsonl"
    process, address = start(folder, "--audit", str(audit))
    try:
        status, told = get(f"{address}/predict", PATIENT)
        assert status == 200
        assert told["patients"][0]["horizons"][0]["month"] == 6
        process.kill()
        process.communicate(timeout=60)
        process, address = start(folder, "--audit", str(audit))
        assert get(f"{address}/predict", PATIENT)[1] == told
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in errors
    assert "POST /predict 200" in errors
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0]["input"] == lines[1]["input"]


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "::", "myhost"])
def test_others_are_served_with_a_token_alone(capsys, folder, monkeypatch, host):
    monkeypatch.delenv("VENSURV_TOKEN", raising=False)
    told = refused(capsys, "--model", str(folder), "--host", host)
    assert "needs a token" in told
    assert "--token-file" in told


@pytest.mark.parametrize("token", ["", "short", "with a blank in the middle of it", "ä" * 20])
def test_a_token_that_is_none_is_refused(capsys, folder, tmp_path, token):
    (tmp_path / "token").write_text(token, "utf-8")
    told = refused(capsys, "--model", str(folder), "--token-file", str(tmp_path / "token"))
    assert "The token cannot be used" in told
    assert token == "" or token not in told


def test_a_token_file_that_is_not_there_is_refused(capsys, folder, tmp_path):
    told = refused(capsys, "--model", str(folder), "--token-file", str(tmp_path / "none"))
    assert "The token cannot be read" in told


def test_a_port_in_use_is_told(capsys, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused(capsys, "--model", str(folder), "--port", str(port))
    assert f"--port {port}" in told


def test_no_model_is_told(capsys, tmp_path):
    assert "No model here" in refused(capsys, "--model", str(tmp_path), "--port", "0")


def test_an_audit_file_that_cannot_be_written_stops_it_at_once(capsys, folder, tmp_path):
    told = refused(capsys, "--model", str(folder), "--port", "0", "--audit", str(tmp_path))
    assert "The audit file cannot be written" in told


def test_a_prediction_of_the_command_is_noted_as_the_services_is(folder, tmp_path, capsys):
    from pipelines import predict
    from pipelines.output.audit import Audit

    (tmp_path / "patient.json").write_text(json.dumps(PATIENT))
    audit, patient = str(tmp_path / "audit"), str(tmp_path / "patient.json")
    with pytest.raises(SystemExit) as ended:
        predict.main([patient, "--model", str(folder), "--audit", audit, "--horizons", "6"])
    assert ended.value.code == 0
    (line,) = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    known = {"age_years": 61.0, "mut_tp53": 1.0}
    inputs = dict.fromkeys(("hb_g_per_l", "disease", "wbc_1e9_per_l")) | known
    expected = Audit(tmp_path / "audit").hashed({"regimen": "HMA", "inputs": inputs})
    assert (line["input"], line["horizons"]) == (expected, [6.0])
    with pytest.raises(SystemExit) as ended:
        predict.main([patient, "--model", str(folder), "--audit", str(tmp_path / "no" / "audit")])
    assert ended.value.code == 2
    assert "nothing was predicted" in capsys.readouterr().err


def test_serving_imports_nothing_heavy():
    heavy = ("pandas", "mlflow", "sklearn", "sksurv", "xgboost", "scipy", "numba", "matplotlib")
    code = f"import sys, pipelines.service; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
