from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import COX, SHAP
from evaluation.explanation.contributions import explain_event_probability
from evaluation.explanation.values import CurveOutputs
from evaluation.regimens.model_effects import (
    curve_outputs,
    model_contrasts,
    read_regimen,
    regimen_contribution,
    within_arms,
)
from evaluation.regimens.model_tables import (
    agreement_table,
    contribution_table,
    course_table,
    heterogeneity_table,
    regimen_effect_table,
)
from evaluation.results import REGIMEN_COLUMNS, Estimate, regimen_table
from features.outcome import Outcome
from models.fit import fit_model
from models.learners.registry import LEARNERS
from models.prediction import SurvivalPrediction

HORIZONS = (6.0, 12.0)
ARMS = ("LDAC", "HMA")
TAU = 18.0


def by_covariate(model, predictors, horizon, seed):
    """Contributions of every covariate as a table."""
    found = explain_event_probability(model, predictors, horizon, seed)
    return pd.DataFrame(found.values, predictors.index, found.feature_names)


class ClosedForm:
    """A survival model whose event probability is a given function of the predictors."""

    follow_up = 36.0

    def __init__(self, probability):
        self.probability = probability

    def predict(self, predictors, times):
        # Twice the probability at 12 months as at 6, so that columns cannot be confused.
        one = np.asarray(self.probability(predictors), dtype=float)
        event = np.column_stack([one * time / 12 for time in np.atleast_1d(times)])
        return SurvivalPrediction(one, 1 - event, np.asarray(times, dtype=float))


def interacting(p):
    """Under HMA alone, a mutation harms above a certain age, and in one ward only.

    The four act only together, so that a wrong weight of any size of coalition shows.
    """
    hma, high = p["regimen"] == "HMA", p["age"] > -0.9
    harmed = (hma & high & (p["mut"] == 1) & (p["ward"] == "b")).to_numpy()
    return 0.3 - 0.1 * hma.to_numpy() + 0.6 * harmed


def additive(p):
    hma = (p["regimen"] == "HMA").to_numpy()
    return 0.4 + 0.05 * p["age"].to_numpy() + 0.1 * p["mut"].to_numpy() - 0.2 * hma


@pytest.fixture(scope="module")
def predictors():
    rng = np.random.default_rng(5)
    n = 14
    return pd.DataFrame(
        {
            "age": rng.normal(size=n).round(2),
            "mut": rng.binomial(1, 0.5, n).astype(float),
            "ward": rng.choice(["a", "b"], n).astype(object),
            "regimen": np.array(["HMA"] * 9 + ["LDAC"] * 5, dtype=object),
        }
    )


def brute_force(model, predictors, horizons, players):
    """Interventional Shapley value of the last player, by every coalition and every background.

    phi = sum over coalitions S of the others: |S|! (p - |S| - 1)! / p! * (v(S + regimen) - v(S)),
    v(S) = mean over background patients of the prediction with the players of S from the patient
    and all others from the background patient.
    """
    *others, own = players
    n, p = len(predictors), len(players)
    value = np.zeros((n, len(horizons)))
    for size in range(p):
        weight = factorial(size) * factorial(p - size - 1) / factorial(p)
        for coalition in combinations(others, size):
            for patient in range(n):
                with_own, without = predictors.copy(), predictors.copy()
                for name in coalition:
                    with_own[name] = without[name] = predictors[name].iloc[patient]
                with_own[own] = predictors[own].iloc[patient]
                gain = (
                    model.predict(with_own, horizons).event_probability
                    - model.predict(without, horizons).event_probability
                )
                value[patient] += weight * gain.mean(axis=0)
    return value


def test_it_is_the_shapley_value_over_all_coalitions(predictors):
    model = ClosedForm(interacting)
    exact = brute_force(model, predictors, HORIZONS, list(predictors))
    assert np.abs(exact[:, 1]).max() > 0.05
    assert regimen_contribution(model, predictors, HORIZONS, 1) == pytest.approx(exact, abs=1e-12)


