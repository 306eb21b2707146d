"""The results table holds every metric, the baselines, and nothing it cannot know."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.measure import PREDICTORS, Block, blocks, evaluate, gap_closed
from dagnn.records import Result
from dagnn.tasks import REGRESSION
from dagnn.tasks.regression_metrics import REGRESSION_METRICS as METRICS


def pick(results, **wanted):
    found = [r for r in results if all(getattr(r, key) == value for key, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


def test_prior_mean_says_the_same_about_everything(predictions):
    baseline = REGRESSION.guess(predictions[0], PRIORS)
    assert baseline.model == "prior-mean"
    assert baseline.ids == predictions[0].ids
    np.testing.assert_allclose(baseline.mean, 0.3)
    np.testing.assert_allclose(baseline.std, 0.4 / np.sqrt(12))


def test_every_suite_has_every_metric_of_every_predictor(results):
    suites = {("tng", "source"), ("simba", "target")}
    models = {"prior-mean", "source-only", "model"}
    found = {((r.suite, r.role), r.model, r.metric) for r in results}
    assert found == {(s, m, k) for s in suites for m in models for k in METRICS}
    assert len(results) == len(found), "no row twice"


def test_values_and_intervals_belong_together(results, predictions):
    error = pick(results, suite="simba", model="model", metric="relative_error")
    truth, mean = predictions[3].truth, predictions[3].mean
    assert error.value == pytest.approx(np.mean(np.abs(mean - truth) / truth))
    for row in results:
        assert row.low <= row.value <= row.high, row
    prior = pick(results, suite="simba", model="prior-mean", metric="skill")
    assert (prior.value, prior.low, prior.high) == (0, 0, 0)


def test_adaptation_shows_in_synthetic_numbers(results):
    with_it = pick(results, suite="simba", model="model", metric="chi2")
    without = pick(results, suite="simba", model="source-only", metric="chi2")
    assert with_it.high < without.low


def test_parameters_are_measured_one_by_one():
    given = synthetic(parameters=("Omega_m", "sigma_8"))
    given.mean[:, 1] += 1.0
    found = evaluate([given], PRIORS, n_bootstrap=50)
    assert pick(found, parameter="sigma_8", model="model", metric="bias").value > 0.9
    assert abs(pick(found, parameter="Omega_m", model="model", metric="bias").value) < 0.02


def test_unknown_truth_gives_no_rows():
    unknown = synthetic("sky", "target", known=False)
    assert evaluate([unknown], PRIORS) == []


def test_items_of_unknown_truth_are_left_out():
    given = synthetic(items=40)
    half = synthetic(items=40)
    half.truth[20:] = np.nan
    first = [values[:20] for values in (given.truth, given.mean, given.std)]
    found = evaluate([half], PRIORS, n_bootstrap=50)
    expected = float(METRICS["rmse"](*(v[:, 0] for v in first), prior=PRIORS["Omega_m"]))
    assert pick(found, model="model", metric="rmse").value == pytest.approx(expected)


def test_groups_widen_intervals():
    given = synthetic(items=80)
    for values in (given.truth, given.mean, given.std):
        values[40:] = values[:40]
    alone = evaluate([given], PRIORS)
    groups = {f"LH_{number}": f"galaxy {number % 40}" for number in range(80)}
    together = evaluate([given], PRIORS, groups=groups)
    narrow, wide = (pick(r, model="model", metric="rmse") for r in (alone, together))
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


def test_the_seed_fixes_the_intervals(predictions, results):
    assert evaluate(predictions, PRIORS, n_bootstrap=200) == results
    assert evaluate(predictions, PRIORS, n_bootstrap=200, seed=1) != results


def test_blocks_are_ordered_for_reading(results):
    found = blocks(reversed(results))
    assert [block.title() for block in found] == ["tng (source)", "simba (target)"]
    assert list(found[0].rows) == ["prior-mean", "source-only", "model"]
    assert blocks(results, splits=["train"]) == []


def test_all_predictors_are_ordered_from_the_least_informed(crowded):
    for block in blocks(reversed(crowded)):
        assert list(block.rows) == [name for name in PREDICTORS if name != "prior-class"]
    assert list(PREDICTORS.values()) == [
        "prior mean",
        "class frequencies",
        "number of galaxies",
        "ridge on summaries",
        "ridge, aligned",
        "source-only",
        "model",
        "ORACLE (target labels)",
    ]


def r2_block(**values):
    rows = {
        model: {"r2": Result("simba", "target", "test", "Omega_m", "r2", value, value, value)}
        for model, value in values.items()
    }
    return Block("simba", "target", "test", "Omega_m", rows)


def test_gap_closed_by_hand():
    gap = {"source-only": 0.2, "oracle": 0.8}
    assert gap_closed(r2_block(**gap, model=0.65)) == pytest.approx(0.75)
    assert gap_closed(r2_block(**gap, model=0.05)) == pytest.approx(-0.25)
    assert gap_closed(r2_block(**gap, model=0.92)) == pytest.approx(1.2)
    assert gap_closed(replace(r2_block(**gap, model=0.65), role="source")) is None


@pytest.mark.parametrize(
    "values",
    [
        {"source-only": 0.2, "model": 0.5},
        {"oracle": 0.8, "model": 0.5},
        {"source-only": 0.2, "oracle": 0.8},
        {"source-only": 0.79, "oracle": 0.8, "model": 0.5},
        {"source-only": 0.9, "oracle": 0.8, "model": 0.85},
        {"source-only": 0.2, "oracle": 0.8, "model": float("nan")},
        {"source-only": float("nan"), "oracle": 0.8, "model": 0.5},
    ],
)
def test_a_gap_that_is_not_known_is_not_told(values):
    assert gap_closed(r2_block(**values)) is None
