import numpy as np
import pytest

from evaluation.bootstrap import bootstrap_counts, percentile_interval


def test_same_seed_same_bytes():
    first, second = bootstrap_counts(40, 10, seed=7), bootstrap_counts(40, 10, seed=7)
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != bootstrap_counts(40, 10, seed=8).tobytes()
    assert first.dtype == np.uint16


def test_every_replicate_keeps_the_size_of_every_stratum():
    strata = np.array(["event"] * 5 + ["censored"] * 8 + ["event"] * 2)
    counts = bootstrap_counts(15, 50, seed=1, strata=strata)
    assert (counts.sum(axis=1) == 15).all()
    assert (counts[:, strata == "event"].sum(axis=1) == 7).all()


def test_patients_are_drawn_evenly():
    counts = bootstrap_counts(10, 4000, seed=2)
    # A count is binomial(10, 1/10): mean 1, variance 0.9; standard error of a mean 0.015.
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.06)
    assert counts.var(axis=0) == pytest.approx(0.9, abs=0.1)


def test_a_stratum_of_one_is_always_drawn():
    counts = bootstrap_counts(3, 20, seed=0, strata=[0, 1, 1])
    assert (counts[:, 0] == 1).all()


def test_strata_need_a_label_for_every_patient():
    with pytest.raises(ValueError, match="strata has shape"):
        bootstrap_counts(3, 2, seed=0, strata=[0, 1])


def test_interval_by_hand():
    # 0, 1, ..., 40: 2.5% and 97.5% are 1 and 39.
    assert percentile_interval(np.arange(41)) == pytest.approx((1, 39))
    assert percentile_interval(np.arange(41), level=0.9) == pytest.approx((2, 38))


def test_a_few_undefined_replicates_are_left_out():
    replicates = np.append(np.arange(41.0), [np.nan] * 4)
    assert percentile_interval(replicates) == pytest.approx((1, 39))


def test_too_many_undefined_replicates_leave_no_interval():
    # 5 of 46 are more than 10%.
    assert np.isnan(percentile_interval(np.append(np.arange(41.0), [np.nan] * 5))).all()
    assert np.isnan(percentile_interval([])).all()