def test_what_cannot_be_counted_out_is_sampled(predictors, monkeypatch):
    model = ClosedForm(interacting)
    exact = brute_force(model, predictors, HORIZONS, list(predictors))
    monkeypatch.setattr("evaluation.explanation.coalitions.MOST_ROWS", 100)
    outputs = CurveOutputs.read(HORIZONS)
    runs = [read_regimen(model, predictors, ARMS, outputs, seed) for seed in range(25)]
    # The Monte-Carlo error, from the runs themselves: each of the 28 means of 25 runs lies within
    # four of its standard errors (a chance of 1 in 500 that any of 28 normal means does not).
    values = np.stack([run.contribution for run in runs])
    error = values.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert (np.abs(values.mean(axis=0) - exact) <= 4 * error + 1e-12).all()
    # What a run tells of its contrast's error is what runs differ by, within a half.
    contrasts = np.stack([run.contrasts()[0, 0, 1] for run in runs])
    told = np.mean([run.contrast_error()[0, 1] for run in runs])
    assert 0.5 < contrasts.std(ddof=1) / told < 1.5
    assert "sampled" in runs[0].method
    again = read_regimen(model, predictors, ARMS, outputs, seed=0)
    assert again.contribution.tobytes() == runs[0].contribution.tobytes()
    assert again.contribution.tobytes() != runs[1].contribution.tobytes()


def test_shap_says_the_same(predictors, monkeypatch):
    import shap

    # Its loops as Python: compiling them takes longer than these 14 patients.
    for part in (shap.explainers._exact, shap.utils._masked_model, shap.maskers._tabular):
        for name, function in list(vars(part).items()):
            if hasattr(function, "py_func"):
                monkeypatch.setattr(part, name, function.py_func)
    model = ClosedForm(interacting)
    levels = {name: sorted(predictors[name].unique()) for name in predictors}
    coded = np.column_stack([pd.Categorical(predictors[n], levels[n]).codes for n in predictors])

    def event_probability(codes):
        frame = {n: np.array(levels[n])[codes[:, c].astype(int)] for c, n in enumerate(predictors)}
        return model.predict(pd.DataFrame(frame), [12.0]).event_probability[:, 0]

    explainer = shap.ExactExplainer(
        event_probability, shap.maskers.Independent(coded.astype(float), max_samples=100)
    )
    values = explainer(coded.astype(float)).values[:, -1]
    exact = brute_force(model, predictors, [12.0], list(predictors))[:, 0]
    assert values == pytest.approx(exact, abs=1e-10)


def test_an_additive_regimen_contributes_by_hand(predictors):
    # HMA takes .2 off at 12 months. 9 of 14 have it: average -.2 * 9/14. An HMA patient's
    # contribution is -.2 + .2 * 9/14 = -.2 * 5/14, an LDAC patient's +.2 * 9/14. At 6 months half.
    contribution = regimen_contribution(ClosedForm(additive), predictors, HORIZONS, seed=1)
    hma = (predictors["regimen"] == "HMA").to_numpy()
    assert contribution[hma, 1] == pytest.approx(np.full(9, -0.2 * 5 / 14))
    assert contribution[~hma, 1] == pytest.approx(np.full(5, 0.2 * 9 / 14))
    assert contribution[:, 0] == pytest.approx(contribution[:, 1] / 2)


def test_a_model_that_ignores_the_regimen_owes_it_nothing(predictors):
    model = ClosedForm(lambda p: 0.5 + 0.1 * p["age"] * p["mut"])
    assert (regimen_contribution(model, predictors, HORIZONS, seed=1) == 0).all()
    assert (model_contrasts(model, predictors, ("LDAC", "HMA"), HORIZONS, seed=1) == 0).all()


def test_with_one_regimen_in_the_table_nothing_can_be_owed(predictors):
    one = predictors[predictors["regimen"] == "HMA"]
    contribution = regimen_contribution(ClosedForm(interacting), one, HORIZONS, seed=1)
    assert contribution.shape == (9, 2)
    assert (contribution == 0).all()


def test_covariate_contributions_of_a_regimen_average_to_zero_when_it_acts_alone(predictors):
    contribution = regimen_contribution(ClosedForm(additive), predictors, HORIZONS, seed=3)
    assert contribution.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)


def test_contrasts_of_an_additive_model_by_hand(predictors):
    # Both contrasts are HMA minus LDAC: -.2 at 12 months, -.1 at 6; negative is fewer events.
    contrasts = model_contrasts(ClosedForm(additive), predictors, ("LDAC", "HMA"), HORIZONS, seed=1)
    assert contrasts.shape == (2, 1, 2)
    assert contrasts[0, 0] == pytest.approx([-0.1, -0.2])
    assert contrasts[1, 0] == pytest.approx([-0.1, -0.2])


