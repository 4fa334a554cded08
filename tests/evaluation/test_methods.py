from evaluation.estimates import FIXED
from evaluation.methods import by_folds, by_patients, in_short, replicates_of


def test_what_a_method_says_is_what_it_was_made_of():
    assert replicates_of(by_patients(500, FIXED)) == 500
    assert replicates_of(by_folds(15, 14)) is None
    assert replicates_of("Wald") is None
    assert in_short(by_patients(50, FIXED)) == "patients, B=50"
    assert in_short(by_folds(15, 14)) == "mean of 15 test folds, corrected t, df=14"
    assert in_short("Wald") == "Wald"
