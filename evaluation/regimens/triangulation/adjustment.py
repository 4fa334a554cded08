"""What adjustment does to a crude hazard ratio, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evaluation.estimators import MULTIVARIABLE, rows_of
from evaluation.regimens.adjusted import NEGLIGIBLE
from evaluation.regimens.triangulation.checks import Checks
from evaluation.regimens.triangulation.reading import (
    Reading,
    adjusted_ratios,
    crude_ratio,
    excludes_equal_arms,
)

# A change of the hazard ratio by less than this factor is called little.
LITTLE = 1.1
# A conditional log ratio up to this many times a marginal one needs no bias.
MODEST = 1.3


def say_adjustment(reading: Reading) -> str:
    """What adjustment does to the crude hazard ratio, and what imbalance and chance can explain."""
    crude = crude_ratio(reading)
    rows = adjusted_ratios(reading)
    if crude is None or rows.empty:
        return ""
    sizes = reading.ratios.groupby("family")["n"].max()
    fewer = (
        f" (of {sizes['classical']:.0f} and {sizes['adjusted']:.0f} patients, so that who is left "
        "out plays a part)"
        if sizes["classical"] != sizes["adjusted"]
        else ""
    )
    values = rows["estimate"].astype(float)
    start = float(crude["estimate"])
    marginal = rows[~rows_of(rows["estimator"], MULTIVARIABLE)]
    population = " Weighting also changes the population." if len(marginal) else ""
    differed = _imbalance(reading.checks)
    spread = " to ".join(dict.fromkeys(f"{v:.2f}" for v in (values.min(), values.max())))
    if hardly_moves(reading):
        told = f", though {differed}" if reading.checks.beyond_chance else f"; {differed}"
        return (
            f"Adjustment hardly moves the hazard ratio from {start:.2f} crude (adjusted {spread})"
            f"{fewer}{told}.{population}"
        )
    change = np.log(values / start).abs()
    far = rows.loc[change.idxmax()]
    end = float(far["estimate"])
    figures = f"the hazard ratio from {start:.2f} crude to {end:.2f} ({far['estimator']}"
    figures += f"; adjusted rows {spread})" if len(rows) > 1 else ")"
    if (start - 1) * (end - 1) < 0:
        both = pd.DataFrame([crude, far])
        if not excludes_equal_arms(both).any():
            return (
                f"Adjustment moves {figures}{fewer}, across 1, but both intervals hold 1: the two "
                f"are not told apart.{population}"
            )
        way = "across 1"
    else:
        way = "towards 1" if abs(np.log(end)) < abs(np.log(start)) else "away from 1"
    only_conditional = (change[marginal.index] < np.log(LITTLE)).all()
    if only_conditional:
        why = "this ratio is given the covariates, which makes it another one than the crude"
    elif reading.checks.randomised:
        why = "crude and adjusted rows are both valid, as the arms were drawn at random"
    elif reading.checks.beyond_chance:
        hid = " that hid part of the contrast" if way == "away from 1" else ""
        why = f"the change is consistent with measured confounding{hid}"
    else:
        why = "the change has no interval and is not told from chance"
    return f"Adjustment moves {figures}{fewer}, {way}; {differed}; {why}.{population}"


def hardly_moves(reading: Reading) -> bool:
    """Whether there are adjusted ratios and all of them lie near the crude one."""
    crude, rows = crude_ratio(reading), adjusted_ratios(reading)
    if crude is None or rows.empty:
        return False
    change = np.log(rows["estimate"].astype(float) / float(crude["estimate"])).abs()
    return bool((change < np.log(LITTLE)).all())


def say_conditional(reading: Reading) -> str:
    """How a ratio given the covariates lies to the marginal ones."""
    rows = adjusted_ratios(reading)
    given = rows_of(rows["estimator"], MULTIVARIABLE)
    if not given.any() or given.all() or hardly_moves(reading):
        return ""
    conditional = float(rows.loc[given, "estimate"].iloc[0])
    marginal = rows.loc[~given, "estimate"].to_numpy(dtype=float)
    if (np.abs(np.log(conditional / marginal)) < np.log(LITTLE)).all():
        return ""
    shown = " to ".join(dict.fromkeys(f"{v:.2f}" for v in (marginal.min(), marginal.max())))
    same_side = ((marginal - 1) * (conditional - 1) > 0).all()
    size, sizes = abs(np.log(conditional)), np.abs(np.log(marginal))
    about = f"The multivariable ratio ({conditional:.2f}, given the covariates)"
    if same_side and (size > sizes).all() and size <= MODEST * sizes.min():
        return (
            f"{about} lies further from 1 than the weighted ones ({shown}, marginal), as it can "
            "without any bias."
        )
    if same_side and size <= MODEST * sizes.max():
        # Among the weighted ones, or not further from 1 than conditioning makes it.
        return ""
    low, high = (float(rows.loc[given, name].iloc[0]) for name in ("ci_low", "ci_high"))
    if low <= marginal.min() and marginal.max() <= high:
        return (
            f"{about} lies apart from the weighted ones ({shown}, marginal) by more than being "
            "given the covariates usually makes, but its interval holds them."
        )
    return (
        f"{about} and the weighted ones ({shown}, marginal) disagree by more than being given the "
        "covariates usually makes: the models or the populations differ."
    )


def _imbalance(checks: Checks) -> str:
    """The largest imbalance, held against chance: a clause."""
    if not np.isfinite(checks.largest_smd):
        return "how the arms differed was not measured"
    worst = f"largest SMD {checks.largest_smd:.2f}, {checks.largest_smd_term}"
    if checks.largest_smd <= NEGLIGIBLE:
        return f"the arms were balanced in what was recorded ({worst})"
    if not np.isfinite(checks.chance_smd):
        return f"the imbalance was not held against chance ({worst})"
    if checks.randomised and not checks.beyond_chance:
        return f"the imbalance of the arms, drawn at random, is chance ({worst})"
    among = f"; chance gives up to {checks.chance_smd:.2f} among {checks.terms} " + (
        "term" if checks.terms == 1 else "terms"
    )
    if checks.beyond_chance and checks.randomised:
        return (
            f"the arms differ by more than drawing at random gives ({worst}{among}): check how "
            "they were drawn and who is left out"
        )
    if checks.beyond_chance:
        return f"the arms differed by more than chance gives ({worst}{among})"
    return f"the imbalance is of a size that chance gives ({worst}{among})"