def test_the_reference_arm_turns_the_sign(predictors):
    model = ClosedForm(interacting)
    one = model_contrasts(model, predictors, ("LDAC", "HMA"), HORIZONS, seed=1)
    other = model_contrasts(model, predictors, ("HMA", "LDAC"), HORIZONS, seed=1)
    assert one == pytest.approx(-other)


def test_the_standardised_contrast_puts_everybody_under_each_regimen(predictors):
    model = ClosedForm(interacting)
    contrast = model_contrasts(model, predictors, ("LDAC", "HMA"), HORIZONS, seed=1)[1, 0, 1]
    difference = interacting(predictors.assign(regimen="HMA")) - interacting(
        predictors.assign(regimen="LDAC")
    )
    assert contrast == pytest.approx(difference.mean())


def test_an_arm_that_nobody_has_is_predicted_all_the_same(predictors):
    one = predictors[predictors["regimen"] == "LDAC"]
    reading = read_regimen(ClosedForm(additive), one, ARMS, CurveOutputs.read(HORIZONS), seed=1)
    assert reading.under["HMA"] - reading.under["LDAC"] == pytest.approx([-0.1, -0.2])


def test_three_arms_are_each_compared_with_the_reference(predictors):
    arms = ("LDAC", "HMA", "other")
    three = predictors.assign(regimen=np.array(["HMA", "LDAC", "other"] * 5, dtype=object)[:14])
    effect = {"LDAC": 0.0, "HMA": -0.2, "other": 0.1}
    model = ClosedForm(lambda p: 0.5 + p["regimen"].map(effect).to_numpy())
    contrasts = model_contrasts(model, three, arms, [12.0], seed=1)
    assert contrasts.shape == (2, 2, 1)
    assert contrasts[1, :, 0] == pytest.approx([-0.2, 0.1])
    # Exactly so for the SHAP contrast of an additive model.
    assert contrasts[0, :, 0] == pytest.approx([-0.2, 0.1])


