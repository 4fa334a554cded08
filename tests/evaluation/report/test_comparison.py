import numpy as np
import pandas as pd
import pytest

from evaluation.estimators import ADVERSE_EVENT, COX, E_VALUE, LOG_RANK, OVERLAP, of_rates
from evaluation.regimens.target_trial import target_trial_sheet
from evaluation.regimens.triangulation import Paragraph
from evaluation.remarks import joined, reads_above
from evaluation.report.comparison import ComparisonReport, write_comparison_report
from evaluation.report.comparison_tables import (
    by_scale,
    readable_adverse,
    readable_agreement,
    readable_arms,
    readable_e_values,
    readable_heterogeneity,
    readable_shared,
)
from evaluation.results import ADJUSTED_COLUMNS, REGIMEN_COLUMNS, tidy


def table(rows):
    found = tidy(rows, ADJUSTED_COLUMNS)
    texts = ["ci_method", "population", "assumption", "verdict", "adjustment_set"]
    return found.assign(**{name: found[name].astype(object).fillna("") for name in texts})


CRUDE = {
    "family": "classical", "estimator": COX.named(), "endpoint": "OS", "arm": "HMA",
    "reference_arm": "LDAC", "scale": "hazard ratio", "estimate": 0.58, "ci_low": 0.34,
    "ci_high": 0.99, "p_value": 0.0443, "n": 70, "effective_n": 70,
    "note": joined(reads_above(1, "worse than LDAC"), "3 with a missing value left out"),
}  # fmt: skip
WEIGHTED = CRUDE | {
    "family": "adjusted", "estimator": OVERLAP.named("Cox"), "effective_n": 44.6, "note": "",
}  # fmt: skip
TESTED = CRUDE | {"estimator": LOG_RANK.named(), "scale": "chi-square"}
RESTRICTED = WEIGHTED | {"scale": "RMST difference", "horizon": 12.0, "estimate": 1.3}


PARAGRAPH = Paragraph(
    "OS, HMA against LDAC: all 2 estimates favour HMA (hazard ratio 0.58).", "More."
)


def adverse():
    rows = [
        {"estimator": of_rates(ADVERSE_EVENT).named(), "endpoint": "fever", "scale": "probability",
         "arm": arm, "estimate": rate, "ci_low": rate - 0.1, "ci_high": rate + 0.1,
         "ci_method": "Clopper-Pearson", "n": 42}
        for arm, rate in (("HMA", 0.5), ("LDAC", 0.4))
    ]  # fmt: skip
    rows.append(
        {"estimator": of_rates(ADVERSE_EVENT, "rate difference").named(), "endpoint": "fever",
         "arm": "HMA",
         "reference_arm": "LDAC", "scale": "probability difference", "estimate": 0.1,
         "ci_low": -0.1, "ci_high": 0.3, "p_value": 0.41, "ci_method": "Newcombe", "n": 70}
    )  # fmt: skip
    return tidy(rows, REGIMEN_COLUMNS)


def test_each_scale_and_horizon_has_a_heading():
    parts = by_scale(table([CRUDE, WEIGHTED, RESTRICTED]))
    assert [(heading, len(rows)) for heading, rows in parts] == [
        ("Hazard ratio", 2), ("RMST difference, 12 months", 1)
    ]  # fmt: skip


def test_what_all_rows_share_and_what_the_picture_says_is_left_out():
    shown = readable_shared(table([CRUDE, WEIGHTED]))
    assert "arms" not in shown
    assert shown["note"].tolist() == ["3 with a missing value left out", ""]
    assert shown["n (effective)"].tolist() == ["70", "70 (45)"]
    assert shown["estimate (95% interval)"].iloc[0] == "0.58 (0.34-0.99)"
    # With a second arm it is said which one a row is about.
    assert "arms" in readable_shared(table([CRUDE, WEIGHTED | {"arm": "GILT"}]))


def test_a_row_without_an_estimate_says_so():
    shown = readable_shared(table([CRUDE | dict.fromkeys(["estimate", "p_value"], np.nan)]))
    assert shown["estimate (95% interval)"].tolist() == ["not estimable"]


def test_adverse_events_have_a_column_an_arm_and_the_difference():
    (row,) = readable_adverse(adverse()).to_dict("records")
    assert row["adverse event"] == "fever"
    assert row["HMA"] == "0.50 (0.40-0.60)"
    assert row["HMA minus LDAC (Newcombe)"] == "0.10 (-0.10 to 0.30), p = .41"
    assert readable_adverse(adverse().iloc[:0]).empty


