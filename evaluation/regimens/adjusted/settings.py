"""What an adjusted comparison compares, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evaluation.regimens.adjusted.estimates import (
    Estimands,
)
from evaluation.regimens.adjusted.propensity import (
    Kind,
)
from evaluation.statistics import Method

# What stands in the place of "no unmeasured confounding" in a randomised cohort.
DRAWN = "arms drawn at random"


@dataclass(frozen=True)
class AdjustedSettings:
    """What is compared and how; everything has a default but the question itself.

    Attributes
    ----------
    reference_arm : str
    horizons : sequence of float
        Months at which event probabilities are compared.
    tau : float, optional
        Months, where the RMST ends; the last horizon where left out.
    endpoint : str
        Label of the outcome.
    seed : int
        Of the imputation and the bootstrap.
    missing : {"impute", "indicator", "complete"}
        Missing covariates: multiple imputation with the outcome, pooled by Rubin's rules; an
        indicator; or patients with any are left out.
    imputations : int
        Completed tables.
    weights : tuple of str
        Kinds of weights, the one to trim first.
    trim : (float, float), optional
        Percentiles of a further, trimmed row.
    interval : {"sandwich", "bootstrap"}
        Of all rows but the multivariable Cox model's; a trimmed row is always bootstrapped.
    replicates : int
        Of the bootstrap.
    propensity : {"maximum likelihood", "Firth", "ridge"}
    common_outcome : bool
        For the E-value: the event happens to more than about 15%.
    randomised : bool
        Arms were drawn at random: nothing unmeasured is to be explained away, so without E-values.
    """

    reference_arm: str
    horizons: Sequence[float]
    tau: float | None = None
    endpoint: str = "OS"
    seed: int = 0
    missing: Literal["impute", "indicator", "complete"] = "impute"
    imputations: int = 10
    weights: tuple[Kind, ...] = ("stabilised IPTW", "overlap", "matching")
    trim: tuple[float, float] | None = None
    interval: Literal["sandwich", "bootstrap"] = "sandwich"
    replicates: int = 500
    propensity: Method = "maximum likelihood"
    common_outcome: bool = True
    randomised: bool = False

    def __post_init__(self) -> None:
        horizons = tuple(float(h) for h in self.horizons)
        if not horizons or not all(h > 0 for h in horizons):
            raise ValueError(f"horizons must be months above 0, at least one; got {horizons}")
        if self.missing not in ("impute", "indicator", "complete"):
            raise ValueError(f"missing must be impute, indicator or complete; got {self.missing!r}")
        if self.interval not in ("sandwich", "bootstrap"):
            raise ValueError(f"interval must be sandwich or bootstrap; got {self.interval!r}")
        if self.imputations < 2:
            raise ValueError(f"imputations must be 2 or more; got {self.imputations}")
        if self.trim is not None and not 0 <= self.trim[0] < self.trim[1] <= 100:
            raise ValueError(f"trim must be two percentiles in order, 0 to 100; got {self.trim}")
        object.__setattr__(self, "horizons", horizons)

    @property
    def estimands(self) -> Estimands:
        """What the estimators need of it."""
        tau = max(self.horizons) if self.tau is None else self.tau
        horizons = tuple(self.horizons)
        return Estimands(horizons, float(tau), self.weights, self.trim, self.propensity)