def test_the_table_has_a_row_a_contrast_and_the_shared_columns():
    estimate = np.arange(4.0).reshape(2, 1, 2) / 10
    # 41 replicates around each estimate, from -.20 to +.20: limits -.19 and +.19.
    replicates = estimate + np.linspace(-0.2, 0.2, 41)[:, None, None, None]
    table = regimen_effect_table(
        "cox", "OS", ("LDAC", "HMA"), HORIZONS, estimate, replicates, n=70, events=58
    )
    assert tuple(table.columns) == REGIMEN_COLUMNS
    assert (
        table["estimator"].tolist()
        == ["SHAP contrast, cox"] * 2 + ["standardised contrast, cox"] * 2
    )
    assert table["horizon"].tolist() == [6, 12, 6, 12]
    assert table["estimate"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert table["ci_low"].tolist() == pytest.approx([-0.19, -0.09, 0.01, 0.11])
    assert table["ci_high"].tolist() == pytest.approx([0.19, 0.29, 0.39, 0.49])
    assert set(table["family"]) == {"model-based"}
    assert set(table["arm"]) == {"HMA"}
    assert set(table["reference_arm"]) == {"LDAC"}
    assert (table[["n", "events"]] == [70, 58]).all(axis=None)
    assert table["p_value"].isna().all()
    assert table["note"].str.contains("not causal").all()
    assert table["ci_method"].str.contains("41 bootstrap refits").all()


def test_refits_that_failed_too_often_leave_no_interval():
    replicates = np.zeros((40, 2, 1, 2))
    replicates[:5] = np.nan  # 5 of 40 are more than 10%
    table = regimen_effect_table(
        "cox", "OS", ("LDAC", "HMA"), HORIZONS, np.zeros((2, 1, 2)), replicates, 70, 58
    )
    assert table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert table["estimate"].notna().all()


def test_covariate_contributions_add_up_to_the_prediction(predictors):
    model = ClosedForm(interacting)
    values = by_covariate(model, predictors, 12.0, seed=1)
    assert list(values) == list(predictors)
    predicted = model.predict(predictors, [12.0]).event_probability[:, 0]
    # Prediction minus the average over the background, here all 14 patients.
    assert values.sum(axis=1).to_numpy() == pytest.approx(predicted - predicted.mean(), abs=1e-9)


def test_covariate_contributions_take_missing_values(predictors):
    gaps = predictors.copy()
    gaps.loc[0, "age"] = np.nan
    gaps.loc[1, "ward"] = None
    gaps["ward"] = gaps["ward"].astype(object)
    seen = []

    def probability(p):
        seen.append(p)
        known = p["age"].notna() & p["ward"].notna()
        return np.where(known, 0.4, 0.6)

    values = by_covariate(ClosedForm(probability), gaps, 12.0, seed=1)
    predicted = np.where([False, False] + [True] * 12, 0.4, 0.6)
    assert values.sum(axis=1).to_numpy() == pytest.approx(predicted - predicted.mean(), abs=1e-9)
    rows = pd.concat(seen)
    assert set(rows["age"].dropna()) <= set(predictors["age"])
    assert rows["age"].dtype == float


def test_an_additive_models_contributions_by_hand(predictors):
    values = by_covariate(ClosedForm(additive), predictors, 12.0, seed=1)
    assert values["ward"].to_numpy() == pytest.approx(np.zeros(14), abs=1e-12)
    age = 0.05 * (predictors["age"] - predictors["age"].mean())
    assert values["age"].to_numpy() == pytest.approx(age.to_numpy(), abs=1e-9)
    hma = (predictors["regimen"] == "HMA").to_numpy()
    assert values["regimen"].to_numpy() == pytest.approx(np.where(hma, -0.2 * 5 / 14, 0.2 * 9 / 14))


# -- restricted mean survival time ---------------------------------------------------------------


@pytest.mark.parametrize("learner", list(LEARNERS))
def test_the_restricted_mean_is_the_area_between_the_curves(models, dataset, learner):
    model, predictors = models[learner], dataset.predictors
    contrasts = model_contrasts(model, predictors, ARMS, HORIZONS, seed=1, tau=TAU)
    assert contrasts.shape == (2, 1, 3)
    without = model_contrasts(model, predictors, ARMS, HORIZONS, seed=1)
    assert contrasts[..., :2] == pytest.approx(without, abs=1e-6)
    # The area by a grid of 18,000 midpoints, which misses a step by .0005 months at most.
    grid = np.arange(0.0005, TAU, 0.001)
    mean = {
        arm: model.predict(predictors.assign(regimen=arm), grid).survival.mean(axis=0).sum() * 0.001
        for arm in ARMS
    }
    assert contrasts[1, 0, 2] == pytest.approx(mean["HMA"] - mean["LDAC"], abs=2e-3)
    if learner not in ("kaplan_meier", "gradient_boosting", "xgboost_cox"):
        # LDAC is the worse arm of this simulation: fewer events and a longer time under HMA.
        assert (contrasts[:, 0, :2] < 0).all()
        assert (contrasts[:, 0, 2] > 0.1).all()
        assert contrasts[0] == pytest.approx(contrasts[1], rel=0.3)


def test_a_model_without_the_regimen_owes_it_nothing(dataset):
    model = fit_model("cox_clinical", {}, dataset.select(["age_years", "mut_tp53"]), seed=1)
    assert (model_contrasts(model, dataset.predictors, ARMS, HORIZONS, 1, TAU) == 0).all()
    reading = read_regimen(model, dataset.predictors, ARMS, curve_outputs(model, HORIZONS), seed=1)
    assert (reading.contribution == 0).all()
    values = by_covariate(model, dataset.predictors, 12.0, seed=1)
    assert (values[["regimen", "disease"]] == 0).all(axis=None)
    assert values["age_years"].abs().max() > 0.05


def test_nothing_is_contrasted_beyond_the_follow_up(models, dataset):
    model = models["cox"]
    late = (12.0, model.follow_up + 1)
    contrasts = model_contrasts(model, dataset.predictors, ARMS, late, seed=1, tau=50.0)
    assert np.isfinite(contrasts[..., 0]).all()
    assert np.isnan(contrasts[..., 1:]).all()
    table = regimen_effect_table(
        "cox", "OS", ARMS, late, contrasts, np.repeat(contrasts[None], 20, 0), 83, 60, tau=50.0
    )
    beyond = table["note"].str.contains("beyond the follow-up")
    assert beyond.tolist() == [False, True, True] * 2


def test_a_restricted_mean_has_its_scale_and_sampling_its_error():
    estimate = np.array([[[-0.1, -0.2, 1.5]], [[-0.1, -0.2, 1.4]]])
    replicates = np.repeat(estimate[None], 20, axis=0)
    table = regimen_effect_table(
        "xgboost_cox", "OS", ARMS, HORIZONS, estimate, replicates, 70, 58,
        tau=24.0, sampling_error=np.array([[0.0, 0.0012, 0.02]]),
    )  # fmt: skip
    assert table["scale"].tolist() == (
        ["event probability difference"] * 2 + ["RMST difference (months)"]
    ) * 2  # fmt: skip
    assert table["horizon"].tolist() == [6, 12, 24] * 2
    told = table["note"].str.extract("standard error ([0-9.]+)")[0]
    assert told.tolist()[1:3] == ["0.0012", "0.02"]
    assert told.isna().tolist() == [True, False, False, True, True, True]


def test_arrays_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"expected \(2, 1, 3\)"):
        regimen_effect_table(
            "cox", "OS", ARMS, HORIZONS, np.zeros((2, 1, 2)), np.zeros((20, 2, 1, 2)), 70, 58,
            tau=24.0,
        )  # fmt: skip


