import copy

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError, collect
from pipelines.config import (
    DEFAULT_CONFIG,
    REFERENCE_STUDY,
    configured,
    read_config,
    resolved_yaml,
)

# The one in C where there is one: a configuration is written hundreds of times here.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
DEFAULT = yaml.safe_load(DEFAULT_CONFIG.read_text("utf-8"))


def changed(place, value):
    """The default configuration with one key set, or taken out where the value is Ellipsis."""
    content = copy.deepcopy(DEFAULT)
    *sections, key = place.split(".")
    section = content
    for name in sections:
        section = section[name]
    if value is ...:
        del section[key]
    else:
        section[key] = value
    return content


def written(folder, content):
    path = folder / "mine.yaml"
    text = content if isinstance(content, str) else yaml.dump(content, Dumper=DUMPER)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(folder, content):
    with pytest.raises(InputError) as error:
        read_config(written(folder, content))
    return error.value.problems


def test_the_default_configuration_is_valid():
    config = read_config(DEFAULT_CONFIG)
    assert config.cohort.path == REFERENCE_STUDY
    assert config.endpoint == "os"
    assert config.evaluation.horizons == (6.0, 12.0)
    assert config.cohort.columns.regimen.arms == ("LDAC", "HMA")


def test_what_is_left_out_has_the_commented_defaults(tmp_path):
    needed = {key: DEFAULT[key] for key in ("cohort", "endpoint", "covariates")}
    # cox_clinical has no default: its covariates are the user's to name.
    learners = tuple(name for name in DEFAULT["learners"] if name != "cox_clinical")
    own = {"dictionary": (), "clinical": (), "learners": learners}
    default = read_config(DEFAULT_CONFIG).model_copy(update=own)
    # Compared as written, without the folder that each was read from.
    assert read_config(written(tmp_path, needed)).model_dump() == default.model_dump()


def test_a_table_lies_beside_its_configuration(tmp_path):
    config = read_config(written(tmp_path, changed("cohort.path", "data/mine.csv")))
    assert config.cohort.path == str((tmp_path / "data" / "mine.csv").resolve())


def test_an_absolute_table_stays_where_it_is(tmp_path):
    path = str((tmp_path / "elsewhere.csv").resolve())
    assert read_config(written(tmp_path, changed("cohort.path", path))).cohort.path == path


@pytest.mark.parametrize(
    ("place", "near"),
    [
        ("lerners", "learners"),
        ("covariate", "covariates"),
        ("resampling.fold", "folds"),
        ("tuning.trial", "trials"),
        ("evaluation.horizon", "horizons"),
        ("champion.rules", "rule"),
        ("tracking.model_nam", "model_name"),
        ("cohort.pth", "path"),
        ("cohort.columns.patientid", "patient_id"),
        ("cohort.columns.regimen.referencearm", "reference_arm"),
        ("cohort.columns.response.responder", "responders"),
        ("cohort.columns.endpoints.os.event_value", "event_values"),
    ],
)
def test_a_mistyped_key_names_place_near_key_and_known_keys(tmp_path, place, near):
    (problem,) = refused(tmp_path, changed(place, 1))
    assert problem.what == "Unknown key in the configuration"
    assert problem.where == f"mine.yaml: {place}"
    assert problem.got == place.split(".")[-1]
    assert near in problem.allowed.split(", ")
    assert problem.remedy == f"did you mean {near!r}? correct the key or take it out"


def test_a_mistyped_key_of_a_mapped_covariate_names_the_near_one(tmp_path):
    source = {"column": "hgb", "unti": "g/dL"}
    (problem,) = refused(tmp_path, changed("cohort.columns.covariates", {"hb_g_per_l": source}))
    assert problem.where == "mine.yaml: cohort.columns.covariates.hb_g_per_l.unti"
    assert problem.allowed == "column, unit, values, known"
    assert "did you mean 'unit'?" in problem.remedy


def test_a_key_near_no_other_still_names_those_there_are(tmp_path):
    (problem,) = refused(tmp_path, changed("resampling.zzz", 1))
    assert problem.allowed == "kind, folds, repeats, inner_folds, column, test_from"
    assert problem.remedy == "correct the key or take it out"


@pytest.mark.parametrize(
    "place",
    [
        "cohort",
        "endpoint",
        "covariates",
        "cohort.columns",
        "cohort.columns.endpoints",
        "cohort.columns.endpoints.os.unit",
        "cohort.columns.regimen.reference_arm",
        "cohort.columns.response.column",
    ],
)
def test_a_missing_key_names_its_place_and_the_example(tmp_path, place):
    (problem,) = refused(tmp_path, changed(place, ...))
    assert problem.what == "A key is missing"
    assert problem.where == f"mine.yaml: {place}"
    assert "configs/train.yaml" in problem.remedy


