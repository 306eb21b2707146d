"""Error bars and probabilities calibrated on the source, and carried over to other suites.

Error bars take two steps, each by what it was fitted on. On the source's validation items: a
blend of each item's own variance with their mean, and a factor. On *surrogate* domains, for
which labels exist because they are made of the source (the same simulations at another
redshift, or one half of them against the other): by how much errors outgrow error bars where
a network is only aligned with a domain. Class probabilities take one temperature. No target
label enters.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import zscore

from dagnn.errors import MismatchError
from dagnn.records import ClassPredictions, FloatArray, IntArray, Predictions

BLENDS = np.linspace(0.0, 1.0, 11)
FEWEST = 20
"""Items of known truth below which nothing is fitted: χ² of fewer says little."""
SMALLEST_BLEND = 0.005
"""A blend below this is not mentioned."""
TEMPERATURES = (0.05, 20.0)
_SMALLEST_PROBABILITY = 1e-300


@dataclass(frozen=True)
class VarianceScale:
    r"""Turn predicted into calibrated standard deviations.

    .. math:: \sigma'^2 = c \, i \, \big[(1 - b)\, \sigma^2 + b\, v \big]

    Attributes:
        parameters: parameter names, ``P`` of them.
        blend: ``b``, share of the mean variance, one per parameter.
        level: ``v``, mean predicted variance on the source's validation items.
        scale: ``c``, so that χ² is one on those items.
        inflation: ``i`` ≥ 1, for suites without labels only.
    """

    parameters: tuple[str, ...]
    blend: tuple[float, ...]
    level: tuple[float, ...]
    scale: tuple[float, ...]
    inflation: tuple[float, ...]

    @property
    def fitted(self) -> bool:
        """Whether there were items enough to calibrate on."""
        return any(self.level)

    def apply(self, predictions: Predictions, *, labelled: bool) -> Predictions:
        """Return predictions with calibrated standard deviations.

        Args:
            predictions: of the network that this was fitted for.
            labelled: whether their suite was a labelled source; others are inflated.

        Raises:
            MismatchError: they are of other parameters.
        """
        if predictions.parameters != self.parameters:
            raise MismatchError(
                f"The calibration is of {', '.join(self.parameters)}, predicted are "
                f"{', '.join(predictions.parameters)}: it belongs to another run."
            )
        blend, level, scale = (np.array(each) for each in (self.blend, self.level, self.scale))
        variance = scale * ((1 - blend) * predictions.std**2 + blend * level)
        if not labelled:
            variance = variance * np.array(self.inflation)
        return replace(predictions, std=np.sqrt(variance))

    def inflated(self, excesses: Sequence[FloatArray]) -> "VarianceScale":
        """Return the same with the inflation that surrogate domains require.

        Args:
            excesses: of each surrogate, from :func:`excess`, one number per parameter.

        Returns:
            With ``i`` the greatest of them: nobody knows which surrogate the target is
            like. Never below one; unchanged without surrogates.
        """
        if not excesses:
            return self
        greatest = np.maximum(np.max(excesses, axis=0), 1.0)
        return replace(self, inflation=tuple(float(value) for value in greatest))

    def sentences(self) -> list[str]:
        """Say for every parameter what was done to its error bars."""
        rows = zip(self.parameters, self.scale, self.blend, self.inflation, strict=True)
        if not self.fitted:
            return [
                "Error bars are those of the network, not calibrated: the source has fewer than "
                f"{FEWEST} validation items."
            ]
        return [
            f"Error bars of {name}: variances times {scale:.2f}"
            + (f", {blend:.0%} of them the same for all items" if blend >= SMALLEST_BLEND else "")
            + ", fitted on the source's validation items"
            + (
                f"; for suites without labels times another {inflation:.2f}, by which networks "
                "were too sure of surrogates (the source in another guise, its labels hidden)."
                if inflation > 1
                else "."
            )
            for name, scale, blend, inflation in rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values to be stored."""
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "VarianceScale":
        """Read what :meth:`to_dict` returned.

        Raises:
            ValueError: the numbers can be no calibration.
        """
        made = cls(**{key: tuple(value) for key, value in stored.items()})
        if not all(isinstance(name, str) for name in made.parameters):
            raise ValueError("its parameters have no names")
        numbers = np.array([made.blend, made.level, made.scale, made.inflation])
        if numbers.dtype.kind not in "fi" or numbers.shape[1:] != (len(made.parameters),):
            raise ValueError(f"expected a number for each of {', '.join(made.parameters)}")
        if not (np.isfinite(numbers).all() and (numbers >= 0).all()):
            raise ValueError("its numbers are not finite, or negative")
        return made


