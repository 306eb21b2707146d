"""PIT, coverage and TARP are uniform for calibrated predictions and say how they are not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from synthetic_predictions import PRIORS, synthetic

from dagnn.evaluation.calibration import (
    calibrations,
    central_values,
    curve,
    deviation,
    expected_coverage,
    pit_values,
    tarp_fractions,
    tarp_of,
)

BOTH = ("Omega_m", "sigma_8")


def columns(predictions, column=0):
    return tuple(v[:, column] for v in (predictions.truth, predictions.mean, predictions.std))


def test_deviation_is_the_kolmogorov_smirnov_statistic():
    for values in np.random.default_rng(0).beta(2, 3, size=(5, 37)):
        assert deviation(values) == pytest.approx(stats.kstest(values, "uniform").statistic)


def test_pit_and_coverage_agree_with_scipy():
    truth, mean, std = columns(synthetic(items=300))
    gaussian = stats.norm(mean, std)
    np.testing.assert_allclose(pit_values(truth, mean, std), gaussian.cdf(truth))
    low, high = gaussian.interval(0.8)
    inside = ((low <= truth) & (truth <= high)).mean()
    assert curve(central_values(truth, mean, std), np.array([0.8]))[0] == pytest.approx(inside)


def test_errors_show_where_they_are():
    truth, mean, std = columns(synthetic(items=4000))
    assert deviation(pit_values(truth, mean, std)) < 0.03
    narrow = curve(pit_values(truth, mean, std / 3), np.array([0.1, 0.5, 0.9]))
    assert narrow[0] > 0.25
    assert narrow[2] < 0.75
    # A shift by half a sigma: coverage hardly sees it, PIT does.
    shifted = (truth, mean + 0.5 * std, std)
    assert deviation(pit_values(*shifted)) > 0.17
    assert deviation(central_values(*shifted)) < 0.1


def bayesian(items, scale=0.02):
    """Draw the truth from the prediction, as a posterior does.

    ``synthetic`` draws predictions around the truth instead; near the ends of the
    prior these point outwards, which TARP rightly finds.
    """
    given = synthetic(items=items, scale=scale, parameters=BOTH)
    noise = np.random.default_rng(77).normal(size=given.mean.shape)
    return replace(given, truth=given.mean + given.std * noise)


def test_tarp_of_calibrated_predictions_is_uniform():
    fractions = tarp_of(bayesian(4000), PRIORS, samples=400)
    assert deviation(fractions) < 0.03
    curve_, low, high = expected_coverage(fractions, np.linspace(0, 1, 21))
    assert (low <= curve_).all()
    assert (curve_ <= high).all()
    np.testing.assert_allclose(curve_, np.linspace(0, 1, 21), atol=0.03)
    assert 0.02 < (high - low)[10] < 0.05, "binomial: 2 · 1.96 · √(0.25 / 4000) = 0.031"


@pytest.mark.parametrize("wrong", ["narrow", "wide", "shifted"])
def test_tarp_sees_wrong_predictions(wrong):
    given = bayesian(1500)
    mean, std = given.mean, given.std
    mean, std = {
        "narrow": (mean, std / 2),
        "wide": (mean, std * 2),
        "shifted": (mean + 1.5 * std, std),
    }[wrong]
    assert deviation(tarp_fractions(given.truth, mean, std, samples=300)) > 0.1


def test_tarp_sees_predictions_that_point_out_of_the_prior():
    outwards = tarp_of(synthetic(items=4000, parameters=BOTH, scale=0.05), PRIORS, samples=300)
    inside = tarp_of(bayesian(4000, scale=0.05), PRIORS, samples=300)
    assert deviation(outwards) > 3 * deviation(inside)


def test_a_seed_of_the_data_does_not_meet_the_seed_of_the_references():
    """Truths from ``default_rng(0).random`` must not coincide with reference points of seed 0."""
    truth = np.random.default_rng(0).random((200, 2))
    assert tarp_fractions(truth, truth, np.full_like(truth, 0.1), samples=50).max() > 0


def test_tarp_sees_a_correlation_that_single_parameters_hide():
    """Equal errors in both parameters: each margin is calibrated, the pair is not."""
    generator = np.random.default_rng(1)
    truth = 0.4 + 0.2 * generator.random((3000, 2))
    std = np.full_like(truth, 0.3)
    mean = truth + std * generator.normal(size=(3000, 1))
    for column in range(2):
        assert deviation(pit_values(truth[:, column], mean[:, column], std[:, column])) < 0.04
    assert deviation(tarp_fractions(truth, mean, std, samples=300)) > 0.05


def test_tarp_is_measured_in_prior_units_and_seeded():
    given = synthetic(items=80, parameters=BOTH)
    once = tarp_of(given, PRIORS)
    np.testing.assert_array_equal(once, tarp_of(given, PRIORS))
    assert (once != tarp_of(given, PRIORS, seed=1)).any()
    low = np.array([PRIORS[name].low for name in BOTH])
    unit = [(given.truth - low) / 0.4, (given.mean - low) / 0.4, given.std / 0.4]
    np.testing.assert_allclose(once, tarp_fractions(*unit), atol=2e-3)


def test_rows_of_every_view():
    given = synthetic(items=200, parameters=BOTH)
    given.truth[0, 1] = np.nan
    rows = calibrations([given, synthetic("sky", "other", known=False)], PRIORS)
    assert [(row.parameter, row.measure, row.items) for row in rows] == [
        ("Omega_m", "pit", 200),
        ("Omega_m", "coverage", 200),
        ("sigma_8", "pit", 199),
        ("sigma_8", "coverage", 199),
        ("Omega_m + sigma_8", "tarp", 199),
    ]
    assert all(row.calibrated for row in rows)
    narrow = synthetic(items=200, scale=0.02)
    narrow.std[:] /= 3
    assert not any(row.calibrated for row in calibrations([narrow], PRIORS))


def test_the_limit_holds_95_percent_of_calibrated_models():
    below = [
        calibrations([synthetic(items=50, seed=seed)], PRIORS)[0].calibrated for seed in range(200)
    ]
    assert 0.90 <= np.mean(below) <= 0.99
