"""Error bars and temperatures: right where fitted; influences; no target label anywhere."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LinearRegression
from synthetic_classes import synthetic_classes

from dagnn.records import Predictions
from dagnn.tasks.classification_metrics import CLASS_METRICS
from dagnn.trust.error_bars import (
    Temperature,
    VarianceScale,
    excess,
    fit_variance,
    influences,
    log_loss,
    softened,
)


def predictions(said: np.ndarray, real: np.ndarray, seed: int = 0) -> Predictions:
    """Make predictions that say one scatter and have another."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.1, 0.5, said.shape)
    return Predictions(
        suite="tng",
        role="source",
        split="valid",
        ids=tuple(map(str, range(len(said)))),
        parameters=tuple("abcdef"[: said.shape[1]]),
        truth=truth,
        mean=truth + real * generator.normal(size=said.shape),
        std=said,
        latent=np.zeros((len(said), 0)),
    )


def chi2(given: Predictions) -> np.ndarray:
    """Mean z² per parameter."""
    return (((given.truth - given.mean) / given.std) ** 2).mean(0)


def spreads(count: int, seed: int = 1) -> np.ndarray:
    """Draw standard deviations that vary from item to item."""
    return np.random.default_rng(seed).uniform(0.02, 0.12, (count, 2))


def test_chi2_is_one_on_the_items_of_the_fit():
    given = predictions(spreads(80), 2 * spreads(80))
    assert chi2(fit_variance([given]).apply(given, labelled=True)) == pytest.approx([1, 1])


def test_true_scatter_is_found_and_kept():
    said = spreads(4000)
    made = fit_variance([predictions(said, 1.5 * said)])
    assert made.blend == (0.0, 0.0)
    assert made.scale == pytest.approx((2.25, 2.25), rel=0.1)


def test_scatter_that_says_nothing_is_replaced_by_the_mean():
    made = fit_variance([predictions(spreads(4000), np.full((4000, 2), 0.08))])
    assert min(made.blend) >= 0.9


def test_factor_is_the_most_likely_one():
    given = predictions(spreads(300)[:, :1], 1.7 * spreads(300, 5)[:, :1])
    made = fit_variance([given])
    variance = (1 - made.blend[0]) * given.std**2 + made.blend[0] * made.level[0]
    square = (given.truth - given.mean) ** 2
    best = minimize_scalar(
        lambda log_c: float(np.mean(log_c + square / (np.exp(log_c) * variance))), (-3, 3)
    )
    assert made.scale[0] == pytest.approx(np.exp(best.x), rel=1e-4)


def test_surrogates_inflate_suites_without_labels_only():
    said = spreads(2000)
    found = excess([predictions(said, 2 * said, seed=3)], 2000)
    made = fit_variance([predictions(said, said)]).inflated([found])
    assert made.inflation == pytest.approx((4, 4), rel=0.15)
    given = predictions(said, said)
    source, target = (made.apply(given, labelled=labelled) for labelled in (True, False))
    assert target.std == pytest.approx(source.std * np.sqrt(made.inflation))


def test_the_harshest_surrogate_counts_and_none_shrinks_error_bars():
    made = fit_variance([predictions(spreads(200), spreads(200))])
    ways = [np.array([0.5, 0.7]), np.array([2.0, 0.9])]
    assert made.inflated(ways).inflation == (2.0, 1.0)
    assert made.inflated([]) == made


def test_excess_is_one_on_average_where_nothing_is_shifted():
    random = np.random.default_rng(5)
    found = []
    for _ in range(2000):
        fitted, new = random.normal(size=20), random.normal(size=100)
        ones = np.full((100, 2), np.sqrt(np.mean(fitted**2)))
        drawn = replace(predictions(ones, ones), mean=np.zeros((100, 2)))
        drawn = replace(drawn, truth=np.repeat(new[:, None], 2, 1), std=ones)
        found.append(excess([drawn], 20)[0])
    assert np.mean(found) == pytest.approx(1, abs=0.03)


def test_survives_storage():
    made = fit_variance([predictions(spreads(50), spreads(50))])
    assert VarianceScale.from_dict(made.to_dict()) == made


def test_needs_some_truth():
    given = predictions(spreads(5), spreads(5))
    with pytest.raises(ValueError, match="known truth"):
        fit_variance([replace(given, truth=np.full_like(given.truth, np.nan))])