def fit_variance(validation: Sequence[Predictions]) -> VarianceScale:
    """Fit blend and factor on labelled items that the network was not trained on.

    The blend is the one of :data:`BLENDS` with the greatest likelihood, after the
    factor that makes χ² one, which is the most likely one for every blend.

    Args:
        validation: predictions on validation items of one source or more, with their truth.

    Raises:
        ValueError: no truth is known.
    """
    truth, mean, std = (
        np.concatenate([getattr(each, name) for each in validation])
        for name in ("truth", "mean", "std")
    )
    known = np.isfinite(truth).all(1)
    if not known.any():
        raise ValueError("Error bars are calibrated on items of known truth; there are none.")
    if known.sum() < FEWEST:
        ones, none = (1.0,) * truth.shape[1], (0.0,) * truth.shape[1]
        return VarianceScale(validation[0].parameters, none, none, ones, ones)
    error = (truth - mean)[known]
    variance = std[known] ** 2
    level = variance.mean(0)
    blended = [(1 - blend) * variance + blend * level for blend in BLENDS]
    scales = np.array([(error**2 / each).mean(0) for each in blended])
    # −2 log L / n without constants; its last term is one for every blend.
    loss = np.array([np.log(c * each).mean(0) for c, each in zip(scales, blended, strict=True)])
    best = loss.argmin(0)
    scale = scales[best, np.arange(len(level))]
    return VarianceScale(
        parameters=validation[0].parameters,
        blend=tuple(BLENDS[best].tolist()),
        level=tuple(level.tolist()),
        scale=tuple(scale.tolist()),
        inflation=(1.0,) * len(level),
    )


def excess(surrogate: Sequence[Predictions], fitted_on: int) -> FloatArray:
    r"""Return by how much squared errors outgrow variances on a surrogate domain ``[P]``.

    .. math:: \Big(1 - \frac{2}{n}\Big) \, \langle z^2 \rangle

    The first factor undoes a bias. With a factor ``c`` fitted on ``n`` items of equal
    scatter, :math:`\langle z^2 \rangle` is on average :math:`n / (n - 2)` on new ones.

    Args:
        surrogate: predictions on its items of known truth, calibrated on its own source.
        fitted_on: number ``n`` of items that those were calibrated on.
    """
    z = np.concatenate([(each.truth - each.mean) / each.std for each in surrogate])
    unbiased = 1 - 2 / fitted_on if fitted_on >= FEWEST else 1.0
    return np.asarray(unbiased * np.nanmean(z**2, axis=0))


