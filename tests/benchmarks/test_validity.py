"""A small form of the validity study: what recovers the truth, and what must not."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.validity import (
    EVENT_PROBABILITY,
    HAZARD_RATIO,
    RMST,
    SCENARIOS,
    TAU,
    Study,
    main,
    run,
    summarise,
    truths,
)

PATIENTS = 20_000


@pytest.fixture(scope="module")
def confounded():
    return run("confounded", Study(30, 300, truth_patients=PATIENTS), progress=False).set_index(
        ["estimator", "scale", "horizon"]
    )


def test_weighting_recovers_what_the_crude_comparison_does_not(confounded):
    crude = confounded.loc[("crude Kaplan-Meier", RMST, TAU)]
    error = crude["sd"] / np.sqrt(crude["cohorts"])
    # About .8 months too favourable to HMA, whose patients are younger and fitter.
    assert crude["bias"] > 3 * error
    for estimator in (
        "stabilised IPTW Kaplan-Meier", "overlap Kaplan-Meier", "matching Kaplan-Meier",
        "g-computation, Cox", "AIPW of pseudo-values",
    ):  # fmt: skip
        row = confounded.loc[(estimator, RMST, TAU)]
        assert abs(row["bias"]) < 3 * row["sd"] / np.sqrt(row["cohorts"])
        # 95% of 30 within four standard errors of the share.
        assert row["coverage"] > 0.79


def test_errors_are_of_the_size_of_the_spread(confounded):
    rows = confounded[~confounded.index.get_level_values(0).str.startswith("crude")]
    # The spread of 30 cohorts is known to about 13%.
    assert (rows["mean_error"] / rows["sd"]).between(0.6, 1.7).all()


def test_truths_are_those_of_the_simulator():
    null = truths("null", PATIENTS)
    assert all(value == 1 for key, value in null.items() if key[1] == HAZARD_RATIO)
    assert all(abs(value) < 1e-9 for key, value in null.items() if key[1] != HAZARD_RATIO)
    found = truths("randomised", PATIENTS)
    # HMA against LDAC: fewer events, more months, a marginal ratio nearer to 1 than 1 / 1.67.
    assert found["ATE", EVENT_PROBABILITY, 12.0] < 0 < found["ATE", RMST, TAU]
    ratios = {key[0]: value for key, value in found.items() if key[1] == HAZARD_RATIO}
    assert 1 / 1.67 < ratios["as treated"] < ratios["ATE"] < 1


def test_summary_by_hand():
    rows = pd.DataFrame({
        "estimator": "e", "scale": EVENT_PROBABILITY, "horizon": 6.0, "population": "ATE",
        "estimate": [0.1, 0.3, 0.2, np.nan], "ci_low": [0.0, 0.25, -0.1, np.nan],
        "ci_high": [0.2, 0.4, 0.3, np.nan],
    })  # fmt: skip
    [found] = summarise(rows, {("ATE", EVENT_PROBABILITY, 6.0): 0.15}).to_dict("records")
    assert found["bias"] == pytest.approx(0.05)
    # Of three intervals two hold .15; one has 0 outside (0 itself lies on the limit of the first).
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["rejected"] == pytest.approx(1 / 3)
    assert found["without_interval"] == 1


def test_an_unknown_scenario_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["nowhere"])
    assert "confounded" in capsys.readouterr().err
    assert "null" in SCENARIOS
