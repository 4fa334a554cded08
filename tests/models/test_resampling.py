import numpy as np
import pandas as pd
import pytest

from features.dataset import Dataset
from features.outcome import Outcome
from models.resampling import repeated_folds, stratification


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
