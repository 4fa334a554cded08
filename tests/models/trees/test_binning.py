import numpy as np
import pytest

from models.trees.binning import quantile_edges, to_bins


def test_few_values_keep_apart_by_the_middle_between_neighbours():
    X = np.array([[1.0], [3.0], [3.0], [10.0]])
    (edges,) = quantile_edges(X)
    assert edges.tolist() == [2.0, 6.5]
    assert to_bins(X, [edges])[:, 0].tolist() == [0, 1, 1, 2]
    # A new value goes where a threshold at the same place would send it.
    assert to_bins(np.array([[-5.0], [2.5], [99.0]]), [edges])[:, 0].tolist() == [0, 1, 2]


def test_many_values_go_into_bins_of_about_equal_size():
    X = np.random.default_rng(1).exponential(size=(3200, 1))
    (edges,) = quantile_edges(X, 32)
    sizes = np.bincount(to_bins(X, [edges])[:, 0].astype(int))
    assert len(sizes) == 32
    assert sizes.min() > 90
    assert sizes.max() < 110


def test_no_edge_is_a_patients_value():
    X = np.random.default_rng(2).normal(size=(500, 3)).round(1)
    for column, edges in zip(X.T, quantile_edges(X), strict=True):
        assert not np.isin(edges, column.astype(np.float32)).any()
        assert (np.diff(edges) > 0).all()


def test_missing_stays_missing_and_order_is_kept():
    X = np.array([[np.nan], [2.0], [1.0]])
    binned = to_bins(X, quantile_edges(X))
    assert np.isnan(binned[0, 0])
    assert binned[1, 0] > binned[2, 0]


@pytest.mark.parametrize("column", [np.full(5, 7.0), np.full(5, np.nan)])
def test_a_column_of_one_value_has_no_edge(column):
    (edges,) = quantile_edges(column[:, None])
    assert len(edges) == 0


def test_half_the_patients_with_one_value_lose_no_bin_to_it():
    X = np.concatenate([np.zeros(500), np.linspace(1, 2, 500)])[:, None]
    (edges,) = quantile_edges(X, 32)
    # Half of the 31 cuts fall on 0 and make one edge.
    assert len(edges) == 16
    assert edges[0] == pytest.approx(0.5)
