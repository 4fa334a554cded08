"""From a training to one patient's answer with everything that can be asked for."""

import contextlib
import io
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipelines import predict, train

SMALL = Path(__file__).resolve().parents[2] / ".ci" / "small.yaml"
PATIENT = {
    "patient_id": "P1",
    "age_years": 61,
    "ecog": 1,
    "disease": "AML de novo",
    "regimen": "HMA",
}
EVERYTHING = ("--alive-at", "3", "--both-regimens", "--explain")


def run(main, argv, status=0):
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], pytest.raises(SystemExit) as end:
        main([str(part) for part in argv])
    assert end.value.code == status, err.getvalue()
    return err.getvalue() if status else out.getvalue()


@pytest.fixture(scope="module")
def model(connect_to_store, tmp_path_factory):
    """A Cox model of the reconstructed cohort with 20 refits."""
    folder = tmp_path_factory.mktemp("answers")
    config = yaml.safe_load(SMALL.read_text()) | {
        "learners": ["cox"],
        "resampling": {"folds": 2, "repeats": 1, "inner_folds": 2},
        "tuning": {"trials": 0},
        "tracking": {"experiment": "answers", "model_name": "answers"},
    }
    config["evaluation"] |= {"instability": 20, "horizons": [6, 12], "subgroups": []}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        run(train.main, ["--config", folder / "config.yaml", "--out", folder / "out",
                         "--workers", "1"])  # fmt: skip
        yield "models:/answers@champion"


@pytest.fixture
def patients(tmp_path):
    def write(*changes):
        path = tmp_path / "patients.json"
        path.write_text(json.dumps([PATIENT | change for change in changes]))
        return path

    return write


def test_one_patient_is_answered_in_full(model, patients):
    printed = run(predict.main, [patients({}), "--model", model, *EVERYTHING])
    text = " ".join(printed.split())
    for part in ("Patient P1", "death by 6 months", "given alive at 3", "under LDAC",
                 "under HMA (given)", "typical patient", "not a treatment effect",
                 "widened range over refits", "not for patients: reconstructed",
                 "not shown to predict better than Kaplan-Meier"):  # fmt: skip
        assert part in text
    assert "OS event" not in text


def test_json_holds_the_answer_as_numbers(model, patients):
    printed = run(
        predict.main,
        [patients({}, {"ecog": None}), "--model", model, "--format", "json", *EVERYTHING],
    )
    first, second = (one["answer"] for one in json.loads(printed)["patients"])
    six = first["horizons"][0]
    assert 0 < six["low"] < six["probability"] < six["high"] < 1
    made = first["contributions"]
    total = made["start"] + sum(part["amount"] for part in made["parts"])
    assert total == pytest.approx(made["end"], abs=1e-9)
    assert made["end"] == pytest.approx(first["horizons"][1]["probability"])
    assert [one["regimen"] for one in first["regimens"]] == ["LDAC", "HMA"]
    assert {doubt["caution"] for doubt in first["doubts"]} >= {"not_for_patients"}
    assert [one["name"] for one in second["filled"]] == ["ecog"]
    assert second["interval"]["refits"] == 20


def test_csv_holds_a_line_a_patient_with_limits(model, patients, tmp_path):
    run(predict.main, [patients({}, {"age_years": 20}), "--model", model, "--limits",
                       "--out", tmp_path / "risk.csv"])  # fmt: skip
    table = pd.read_csv(tmp_path / "risk.csv")
    assert (table["event_probability_6m_low"] < table["event_probability_6m"]).all()
    assert (table["event_probability_6m"] < table["event_probability_6m_high"]).all()
    assert "outside_range" not in table["cautions"][0]
    assert "outside_range" in table["cautions"][1]


def test_the_probabilities_are_those_that_are_printed_without(model, patients):
    file = patients({}, {"age_years": 75, "regimen": "LDAC"})
    argv = [file, "--model", model, "--format", "json"]
    plain = json.loads(run(predict.main, argv))["patients"]
    full = json.loads(run(predict.main, [*argv, "--limits"]))["patients"]
    for one, other in zip(plain, full, strict=True):
        for name in ("event_probability_6m", "event_probability_12m", "median_months"):
            assert one[name] == pytest.approx(other[name], abs=1e-12)


def test_a_curve_is_drawn_for_each_patient(model, patients, tmp_path):
    argv = ["--model", model, "--plot", tmp_path / "curve.png"]
    run(predict.main, [patients({}), *argv])
    assert (tmp_path / "curve.png").stat().st_size
    run(predict.main, [patients({}, {}), *argv])
    drawn = sorted(path.name for path in tmp_path.glob("curve_*.png"))
    assert drawn == ["curve_1.png", "curve_2.png"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--alive-at", "12"], "before the last horizon"),
        (["--alive-at", "-1"], "above 0"),
        (["--plot", "curve.bmp"], "No picture is drawn in this form"),
        (["--plot", "nowhere/at/all/curve.png"], "cannot be written"),
        (["--explain", "--horizons", "600"], "No prediction at this horizon"),
    ],
)
def test_what_cannot_be_asked_is_refused(model, patients, argv, told):
    assert told in run(predict.main, [patients({}), "--model", model, *argv], status=2)


def test_many_patients_are_not_answered_one_by_one(model, tmp_path, monkeypatch):
    from pipelines.prediction import answering

    monkeypatch.setattr(answering, "MOST_ANSWERED", 2)
    pd.DataFrame([PATIENT] * 3).to_csv(tmp_path / "many.csv", index=False)
    argv = [tmp_path / "many.csv", "--model", model, "--explain"]
    assert "not answered one by one" in run(predict.main, argv, status=2)
