r"""Whether error bars are right, for every probability at once.

Three views of one question. For a calibrated Gaussian prediction each of these
numbers is uniform on [0, 1]:

- the probability integral transform ``u = Φ((t − m) / σ)``;
- the central probability ``|2u − 1|``, whose distribution is the coverage curve;
- the TARP fraction (Lemos, Coogan, Hezaveh & Perreault-Levasseur 2023, arXiv:2302.03026,
  algorithm 2 and theorem 3), for several parameters together.

One scalar measures how far: the largest distance between the observed and the
uniform distribution function, the Kolmogorov–Smirnov statistic.

TARP draws a random reference point for every item. The fraction ``f`` of samples of the
prediction that lie nearer to it than the truth does is uniform on [0, 1] if the prediction
is right. Its distribution function is the expected coverage probability
``ECP(α) = P(f < α)``; a calibrated prediction has ``ECP(α) = α``. As reference points do not
depend on the data, they cannot distinguish a useless from a useful prediction: the prior
itself passes, so read it next to R².
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import kstwo

from dagnn.evaluation.measure import bootstrap_weights
from dagnn.records import FloatArray, Predictions
from dagnn.tasks.prior import Prior

LEVELS = np.linspace(0.0, 1.0, 51)
"""Probabilities at which curves are drawn."""
SAMPLES = 1000
STREAM = 2023
"""Keeps these random numbers apart from those of data made with the same small seed."""


def pit_values(truth: FloatArray, mean: FloatArray, std: FloatArray) -> FloatArray:
    """Return the probability integral transform ``Φ((t − m) / σ)``, same shape.

    Low values lie below the prediction, high ones above; a heap at both ends
    means error bars that are too small, a heap in the middle too large ones.

    References:
        Dawid 1984, J. R. Stat. Soc. A 147, 278; Gneiting, Balabdaoui & Raftery
        2007, J. R. Stat. Soc. B 69, 243.

    Example:
        >>> pit_values(np.array([0.3, 0.4]), np.array([0.3, 0.3]), np.array([0.1, 0.1])).round(3)
        array([0.5  , 0.841])
    """
    return np.asarray(ndtr((truth - mean) / std), dtype=np.float64)


def central_values(truth: FloatArray, mean: FloatArray, std: FloatArray) -> FloatArray:
    """Return the probability of the smallest central interval that holds the truth."""
    return np.abs(2 * pit_values(truth, mean, std) - 1)


def curve(values: FloatArray, levels: FloatArray = LEVELS) -> FloatArray:
    """Return the share of values ``[n]`` up to each level, ``[L]``; calibrated: the level.

    Of PIT values this is the PIT curve, of central values the coverage curve.

    Example:
        >>> curve(np.array([0.1, 0.6]), np.array([0.0, 0.5, 1.0]))
        array([0. , 0.5, 1. ])
    """
    return np.asarray((values[None, :] <= levels[:, None]).mean(1))


def deviation(values: FloatArray) -> float:
    """Return the largest distance between the distribution of values and the uniform one.

    ``max_α |F(α) − α|`` over all α, not only over the levels of a curve.

    Args:
        values: ``[n]`` in [0, 1].

    Example:
        >>> deviation(np.array([0.5, 0.5]))
        0.5
    """
    ordered, number = np.sort(values), len(values)
    after = np.arange(1, number + 1) / number - ordered
    before = ordered - np.arange(number) / number
    return float(max(after.max(), before.max()))


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


@dataclass(frozen=True)
class Calibration:
    """How far one set of predictions is from calibrated.

    Attributes:
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: which part of the suite.
        parameter: parameter name, or several joined by `` + ``.
        measure: ``pit``, ``coverage`` or ``tarp``.
        value: largest deviation of the distribution function from uniform.
        limit: 95% of calibrated models stay below it with as many independent items.
        items: number of items with known truth.
        model: who predicted.
    """

    suite: str
    role: str
    split: str
    parameter: str
    measure: str
    value: float
    limit: float
    items: int
    model: str = "model"

    @property
    def calibrated(self) -> bool:
        """Whether the deviation is no larger than chance explains."""
        return self.value <= self.limit


def _measured(
    predictions: Predictions, parameter: str, measure: str, values: FloatArray
) -> Calibration:
    return Calibration(
        suite=predictions.suite,
        role=predictions.role,
        split=predictions.split,
        parameter=parameter,
        measure=measure,
        value=deviation(values),
        limit=float(kstwo.ppf(0.95, len(values))),
        items=len(values),
        model=predictions.model,
    )


def calibrations(
    predictions: Sequence[Predictions], prior: Mapping[str, Prior], *, seed: int = 0
) -> list[Calibration]:
    """Measure every view of calibration on every set of predictions.

    Args:
        predictions: one record per model, suite and split.
        prior: prior of every parameter; TARP measures distances in its units.
        seed: of the samples and reference points of TARP.

    Returns:
        ``pit`` and ``coverage`` for each parameter, then ``tarp`` for all of
        them together where there are several. Items of unknown truth are left
        out, and so are predictions without any known truth.
    """
    found: list[Calibration] = []
    for each in predictions:
        for column, name in enumerate(each.parameters):
            known = np.isfinite(each.truth[:, column])
            if known.any():
                sample = [v[known, column] for v in (each.truth, each.mean, each.std)]
                found.append(_measured(each, name, "pit", pit_values(*sample)))
                found.append(_measured(each, name, "coverage", central_values(*sample)))
        if len(each.parameters) > 1 and len(fractions := tarp_of(each, prior, seed=seed)):
            found.append(_measured(each, " + ".join(each.parameters), "tarp", fractions))
    return found
