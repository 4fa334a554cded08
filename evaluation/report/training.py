"""The page of a training, and of an evaluation on new patients: its sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
from markupsafe import Markup

from evaluation.estimates import is_by_construction
from evaluation.metrics import metric_of
from evaluation.remarks import not_estimable, why_not
from evaluation.report.page import html_findings
from evaluation.report.section import (
    Block,
    Pictures,
    Section,
    boxed,
    heading,
    note,
    paragraph,
    pictures,
    strong,
    table,
)
from evaluation.report.tables import (
    labelled,
    metrics_by_horizon,
    metrics_by_learner,
    readable_centers,
    readable_differences,
    readable_incremental,
    readable_instability,
    readable_optimism,
    readable_recalibration,
    readable_regimen,
    readable_sample_size,
    readable_split_variation,
    readable_subgroups,
    without_empty_remarks,
)

OUT_OF_FOLD = (
    "Out-of-fold, every modelling step inside the folds; mean over the repeats with 95% bootstrap "
    "percentile intervals over patients, predictions held fixed. C and AUC compare patients of the "
    "same test fold only."
)

Read = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Found:
    """What the sections of a training's page are made of. What is empty has no section.

    Attributes
    ----------
    metrics : DataFrame with METRIC_COLUMNS
    how : str
        How the predictions were made and what the intervals are.
    differences : DataFrame with DIFFERENCE_COLUMNS, or None
    champion, reason : str
    verdict : str
        Whether Cox is enough; empty when that was not asked.
    sample_size : DataFrame or None
        How many parameters the cohort supports, by criterion; `sample_size_text` says it in words.
    regimen : DataFrame with REGIMEN_COLUMNS, or None without regimens
    claims : DataFrame or None
        Published claims against recomputed values.
    contributions : DataFrame or None
        Mean absolute SHAP contribution of each covariate.
    parameters : DataFrame or None
        Chosen parameters of every learner.
    recalibration : DataFrame or None
        What a recalibration estimated; `recalibration_text` says on whom.
    pictures : mapping of caption -> Figure, by section
    tables : mapping of name -> DataFrame
        Of an assessment; those with a section of their own are shown.
    randomised : bool
        The regimen was drawn at random.
    findings : DataFrame or None
        What the checks of the table found.
    """

    metrics: pd.DataFrame
    how: str = OUT_OF_FOLD
    differences: pd.DataFrame | None = None
    champion: str = ""
    reason: str = ""
    verdict: str = ""
    sample_size: pd.DataFrame | None = None
    sample_size_text: str = ""
    regimen: pd.DataFrame | None = None
    claims: pd.DataFrame | None = None
    contributions: pd.DataFrame | None = None
    parameters: pd.DataFrame | None = None
    recalibration: pd.DataFrame | None = None
    recalibration_text: str = ""
    pictures: Mapping[str, Pictures] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    randomised: bool = False
    findings: pd.DataFrame | None = None

    def in_section(self, section: str) -> pd.DataFrame:
        """The metrics that a section shows, as the catalogue says."""
        each = [metric_of(name).section == section for name in self.metrics["metric"]]
        return self.metrics[each]

    @property
    def competing(self) -> bool:
        """Whether predictions are judged as cumulative incidences."""
        return any(metric_of(name).is_competing for name in self.metrics["metric"])

    @property
    def estimator(self) -> str:
        """What observed probabilities are of."""
        return "Aalen-Johansen" if self.competing else "Kaplan-Meier"

    def at_horizons(self, section: str) -> Block:
        """A section's metrics of clinical horizons, a row a learner and horizon."""
        wide = self.in_section(section)
        return _table(wide, "numbers", lambda own: labelled(metrics_by_horizon(own)))


def performance(found: Found) -> Section:
    """How well learners, or a stored model, predict."""
    metrics = found.metrics
    chosen = Markup("Chosen: <strong>{}</strong>. {}.").format(found.champion, found.reason)
    reasons = sorted(set(metrics.loc[metrics["estimate"].isna(), "note"]))
    directions = (
        f"{found.how} C, AUC and IPA: higher is better. IBS and Brier: lower is better. IPA is "
        f"measured against the {found.estimator} estimate of all patients."
    )
    if not found.competing:
        directions += (
            " Mean AUC: over months from a quarter of the last horizon. A small p of D-calibration "
            "speaks against calibration up to the last horizon; where few have died by then it "
            "says little."
        )
    title = "How well each learner predicts" if found.champion else ""
    return Section(
        "performance",
        title or "How well the model predicts these patients",
        [
            paragraph(chosen) if found.champion else None,
            strong(found.verdict),
            _table(
                found.in_section("overall"),
                "numbers",
                lambda own: labelled(metrics_by_learner(own)),
            ),
            note(directions),
            found.at_horizons("horizon"),
            *(
                paragraph(
                    not_estimable(why_not(reason)),
                    "reasons",
                )
                for reason in reasons
            ),
            pictures("performance", found.pictures.get("performance")),
            pictures("curves", found.pictures.get("curves")),
            _titled(
                "Differences between learners, on the same patients and folds",
                _table(found.differences, "", readable_differences),
                note(
                    "Two intervals each. Over patients: other patients, these fitted models. Over "
                    "test folds, corrected for overlapping training sets (Nadeau and Bengio 2003): "
                    "training anew on a cohort like this one; its estimate is the mean of the "
                    "folds, which is not that over patients where folds differ in size. Neither is "
                    "adjusted for the number of learners. C and IPA: above 0 favours the first "
                    "named; IBS: below 0 does."
                ),
            ),
            _titled(
                "What the split into folds adds",
                _assessed(found, "split_variation", readable_split_variation),
                before=note(
                    "Repeats of the cross-validation see the same patients, so they differ by the "
                    "split alone."
                ),
            ),
            _titled(
                "What the chosen model adds to a simpler one",
                _assessed(found, "incremental_value", readable_incremental),
                note(
                    "Above 0 favours the chosen model. Net benefit: true positives a patient, "
                    "false positives taken off at the odds of the threshold."
                ),
            ),
        ],
        "Performance",
    )


