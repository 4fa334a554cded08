"""A registry cohort that a development dependency carries, with a fixed prediction."""

import warnings
from typing import NamedTuple

import numpy as np
import pytest

from features.outcome import Outcome

# Scale (days) and shape of the Weibull curve behind the fixed prediction.
SCALE, SHAPE = 600, 0.55


class FixedPrediction(NamedTuple):
    outcome: Outcome  # days
    linear_predictor: np.ndarray

    def survival(self, days):
        """Predicted survival at days of any shape that broadcasts with (n, 1)."""
        hazard = (np.asarray(days) / SCALE) ** SHAPE
        return np.exp(-hazard * np.exp(self.linear_predictor)[:, None])

    def risk(self, days):
        """Event probability by one horizon, to eight decimals as R read it."""
        return np.round(1 - self.survival([days])[:, 0], 8)

    @property
    def cumulative_hazard(self):
        """At each patient's own time."""
        return (self.outcome.time / SCALE) ** SHAPE * np.exp(self.linear_predictor)


@pytest.fixture(scope="session")
def leuksurv():
    """Leukemia registry of North-West England (Henderson 2002) with a hand-written prediction.

    1043 patients, 879 deaths. The prediction is deliberately not quite calibrated.
    """
    from SurvSet.data import SurvLoader

    with warnings.catch_warnings():
        # The package's tables were pickled by an older NumPy.
        warnings.simplefilter("ignore")
        table = SurvLoader().load_dataset(ds_name="LeukSurv")["df"]
    score = 0.03 * table["num_age"] + 0.003 * table["num_wbc"] + 0.03 * table["num_tpi"]
    outcome = Outcome(table["time"], table["event"] == 1)
    return FixedPrediction(outcome, np.round(score - 1.947748, 6).to_numpy())
