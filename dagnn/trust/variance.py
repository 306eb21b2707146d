"""Error bars calibrated on labelled data of the source, and carried over to other suites.

Two steps, each by what it was fitted on. On the source's validation items: a
blend of each item's own variance with their mean, and a factor. On *surrogate*
domains, for which labels exist because they are made of the source (the same
simulations at another redshift): by how much errors outgrow error bars where a
network meets a domain that it was only aligned with. No target label enters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from dagnn.errors import MismatchError
from dagnn.records import FloatArray, Predictions

BLENDS = np.linspace(0.0, 1.0, 11)
FEWEST = 20
"""Items of known truth below which nothing is fitted: χ² of fewer says little."""
LEAST_TOLD = 0.005
"""A blend below this is not worth a word."""


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
        variance = self._variance(predictions.std)
        if not labelled:
            variance = variance * np.array(self.inflation)
        return replace(predictions, std=np.sqrt(variance))

    def _variance(self, std: FloatArray) -> FloatArray:
        blend, level, scale = (np.array(each) for each in (self.blend, self.level, self.scale))
        return np.asarray(scale * ((1 - blend) * std**2 + blend * level))

    def inflated(self, excesses: Sequence[FloatArray]) -> "VarianceScale":
        """Return the same with the inflation that surrogate domains ask for.

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
            + (f", {blend:.0%} of them the same for all items" if blend >= LEAST_TOLD else "")
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
    columns = np.arange(len(level))
    return VarianceScale(
        parameters=validation[0].parameters,
        blend=tuple(float(b) for b in BLENDS[best]),
        level=tuple(float(v) for v in level),
        scale=tuple(float(c) for c in scales[best, columns]),
        inflation=(1.0,) * len(level),
    )
