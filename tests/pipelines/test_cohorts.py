import pandas as pd
import pytest
import yaml

from features.errors import InputError
from features.guard_findings import raise_failures
from pipelines.cohorts import check_cohort
from pipelines.config import read_config

# Months from diagnosis to death or censoring, and to the first dose.
FROM_DIAGNOSIS = [14.0, 30.0, 9.0, 22.0, 40.0, 18.0, 25.0, 12.0, 33.0, 16.0, 28.0, 21.0]
TO_FIRST_DOSE = [10.0, 12.5, 3.0, 20.0, 24.0, 11.0, 5.0, 8.0, 30.0, 2.0, 19.0, 7.0]


@pytest.fixture
def diagnosed(tmp_path):
    """A configuration over times from diagnosis, with the months to the first dose beside them."""

    def write(**changes):
        table = pd.DataFrame(
            {
                "age_years": [50, 61, 72, 55, 66, 47, 70, 58, 63, 68, 52, 74],
                "os": FROM_DIAGNOSIS,
                "dead": [1, 0] * 6,
                "to_dose": TO_FIRST_DOSE,
            }
        ).assign(**changes)
        table.to_csv(tmp_path / "table.csv", index=False)
        config = {
            "cohort": {
                "path": "table.csv",
                "columns": {
                    "endpoints": {
                        "os": {"label": "OS", "time": "os", "event": "dead", "unit": "months"}
                    }
                },
                "guard": {"entry": "to_dose", "starts_at": "diagnosis"},
            },
            "endpoint": "os",
            "covariates": ["age_years"],
        }
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        return read_config(tmp_path / "config.yaml")

    return write


def test_times_from_diagnosis_start_at_the_first_dose(diagnosed):
    checked = check_cohort(diagnosed())
    # 14 - 10 = 4 months from the first dose, 30 - 12.5 = 17.5, ...
    expected = [d - f for d, f in zip(FROM_DIAGNOSIS, TO_FIRST_DOSE, strict=True)]
    assert checked.cohort.outcomes["OS"].time.tolist() == pytest.approx(expected)
    (note,) = [f for f in checked.findings if "was taken off" in f.what]
    assert note.severity.label == "note"
    assert "to_dose" in note.what


def test_a_first_dose_after_death_is_refused(diagnosed):
    checked = check_cohort(diagnosed(to_dose=[20.0, *TO_FIRST_DOSE[1:]]))
    with pytest.raises(InputError) as error:
        raise_failures(checked.findings)
    assert "row 1" in str(error.value)
    assert not any("was taken off" in f.what for f in checked.findings)


def test_a_time_that_is_no_number_is_named_as_it_stands(diagnosed):
    with pytest.raises(InputError, match="a year"):
        check_cohort(diagnosed(os=["a year", *FROM_DIAGNOSIS[1:]]))
