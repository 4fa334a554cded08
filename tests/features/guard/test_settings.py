import pytest

from features.errors import InputError
from features.guard.settings import Guard, Severity, read_guard, read_rules


def test_severities_are_ordered():
    assert Severity.IGNORE < Severity.NOTE < Severity.WARN < Severity.FAIL
    assert [s.label for s in Severity] == ["ignore", "note", "warn", "fail"]


def test_a_user_overrides_a_severity_and_a_limit():
    guard = read_guard(
        {"severity": {"leakage_time": "warn"}, "limits": {"leakage_time": {"concordance": 0.8}}}
    )
    assert guard.severity_of("leakage_time") is Severity.WARN
    assert guard.limit("leakage_time", "concordance") == 0.8
    # What is not overridden stays.
    assert guard.limit("leakage_time", "events") == 10
    assert guard.severity_of("zero_time") is Severity.WARN


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"severity": {"leakage_tim": "warn"}}, "did you mean 'leakage_time'"),
        ({"limits": {"leakage_tim": {"concordance": 1}}}, "did you mean 'leakage_time'"),
        ({"limits": {"leakage_time": {"concordanc": 1}}}, "did you mean 'concordance'"),
        ({"severity": {"zero_time": "loud"}}, "'ignore', 'note', 'warn' or 'fail'"),
        ({"starts_att": "index"}, "did you mean 'starts_at'"),
        ({"starts_at": "birth"}, "'index' or 'diagnosis'"),
        ({"cut_off": "last year"}, "date"),
    ],
)
def test_what_is_not_known_is_an_input_error_with_a_near_name(settings, told):
    with pytest.raises(InputError) as error:
        read_guard(settings)
    assert told in str(error.value)


def test_settings_survive_a_round_trip_through_json():
    guard = read_guard(
        {"cut_off": "2023-12-31", "severity": {"zero_time": "note"}, "relapse": "rel_date",
         "stage": {"column": "stage", "values": ["Relapse"]}}
    )  # fmt: skip
    assert Guard.model_validate_json(guard.model_dump_json()) == guard


def test_every_rule_says_why_and_what_to_do():
    for name, rule in read_rules().checks.items():
        assert rule.why, name
        assert rule.remedy, name
        assert not rule.why.endswith("."), name