def calibration(found: Found) -> Section:
    """Whether predicted risks are as large as observed ones."""
    if found.competing:
        directions = (
            "O/E: 1 is calibrated. The learners take a competing event for a censoring, so their "
            "probabilities overstate the cumulative incidence."
        )
    else:
        directions = (
            "O/E and slope: 1 is calibrated; intercept: 0 is calibrated, above it risk is "
            "underestimated. Slope below 1: predictions too extreme. ICI, E50, E90: mean, median "
            "and 90% quantile of the distance between the smooth calibration curve and the "
            "prediction, in probability; never negative, and a bootstrap of them leans upwards, so "
            "that an estimate may lie below its interval. Slope, curve and these distances rest on "
            "proportional hazards over all of follow-up; groups and O/E do not."
        )
    by_construction = (
        "O/E of these out-of-fold predictions is close to 1 by construction, since the mean of the "
        "folds' predictions is the mean of the cohort: it is no evidence of calibration. Slope and "
        "curve are; so is an evaluation on other patients."
    )
    points = (
        f"Points: groups of patients by predicted risk, with {found.estimator} 95% intervals, "
        "against the diagonal of perfect calibration."
    )
    if not found.competing:
        points += (
            " Line and band: smooth curve by Cox regression on a restricted cubic spline, with "
            "pointwise 95% bootstrap interval, from the fifth lowest to the fifth highest "
            "prediction."
        )
    points += " Below: how predicted risks are distributed."
    if found.champion:
        points += (
            " Points and curve are of each patient's mean prediction over the repeats; the numbers "
            "in the corner are those of the table."
        )
    return Section(
        "calibration",
        "Calibration",
        [
            found.at_horizons("calibration"),
            note(directions),
            note(by_construction) if is_by_construction(found.metrics) else None,
            note(points),
            pictures("calibration", found.pictures.get("calibration")),
            pictures("risk", found.pictures.get("risk")),
        ],
        "Calibration",
    )


def utility(found: Found) -> Section | None:
    """Net benefit at the thresholds."""
    benefit = found.at_horizons("utility")
    if benefit is None:
        return None
    text = (
        "Net benefit of acting on patients whose predicted risk reaches the threshold, in true "
        "positives a patient; 0 is acting on nobody. A model is of use at a threshold only where "
        "its curve lies above acting on everybody and on nobody."
    )
    shown = pictures("utility", found.pictures.get("utility"))
    return Section("utility", "Utility", [benefit, note(text), shown], "Utility")


def centers(found: Found) -> Section | None:
    """Centers left out of the training, and their summary."""
    rows = _assessed(found, "centers", readable_centers)
    if rows is None:
        return None
    text = (
        "Pooled by random effects (REML, Hartung-Knapp); the prediction interval is where the "
        "value of a new center is expected. With few centers it is very wide or cannot be given."
    )
    shown = pictures("centers", found.pictures.get("centers"))
    title = "Centers, each left out of the training"
    return Section("centers", title, [note(text), shown, rows], "Centers")


def subgroups(found: Found) -> Section | None:
    """Groups of patients, described."""
    rows = _assessed(found, "subgroups", readable_subgroups)
    if rows is None:
        return None
    text = (
        "Described, not tested: groups are small and many. Suppressed with fewer than 20 patients "
        "or 10 events."
    )
    shown = pictures("subgroups", found.pictures.get("subgroups"))
    return Section("subgroups", "Subgroups", [note(text), rows, shown], "Subgroups")