@pytest.mark.parametrize(
    ("place", "value", "got", "allowed"),
    [
        ("seed", "one", "one", "valid integer"),
        ("seed", -1, "-1", "greater than or equal to 0"),
        ("resampling.folds", 1, "1", "greater than or equal to 2"),
        ("resampling.folds", 2.5, "2.5", "valid integer"),
        ("evaluation.bootstrap", 10, "10", "greater than or equal to 50"),
        ("covariates", "age_years", "age_years", "a list: [a, b]"),
        ("covariates", [], "", "at least 1 item"),
        ("covariates", ["ecog", "age_years", "ecog"], "", "named twice: ecog"),
        ("learners", ["cox", "cox"], "", "named twice: cox"),
        ("champion.rule", "best", "best", "'lowest_ibs_one_se' or 'lowest_ibs'"),
        ("tracking.model_name", "a/b", "a/b", "match pattern"),
        ("cohort", None, "", "valid dictionary"),
        ("resampling", [5, 3], "", "valid dictionary"),
        ("cohort.columns.endpoints.os.unit", "weeks", "weeks", "'days', 'months' or 'years'"),
        ("cohort.columns.regimen.reference_arm", "7+3", "7+3", "not among the regimens"),
        ("cohort.columns.endpoints.efs.label", "OS", "", "the same label: OS"),
        ("cohort.columns.endpoints.os.censored_values", [1, 0], "", "both observed and censored"),
    ],
)
def test_a_wrong_value_names_place_value_and_what_is_allowed(tmp_path, place, value, got, allowed):
    (problem,) = refused(tmp_path, changed(place, value))
    assert problem.what == "A value in the configuration cannot be used"
    # A rule about several keys is told at the section that holds them.
    assert f"mine.yaml: {place}".startswith(problem.where)
    assert problem.got == got
    assert allowed in problem.allowed


def test_an_unknown_learner_names_the_learners(tmp_path):
    problem = refused(tmp_path, changed("learners", ["cox", "random_forest"]))[0]
    assert problem.where == "mine.yaml: learners.1"
    assert problem.got == "random_forest"
    for known in ("'cox'", "'forest'", "'xgboost_aft' or 'stack'"):
        assert known in problem.allowed


@pytest.mark.parametrize("horizons", [[12, 6], [6, 6], [0, 6], [-6, 6], []])
def test_horizons_increase_from_above_zero(tmp_path, horizons):
    (problem,) = refused(tmp_path, changed("evaluation.horizons", horizons))
    assert problem.where == "mine.yaml: evaluation.horizons"
    assert problem.allowed == "give increasing times in months, each above 0, such as [6, 12]"


def test_the_modelled_endpoint_is_among_the_endpoints(tmp_path):
    (problem,) = refused(tmp_path, changed("endpoint", "pfs"))
    assert (problem.where, problem.got) == ("mine.yaml: endpoint", "pfs")
    assert {"os", "efs"} <= set(problem.allowed.replace(",", "").split())


def test_each_wrong_endpoint_of_the_comparison_is_told_with_its_key(tmp_path):
    content = changed("comparison.endpoints", ["os", "pfs"])
    content["comparison"] |= {"death": "dead", "competing": {"relaps": "death"}}
    assert [(p.where, p.got) for p in refused(tmp_path, content)] == [
        ("mine.yaml: comparison.endpoints", "pfs"),
        ("mine.yaml: comparison.death", "dead"),
        ("mine.yaml: comparison.competing", "relaps"),
    ]


def test_every_mistake_is_told_at_once(tmp_path):
    content = changed("seed", "x")
    content["lerners"] = 1
    del content["covariates"]
    assert {p.where for p in refused(tmp_path, content)} == {
        "mine.yaml: seed",
        "mine.yaml: lerners",
        "mine.yaml: covariates",
    }