def influences(
    summaries: FloatArray, truth: FloatArray, further: Mapping[str, FloatArray]
) -> dict[str, float]:
    r"""Return the share of the variance of summaries that each further parameter explains.

    The parameter of the largest share divides a source into a surrogate's two halves. What
    the inferred parameters explain (constant, linear, quadratic) is taken off summaries and
    parameter; what is left is compared by its squared correlation, averaged over the
    summaries that vary.

    Args:
        summaries: ``[n, F]``.
        truth: inferred parameters ``[n, P]``.
        further: name → values ``[n]`` of a parameter that is not inferred.

    Returns:
        Name → mean of :math:`r^2` between 0 and 1; those that do not vary are left out.

    Example:
        >>> y, a = np.repeat([0.0, 1.0, 2.0], 2)[:, None], np.array([1.0, -1.0] * 3)
        >>> found = influences(y + a[:, None], y, {"a": a, "constant": np.ones(6)})
        >>> {name: round(share, 3) for name, share in found.items()}
        {'a': 1.0}
    """
    known = np.concatenate([np.ones((len(truth), 1)), truth, truth**2], 1)

    def residuals(values: FloatArray) -> FloatArray:
        """Return what a linear fit leaves of each column, standardised; of those that vary."""
        left = values - known @ np.linalg.lstsq(known, values, rcond=None)[0]
        varies = left.std(0) > 1e-6 * np.abs(values).max(0)
        return np.asarray(zscore(left[:, varies]))

    left = residuals(summaries)
    own = {name: residuals(values[:, None]) for name, values in further.items()}
    return {
        name: float(np.mean((left * each).mean(0) ** 2))
        for name, each in own.items()
        if each.size and left.size
    }


@dataclass(frozen=True)
class Temperature:
    """A temperature for the class probabilities of one network.

    It changes no decision, only how certain the network is.

    Attributes:
        value: ``T``.

    References:
        Guo et al. 2017, arXiv:1706.04599, section 4.2.
    """

    value: float

    @classmethod
    def fit(cls, predictions: Sequence[ClassPredictions]) -> "Temperature":
        """Fit the temperature with the lowest log loss.

        Args:
            predictions: of the **validation items of sources**, all of one network.

        Raises:
            ValueError: predictions of anything else, or without a known label.
        """
        for each in predictions:
            if (each.role, each.split) != ("source", "valid"):
                raise ValueError(
                    f"A temperature is fitted on validation items of a source only, got the "
                    f"{each.split} items of {each.suite} ({each.role})."
                )
        known = [(each.truth >= 0) & (each.truth < len(each.classes)) for each in predictions]
        if not any(mask.any() for mask in known):
            raise ValueError("A temperature needs validation items with a known class.")
        pairs = list(zip(predictions, known, strict=True))
        truth = np.concatenate([each.truth[mask] for each, mask in pairs])
        probability = np.concatenate([each.probability[mask] for each, mask in pairs])
        found = minimize_scalar(
            lambda log: log_loss(truth, softened(probability, math.exp(log))),
            bounds=[math.log(end) for end in TEMPERATURES],
            method="bounded",
        )
        return cls(math.exp(float(found.x)))

    def to_dict(self) -> dict[str, float]:
        """Return plain values to be stored."""
        return {"temperature": self.value}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Temperature":
        """Read what :meth:`to_dict` returned.

        Raises:
            ValueError: it is no temperature.
        """
        value = float(stored["temperature"])
        if not 0 < value < math.inf:
            raise ValueError(f"a temperature is positive and finite, got {value:g}")
        return cls(value)

    def sentences(self) -> list[str]:
        """Say what was done to the probabilities."""
        return [
            f"Probabilities are those of scores divided by a temperature of {self.value:.2f}, "
            "fitted on the source's validation items."
        ]

    def apply(self, predictions: ClassPredictions) -> ClassPredictions:
        """Return the same predictions with softened probabilities."""
        return replace(predictions, probability=softened(predictions.probability, self.value))


def softened(probability: FloatArray, temperature: float) -> FloatArray:
    """Return ``p_k^{1/T} / Σ p^{1/T}``, as if scores had been divided by ``T``.

    Args:
        probability: ``[n, K]``.
        temperature: ``T``; above 1 it makes predictions less decided.

    Example:
        >>> softened(np.array([[0.9, 0.1]]), 2.0)
        array([[0.75, 0.25]])
    """
    logs = np.log(np.maximum(probability, _SMALLEST_PROBABILITY)) / temperature
    shares = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def log_loss(truth: IntArray, probability: FloatArray) -> float:
    """Return the mean negative log probability of the true class, in nats."""
    chosen = probability[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(chosen, _SMALLEST_PROBABILITY)).mean())