def stability(found: Found) -> Section | None:
    """Instability of predictions, and optimism of the pipeline."""
    unstable = _titled(
        "Instability of predictions",
        _assessed(found, "instability", readable_instability),
        pictures("instability", found.pictures.get("instability")),
        before=note(
            "The model refitted to bootstrap samples of its patients, with its parameters kept: "
            "how far predictions of the same patients would have been others. Tuning anew would "
            "add to it (Riley and Collins 2023; 200 refits or more are advised)."
        ),
    )
    optimistic = _titled(
        "Optimism of the whole pipeline",
        _assessed(found, "optimism", readable_optimism),
        before=note(
            "Tuning and fitting repeated in each bootstrap sample. Apparent: on the patients the "
            "model was fitted to. Corrected: apparent less the mean optimism of the refits. .632 "
            "and .632+ weigh in the patients a refit did not see. The notes of the intervals are "
            "in optimism.csv."
        ),
    )
    if unstable is None and optimistic is None:
        return None
    title = "Stability of the chosen model"
    return Section("stability", title, [unstable, optimistic], "Stability")


def recalibration(found: Found) -> Section | None:
    """What a recalibration estimated."""
    rows = _table(found.recalibration, "", readable_recalibration)
    if rows is None:
        return None
    text = (
        "Recalibration changes how high predicted risks are, not which covariates matter. It was "
        "estimated on the patients above, so the recalibrated model looks calibrated on them by "
        "construction: validate it on others."
    )
    blocks = [paragraph(f"{found.recalibration_text}."), rows, note(text)]
    return Section("recalibration", "Recalibration", blocks, "Recalibration")


def sample_size(found: Found) -> Section | None:
    """How many parameters the cohort supports."""
    rows = _titled(
        "How many predictor parameters this cohort supports",
        _table(found.sample_size, "", readable_sample_size),
        note(
            "Riley et al. 2019 (10.1002/sim.7992). A tree learner uses many more parameters than a "
            "Cox model has coefficients."
        ),
        before=paragraph(f"{found.sample_size_text}."),
    )
    return None if rows is None else Section("sample-size", "", [rows])


def contributions(found: Found) -> Section | None:
    """What the chosen model's predictions rest on."""
    rows = _titled(
        "What the chosen model's predictions rest on",
        _table(found.contributions),
        pictures("contributions", found.pictures.get("contributions")),
        note(
            "One point a patient, without name or number; no table of them is written. Means are "
            "of a group of patients, never of one. Drawn by shap."
        )
        if found.pictures.get("contributions")
        else None,
        before=note(
            "SHAP: the contribution of a covariate to this model's prediction, not the effect of "
            "changing it."
        ),
    )
    return None if rows is None else Section("contributions", "", [rows])


def regimens(found: Found) -> Section | None:
    """Every estimate of the regimens, classical and model-based."""
    rows = _table(found.regimen, "regimens", readable_regimen)
    if rows is None:
        return None
    drawn = (
        "Patients were randomised: the classical estimates compare the arms as they were drawn."
        if found.randomised
        else "None of them is causal: patients were not randomised."
    )
    compared = (
        "Classical estimates compare patients as they were treated, without adjustment. "
        "Model-based ones say what a fitted model's predictions owe to the regimen, given the "
        f"other covariates. {drawn}"
    )
    modelled = (
        "Model-based intervals are ranges over refits of a penalised or tree model with fixed "
        "parameters. Such models shrink the regimen towards nothing, so the intervals are narrower "
        "than the uncertainty of a treatment difference and may be one-sided. The SHAP and the "
        "standardised contrast are two readings of one model, not two confirmations."
    )
    shown = pictures("regimen", found.pictures.get("regimen"))
    blocks = [paragraph(compared), paragraph(modelled), shown, rows]
    return Section("regimen", "Regimens compared", blocks, "Regimens")


def claims(found: Found) -> Section | None:
    """The published study's claims, recomputed."""
    rows = _table(found.claims)
    title = "Published claims, recomputed"
    return None if rows is None else Section("claims", title, [rows], "Published claims")


def parameters(found: Found) -> Section | None:
    """Parameters that the searches chose."""
    rows = _table(found.parameters)
    title = "Chosen parameters"
    return None if rows is None else Section("parameters", title, [rows], "Parameters")


def findings(found: Found) -> Section | None:
    """What the checks of the table found."""
    return findings_section(found.findings)


def findings_section(frame: pd.DataFrame | None) -> Section | None:
    """What the checks of the table found, on any page of results."""
    html = html_findings(frame)
    title = "What the checks of the table found"
    return None if html is None else Section("findings", title, [boxed(html, "findings")])


SECTIONS = (
    performance,
    calibration,
    utility,
    centers,
    subgroups,
    stability,
    recalibration,
    sample_size,
    contributions,
    regimens,
    claims,
    parameters,
    findings,
)


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def _table(frame: pd.DataFrame | None, scroll: str = "", read: Read = _as_it_is) -> Block:
    return table(frame, scroll, read=lambda own: without_empty_remarks(read(own)))


def _assessed(found: Found, name: str, read: Read) -> Block:
    return _table(found.tables.get(name), "", read)


def _titled(title: str, rows: Block, *after: Block, before: Block = None) -> Block:
    """A table under a heading, with what is said around it; None without the table."""
    if rows is None:
        return None
    return Markup("").join(filter(None, (heading(title), before, rows, *after)))