# -- patients, over time, and whether two readings agree -------------------------------------------


def test_each_patient_has_a_row_an_output(predictors):
    model = ClosedForm(additive)
    reading = read_regimen(model, predictors, ARMS, CurveOutputs.read(HORIZONS), seed=1)
    # Three refits: the contribution, a tenth less, a tenth more. Their spread is a tenth.
    refits = reading.contribution[None] * np.array([1.0, 0.9, 1.1])[:, None, None]
    table = contribution_table("cox", reading, refits)
    assert len(table) == 28
    assert table["row"].tolist() == [*range(1, 15)] * 2
    late = table[table["horizon"] == 12].reset_index()
    hma = (predictors["regimen"] == "HMA").to_numpy()
    assert late["contribution"].to_numpy() == pytest.approx(
        np.where(hma, -0.2 * 5 / 14, 0.2 * 9 / 14)
    )
    assert late["refit_sd"].to_numpy() == pytest.approx(late["contribution"].abs() / 10)
    # Percentiles 2.5 and 97.5 of three: 95% of the way from the middle to each end.
    ends = late["contribution"].to_numpy()[:, None] * [0.905, 1.095]
    assert late[["refit_low", "refit_high"]].to_numpy() == pytest.approx(np.sort(ends, axis=1))
    assert late["note"].str.contains("contribution of the regimen to this model's").all()


def test_without_refits_nothing_is_said_of_heterogeneity(predictors):
    reading = read_regimen(
        ClosedForm(interacting), predictors, ARMS, CurveOutputs.read(HORIZONS), seed=1
    )
    table = contribution_table("cox", reading)
    assert table[["refit_sd", "refit_low", "refit_high"]].isna().all(axis=None)
    assert heterogeneity_table(table)["note"].str.contains("not estimable").all()


def contributions(values, spread):
    return pd.DataFrame(
        {"learner": "forest", "scale": "event probability", "horizon": 12.0, "regimen": "HMA",
         "contribution": values, "refit_sd": spread}
    )  # fmt: skip


def test_heterogeneity_stands_beside_its_instability():
    # Patients -.02, 0, .02: spread .02 between patients. One patient's spread over refits: .04.
    found = heterogeneity_table(contributions([-0.02, 0.0, 0.02], [0.03, 0.04, 0.05])).iloc[0]
    assert found[["between_sd", "within_sd", "ratio"]].tolist() == pytest.approx([0.02, 0.04, 0.5])
    assert "do not interpret" in found["note"]
    steady = heterogeneity_table(contributions([-0.02, 0.0, 0.02], 0.005)).iloc[0]
    assert steady["ratio"] == pytest.approx(4)
    assert steady["note"].endswith("not causal")
    absent = heterogeneity_table(contributions([0.0, 0.0], 0.0)).iloc[0]
    assert absent["note"] == "the regimen is in no refit"
    assert np.isnan(absent["ratio"])


def test_the_course_holds_arms_and_their_contrast(predictors):
    model = ClosedForm(additive)
    outputs = CurveOutputs.read((3.0, 6.0, 12.0))
    reading = read_regimen(model, predictors, ARMS, outputs, seed=1).mean_by_arm()
    estimate = np.array([reading[arm] for arm in ARMS])
    # At 12 months by hand as above; the model is proportional to the month.
    assert estimate[:, 2] == pytest.approx([0.2 * 9 / 14, -0.2 * 5 / 14])
    assert estimate[:, 0] == pytest.approx(estimate[:, 2] / 4)
    # Arms move together in the refits, so that their contrast does not.
    replicates = estimate + np.linspace(-0.2, 0.2, 41)[:, None, None]
    table = course_table("cox", ARMS, (3.0, 6.0, 12.0), estimate, replicates)
    arms = table[table["kind"] == "mean in arm"]
    assert arms["arm"].tolist() == ["LDAC"] * 3 + ["HMA"] * 3
    assert (arms["ci_high"] - arms["ci_low"]).to_numpy() == pytest.approx(np.full(6, 0.38))
    contrast = table[table["kind"] == "contrast"]
    assert contrast["estimate"].tolist() == pytest.approx([-0.05, -0.1, -0.2])
    assert contrast["ci_low"].tolist() == pytest.approx(contrast["ci_high"].tolist())
    assert (contrast["reference_arm"] == "LDAC").all()


