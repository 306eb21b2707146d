"""Inputs that are like nothing in training are said, one by one and as a set."""

import numpy as np
import pytest

from dagnn.data.spectra import Spectra
from dagnn.parameters import Scaling
from dagnn.run.ranges import outside_range, training_spread, unlike_as_a_set

WIDTH = 6


def features(items: int, seed: int, tilt: float = 0.0, offset: float = 0.0) -> np.ndarray:
    """Draw smooth log spectra of any amplitude, with another tilt or offset if wanted."""
    random = np.random.default_rng(seed)
    amplitude = random.normal(size=(items, 1))
    slope = np.linspace(-1, 1, WIDTH)
    small = 0.1 * random.normal(size=(items, WIDTH))
    return 2 + offset + amplitude + (tilt + 0.1 * random.normal(size=(items, 1))) * slope + small


def dataset(x: np.ndarray) -> Spectra:
    names = [f"LH_{row}" for row in range(len(x))]
    return Spectra(x, names, np.full((len(x), 1), np.nan), Scaling.of(["Omega_m"]))


@pytest.fixture(scope="module")
def spread() -> dict:
    return training_spread(features(600, 0), features(200, 1))


@pytest.fixture(scope="module")
def ranges() -> dict:
    x = features(600, 0)
    return {
        f"log10 P, bin {k}": [low, high]
        for k, (low, high) in enumerate(zip(x.min(0), x.max(0), strict=True))
    }


def test_few_inputs_like_those_of_training_are_said(spread: dict, ranges: dict) -> None:
    new = dataset(features(300, 2))
    outside = outside_range(new, ranges, spread)
    assert len(outside) < 0.04 * len(new)
    assert unlike_as_a_set(new, outside, spread) == []


def test_another_shape_within_every_range_is_said(spread: dict, ranges: dict) -> None:
    new = dataset(features(300, 2, tilt=0.6))
    assert len(outside_range(new, ranges, {})) < 0.04 * len(new)
    outside = outside_range(new, ranges, spread)
    assert len(outside) > 0.7 * len(new)
    assert "all summaries together are at distance" in next(iter(outside.values()))
    (text,) = unlike_as_a_set(new, outside, spread)
    assert "median distance" in text and "not like those of training" in text


def test_another_unit_shows_in_the_set(spread: dict, ranges: dict) -> None:
    new = dataset(features(300, 2, offset=1.5))
    (text,) = unlike_as_a_set(new, {}, spread)
    assert text.startswith("the medians of the summaries of these 300 inputs are 1.")


def test_too_few_items_say_nothing(ranges: dict) -> None:
    assert training_spread(features(600, 0), features(20, 1)) == {}
    alone = dataset(features(1, 2, offset=1.5))
    assert unlike_as_a_set(alone, {"LH_0": "x"}, {}) == []
