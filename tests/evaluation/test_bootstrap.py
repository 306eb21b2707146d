"""Bootstrap weights resample items or groups, and their intervals cover."""

import time

import numpy as np
import pytest

from dagnn.evaluation.measure import bootstrap_weights, percentile_interval


def test_every_resample_has_as_many_items():
    weights = bootstrap_weights(50, 300, seed=1)
    assert weights.shape == (300, 50)
    assert (weights.sum(1) == 50).all()
    assert weights.mean(0) == pytest.approx(1, abs=0.3)


def test_a_seed_fixes_the_draw():
    first, again, other = (bootstrap_weights(20, 10, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()


def test_groups_stay_together():
    weights = bootstrap_weights(6, 100, seed=0, groups=["a", "b", "a", "c", "b", "a"])
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()


def test_copies_of_items_do_not_narrow_the_interval_if_grouped():
    values = np.random.default_rng(0).normal(size=40)
    copies, groups = np.repeat(values, 4), np.repeat(np.arange(40).astype(str), 4)

    def width(data, names=None):
        weights = bootstrap_weights(len(data), 2000, seed=0, groups=names)
        low, high = percentile_interval(weights @ data / weights.sum(1))
        return high - low

    assert width(copies, groups) == pytest.approx(width(values), rel=0.08)
    assert width(copies) < 0.65 * width(values)


def test_interval_of_a_mean_matches_theory_and_covers():
    generator = np.random.default_rng(5)
    hits, widths = 0, []
    for seed in range(200):
        values = generator.normal(size=60)
        weights = bootstrap_weights(60, 400, seed=seed)
        low, high = percentile_interval(weights @ values / 60)
        hits += low <= 0 <= high
        widths.append(high - low)
    assert 0.88 <= hits / 200 <= 0.99
    assert np.mean(widths) == pytest.approx(2 * 1.96 / np.sqrt(60), rel=0.08)


def test_resamples_without_a_value_are_left_out():
    low, high = percentile_interval(np.array([np.nan, *np.linspace(1.0, 2.0, 9)]))
    assert 1 <= low < high <= 2


@pytest.mark.parametrize("values", [[], [np.nan, np.nan], [np.nan, 1.0, 2.0, np.nan]])
def test_an_interval_of_few_resamples_is_unknown(values):
    assert all(np.isnan(percentile_interval(np.array(values))))


def test_many_resamples_are_fast():
    started = time.perf_counter()
    bootstrap_weights(150, 1000, seed=0)
    assert time.perf_counter() - started < 0.5
