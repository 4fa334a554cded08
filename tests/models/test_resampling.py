import numpy as np
import pandas as pd
import pytest

from evaluation.bootstrap import bootstrap_counts
from features.dataset import Dataset
from features.outcome import Outcome
from models.resampling import (
    bootstrap,
    bootstrap_strata,
    leave_one_center_out,
    repeated_folds,
    repeated_kfold,
    stratification,
    temporal_split,
)


def make_dataset(events, regimen=None):
    event = np.asarray(events, dtype=bool)
    covariates = pd.DataFrame({"age_years": np.arange(len(event), dtype=float)})
    return Dataset(covariates, regimen, None, Outcome(np.arange(1.0, len(event) + 1), event))


@pytest.fixture
def two_arms():
    # 20 deaths and 10 censored a regimen.
    regimen = np.repeat(["HMA", "LDAC"], 30).astype(object)
    return make_dataset(np.tile([True] * 20 + [False] * 10, 2), regimen)


def test_every_patient_is_in_one_test_fold_a_repeat(two_arms):
    folds = repeated_folds(two_arms, 5, 3, seed=1)
    assert folds.shape == (3, 60)
    for repeat in folds:
        # A row holds one fold a patient by its form; the folds are all there and of one size.
        assert np.bincount(repeat).tolist() == [12] * 5


def test_repeats_differ(two_arms):
    folds = repeated_folds(two_arms, 5, 3, seed=1)
    assert not np.array_equal(folds[0], folds[1])
    assert not np.array_equal(folds[1], folds[2])


def test_every_fold_holds_its_share_of_events_and_regimens(two_arms):
    folds = repeated_folds(two_arms, 5, 2, seed=1)
    for repeat in folds:
        for fold in range(5):
            inside = two_arms.take(repeat == fold)
            for arm in ("HMA", "LDAC"):
                # 20 deaths and 10 censored over 5 folds.
                event = inside.outcome.event[inside.regimen == arm]
                assert (event.sum(), (~event).sum()) == (4, 2)


def test_same_seed_same_folds(two_arms):
    first = repeated_folds(two_arms, 5, 3, seed=1)
    assert first.tobytes() == repeated_folds(two_arms, 5, 3, seed=1).tobytes()
    assert first.tobytes() != repeated_folds(two_arms, 5, 3, seed=2).tobytes()


def test_more_repeats_keep_the_first_ones(two_arms):
    few, many = (repeated_folds(two_arms, 5, repeats, seed=1) for repeats in (2, 4))
    assert np.array_equal(few, many[:2])


def test_without_a_regimen_the_events_are_balanced():
    dataset = make_dataset([True] * 30 + [False] * 20)
    for fold in range(5):
        inside = dataset.take(repeated_folds(dataset, 5, 1, seed=3)[0] == fold)
        assert (inside.outcome.n_events, len(inside)) == (6, 10)


def test_thin_strata_are_joined_without_a_warning():
    # 2 censored under LDAC are fewer than 5 folds: the censored of both regimens are drawn as one,
    # the deaths stay stratified by regimen. Warnings are errors here.
    regimen = np.array(["HMA"] * 28 + ["LDAC"] * 12, dtype=object)
    dataset = make_dataset([True] * 20 + [False] * 8 + [True] * 10 + [False] * 2, regimen)
    folds = repeated_folds(dataset, 5, 2, seed=1)
    for repeat in folds:
        for fold in range(5):
            inside = dataset.take(repeat == fold)
            event = inside.outcome.event
            # 10 censored over 5 folds; 20 and 10 deaths over 5 folds.
            assert (~event).sum() == 2
            assert (event & (inside.regimen == "HMA")).sum() == 4
            assert (event & (inside.regimen == "LDAC")).sum() == 2


def test_an_event_class_that_is_too_small_is_not_stratified():
    dataset = make_dataset([True] * 27 + [False] * 3)
    folds = repeated_folds(dataset, 5, 1, seed=1)[0]
    assert np.bincount(folds).tolist() == [6] * 5


def test_a_cohort_without_censoring_is_split():
    folds = repeated_folds(make_dataset([True] * 20), 4, 1, seed=1)[0]
    assert np.bincount(folds).tolist() == [5] * 4


