"""Metrics agree with independent implementations and behave as their laws say."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.metrics import mean_squared_error, r2_score

from dagnn.tasks.prior import Prior
from dagnn.tasks.regression_metrics import REGRESSION_METRICS as METRICS

PRIOR = Prior(0.1, 0.5)


@pytest.fixture(scope="module")
def sample():
    """Calibrated predictions: the truth is drawn from the predicted Gaussian."""
    generator = np.random.default_rng(3)
    mean = generator.uniform(0.15, 0.45, 20_000)
    std = generator.uniform(0.005, 0.04, mean.size)
    return mean + std * generator.normal(size=mean.size), mean, std


def measure(name, sample, weight=None):
    return METRICS[name](*sample, prior=PRIOR, weight=weight)


def test_squared_errors_agree_with_scikit_learn(sample):
    truth, mean, _ = sample
    assert measure("r2", sample) == pytest.approx(r2_score(truth, mean), rel=1e-10)
    assert measure("rmse", sample) == pytest.approx(mean_squared_error(truth, mean) ** 0.5)


def test_r2_keeps_its_digits_far_from_zero():
    truth = 1e6 + np.array([0.0, 1.0, 2.0, 3.0])
    mean = truth + np.array([0.1, -0.1, 0.2, 0.0])
    assert measure("r2", (truth, mean, mean)) == pytest.approx(r2_score(truth, mean), rel=1e-6)


def test_likelihood_and_coverage_agree_with_scipy(sample):
    truth, mean, std = sample
    gaussian = stats.norm(mean, std)
    assert measure("nll", sample) == pytest.approx(-gaussian.logpdf(truth).mean())
    for name, level in (("coverage68", stats.chi2(1).cdf(1)), ("coverage95", 0.95)):
        low, high = gaussian.interval(level)
        inside = ((low <= truth) & (truth <= high)).mean()
        assert measure(name, sample) == pytest.approx(inside, abs=1e-4)
        assert METRICS[name].better == pytest.approx(level, abs=1e-4)


@pytest.mark.parametrize(
    ("truth", "mean", "std"), [(0.3, 0.32, 0.01), (0.3, 0.25, 0.2), (-1.0, 2.0, 0.7)]
)
def test_crps_agrees_with_the_integral_that_defines_it(truth, mean, std):
    gaussian, reach = stats.norm(mean, std), abs(truth - mean) + 12 * std
    below, _ = integrate.quad(lambda x: gaussian.cdf(x) ** 2, mean - reach, truth)
    above, _ = integrate.quad(lambda x: gaussian.sf(x) ** 2, truth, mean + reach)
    one = tuple(np.array([value]) for value in (truth, mean, std))
    assert measure("crps", one) == pytest.approx(below + above, rel=1e-7)


def test_calibrated_predictions_look_calibrated(sample):
    assert measure("coverage68", sample) == pytest.approx(0.6827, abs=0.01)
    assert measure("coverage95", sample) == pytest.approx(0.95, abs=0.005)
    assert measure("chi2", sample) == pytest.approx(1, abs=0.04)
    assert measure("bias", sample) == pytest.approx(0, abs=5e-4)


def test_values_worked_out_by_hand():
    sample = tuple(map(np.array, ([0.2, 0.4], [0.3, 0.4], [0.1, 0.1])))
    expected = {"relative_error": 0.25, "bias": 0.05, "chi2": 0.5, "coverage68": 1.0}
    for name, value in expected.items():
        assert measure(name, sample) == pytest.approx(value), name
    # Errors 0.1 and 0 against 0.1 and 0.1 from the prior mean 0.3.
    assert measure("skill", sample) == pytest.approx(0.5)


def test_published_chi2_drops_outliers_and_says_how_many():
    truth, mean = np.array([0.2, 0.2, 0.2]), np.array([0.21, 0.22, 0.4])
    std = np.array([0.01, 0.01, 0.001])
    sample = (truth, mean, std)
    assert measure("chi2", sample) == pytest.approx((1 + 4 + 40_000) / 3)
    assert measure("chi2_clipped", sample) == pytest.approx(2.5)
    assert measure("chi2_dropped", sample) == 1
    only_outlier = tuple(values[2:] for values in sample)
    assert np.isnan(measure("chi2_clipped", only_outlier))


def test_r2_of_a_truth_that_does_not_vary_is_unknown():
    assert np.isnan(measure("r2", tuple(map(np.array, ([0.3, 0.3], [0.2, 0.4], [0.1, 0.1])))))


@pytest.mark.parametrize("name", METRICS)
def test_an_unknown_truth_makes_a_mean_unknown_and_never_a_miss(name, sample):
    truth, mean, std = sample
    holed = np.where(np.arange(len(truth)) == 1, np.nan, truth)
    assert np.isnan(measure(name, (holed, mean, std))) or name == "chi2_dropped"
    assert measure("chi2_dropped", (holed, mean, std)) == 0


@pytest.mark.parametrize("name", METRICS)
def test_what_is_no_vector_is_refused_and_not_broadcast(name, sample):
    truth, mean, std = sample
    for wrong in (truth[:, None], truth[:-1]):
        with pytest.raises(ValueError, match="vectors of one length"):
            measure(name, (wrong, mean, std))


def test_r2_of_one_truth_drawn_several_times_is_unknown():
    random = np.random.default_rng(0)
    for _ in range(50):
        truth = random.uniform(0.1, 0.5, 3)
        mean = truth + 0.1
        found = METRICS["r2"].function(truth, mean, mean, 3 * np.eye(3))
        assert np.isnan(found).all()


@pytest.mark.parametrize("name", METRICS)
def test_weights_count_items(name, sample):
    """A weight of two is the same as the item twice, a weight of zero as its absence."""
    few = tuple(values[:6] for values in sample)
    weight = np.array([[1.0, 1, 1, 1, 1, 1], [2, 0, 1, 3, 0, 1]])
    repeated = tuple(np.repeat(values, weight[1].astype(int)) for values in few)
    both = measure(name, few, weight)
    assert both.shape == (2,)
    np.testing.assert_allclose(both, [measure(name, few), measure(name, repeated)], rtol=1e-9)


@pytest.mark.parametrize("name", METRICS)
def test_a_worse_prediction_is_not_called_better(name, sample):
    """Shift the means by several sigma: every metric must move away from its ideal."""
    truth, mean, std = sample
    good, bad = measure(name, sample), measure(name, (truth, mean + 8 * std, std))
    better = METRICS[name].better
    if better == "low":
        assert bad >= good
    elif better == "high":
        assert bad < good
    else:
        assert abs(bad - better) > abs(good - better)


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_described(name):
    metric = METRICS[name]
    assert metric.label
    assert metric.description.endswith(".")
    assert format(0.5, metric.format)


def test_prior_moments_match_draws():
    generator = np.random.default_rng(0)
    flat, log = Prior(0.1, 0.5), Prior.of("A_SN1")
    draws = {
        flat: generator.uniform(0.1, 0.5, 400_000),
        log: np.exp(generator.uniform(np.log(0.25), np.log(4), 400_000)),
    }
    for prior, values in draws.items():
        assert prior.mean == pytest.approx(values.mean(), rel=5e-3)
        assert prior.std == pytest.approx(values.std(), rel=5e-3)


def test_prior_mean_has_the_relative_error_known_for_camels():
    """44.1% for Omega_m and 12.9% for sigma_8, over the whole prior."""
    for name, error in (("Omega_m", 0.441), ("sigma_8", 0.129)):
        prior = Prior.of(name)
        truth = np.linspace(prior.low, prior.high, 100_001)
        constant = np.full_like(truth, prior.mean)
        assert METRICS["relative_error"](truth, constant, constant, prior=prior) == pytest.approx(
            error, abs=6e-4
        )
