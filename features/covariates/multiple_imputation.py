"""Multiple imputation for regimen-effect inference: chained equations and Rubin's rules.

Not for prediction: a model that must answer for a patient with missing values needs the same
deterministic imputation everywhere (models/preprocessing.py), and one without the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from features.covariates.derived import DERIVATIONS
from features.covariates.dictionary import Covariate, read_dictionary
from features.covariates.missing import as_text, structural_rules
from features.dataset import REGIMEN
from features.errors import InputError, Problem, name_some
from features.life_table import LifeTable
from features.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

# Rounds of chained equations before a completed table is taken; 5 to 20 are usual.
CYCLES = 10
# Observed patients among whom the value of the most alike is drawn (Morris et al., BMC Med Res
# Methodol 2014;14:75).
DONORS = 5
# Share of each diagonal element, enough to invert with collinear covariates; as R's mice has it.
RIDGE = 1e-5
# Inverse penalty: log odds ratios with a prior SD of about 3.
WEAK_PENALTY = 10.0


def multiply_impute(
    covariates: pd.DataFrame,
    outcome: Outcome,
    regimen: np.ndarray | None,
    m: int,
    seed: int,
    dictionary: Mapping[str, Covariate] | None = None,
) -> list[pd.DataFrame]:
    """Complete a table m times, with the outcome in the imputation models.

    Each incomplete covariate is drawn in turn given all the others, the regimen, the event
    indicator and the Nelson-Aalen cumulative hazard at the patient's time (White and Royston,
    Stat Med 2009;28:1982), over CYCLES rounds.

    - Numbers: predictive mean matching. The value of one of the DONORS observed patients with the
      nearest predicted mean, the coefficients drawn from their posterior; so every drawn value is
      one that was observed, within the dictionary's limits and whole where it must be.
    - Flags and categories: a class drawn from its probability under a logistic model fitted to a
      bootstrap sample, never a fraction.

    Parameters
    ----------
    covariates : DataFrame of shape (n, p)
        As the analysis will use them, derived ones included: a covariate derived after imputation
        and one imputed here do not agree. Few and relevant ones; p well below n. Bounds between
        two covariates (neutrophils within white cells) are not kept. AML and ALL on their own: a
        gene that is not asked of ALL would be drawn for it.
    outcome : Outcome
        Of the endpoint that will be analysed.
    regimen : ndarray of shape (n,), or None
        Complete.
    m : int
        Number of completed tables; about the percentage of patients with a missing value.
    seed : int
        The same seed gives the same tables; the first tables do not depend on m.
    dictionary : mapping of name -> Covariate, optional
        Kinds and structural rules; the project's where left out. A covariate in neither it nor
        DERIVATIONS is a category if it is text, a flag if it holds 0 and 1 only, else a number.

    Returns
    -------
    list of m DataFrames of shape (n, p)
        Observed cells as given. Structural cells stay missing: a table in which a missing
        rr_status was drawn as refractory has no cr1_months there.

    Raises
    ------
    InputError
        When m is below 1, a covariate is a date or holds no value at all, the regimen is missing
        somewhere, or the column that says whether a missing value can exist is not given.
    """
    known = read_dictionary() if dictionary is None else dictionary
    described = {name: d.covariate for name, d in DERIVATIONS.items()} | dict(known)
    _check_imputable(covariates, regimen, m, described)
    columns = {name: _read_column(covariates[name], described) for name in covariates.columns}
    imputer = _Imputer(columns, _outcome_features(outcome, regimen), regimen)
    generators = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(m)]
    return [_with_codes(covariates, columns, imputer.complete(rng)) for rng in generators]


class PooledEstimate(NamedTuple):
    """An estimate pooled over completed tables.

    Attributes
    ----------
    estimate, variance : float
        On the scale of what was pooled; pool a log hazard ratio, not the ratio.
    df : float
        Degrees of freedom of the t distribution for interval and test.
    missing_information : float
        Share of the information that the missing values cost, 0 to 1.
    """

    estimate: np.ndarray
    variance: np.ndarray
    df: np.ndarray
    missing_information: np.ndarray


def pool_rubin(
    estimates: ArrayLike, variances: ArrayLike, complete_df: float = np.inf
) -> PooledEstimate:
    """Pool the estimates from m completed tables by Rubin's rules.

    Parameters
    ----------
    estimates, variances : array-like of shape (m,) or (m, k)
        One estimate a table and its squared standard error, on a scale on which the estimate is
        about normal.
    complete_df : float
        Degrees of freedom of the analysis if nothing were missing: for a Cox model the number of
        events less that of its parameters. Left out: a large sample (Rubin 1987).

    Returns
    -------
    PooledEstimate
        Scalars, or arrays of shape (k,).

    Raises
    ------
    InputError
        With fewer than two tables, shapes that differ, or a variance that is not positive.

    References
    ----------
    Rubin, Multiple Imputation for Nonresponse in Surveys, 1987. Degrees of freedom: Barnard and
    Rubin, Biometrika 1999;86:948.
    """
    estimate, within = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    m = len(estimate) if estimate.ndim else 0
    if estimate.shape != within.shape or m < 2 or not (within > 0).all():
        raise InputError(
            Problem(
                what="These estimates cannot be pooled",
                where="estimates and variances",
                got=f"shapes {estimate.shape} and {within.shape}, "
                f"smallest variance {within.min(initial=np.inf):g}",
                allowed="two or more estimates, each with a variance above 0",
                remedy="give one estimate and one squared standard error a completed table",
            )
        )
    mean_within = within.mean(axis=0)
    between = (1 + 1 / m) * estimate.var(axis=0, ddof=1)
    total = mean_within + between
    share = between / total
    with np.errstate(divide="ignore"):
        df_tables = (m - 1) / share**2
    if np.isinf(complete_df):
        df = df_tables
    else:
        df_observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
        df = 1 / (1 / df_tables + 1 / df_observed)
    ratio = between / mean_within
    information = (ratio + 2 / (df + 3)) / (1 + ratio)
    return PooledEstimate(estimate.mean(axis=0), total, df, information)


@dataclass(frozen=True)
class _Column:
    """One covariate as numbers: a number as it is, a flag or category as the place of its class."""

    name: str
    codes: np.ndarray
    classes: np.ndarray | None
    rules: Mapping[str, tuple[str, ...]]

    @property
    def missing(self) -> np.ndarray:
        return np.isnan(self.codes)

    def is_one_of(self, codes: np.ndarray, values: tuple[str, ...]) -> np.ndarray:
        """Whether the coded values are among these words, shape (n,)."""
        if self.classes is None:
            return np.isin(codes, [float(value) for value in values])
        return np.isin(codes, np.flatnonzero(np.isin(as_text(self.classes), values)))

    def features(self, codes: np.ndarray) -> np.ndarray:
        """What this covariate contributes to the models of the others, (n, n_features)."""
        absent = np.isnan(codes)
        if self.classes is None:
            # 0, the mean, where there is no value; the extra column speaks for these.
            parts = [np.zeros(len(codes))]
            parts[0][~absent] = _standardise(codes[~absent])
        else:
            parts = [(codes == place).astype(float) for place in range(1, len(self.classes))]
        if absent.any():
            parts.append(absent.astype(float))
        return np.column_stack(parts) if parts else np.empty((len(codes), 0))


def _read_column(values: pd.Series, described: Mapping[str, Covariate]) -> _Column:
    import pandas as pd

    name = str(values.name)
    missing = values.isna().to_numpy()
    rules = structural_rules(name, described)
    if _is_number(values, described):
        return _Column(name, values.to_numpy(dtype=float, na_value=np.nan), None, rules)
    # In the column's own type, so that a drawn class fits into it.
    kind = float if pd.api.types.is_numeric_dtype(values) else object
    classes, places = np.unique(values[~missing].to_numpy(dtype=kind), return_inverse=True)
    codes = np.full(len(values), np.nan)
    codes[~missing] = places
    return _Column(name, codes, classes, rules)


def _is_number(values: pd.Series, described: Mapping[str, Covariate]) -> bool:
    import pandas as pd

    if values.name in described:
        return described[str(values.name)].kind in ("number", "integer")
    return pd.api.types.is_numeric_dtype(values) and not values.dropna().isin([0, 1]).all()


def _outcome_features(outcome: Outcome, regimen: np.ndarray | None) -> np.ndarray:
    """Intercept, event, cumulative hazard and regimen, shape (n, 3 + regimens - 1)."""
    event = outcome.event.astype(float)
    parts = [np.ones(len(outcome)), event - event.mean(), _standardise(_nelson_aalen(outcome))]
    if regimen is not None:
        parts += [(regimen == arm).astype(float) for arm in sorted(set(regimen))[1:]]
    return np.column_stack(parts)


def _nelson_aalen(outcome: Outcome) -> np.ndarray:
    """Cumulative hazard at each patient's own time, H(t) = sum of d_j / n_j over t_j <= t."""
    table = LifeTable.count(outcome.time, outcome.event)
    return table.at(outcome.time, table.cumulative_hazard, before=0.0)


