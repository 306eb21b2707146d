r"""TARP: are error bars of several parameters right together, not only one by one?

A random reference point is drawn for every item. The fraction ``f`` of samples
of the prediction that lie nearer to it than the truth does is uniform on [0, 1]
if the prediction is right. Its distribution function is the expected coverage
probability ``ECP(α) = P(f < α)``; a calibrated prediction has ``ECP(α) = α``.

What it cannot see: reference points that know nothing of the data do not tell a
useless from a useful prediction. The prior itself passes, so read it next to R².

References:
    Lemos, Coogan, Hezaveh & Perreault-Levasseur 2023, arXiv:2302.03026,
    algorithm 2 and theorem 3.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from dagnn.evaluation.measure import bootstrap_weights
from dagnn.records import FloatArray, Predictions
from dagnn.tasks.prior import Prior

SAMPLES = 1000
STREAM = 2023
"""Keeps these random numbers apart from those of data made with the same small seed."""


def tarp_fractions(
    truth: FloatArray, mean: FloatArray, std: FloatArray, *, samples: int = SAMPLES, seed: int = 0
) -> FloatArray:
    """Return for each item how many samples lie nearer to its reference than the truth.

    Args:
        truth: ``[n, P]`` in units in which every prior spans [0, 1].
        mean: ``[n, P]``, same units.
        std: ``[n, P]``, same units; the predicted parameters are independent Gaussians.
        samples: drawn from each prediction.
        seed: of samples and reference points, which are uniform in the unit cube.

    Returns:
        Fractions ``[n]`` in [0, 1].

    Example:
        >>> corner = np.zeros((2, 2))
        >>> tarp_fractions(corner + 9, corner, corner + 0.1)  # the truth is farther than all
        array([1., 1.])
    """
    generator = np.random.default_rng((STREAM, seed))
    reference = generator.random(truth.shape)
    reach = np.square(truth - reference).sum(1)
    nearer = np.zeros(len(truth))
    # Sample by sample, so that memory does not grow with their number.
    for _ in range(samples):
        drawn = mean + std * generator.normal(size=truth.shape)
        nearer += np.square(drawn - reference).sum(1) < reach
    return nearer / samples


def tarp_of(
    predictions: Predictions,
    prior: Mapping[str, Prior],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> FloatArray:
    """Return TARP fractions of the items whose truth is wholly known, ``[n_known]``.

    Args:
        predictions: in physical units.
        prior: of every parameter; its width is the unit of distance.
        samples: drawn from each prediction.
        seed: of samples and reference points.
    """
    known = np.isfinite(predictions.truth).all(1)
    low = np.array([prior[name].low for name in predictions.parameters])
    width = np.array([prior[name].high for name in predictions.parameters]) - low
    return tarp_fractions(
        (predictions.truth[known] - low) / width,
        (predictions.mean[known] - low) / width,
        predictions.std[known] / width,
        samples=samples,
        seed=seed,
    )


def expected_coverage(
    fractions: FloatArray,
    levels: FloatArray,
    *,
    resamples: int = 500,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return ``ECP(α)`` with a 95% bootstrap band over the items.

    Args:
        fractions: ``[n]``, see :func:`tarp_fractions`.
        levels: probabilities ``α``, ``[L]``.
        resamples: behind the band.
        seed: of the resampling.
        groups: one name per item; items of one group are resampled together.

    Returns:
        Curve, lower and upper end of the band, ``[L]`` each.
    """
    below = (fractions[:, None] <= levels[None, :]).astype(np.float64)
    weight = bootstrap_weights(len(fractions), resamples, seed, groups)
    low, high = np.percentile(weight @ below / weight.sum(1, keepdims=True), [2.5, 97.5], axis=0)
    return below.mean(0), low, high