def test_says_what_was_done():
    said = spreads(500)
    made = fit_variance([predictions(said, said)]).inflated([np.array([4.0, 4.0])])
    first, second = made.sentences()
    assert first.startswith("Error bars of a: variances times 1.") and "surrogate" in first
    assert "of b" in second
    assert "surrogate" not in fit_variance([predictions(said, said)]).sentences()[0]


def test_the_fitted_temperature_is_that_of_the_distortion():
    for sharpness in (0.5, 1.0, 3.0):
        given = synthetic_classes(items=8000, sharpness=sharpness, split="valid")
        assert Temperature.fit([given]).value == pytest.approx(sharpness, rel=0.05)


def test_calibration_gets_better_and_no_decision_changes():
    valid = synthetic_classes(items=2000, sharpness=4.0, split="valid")
    test = synthetic_classes("decals", "target", items=2000, sharpness=4.0, seed=5)
    calmer = Temperature.fit([valid]).apply(test)
    np.testing.assert_array_equal(calmer.probability.argmax(1), test.probability.argmax(1))
    np.testing.assert_allclose(calmer.probability.sum(1), 1)
    before, after = (float(CLASS_METRICS["ece"](g.truth, g.probability)) for g in (test, calmer))
    assert after < before / 4
    assert log_loss(test.truth, calmer.probability) < log_loss(test.truth, test.probability)


def test_only_validation_items_of_a_source_are_read():
    for wrong in (
        synthetic_classes("decals", "target", split="valid"),
        synthetic_classes(split="test"),
    ):
        with pytest.raises(ValueError, match="validation items of a source only"):
            Temperature.fit([synthetic_classes(split="valid"), wrong])
    nothing = replace(synthetic_classes(split="valid"), truth=np.full(120, -1))
    with pytest.raises(ValueError, match="known class"):
        Temperature.fit([nothing])


def test_unlabelled_and_unknown_items_do_not_count():
    given = synthetic_classes(items=500, unknown=0, sharpness=2.0, split="valid")
    more = synthetic_classes(items=500, unknown=200, sharpness=2.0, split="valid")
    cut = replace(more, truth=np.where(more.truth == 3, -1, more.truth))
    assert Temperature.fit([more]).value == pytest.approx(Temperature.fit([cut]).value)
    assert Temperature.fit([given]).value > 1


def test_certainty_stays_finite():
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(softened(sure, 3.0)).all()
    assert np.isfinite(log_loss(np.array([1, 0]), sure))


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Give summaries that follow the truth and, in part, a further parameter."""
    random = np.random.default_rng(3)
    truth = random.uniform(size=(200, 2))
    strong, weak = random.uniform(size=200), random.uniform(size=200)
    summaries = truth @ random.normal(size=(2, 4)) + random.normal(scale=0.3, size=(200, 4))
    summaries[:, :2] += 2 * strong[:, None]
    summaries[:, 3] += 0.5 * weak
    return summaries, truth, {"strong": strong, "weak": weak}


def test_it_is_the_mean_partial_correlation(made) -> None:
    summaries, truth, further = made
    known = np.concatenate([truth, truth**2], 1)

    def left(values: np.ndarray) -> np.ndarray:
        return values - LinearRegression().fit(known, values).predict(known)

    for name, share in influences(summaries, truth, further).items():
        own = left(further[name])
        shares = [np.corrcoef(left(column), own)[0, 1] ** 2 for column in summaries.T]
        assert share == pytest.approx(np.mean(shares), rel=1e-9)


def test_the_strongest_is_found(made) -> None:
    found = influences(*made)
    assert found["strong"] > found["weak"] > 0


def test_units_do_not_matter(made) -> None:
    summaries, truth, further = made
    scaled = {name: 1e6 * values - 3 for name, values in further.items()}
    found = influences(summaries * [1, 10, 0.1, -5], truth, scaled)
    assert found == pytest.approx(influences(summaries, truth, further))


def test_what_does_not_vary_is_left_out(made) -> None:
    summaries, truth, _ = made
    constant = np.column_stack([summaries, np.ones(200)])
    further = {"constant": np.full(200, 0.3), "known": truth[:, 0], "new": summaries[:, 0]}
    assert list(influences(constant, truth, further)) == ["new"]
    assert influences(np.ones((200, 1)), truth, further) == {}