@pytest.mark.parametrize(
    ("text", "line", "got"),
    [
        # A bracket that the second line opens and the third cannot close.
        ("seed: 1\ncohort: [\nx: 2\n", 4, "expected ',' or ']'"),
        ("seed: 1\n\tendpoint: os\n", 2, "cannot start any token"),
        ("seed: 1\nendpoint: os: efs\n", 2, "mapping values are not allowed"),
    ],
)
def test_invalid_yaml_names_the_line(tmp_path, text, line, got):
    (problem,) = refused(tmp_path, text)
    assert problem.what == "The configuration is not valid YAML"
    assert problem.where.endswith(f"mine.yaml, line {line}")
    assert got in problem.got
    tabs = "indent with blanks, not with tabs"
    assert problem.remedy == (
        tabs if "\t" in text else "check indentation, colons and brackets there"
    )


@pytest.mark.parametrize(
    "content", [b"seed: \xff\n", b"seed: \x01\n", b"seed: \x00\n"],
    ids=["not UTF-8", "control character", "zero byte"],
)  # fmt: skip
def test_what_yaml_cannot_read_is_an_input_error(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="The configuration is not valid YAML") as error:
        read_config(path)
    assert error.value.problems[0].got


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "word\n"])
def test_a_file_without_keys_is_no_configuration(tmp_path, text):
    (problem,) = refused(tmp_path, text)
    assert problem.what == "The configuration is empty or not a mapping"
    assert problem.where.endswith("mine.yaml")


def test_a_missing_file_names_itself_and_an_example(tmp_path):
    with pytest.raises(InputError) as error:
        read_config(tmp_path / "nowhere.yaml")
    (problem,) = error.value.problems
    assert problem.what == "No such configuration"
    assert problem.where.endswith("nowhere.yaml")
    assert "train.yaml" in problem.remedy


def test_the_resolved_configuration_reads_back_and_names_no_folder(tmp_path):
    content = changed("cohort.path", "mine.csv")
    del content["resampling"]
    config = read_config(written(tmp_path, content))
    text = resolved_yaml(config)
    assert str(tmp_path) not in text
    resampling = yaml.safe_load(text)["resampling"]
    assert resampling["kind"] == "repeated_kfold"
    assert (resampling["folds"], resampling["repeats"], resampling["inner_folds"]) == (5, 3, 3)
    # Written to the same folder, it is the same configuration.
    assert read_config(written(tmp_path, text)) == config


FILES = {"export": "records.csv", "dictionary": "fields.csv"}


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ({"kind": "file", "path": "{folder}/mine.csv"}, "mine"),
        ({"kind": "redcap", **FILES}, "records"),
        ({"kind": "cbioportal", "patients": "aml_x/data_clinical_patient.txt"}, "aml_x"),
        ({"kind": "cbioportal", "patients": "data_clinical_patient.txt"}, "data_clinical_patient"),
        ({"kind": "sql", "url": "sqlite:///{folder}/ward.db", "query": "select 1"}, "ward"),
        ({"kind": "sql", "url": "postgresql://h/registry?a=b", "query": "select 1"}, "registry"),
        ({"kind": "sql", "url": "${URL}", "query": "select 1"}, "sql"),
        ({"kind": "omop", "url": "postgresql://h/${DATABASE}"}, "omop"),
    ],
)
def test_a_source_is_the_cohort_whatever_its_kind(tmp_path, source, title):
    content = changed("seed", 1)
    del content["cohort"]["path"]
    content["cohort"]["name"] = ""
    content["cohort"]["source"] = {
        key: value.replace("{folder}", str(tmp_path)) for key, value in source.items()
    }
    config = read_config(written(tmp_path, content))
    assert not config.cohort.is_reference_study
    assert config.cohort.title == title
    text = resolved_yaml(config)
    assert REFERENCE_STUDY not in text
    assert str(tmp_path) not in text
    again = read_config(written(tmp_path, text))
    assert (again.cohort.is_reference_study, again.cohort.title) == (False, title)


