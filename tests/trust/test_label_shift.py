"""The interval of a target's prior, estimated without its labels."""

import numpy as np
import pytest

from dagnn.trust.label_shift import FEWEST, WHOLE, PriorInterval, estimate_interval


def suite(count: int, low: float, high: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw summaries whose scatter shrinks with the parameter, as spectra do with Omega_m."""
    generator = np.random.default_rng(seed)
    y = generator.uniform(low, high, count)
    common = (1.3 - y) * generator.normal(size=count)
    loading = np.linspace(0.6, 1.4, 6)
    x = np.outer(4 * y + common, loading) + 0.3 * generator.normal(size=(count, 6))
    return x, y


@pytest.fixture(scope="module")
def source() -> tuple[np.ndarray, np.ndarray]:
    """Give a source that spans the whole prior."""
    return suite(700, 0.0, 1.0, seed=0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_whole_prior_raises_no_alarm(source, seed):
    x, _ = suite(700, 0.0, 1.0, seed)
    low, high = estimate_interval(*source, 1.15 * x - 3.0)
    assert not PriorInterval("simba", "Omega_m", low, high).alarm


@pytest.mark.parametrize(("low", "high"), [(0.5, 1.0), (0.25, 0.75), (0.3, 1.0)])
def test_narrow_priors_are_found_through_shift_and_scale(source, low, high):
    x, _ = suite(500, low, high, seed=4)
    found = estimate_interval(*source, 0.9 * x + 5.0)
    assert PriorInterval("simba", "Omega_m", *found).alarm
    assert found[1] - found[0] == pytest.approx(high - low, abs=0.25)


def test_a_shift_is_not_taken_for_a_narrow_prior(source):
    x, _ = suite(500, 0.5, 1.0, seed=5)
    near, far = (estimate_interval(*source, x + shift) for shift in (0.0, 50.0))
    assert near == pytest.approx(far, abs=0.05)


def test_units_of_the_summaries_do_not_matter(source):
    x, _ = suite(300, 0.4, 1.0, seed=6)
    factors = np.array([1.0, 1e3, 1e-3, 5.0, 0.2, 7.0])
    plain = estimate_interval(*source, x)
    scaled = estimate_interval(source[0] * factors, source[1], x * factors)
    assert plain == pytest.approx(scaled, abs=1e-3)


def test_a_constant_summary_is_left_out(source):
    x, _ = suite(200, 0.4, 1.0, seed=7)
    padded = [np.concatenate([each, np.ones((len(each), 1))], 1) for each in (source[0], x)]
    assert estimate_interval(padded[0], source[1], padded[1]) == pytest.approx(
        estimate_interval(*source, x), abs=1e-6
    )


def test_few_items_say_nothing(source):
    x, _ = suite(FEWEST - 1, 0.8, 1.0, seed=8)
    assert estimate_interval(*source, x) == WHOLE


def test_refuses_other_summaries(source):
    with pytest.raises(ValueError, match="unequal width"):
        estimate_interval(*source, np.zeros((100, 3)))
