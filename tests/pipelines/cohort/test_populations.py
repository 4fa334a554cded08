"""Endpoints of different populations, three arms from drug records, and dates: end to end."""

import contextlib
import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from features.cohort import Cohort
from features.outcome import Outcome
from pipelines import predict, train
from pipelines.cohort.populations import compare_in_populations, is_comparable, population_cautions

N = 120
REGIMEN = np.array(["HMA", "LDAC", "GILT"] * (N // 3), dtype=object)


def cohort_of(outcomes, eligible, regimen=REGIMEN, **parts):
    inputs = pd.DataFrame({"age_years": np.linspace(40, 80, N)})
    return Cohort(inputs, {}, regimen, None, outcomes, eligible=eligible, **parts)


@pytest.fixture(scope="module")
def cohort():
    """OS of everybody; relapse, with competing deaths, of every second patient."""
    rng = np.random.default_rng(5)
    half = np.arange(N) % 2 == 0
    event = rng.random(half.sum()) < 0.5
    relapse = Outcome(
        rng.exponential(10, half.sum()), event, competing=~event & (rng.random(half.sum()) < 0.5)
    )
    os = Outcome(rng.exponential(10, N), rng.random(N) < 0.7)
    responder = half.astype(float)
    adverse = pd.DataFrame({"fever": rng.integers(0, 2, N)})
    return cohort_of(
        {"OS": os, "Relapse": relapse},
        {"OS": np.ones(N, dtype=bool), "Relapse": half},
        responder=responder, adverse_events=adverse,
    )  # fmt: skip


def test_each_endpoint_is_compared_among_its_own_patients(cohort):
    table = compare_in_populations(cohort, "LDAC", [6])
    # Of three arms the global test comes first.
    log_rank = table[table["estimator"] == "log-rank"].drop_duplicates("endpoint")
    assert log_rank.set_index("endpoint")["n"].to_dict() == {"OS": N, "Relapse": N // 2}
    # Adverse events come last, as they do where all endpoints are about everybody.
    adverse = table["estimator"].str.startswith("adverse event").to_numpy()
    assert adverse[-1]
    assert (np.diff(adverse.astype(int)) >= 0).all()


def test_with_competing_events_probabilities_are_cumulative_incidences(cohort):
    table = compare_in_populations(cohort, "LDAC", [6])
    relapse = table[table["endpoint"].str.contains("Relapse")]
    names = set(relapse["estimator"])
    assert {"log-rank", "Cox hazard ratio", "cumulative incidence", "Gray test"} <= names
    assert not {"median", "event probability", "Kaplan-Meier difference", "RMST"} & names
    ratios = relapse[relapse["estimator"] == "Cox hazard ratio"].set_index("arm")
    competing, among = cohort.outcomes["Relapse"].competing, REGIMEN[cohort.of_endpoint("Relapse")]
    for arm, note in ratios["note"].items():
        number = int(competing[(among == arm) | (among == "LDAC")].sum())
        assert note.endswith(f"cause-specific: {number} competing event(s) count as censored")
        assert note.count("cause-specific") == 1
    assert not table.loc[table["endpoint"] == "OS", "note"].str.contains("cause-specific").any()
    assert {"median", "event probability"} <= set(table.loc[table["endpoint"] == "OS", "estimator"])


def test_a_training_has_early_death_rmst_and_max_combo_and_not_every_test(cohort):
    two = REGIMEN != "GILT"
    alone = cohort_of({"OS": cohort.outcomes["OS"].take(two)}, {}, REGIMEN[two])
    alone = dataclasses.replace(alone, inputs=alone.inputs[two].reset_index(drop=True))
    table = compare_in_populations(alone, "LDAC", [6])
    names = set(table["estimator"])
    (method,) = table.loc[table["estimator"] == "RMST difference", "ci_method"]
    assert method.startswith("studentised permutation")
    assert {"early death rate", "RMST difference", "MaxCombo"} <= names
    assert not any(name.startswith(("Fleming", "RMST ratio", "response odds")) for name in names)


def test_everybody_in_every_endpoint_changes_nothing(cohort):
    from evaluation.regimens.crude.comparison import FurtherComparisons, compare_regimens

    further = FurtherComparisons(replicates=100, strata=np.arange(N) % 3)
    alone = dataclasses.replace(cohort, outcomes={"OS": cohort.outcomes["OS"]}, eligible={})
    expected = compare_regimens(
        alone.outcomes, REGIMEN, "LDAC", [6], cohort.responder, cohort.adverse_events, further
    )
    found = compare_in_populations(alone, "LDAC", [6], further)
    pd.testing.assert_frame_equal(found, expected)


def test_strata_go_with_the_patients_of_an_endpoint(cohort):
    from evaluation.regimens.crude.comparison import FurtherComparisons

    further = FurtherComparisons(replicates=100, strata=np.arange(N) % 3)
    table = compare_in_populations(cohort, "LDAC", [6], further)
    stratified = table[table["estimator"] == "stratified log-rank"].drop_duplicates("endpoint")
    assert stratified.set_index("endpoint")["n"].to_dict() == {"OS": N, "Relapse": N // 2}


def test_an_endpoint_without_the_reference_arm_is_left_out_and_said(cohort):
    among = REGIMEN == "HMA"
    outcome = Outcome(np.ones(among.sum()), np.ones(among.sum()))
    mixed = cohort_of(
        {"OS": cohort.outcomes["OS"], "RFS": outcome}, {"RFS": among, "OS": REGIMEN != ""}
    )
    assert not is_comparable(mixed, "RFS", "LDAC")
    found = set(compare_in_populations(mixed, "LDAC", [6])["endpoint"])
    assert found == {"OS", "death by day 30", "death by day 60"}
    told = population_cautions(mixed, "LDAC")
    assert f"RFS is about {among.sum()} of {N} patients" in told[0]
    assert "LDAC among them" in told[1]


def test_who_has_no_regimen_and_who_switched_is_said(cohort):
    counts = pd.DataFrame(
        [["", "no venetoclax", False, 7], ["HMA", "venetoclax with HMA", True, 3],
         ["LDAC", "venetoclax with LDAC", False, 20]],
        columns=["regimen", "reason", "switched", "patients"],
    )  # fmt: skip
    told = population_cautions(dataclasses.replace(cohort, regimen_counts=counts), "LDAC")
    assert told[0].startswith("7 of 30 patients of the table")
    assert "no venetoclax 7" in told[0]
    assert told[1].startswith("3 patient(s) started a drug of another arm later")
    assert "competing event" in told[3]


# ------------------------------------------------------------------------------- end to end


def succeed(main, argv):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 0
    return out.getvalue()


@pytest.fixture(scope="module")
def trained(connect_to_store, tmp_path_factory, dated_cohort):
    folder = tmp_path_factory.mktemp("dated")
    patients, drugs, config = dated_cohort
    patients.to_csv(folder / "patients.csv", index=False)
    drugs.to_csv(folder / "drugs.csv", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        connect_to_store(patch)
        argv = ["--config", f"{folder / 'config.yaml'}", "--out", f"{folder / 'out'}"]
        succeed(train.main, [*argv, "--workers", "1"])
        (folder / "new.csv").write_text("regimen,age_years,ecog\nGILT,61,1\nHMA,61,1\n")
        predicted = succeed(
            predict.main, ["--model", "models:/dated@champion", f"{folder / 'new.csv'}"]
        )
    return folder / "out", predicted


def test_a_training_on_responders_compares_every_endpoint_of_three_arms(trained):
    out, _ = trained
    table = pd.read_csv(out / "regimen_effects.csv")
    ratios = table[(table["family"] == "classical") & (table["estimator"] == "Cox hazard ratio")]
    pairs = ratios.groupby("endpoint")["arm"].agg(set)
    assert set(pairs["OS"]) == set(pairs["RFS"]) == set(pairs["Relapse"]) == {"HMA", "GILT"}
    first = table[table["estimator"] == "log-rank"].drop_duplicates("endpoint")
    counted = first.set_index("endpoint")["n"]
    assert counted["OS"] == N - 10
    assert counted["RFS"] == counted["Relapse"] < N - 10
    modelled = table[(table["family"] != "classical") & (table["endpoint"] == "RFS")]
    assert set(modelled["arm"].dropna()) >= {"HMA", "GILT"}


def test_who_was_left_out_is_told_in_the_summary(trained):
    out, _ = trained
    told = " ".join(json.loads((out / "summary.json").read_text())["cautions"])
    assert f"10 of {N} patients of the table received none of the regimens" in told
    assert "RFS is about" in told
    assert "Relapse: " in told


def test_the_model_of_three_arms_predicts_for_each(trained):
    _, predicted = trained
    assert "GILT" in predicted
