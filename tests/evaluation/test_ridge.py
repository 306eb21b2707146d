"""Ridge regression equals scikit-learn's at the same penalty and chooses a sensible one."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as ReferenceRidge
from sklearn.linear_model import RidgeCV

from dagnn.evaluation.baselines import PENALTIES, Ridge, quadratic


def sample(items=120, width=8, noise=0.3, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(items, width)) * 10.0 ** generator.integers(-3, 3, width) + 5
    slope = generator.normal(size=(width, 2)) / x.std(0)[:, None]
    return x, x @ slope + noise * generator.normal(size=(items, 2)) + 7


def test_weights_equal_those_of_scikit_learn():
    x, y = sample()
    fitted = Ridge.fit(x, y)
    z = (x - x.mean(0)) / x.std(0)
    reference = ReferenceRidge(alpha=len(x) * fitted.penalty).fit(z, y)
    np.testing.assert_allclose(fitted.weight, reference.coef_.T, rtol=1e-7)
    np.testing.assert_allclose(fitted.predict(x[:5]), reference.predict(z[:5]))


@pytest.mark.parametrize("noise", [0.01, 1.0, 30.0])
def test_the_penalty_is_close_to_the_one_of_leave_one_out(noise):
    """GCV and leave-one-out agree up to the width of their minima."""
    x, y = sample(noise=noise)
    fitted = Ridge.fit(x, y[:, :1])
    z = (x - x.mean(0)) / x.std(0)
    reference = RidgeCV(alphas=len(x) * PENALTIES, store_cv_results=True).fit(z, y[:, 0])
    errors = np.sqrt(reference.cv_results_.mean(0))
    ours = errors[np.abs(PENALTIES - fitted.penalty[0]).argmin()]
    assert ours < 1.02 * errors.min()
    assert fitted.error[0] == pytest.approx(ours, rel=0.05)


def test_the_score_predicts_the_error_on_new_items():
    x, y = sample(items=4000, width=30, noise=2.0)
    fitted = Ridge.fit(x[:100], y[:100])
    error = np.sqrt(np.square(fitted.predict(x[100:]) - y[100:]).mean(0))
    np.testing.assert_allclose(fitted.error, error, rtol=0.2)


def test_noise_is_shrunk_to_the_mean():
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(60, 200)), generator.normal(size=(60, 1))
    fitted = Ridge.fit(x, y)
    new = generator.normal(size=(500, 200))
    assert fitted.predict(new).std() < 0.5 * y.std(), "it does not learn noise by heart"
    assert np.isfinite(fitted.error).all()


def test_constant_and_repeated_features_do_no_harm():
    x, y = sample()
    wide = np.concatenate([x, x, np.full((len(x), 1), 0.1)], axis=1)
    fitted = Ridge.fit(wide, y)
    np.testing.assert_allclose(fitted.predict(wide), Ridge.fit(x, y).predict(x), atol=0.15)


def test_products_follow_the_features():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 3))
    y = (1 + x[:, :1] - 2 * x[:, :1] * x[:, 2:] + x[:, 1:2] ** 2) * 3
    fitted = Ridge.fit(quadratic(x[:200]), y[:200])
    np.testing.assert_allclose(fitted.predict(quadratic(x[200:])), y[200:], atol=1e-2)
    assert quadratic(x).shape == (300, 3 + 6)


def test_what_cannot_be_fitted_is_refused():
    x, y = sample(items=10)
    with pytest.raises(ValueError, match="features of 10 items and outputs of 9"):
        Ridge.fit(x, y[:9])
    with pytest.raises(ValueError, match="three items"):
        Ridge.fit(x[:2], y[:2])
