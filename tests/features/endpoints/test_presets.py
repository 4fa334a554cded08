import pytest
from pydantic import ValidationError

from features.cohort import CohortColumns
from features.endpoints.dated import DatedEndpoint
from features.endpoints.efs_eln2022 import EfsEln2022
from features.endpoints.forms import Endpoint, read_endpoint
from features.endpoints.presets import expand_preset, read_presets

NAMES = (
    "os", "os_censored_at_hsct", "efs_progression", "efs_eln2022", "rfs", "relapse",
    "early_death_30", "early_death_60",
)  # fmt: skip


def test_every_preset_is_an_endpoint_with_a_label_of_its_own():
    assert tuple(read_presets()) == NAMES
    endpoints = {name: read_endpoint({"preset": name}) for name in NAMES}
    assert isinstance(endpoints.pop("efs_eln2022"), EfsEln2022)
    assert all(isinstance(endpoint, DatedEndpoint) for endpoint in endpoints.values())
    columns = CohortColumns(endpoints={name: {"preset": name} for name in NAMES})
    assert len({endpoint.label for endpoint in columns.endpoints.values()}) == len(NAMES)


def test_columns_are_renamed_wherever_they_stand():
    names = {"response": "best", "response_date": "cr_date", "death_date": "dod"}
    rfs = read_endpoint({"preset": "rfs", "columns": names})
    assert rfs.origin == "cr_date"
    assert rfs.population == {"best": ("CR", "CRh", "CRi")}
    assert [s.date for s in rfs.events] == ["relapse_date", "dod"]
    assert [s.reason for s in rfs.events] == ["relapse", "death"]
    eln = read_endpoint({"preset": "efs_eln2022", "columns": names})
    assert (eln.response, eln.response_date, eln.death_date) == ("best", "cr_date", "dod")


def test_any_other_key_replaces_the_presets():
    os = read_endpoint({"preset": "os", "label": "OS 2024", "cutoff": "2024-12-31"})
    assert (os.label, str(os.cutoff)) == ("OS 2024", "2024-12-31")
    # A preset is read anew each time.
    assert read_endpoint({"preset": "os"}).cutoff is None


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"preset": "efs_eln"}, "did you mean 'efs_eln2022'"),
        ({"preset": 3}, "configs/endpoints.yaml holds os, "),
        ({"preset": "os", "columns": {"death_dat": "dod"}}, "did you mean 'death_date'"),
        ({"preset": "os", "columns": ["dod"]}, "maps columns of the preset"),
        ({"preset": "os", "cutof": "2024-12-31"}, "did you mean 'cutoff'"),
    ],
)
def test_a_preset_that_cannot_be_meant_is_refused(stated, told):
    with pytest.raises(ValidationError, match=told):
        read_endpoint(stated)


def test_the_configuration_as_logged_gives_the_same_endpoints():
    stated = {name: {"preset": name} for name in NAMES}
    stated["os"]["cutoff"] = "2024-12-31"
    stated["ready"] = {"label": "R", "time": "t", "event": "e", "unit": "days"}
    columns = CohortColumns(endpoints=stated)
    assert isinstance(columns.endpoints["ready"], Endpoint)
    assert CohortColumns.model_validate(columns.model_dump(mode="json")) == columns


def test_expanding_leaves_the_users_mapping_alone():
    stated = {"preset": "os", "columns": {"death_date": "dod"}}
    expand_preset(stated)
    assert stated == {"preset": "os", "columns": {"death_date": "dod"}}
