"""Paired differences use what both predictors have in common, and refuse other items."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_predictions import PRIORS, synthetic

from dagnn.errors import MismatchError
from dagnn.evaluation.measure import evaluate
from dagnn.evaluation.paired import paired_bootstrap, sign_probability
from dagnn.tasks.regression_metrics import REGRESSION_METRICS as METRICS


def pick(found, metric, parameter="Omega_m"):
    return next(d for d in found if (d.metric, d.parameter) == (metric, parameter))


@pytest.fixture(scope="module")
def pair():
    """A predictor and one whose errors are the same, 15% larger."""
    good = synthetic("simba", "target", items=150, scale=0.05)
    worse = good.truth + 1.15 * (good.mean - good.truth)
    return good, replace(good, mean=worse, model="source-only")


def test_values_are_differences_of_metrics(pair):
    found = paired_bootstrap(*pair, PRIORS, n_bootstrap=100)
    assert [d.metric for d in found] == list(METRICS)
    rows = {(r.model, r.metric): r.value for r in evaluate(pair, PRIORS, n_bootstrap=10)}
    for d in found:
        assert (d.first, d.second, d.items) == ("model", "source-only", 150)
        expected = rows["model", d.metric] - rows["source-only", d.metric]
        assert d.value == pytest.approx(expected), d.metric


def test_pairing_decides_where_overlapping_intervals_do_not(pair):
    error = pick(paired_bootstrap(*pair, PRIORS), "rmse")
    assert error.high < 0
    assert error.probability <= 0.002
    rows = [r for r in evaluate(pair, PRIORS) if r.metric == "rmse" and r.model != "prior-mean"]
    first, second = rows
    assert first.high > second.low, "unpaired intervals overlap"


def test_the_interval_matches_the_theory_of_a_mean_difference(pair):
    good, other = pair
    distance = np.abs(good.mean - good.truth) - np.abs(other.mean - other.truth)
    relative = (distance / good.truth)[:, 0]
    found = pick(paired_bootstrap(*pair, PRIORS, n_bootstrap=4000), "relative_error")
    assert found.value == pytest.approx(relative.mean())
    width = 2 * 1.96 * relative.std() / np.sqrt(len(relative))
    assert found.high - found.low == pytest.approx(width, rel=0.06)


def test_swapping_changes_the_sign(pair):
    forth, back = paired_bootstrap(*pair, PRIORS), paired_bootstrap(*pair[::-1], PRIORS)
    for one, other in zip(forth, back, strict=True):
        assert one.value == -other.value
        np.testing.assert_allclose(one.low, -other.high)
        assert one.probability == other.probability


def test_items_are_matched_by_name_not_by_place(pair):
    good, other = pair
    turned = np.random.default_rng(0).permutation(len(good.ids))
    shuffled = replace(
        other,
        ids=tuple(other.ids[row] for row in turned),
        **{name: getattr(other, name)[turned] for name in ("truth", "mean", "std", "latent")},
    )
    assert paired_bootstrap(good, shuffled, PRIORS) == paired_bootstrap(good, other, PRIORS)


def test_equal_predictors_are_not_told_apart(pair):
    for each in paired_bootstrap(pair[0], pair[0], PRIORS, n_bootstrap=50):
        assert (each.value, each.low, each.high, each.probability) == (0, 0, 0, 1)


def test_false_claims_are_as_rare_as_they_should_be():
    """Two predictors of equal quality: a probability below 5% in about 5% of cases."""
    claims = 0
    for seed in range(120):
        one, two = synthetic(items=60, seed=seed), synthetic(items=60, seed=seed)
        two.mean[:] = two.truth + two.std * np.random.default_rng(9999 + seed).normal(size=(60, 1))
        claims += (
            pick(paired_bootstrap(one, two, PRIORS, n_bootstrap=400), "rmse").probability < 0.05
        )
    assert claims / 120 < 0.12


def test_groups_are_resampled_together():
    one, two = synthetic(items=80), synthetic(items=80, seed=3)
    two.truth[:] = one.truth
    for given in (one, two):
        for values in (given.truth, given.mean, given.std):
            values[40:] = values[:40]
    groups = {f"LH_{number}": f"galaxy {number % 40}" for number in range(80)}
    alone = pick(paired_bootstrap(one, two, PRIORS), "rmse")
    together = pick(paired_bootstrap(one, two, PRIORS, groups=groups), "rmse")
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_unknown_truths_are_left_out(pair):
    good, other = (replace(each, truth=each.truth.copy()) for each in pair)
    for each in (good, other):
        each.truth[:100] = np.nan
    assert {d.items for d in paired_bootstrap(good, other, PRIORS, n_bootstrap=20)} == {50}
    unknown = replace(good, truth=np.full_like(good.truth, np.nan))
    assert paired_bootstrap(unknown, replace(other, truth=unknown.truth), PRIORS) == []


def test_what_cannot_be_paired_is_refused(pair):
    good, other = pair
    renamed = replace(other, ids=("LH_900", *other.ids[1:]))
    with pytest.raises(MismatchError, match=r"different items of simba .* 1 only in the first"):
        paired_bootstrap(good, renamed, PRIORS)
    with pytest.raises(MismatchError, match="predicted tng"):
        paired_bootstrap(good, replace(other, suite="tng"), PRIORS)
    with pytest.raises(MismatchError, match="twice"):
        paired_bootstrap(good, replace(other, ids=(other.ids[1], *other.ids[1:])), PRIORS)
    with pytest.raises(MismatchError, match="truths of simba differ"):
        paired_bootstrap(good, replace(other, truth=other.truth + 0.01), PRIORS)
    with pytest.raises(MismatchError, match="compare equal parameters"):
        paired_bootstrap(good, replace(other, parameters=("sigma_8",)), PRIORS)


def test_sign_probability_by_hand():
    assert sign_probability(np.array([1.0, 1, 1, -1, np.nan])) == pytest.approx(2 * 2 / 5)
    assert sign_probability(-np.ones(99)) == pytest.approx(0.02)
