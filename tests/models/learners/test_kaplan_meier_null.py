import numpy as np
import pytest

from features.outcome import Outcome
from models.learners.kaplan_meier_null import KaplanMeierNull


def test_by_hand():
    # 1 event of 4; censored at 2; at 3 one of 2: S = 3/4, then 3/8.
    model = KaplanMeierNull().fit(
        np.empty((4, 0)), Outcome([1.0, 2.0, 3.0, 4.0], [True, False, True, False])
    )
    curve = model.survival(np.empty((2, 0)), [0.5, 1.0, 2.9, 3.0])
    assert curve == pytest.approx(np.tile([1, 3 / 4, 3 / 4, 3 / 8], (2, 1)))
    assert model.risk_score(np.empty((2, 0))).tolist() == [0.0, 0.0]


def test_whole_weights_are_repeated_patients():
    rng = np.random.default_rng(1)
    outcome = Outcome(rng.exponential(5, 60).round(1), rng.random(60) < 0.7)
    counts = rng.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), counts)
    times = np.linspace(0, 9, 40)
    weighted = KaplanMeierNull().fit(np.empty((60, 0)), outcome, counts)
    repeated = KaplanMeierNull().fit(np.empty((len(rows), 0)), outcome.take(rows))
    one = np.empty((1, 0))
    assert weighted.survival(one, times) == pytest.approx(repeated.survival(one, times))
