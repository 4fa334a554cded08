from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from evaluation.regimen_effects import (
    covariate_contributions,
    model_contrasts,
    regimen_contribution,
    regimen_effect_table,
)
from evaluation.results import REGIMEN_COLUMNS
from models.prediction import SurvivalPrediction

HORIZONS = (6.0, 12.0)


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
    runs = np.stack([regimen_contribution(model, predictors, HORIZONS, seed) for seed in range(25)])
    # The Monte-Carlo error, from the runs themselves: each of the 28 means of 25 runs lies within
    # four of its standard errors (a chance of 1 in 500 that any of 28 normal means does not).
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    assert (np.abs(runs.mean(axis=0) - exact) <= 4 * error + 1e-12).all()
    # And one run is close enough to be of use.
    assert np.abs(runs[0] - exact).max() < 0.05


def test_more_draws_come_closer(predictors):
    model = ClosedForm(interacting)
    exact = brute_force(model, predictors, HORIZONS, list(predictors))
    few, many = (
        regimen_contribution(model, predictors, HORIZONS, seed=1, draws=draws) - exact
        for draws in (4, 4000)
    )
    # The error falls with the square root of the draws: 1000 times as many, about 30 times less.
    assert np.sqrt((many**2).mean()) < np.sqrt((few**2).mean()) / 8
    assert np.abs(many).max() < 0.005


def test_shap_says_the_same(predictors):
    import shap

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


def test_contributions_of_a_regimen_average_to_zero_when_it_acts_alone(predictors):
    contribution = regimen_contribution(ClosedForm(additive), predictors, HORIZONS, seed=3)
    assert contribution.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)


def test_same_seed_same_bytes(predictors):
    model = ClosedForm(interacting)
    first, second = (regimen_contribution(model, predictors, HORIZONS, seed=9) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != regimen_contribution(model, predictors, HORIZONS, 10).tobytes()


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


def test_three_arms_are_each_compared_with_the_reference(predictors):
    arms = ("LDAC", "HMA", "other")
    three = predictors.assign(regimen=np.array(["HMA", "LDAC", "other"] * 5, dtype=object)[:14])
    effect = {"LDAC": 0.0, "HMA": -0.2, "other": 0.1}
    model = ClosedForm(lambda p: 0.5 + p["regimen"].map(effect).to_numpy())
    contrasts = model_contrasts(model, three, arms, [12.0], seed=1)
    assert contrasts.shape == (2, 2, 1)
    assert contrasts[1, :, 0] == pytest.approx([-0.2, 0.1])
    # The SHAP contrast of an additive model is the same, but which of the two other regimens is
    # drawn is random: Monte-Carlo error of at most .3 / sqrt(64) a patient.
    assert contrasts[0, :, 0] == pytest.approx([-0.2, 0.1], abs=0.04)


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
    values = covariate_contributions(model, predictors, 12.0, seed=1)
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

    values = covariate_contributions(ClosedForm(probability), gaps, 12.0, seed=1)
    predicted = np.where([False, False] + [True] * 12, 0.4, 0.6)
    assert values.sum(axis=1).to_numpy() == pytest.approx(predicted - predicted.mean(), abs=1e-9)
    rows = pd.concat(seen)
    assert set(rows["age"].dropna()) <= set(predictors["age"])
    assert rows["age"].dtype == float


def test_an_additive_models_contributions_by_hand(predictors):
    values = covariate_contributions(ClosedForm(additive), predictors, 12.0, seed=1)
    assert values["ward"].to_numpy() == pytest.approx(np.zeros(14), abs=1e-12)
    age = 0.05 * (predictors["age"] - predictors["age"].mean())
    assert values["age"].to_numpy() == pytest.approx(age.to_numpy(), abs=1e-9)
    hma = (predictors["regimen"] == "HMA").to_numpy()
    assert values["regimen"].to_numpy() == pytest.approx(np.where(hma, -0.2 * 5 / 14, 0.2 * 9 / 14))
