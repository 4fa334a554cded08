"""E-value: how strong an unmeasured confounder would have to be to explain an estimate away."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class EValue(NamedTuple):
    """Risk ratio an unmeasured confounder would need with both regimen and outcome.

    Attributes
    ----------
    estimate : float
        To move the estimate to 1.
    limit : float
        To move the limit nearer to 1 of the interval to 1; 1 where the interval holds 1.
    """

    estimate: float
    limit: float


def e_value(
    hazard_ratio: float, ci_low: float, ci_high: float, common_outcome: bool = True
) -> EValue:
    """E-value of a hazard ratio and of the limit of its interval nearer to 1.

    Parameters
    ----------
    hazard_ratio, ci_low, ci_high : float
        On the ratio scale, above 0; not logarithms.
    common_outcome : bool
        The outcome happens to more than about 15% by the end of follow-up. Then the hazard ratio is
        turned into a risk ratio by (1 - 0.5^sqrt(HR)) / (1 - 0.5^sqrt(1/HR)); else taken as one.

    Returns
    -------
    EValue
        NaN where the hazard ratio is; 1 says that nothing needs explaining.

    Raises
    ------
    ValueError
        For a ratio that is not above 0.

    References
    ----------
    VanderWeele and Ding, Ann Intern Med 2017;167:268, 10.7326/M16-2607.
    """
    given = np.array([hazard_ratio, ci_low, ci_high], dtype=float)
    if (given <= 0).any():
        raise ValueError(f"hazard ratios must be above 0; got {given.tolist()}")
    estimate = _e_value(hazard_ratio, common_outcome)
    if np.isnan(given).any():
        return EValue(estimate, np.nan)
    if ci_low <= 1 <= ci_high:
        return EValue(estimate, 1.0)
    return EValue(estimate, _e_value(ci_high if ci_high < 1 else ci_low, common_outcome))


def _e_value(hazard_ratio: float, common_outcome: bool) -> float:
    ratio = max(hazard_ratio, 1 / hazard_ratio) if np.isfinite(hazard_ratio) else np.nan
    if common_outcome:
        ratio = (1 - 0.5 ** np.sqrt(ratio)) / (1 - 0.5 ** np.sqrt(1 / ratio))
    return float(ratio + np.sqrt(ratio * (ratio - 1)))