def test_the_arms_stand_beside_each_other():
    shown = readable_arms(adverse()[:2])
    assert shown[["HMA", "LDAC"]].to_numpy().tolist() == [["0.50 (0.40-0.60)", "0.40 (0.30-0.50)"]]


def test_two_readings_are_told_in_points_and_months_without_a_sign_before_zero():
    place = {"learner": "cox", "arm": "HMA", "reference_arm": "LDAC", "verdict": "agree"}
    numbers = ["shap", "standardised", "difference", "largest_gap"]
    rows = [
        {"scale": "event probability difference", "horizon": 12.0}
        | dict(zip(numbers, (-0.1042, -0.1041, -0.0001, np.nan), strict=True)),
        {"scale": "RMST difference (months)", "horizon": 9.0}
        | dict(zip(numbers, (1.234, 1.2, 0.034, 0.5), strict=True)),
    ]
    shown = readable_agreement(pd.DataFrame([place | row for row in rows]))
    assert shown["output"].tolist() == ["event by 12 months, points", "RMST to 9 months, months"]
    assert shown["arms"].tolist() == ["HMA vs LDAC"] * 2
    assert shown["SHAP contrast"].tolist() == ["-10.4", "+1.23"]
    assert shown["apart by"].tolist() == ["0.0", "+0.03"]
    assert shown["half the narrower interval"].tolist() == ["", "0.50"]


def test_heterogeneity_is_told_with_its_ratio_and_not_of_a_model_without_the_regimen():
    table = pd.DataFrame(
        {
            "learner": ["cox", "cox", "forest"],
            "scale": "event probability",
            "horizon": 12.0,
            "regimen": ["HMA", "LDAC", "HMA"],
            "n": [42, 3, 42],
            "mean": [-0.031, np.nan, 0.0],
            "between_sd": [0.004, np.nan, 0.0],
            "within_sd": [0.02, np.nan, 0.01],
            "ratio": [0.2, np.nan, 0.0],
            "note": ["patients differ by less: do not interpret", "not shown: few", "x"],
        }
    )
    shown = readable_heterogeneity(table)
    assert shown["learner"].tolist() == ["cox", "cox"]
    assert shown["mean contribution"].tolist() == ["-3.1", ""]
    assert shown["SD between patients"].tolist() == ["0.4", ""]
    assert shown["ratio"].tolist() == ["0.20", ""]
    assert shown["verdict"].tolist() == ["do not interpret", "not shown: few"]


def test_an_e_value_names_its_ratio():
    row = WEIGHTED | {"estimator": E_VALUE.named(OVERLAP.named("Cox")), "scale": "risk ratio",
                      "estimate": 2.09, "ci_low": 1.0, "ci_high": np.nan}  # fmt: skip
    (shown,) = readable_e_values(table([CRUDE, row])).to_dict("records")
    assert (shown["of"], shown["arms"]) == ("overlap Cox", "HMA vs LDAC")
    assert shown["E-value of the estimate"] == "2.09"
    assert shown["of the limit nearer to 1"] == "1.00"


@pytest.fixture
def report():
    return ComparisonReport(
        title="A <study>",
        provenance="",
        facts={"Patients": "70"},
        cautions=["Patients were not randomised."],
        paragraphs=[PARAGRAPH],
        adjustment_set="age",
        endpoint="OS",
        table=table(
            [CRUDE, WEIGHTED, CRUDE | {"estimator": LOG_RANK.named(), "scale": "chi-square"}]
        ),
        classical=adverse(),
        target_trial=target_trial_sheet({}, {"eligibility": "adults"}),
        pictures={"forest": {"A forest": b"drawn"}},
    )


def test_the_page_escapes_text_and_leaves_out_what_there_is_not(report, tmp_path):
    write_comparison_report(tmp_path / "report.html", report)
    page = (tmp_path / "report.html").read_text()
    assert "A &lt;study&gt;" in page
    assert (
        "<strong>OS, HMA against LDAC: all 2 estimates favour HMA (hazard ratio 0.58).</strong>"
        in page
    )
    # "drawn" in base 64.
    assert "data:image/png;base64,ZHJhd24=" in page
    assert "log-rank" in page.partition("Every other contrast")[2]
    for absent in ("Transplantation after", 'id="subgroups"', "E-values"):
        assert absent not in page
    for address in ("http://", "https://"):
        assert f'src="{address}' not in page