def test_strata_are_named_by_event_and_regimen():
    regimen = np.array(["B", "A", "A", "B"], dtype=object)
    strata = stratification(make_dataset([True, True, False, True], regimen))
    # A before B; doubled, plus the event.
    assert strata.tolist() == [3, 1, 0, 3]


# -- other ways to split ---------------------------------------------------------------------


def test_each_center_is_tested_by_the_others():
    split = leave_one_center_out(np.array(["B", "A", "B", "C", "A"]))
    assert split.labels == ("A", "B", "C")
    assert split.places == [(0, 0), (0, 1), (0, 2)]
    assert split.test(0, 1).tolist() == [0, 2]
    assert split.train(0, 1).tolist() == [1, 3, 4]


def test_one_center_cannot_be_left_out():
    with pytest.raises(ValueError, match="two centers"):
        leave_one_center_out(np.array(["A", "A"]))


def test_later_patients_are_tested_and_earlier_ones_never():
    split = temporal_split([2020, 2023, 2021, 2022], 2022)
    assert split.places == [(0, 0)]
    assert split.test(0, 0).tolist() == [1, 3]
    assert split.train(0, 0).tolist() == [0, 2]
    assert split.folds.tolist() == [[-1, 0, -1, 0]]


@pytest.mark.parametrize(("years", "words"), [
    ([2020, 2021], "0 of 2"), ([2024, 2023], "2 of 2"), ([2020, np.nan], "missing for 1"),
])  # fmt: skip
def test_a_temporal_split_has_two_sides(years, words):
    with pytest.raises(ValueError, match=words):
        temporal_split(years, 2022)


def test_a_bootstrap_trains_on_the_drawn_and_tests_the_others(dataset):
    split = bootstrap(dataset, 4, seed=1)
    strata = stratification(dataset)
    assert split.places == [(repeat, 0) for repeat in range(4)]
    for repeat in range(4):
        train, test = split.train(repeat, 0), split.test(repeat, 0)
        assert len(train) == len(dataset)
        assert not set(train) & set(test)
        assert set(train) | set(test) == set(range(len(dataset)))
        # As many of each stratum as there are.
        assert np.array_equal(np.bincount(strata[train]), np.bincount(strata))
        # About 37% are left out.
        assert 0.25 < len(test) / len(dataset) < 0.5
    assert np.array_equal(split.folds, bootstrap(dataset, 4, seed=1).folds)
    assert not np.array_equal(split.folds, bootstrap(dataset, 4, seed=2).folds)


def test_copies_of_a_patient_share_their_inner_fold(dataset):
    sample = dataset.take(bootstrap(dataset, 1, seed=1).train(0, 0))
    assert len(np.unique(sample.patient)) < len(sample)
    folds = repeated_folds(sample, 3, 2, seed=4)
    for drawn in folds:
        for patient in np.unique(sample.patient):
            assert len(np.unique(drawn[sample.patient == patient])) == 1
    # Taken again, a row still says whose it is.
    part = sample.take(folds[0] != 0)
    assert not set(part.patient) & set(sample.take(folds[0] == 0).patient)


def test_bootstrap_strata_leave_the_number_of_events_to_chance(dataset):
    strata = bootstrap_strata(dataset)
    assert len(np.unique(strata)) == len(np.unique(dataset.regimen))
    counts = bootstrap_counts(len(dataset), 200, 1, strata)
    assert len(np.unique(counts @ dataset.outcome.event)) > 10
    for arm in np.unique(dataset.regimen):
        own = dataset.regimen == arm
        assert (counts[:, own].sum(axis=1) == own.sum()).all()


def test_the_stored_table_holds_positions_and_folds_alone(dataset):
    table = repeated_kfold(dataset, 3, 2, seed=1).table()
    assert list(table) == ["patient", "fold_0", "fold_1"]
    assert table["patient"].tolist() == list(range(1, len(dataset) + 1))
    drawn = bootstrap(dataset, 2, seed=1).table()
    assert list(drawn) == ["patient", "fold_0", "fold_1", "drawn_0", "drawn_1"]
    assert drawn["drawn_0"].sum() == len(dataset)


def test_the_share_tested_for_each_one_trained_on(dataset):
    # 5-fold: 1/4, but for rounding.
    assert repeated_kfold(dataset, 5, 1, 1).test_to_train == pytest.approx(0.25, abs=0.01)
    assert temporal_split([1, 2, 3, 4], 4).test_to_train == pytest.approx(1 / 3)