def _standardise(values: np.ndarray) -> np.ndarray:
    spread = values.std() if len(values) else 0.0
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


@dataclass(frozen=True)
class _Imputer:
    """What the m completed tables share."""

    columns: Mapping[str, _Column]
    fixed: np.ndarray
    regimen: np.ndarray | None

    def complete(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Codes of one completed table, from a random start through CYCLES rounds."""
        # What decides whether another covariate exists comes before it, and what is mostly
        # observed before what is mostly missing.
        incomplete = sorted(
            (c for c in self.columns.values() if c.missing.any()),
            key=lambda c: (bool(c.rules), c.missing.sum()),
        )
        codes = {name: c.codes.copy() for name, c in self.columns.items()}
        for column in incomplete:
            wanted = self._wanted(column, codes)
            codes[column.name][wanted] = rng.choice(column.codes[~column.missing], wanted.sum())
        features = {name: c.features(codes[name]) for name, c in self.columns.items()}
        for _ in range(CYCLES):
            for column in incomplete:
                # Whether a covariate exists says what its deciding column holds. Drawn values must
                # not: the first draw would stay for ever. Whether one was recorded may.
                others = [
                    features[name] if column.name not in c.rules else c.missing[:, None]
                    for name, c in self.columns.items()
                    if c is not column
                ]
                wanted = self._wanted(column, codes)
                draw = _draw_numbers if column.classes is None else _draw_classes
                drawn = column.codes.copy()
                if wanted.any():
                    drawn[wanted] = draw(
                        column.codes, np.column_stack([self.fixed, *others]), wanted, rng
                    )
                codes[column.name] = drawn
                features[column.name] = column.features(drawn)
        return codes

    def _wanted(self, column: _Column, codes: Mapping[str, np.ndarray]) -> np.ndarray:
        """Where a value is missing and can exist, as the table stands now."""
        wanted = column.missing.copy()
        for deciding, values in column.rules.items():
            if deciding in self.columns:
                wanted &= ~self.columns[deciding].is_one_of(codes[deciding], values)
            elif self.regimen is not None:
                wanted &= ~np.isin(as_text(self.regimen), values)
        return wanted


def _draw_numbers(
    codes: np.ndarray, design: np.ndarray, wanted: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Predictive mean matching, shape (number wanted,)."""
    from scipy.linalg import cho_solve, cholesky, solve_triangular

    seen = ~np.isnan(codes)
    X, y = design[seen], codes[seen]
    gram = X.T @ X
    gram[np.diag_indices_from(gram)] *= 1 + RIDGE
    # A feature that is 0 in every observed patient has no scale of its own to add to.
    gram[np.diag_indices_from(gram)] += RIDGE
    lower = cholesky(gram, lower=True)
    best = cho_solve((lower, True), X.T @ y)
    # A draw from the posterior of error and coefficients under the usual flat prior.
    rss = np.sum((y - X @ best) ** 2)
    error = np.sqrt(rss / rng.chisquare(max(len(y) - X.shape[1], 1)))
    drawn = best + error * solve_triangular(
        lower, rng.standard_normal(X.shape[1]), lower=True, trans="T"
    )
    return _match(X @ best, y, design[wanted] @ drawn, rng)


def _match(
    predicted: np.ndarray, values: np.ndarray, targets: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw for each target the value of one of the DONORS nearest predictions."""
    # Equal predictions in random order, or the same patients would always be the donors.
    order = np.lexsort((rng.random(len(predicted)), predicted))
    near = predicted[order]
    window = np.searchsorted(near, targets)[:, None] + np.arange(-DONORS, DONORS)
    outside = (window < 0) | (window >= len(near))
    window = np.clip(window, 0, len(near) - 1)
    distance = np.where(outside, np.inf, np.abs(near[window] - targets[:, None]))
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(DONORS, len(near))]
    donor = nearest[np.arange(len(targets)), rng.integers(nearest.shape[1], size=len(targets))]
    return values[order][window[np.arange(len(targets)), donor]]


def _draw_classes(
    codes: np.ndarray, design: np.ndarray, wanted: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Classes drawn from their probabilities, shape (number wanted,)."""
    from sklearn.linear_model import LogisticRegression

    seen = np.flatnonzero(~np.isnan(codes))
    # The bootstrap stands for the uncertainty of the coefficients.
    sample = rng.choice(seen, len(seen))
    if len(np.unique(codes[sample])) == 1:
        sample = seen
    if len(np.unique(codes[sample])) == 1:
        return np.full(wanted.sum(), codes[sample[0]])
    # The penalty keeps a class that a covariate separates perfectly from a probability of 0 or 1;
    # a stronger one pulls rare classes towards too small a share.
    model = LogisticRegression(C=WEAK_PENALTY, solver="newton-cholesky", max_iter=200)
    model.fit(design[sample, 1:], codes[sample])
    cumulative = np.cumsum(model.predict_proba(design[wanted, 1:]), axis=1)
    place = np.sum(rng.random(wanted.sum())[:, None] > cumulative[:, :-1], axis=1)
    return model.classes_[place]


def _with_codes(
    covariates: pd.DataFrame, columns: Mapping[str, _Column], codes: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Return the table with the drawn values in its empty cells."""
    table = covariates.copy()
    for name, column in columns.items():
        drawn = column.missing & ~np.isnan(codes[name])
        if drawn.any():
            values = codes[name][drawn]
            table.loc[drawn, name] = (
                values if column.classes is None else column.classes[values.astype(int)]
            )
    return table


def _check_imputable(
    covariates: pd.DataFrame,
    regimen: np.ndarray | None,
    m: int,
    described: Mapping[str, Covariate],
) -> None:
    import pandas as pd

    problems = []
    if m < 1:
        problems.append(Problem(
            what="Not a number of completed tables", where="m", got=str(m),
            allowed="a whole number from 1",
            remedy="take about the percentage of patients with a missing value",
        ))  # fmt: skip
    if regimen is not None and pd.isna(regimen).any():
        problems.append(Problem(
            what="The regimen is missing", where="regimen",
            got=f"{int(pd.isna(regimen).sum())} patient(s) without one",
            allowed="a regimen for every patient",
            remedy="leave these patients out: what was given is not imputed",
        ))  # fmt: skip
    for name in covariates:
        missing = covariates[name].isna()
        if name in described and described[name].kind == "date":
            problems.append(Problem(
                what="A date cannot be imputed", where=f"covariate {name}",
                remedy="turn it into an interval, or leave it out",
            ))  # fmt: skip
        elif missing.all() and len(missing):
            problems.append(Problem(
                what="The covariate holds no value", where=f"covariate {name}",
                allowed="some observed values", remedy="leave it out",
            ))  # fmt: skip
        for deciding in structural_rules(str(name), described):
            given = deciding in covariates or (deciding == REGIMEN and regimen is not None)
            if missing.any() and not given:
                problems.append(Problem(
                    what="It cannot be told whether a missing value exists",
                    where=f"covariate {name}",
                    got=f"no {deciding}",
                    allowed=f"a table with {name_some([name, deciding])}",
                    remedy=f"add {deciding}, or leave {name} out: a value that cannot exist "
                    "must not be imputed",
                ))  # fmt: skip
    if problems:
        raise InputError(problems)
