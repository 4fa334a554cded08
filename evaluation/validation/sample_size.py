"""How many predictor parameters a cohort supports, before any model is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.outcome import Outcome

# Predictions should shrink by no more than a tenth.
SHRINKAGE = 0.9
# Apparent and adjusted R2 should differ by no more than this share of the largest R2.
OPTIMISM = 0.05
# The overall risk should be known within this margin.
MARGIN = 0.05


@dataclass(frozen=True)
class SampleSize:
    """Patients needed for a number of predictor parameters.

    Attributes
    ----------
    parameters : int
    shrinkage, optimism : int
        Patients that the first two criteria ask for.
    overall_risk : int
        Patients for all three: the third is asked of the larger of the other two.
    """

    parameters: int
    shrinkage: int
    optimism: int
    overall_risk: int

    @property
    def needed(self) -> int:
        """Patients for all three criteria."""
        return self.overall_risk


def largest_r2(rate: float, mean_follow_up: float) -> float:
    """Largest possible Cox-Snell R2 at an event rate.

    Parameters
    ----------
    rate : float
        Events a unit of time.
    mean_follow_up : float
        In the same unit.
    """
    # With E events in n patients, ln L0 / n = E/n ln(E/n) - E/n.
    per_patient = rate * mean_follow_up
    return float(1.0 - np.exp(2.0 * (per_patient * np.log(per_patient) - per_patient)))


def r2_from_c(c_index: float, event_share: float) -> float:
    """Cox-Snell R2 that goes with a C-index.

    From C to Royston's D (Jinks et al., 10.1186/1471-2288-15-82), to the R2 of D, to O'Quigley's R2
    and its likelihood ratio (Riley et al., 10.1002/sim.7992).

    Parameters
    ----------
    c_index : float
        Between 0.5 and 1.
    event_share : float
        Events a patient.

    Raises
    ------
    ValueError
        For a C-index that is not above 0.5 and below 1.
    """
    if not 0.5 < c_index < 1.0:
        raise ValueError(f"c_index must lie between 0.5 and 1; got {c_index:g}")
    excess = c_index - 0.5
    d_statistic = 5.50 * excess + 10.26 * excess**3
    explained = d_statistic**2 * np.pi / 8.0
    r2_d = explained / (np.pi**2 / 6.0 + explained)
    sigma2 = np.pi**2 / 6.0
    r2_oquigley = -sigma2 * r2_d / ((1.0 - sigma2) * r2_d - 1.0)
    return float(1.0 - (1.0 - r2_oquigley) ** event_share)


def patients_needed(
    parameters: int, r2: float, rate: float, horizon: float, mean_follow_up: float
) -> SampleSize:
    """Patients needed to develop a model with so many parameters.

    Parameters
    ----------
    parameters : int
        Coefficients that are estimated, those of dropped covariates included.
    r2 : float
        Cox-Snell R2 that the model is expected to reach.
    rate : float
        Events a unit of time.
    horizon, mean_follow_up : float
        In the same unit.

    References
    ----------
    Riley et al., Stat Med 2019, 10.1002/sim.7992, criteria (i) to (iii).
    """
    best = largest_r2(rate, mean_follow_up)

    def for_shrinkage(factor: float) -> int:
        return int(np.ceil(parameters / ((factor - 1.0) * np.log(1.0 - r2 / factor))))

    shrinkage, optimism = (
        for_shrinkage(factor) for factor in (SHRINKAGE, r2 / (r2 + OPTIMISM * best))
    )
    # (iii) is asked of the size found so far, as Riley et al. do: rate - error is where the risk
    # falls by the margin, and the error is 1.96 sqrt(rate / person-time).
    error = rate + np.log(np.exp(-rate * horizon) + MARGIN) / horizon
    overall = int(np.ceil(rate * (1.96 / error) ** 2 / mean_follow_up))
    return SampleSize(parameters, shrinkage, optimism, max(shrinkage, optimism, overall))


def supported_parameters(outcome: Outcome, c_index: float, horizon: float) -> pd.DataFrame:
    """How many parameters these patients support, by each criterion.

    Parameters
    ----------
    outcome : Outcome of n patients
    c_index : float
        What a model is expected to reach.
    horizon : float
        Months, for the criterion on the overall risk.

    Returns
    -------
    DataFrame, one row a criterion
        `criterion`, `supported` (parameters; NaN where the criterion is not about them), `holds`,
        `detail`.
    """
    n = len(outcome)
    rate = outcome.n_events / outcome.time.sum()
    mean_follow_up = float(outcome.time.mean())
    r2 = r2_from_c(c_index, outcome.n_events / n)
    best = largest_r2(rate, mean_follow_up)

    def supported(factor: float) -> int:
        return int(np.floor(n * (factor - 1.0) * np.log(1.0 - r2 / factor)))

    margin = _overall_risk_margin(rate, horizon, n * mean_follow_up)
    return pd.DataFrame(
        [
            {
                "criterion": "shrinkage of at most 10%",
                "supported": supported(SHRINKAGE),
                "holds": supported(SHRINKAGE) >= 1,
                "detail": f"expected Cox-Snell R2 {r2:.3f} at C {c_index:g}",
            },
            {
                "criterion": "optimism of R2 at most 0.05 of its largest value",
                "supported": supported(r2 / (r2 + OPTIMISM * best)),
                "holds": supported(r2 / (r2 + OPTIMISM * best)) >= 1,
                "detail": f"largest R2 {best:.3f}",
            },
            {
                "criterion": f"overall risk at {horizon:g} months within {MARGIN:g}",
                "supported": np.nan,
                "holds": margin <= MARGIN,
                "detail": f"known within {margin:.3f}",
            },
        ]
    )


def _overall_risk_margin(rate: float, horizon: float, person_time: float) -> float:
    """Half the wider side of the 95% interval of the risk in an exponential model."""
    error = 1.96 * np.sqrt(rate / person_time)
    risk = 1.0 - np.exp(-rate * horizon)
    high = 1.0 - np.exp(-(rate + error) * horizon)
    low = 1.0 - np.exp(-max(rate - error, 0.0) * horizon)
    return float(max(high - risk, risk - low))
