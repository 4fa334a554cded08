import numpy as np

from models.notes import notes_of


def test_each_patient_gets_the_sentences_of_its_own(card):
    low, high = card.ranges["age_years"]
    words = lambda *values: np.array(values, dtype=object)  # noqa: E731
    inputs = {
        "age_years": np.array([np.nan, high + 1, 61.0, low]),
        "hb_g_per_l": np.array([98.0, np.nan, 98.0, 98.0]),
        "disease": words("AML de novo", "AML de novo", "MPAL", None),
        "mut_tp53": np.array([1.0, 1.0, 1.0, 1.0]),
        "wbc_1e9_per_l": np.array([4.0, 4.0, 4.0, 4.0]),
    }
    covariates = {name: inputs[name] for name in inputs if name != "wbc_1e9_per_l"}
    covariates["log_wbc"] = np.log10(inputs["wbc_1e9_per_l"])
    seen = card.model_copy(
        update={
            "levels": {"disease": ("AML de novo",)},
            "rare": {"disease": ("AML de novo",)},
            "first_event": 2.0,
        }
    )
    ranges = card.ranges.keys() - {"age_years"}
    seen = seen.model_copy(
        update={"ranges": {k: v for k, v in seen.ranges.items() if k not in ranges}}
    )
    early = "nobody had the event in training by month 1"
    rare = "too rare in training to count for itself: disease AML de novo"
    assert notes_of(inputs, covariates, seen, [1, 6]).tolist() == [
        f"missing: age_years; {rare}; {early}",
        f"missing: hb_g_per_l; outside the central 95% of training: age_years; {rare}; {early}",
        f"never seen in training: disease MPAL; {early}",
        f"missing: disease; {early}",
    ]