def effects(shap, standardised, half_width, learner="forest"):
    """One learner's two readings, each with an interval of so much on either side."""
    estimate = np.array([[[shap]], [[standardised]]])
    replicates = estimate + np.linspace(-1, 1, 41)[:, None, None, None] * half_width / 0.95
    return regimen_effect_table(learner, "OS", ARMS, [12.0], estimate, replicates, 70, 58)


@pytest.mark.parametrize(
    ("shap", "standardised", "half_width", "verdict"),
    [
        (-0.10, -0.11, 0.05, "agree"),
        (-0.10, -0.11, 0.30, "agree; neither is told apart from no difference"),
        (-0.10, -0.20, 0.05, "same direction, sizes apart by more than half an interval"),
        (-0.10, 0.10, 0.05, "opposite directions"),
        (0.0, 0.0, 0.0, "the regimen is not in this model"),
        (np.nan, -0.1, 0.05, "not estimable"),
    ],
)
def test_two_readings_are_compared(shap, standardised, half_width, verdict):
    found = agreement_table(effects(shap, standardised, half_width)).iloc[0]
    assert found["verdict"] == verdict
    assert found["learner"] == "forest"
    assert found["difference"] == pytest.approx(shap - standardised, nan_ok=True)


def test_every_learner_has_its_own_row_of_agreement():
    cox = effects(-0.2, -0.2, 0.05, "cox")
    both = pd.concat([effects(-0.1, -0.1, 0.05), cox])
    crude = regimen_table([Estimate(COX, "hazard ratio", "HMA", "LDAC", value=-0.3)])
    found = agreement_table(pd.concat([both, crude]))
    assert found["learner"].tolist() == ["forest", "cox"]


@pytest.mark.parametrize("learner", ["cox", "forest"])
def test_permuting_patients_changes_no_contrast(models, dataset, learner):
    order = np.random.default_rng(1).permutation(len(dataset))
    straight, shuffled = (
        model_contrasts(models[learner], table, ARMS, HORIZONS, 1, TAU)
        for table in (dataset.predictors, dataset.predictors.iloc[order])
    )
    assert shuffled == pytest.approx(straight, abs=1e-10)


def test_a_large_table_keeps_the_contrast_of_an_additive_model():
    # Of 600 patients 250 are explained, against each other: the shares of the regimens are kept.
    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "age": rng.normal(size=600),
            "mut": rng.binomial(1, 0.5, 600).astype(float),
            "regimen": np.array(["HMA"] * 400 + ["LDAC"] * 200, dtype=object),
        }
    )
    contrasts = model_contrasts(ClosedForm(additive), table, ARMS, HORIZONS, seed=1)
    assert contrasts[0, 0] == pytest.approx([-0.1, -0.2])
    reading = read_regimen(ClosedForm(additive), table, ARMS, CurveOutputs.read(HORIZONS), seed=1)
    assert len(reading.rows) == 250
    rows = contribution_table("cox", reading)["row"].to_numpy()
    assert (table["regimen"].to_numpy()[rows[:250] - 1] == reading.regimen).all()


def test_nothing_is_said_beyond_the_follow_up_of_an_arm():
    outcome = Outcome([3.0, 9.0, 5.0, 20.0], [1, 0, 1, 0])
    regimen = np.array(["LDAC", "LDAC", "HMA", "HMA"], dtype=object)
    rows = [
        Estimate(SHAP, "event probability difference", "HMA", "LDAC", "cox", horizon=h, value=0.1,
                 low=0.0, high=0.2, note="kept")
        for h in (6.0, 9.0, 12.0, 24.0)
    ]  # fmt: skip
    found = within_arms(regimen_table(rows), outcome, regimen)
    assert found["estimate"].notna().tolist() == [True, True, False, False]
    assert found["ci_high"].notna().tolist() == [True, True, False, False]
    assert found["note"].tolist()[1:] == [
        "kept",
        "not estimable: beyond the follow-up of the reference arm",
        "not estimable: beyond the follow-up of both arms",
    ]