def test_the_study_is_the_cohort_where_nothing_else_is_named(tmp_path):
    study = read_config(written(tmp_path, changed("cohort.path", REFERENCE_STUDY)))
    assert study.cohort.is_reference_study
    assert not configured(tmp_path / "mine.yaml", tmp_path / "mine.csv").cohort.is_reference_study


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learners": ["cox_clinical"], "clinical": []}, "cox_clinical needs `clinical`"),
        ({"learners": ["genetic_risk"], "genetic_risk": ""}, "genetic_risk needs `genetic_risk`"),
        ({"learners": ["kaplan_meier"]}, "add a learner that sees covariates"),
        ({"covariates": ["age_years", "regimen"]}, "take it out of `covariates`"),
        ({"clinical": ["regimen"]}, "a covariate beside the regimen"),
        ({"tuning.fixed": {"cox": {"alpha": True}}}, "no switch"),
        ({"tuning.fixed": {"cox": {"alpha": float("nan")}}}, "cox.alpha: a parameter is a finite"),
        ({"learners": ["stack", "cox", "kaplan_meier"]}, "two or more of the other learners"),
        ({"tuning.fixed": {"cox": {"alpa": 0}}}, "cox has no parameter alpa; it has: alpha"),
        ({"tuning.fixed": {"stack": {"weight": 1}}}, "stack has no parameter weight"),
        ({"resampling.kind": "temporal"}, "needs both"),
        ({"resampling.column": "year", "resampling.test_from": 2023}, "kind: temporal"),
        ({"sample_size": {"assumed_c": 0.5}}, "greater than 0.5"),
    ],
)
def test_a_learner_or_split_without_what_it_needs_is_refused(tmp_path, changes, words):
    content = copy.deepcopy(DEFAULT)
    for place, value in changes.items():
        *path, last = place.split(".")
        section = content
        for key in path:
            section = section[key]
        section[last] = value
    problems = refused(tmp_path, content)
    assert any(words in problem.allowed for problem in problems), problems


def test_the_regimen_may_stand_among_the_clinical_covariates_only_where_there_is_one(tmp_path):
    content = copy.deepcopy(DEFAULT)
    content |= {"learners": ["cox_clinical"], "clinical": ["age_years", "regimen"]}
    config = read_config(written(tmp_path, content))
    assert config.covariates_of("cox_clinical") == ("age_years", "regimen")
    assert config.covariates_of("kaplan_meier") == ()
    assert config.covariates_of("cox")[-1] == "regimen"
    assert "regimen" not in config.all_covariates
    del content["cohort"]["columns"]["regimen"]
    assert "no regimen column" in refused(tmp_path, content)[0].allowed


def test_a_limit_of_a_temporal_split_is_read_as_written(tmp_path):
    for value, text in (("2023-01-01", "2023-01-01"), (2023, "2023")):
        content = changed("resampling", {"kind": "temporal", "column": "d", "test_from": value})
        assert read_config(written(tmp_path, content)).resampling.test_from == text


PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5)
ANYTHING = st.recursive(
    PLAIN, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3)
)
PLACES = [*DEFAULT, "cohort.path", "cohort.columns", "evaluation.horizons"] + [
    f"cohort.columns.{key}" for key in (*DEFAULT["cohort"]["columns"], "endpoints.os.time")
]


@settings(derandomize=True, deadline=None, max_examples=120)
@given(place=st.sampled_from(PLACES), value=ANYTHING)
def test_any_value_at_any_key_is_read_or_told(tmp_path_factory, place, value):
    problems = []
    path = written(tmp_path_factory.getbasetemp(), changed(place, value))
    config = collect(problems, lambda: read_config(path))
    assert (config is None) == bool(problems)
    assert all(problem.what and problem.where for problem in problems)


@pytest.mark.parametrize("off", [False, "off", 0])
def test_refits_can_be_off(tmp_path, off):
    config = read_config(written(tmp_path, changed("evaluation.instability", off)))
    assert config.evaluation.instability == 0


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("optimism", 5, "at least 10 refits"),
        ("instability", -1, "greater than or equal to 0"),
        ("optimism", "often", "valid integer"),
        ("thresholds", [0.5, 0.2], "increasing probabilities"),
        ("thresholds", [0, 0.5], "between 0 and 1"),
        ("thresholds", [20, 50], "between 0 and 1"),
        ("subgroups", "sex", "a list: [a, b]"),
    ],
)
def test_what_is_evaluated_is_checked(tmp_path, key, value, told):
    (problem,) = refused(tmp_path, changed(f"evaluation.{key}", value))
    assert problem.where.startswith(f"mine.yaml: evaluation.{key}")
    assert told in problem.allowed


@pytest.mark.parametrize(
    ("key", "value"), [("trim", 0), ("trim", 50), ("trim", True), ("interval", "wald")]
)
def test_an_unusable_trim_or_interval_of_the_comparison_is_named(tmp_path, key, value):
    (problem,) = refused(tmp_path, changed(f"comparison.{key}", value))
    assert problem.where == f"mine.yaml: comparison.{key}"


@pytest.mark.parametrize(("stated", "kept"), [("none", None), (None, None), (2.5, 2.5)])
def test_trim_is_a_percentile_or_none(tmp_path, stated, kept):
    config = read_config(written(tmp_path, changed("comparison.trim", stated)))
    assert config.comparison.trim == kept
