"""Influence of further parameters, against scikit-learn's linear regression."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from dagnn.trust.influence import influences


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
