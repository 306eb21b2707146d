"""What of Gaussian predictions lies outside the prior, where training had no truth.

One rule for every table, note and figure: a mean outside the limits of the prior, or else
an error bar of one standard deviation that ends outside them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dagnn.evaluation.prior import Prior
from dagnn.evaluation.wording import plain
from dagnn.records import ClassPredictions, FloatArray, Predictions

OUTSIDE_PRIOR = "outside_prior"
"""Column of a table of predictions: what lies outside the prior; empty where nothing does."""
_ROUNDING = 1e-9
"""In units of the prior's width; a mean that was clipped to a limit is not outside it."""


@dataclass(frozen=True)
class BeyondPrior:
    """How many predictions of one parameter reach beyond its prior.

    Attributes:
        suite: short suite name.
        role: ``source``, ``target`` or ``other``.
        split: which part of the suite.
        parameter: parameter name.
        model: who predicted.
        prior: of the training set.
        items: how many items were predicted.
        means: how many of the means lie outside, or are no number.
        bars: of how many others the error bar (one standard deviation) ends outside.
    """

    suite: str
    role: str
    split: str
    parameter: str
    model: str
    prior: Prior
    items: int
    means: int
    bars: int

    def sentence(self) -> str:
        """Say how many there are, and what that means."""
        prior = f"the prior of {plain(self.parameter)}, {limits(self.prior)}"
        outside = f"{self.count(self.means)} predictions lie outside {prior}"
        reach = f"the 1σ error bars of {self.count(self.bars)} predictions reach beyond {prior}"
        if self.means and self.bars:
            more = f"{self.bars} more ({self.bars / self.items:.0%})"
            outside += f", and the 1σ error bars of {more} reach beyond it"
        return (
            f"{self.suite} ({self.role}, {self.split}): {outside if self.means else reach}. The "
            "training set holds no truth there."
        )

    def count(self, number: int) -> str:
        """Write a number of items with its share."""
        return f"{number} of {self.items} ({number / self.items:.0%})"


def limits(prior: Prior) -> str:
    """Write the limits of a prior.

    Example:
        >>> limits(Prior.of("A_SN1"))
        '0.25 to 4'
    """
    return f"{prior.low:g} to {prior.high:g}"


def outside(
    prior: Prior, mean: FloatArray, std: FloatArray
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which means lie outside a prior, and of which others the error bar ends outside.

    Args:
        prior: of the parameter, in physical units.
        mean: ``[n]``; what is no number counts as outside.
        std: ``[n]``.

    Example:
        >>> mean, std = np.array([0.3, 0.45, 0.69]), np.array([0.05, 0.1, 0.05])
        >>> [mask.tolist() for mask in outside(Prior.of("Omega_m"), mean, std)]
        [[False, False, True], [False, True, False]]
    """
    slack = _ROUNDING * (prior.high - prior.low)
    low, high = prior.low - slack, prior.high + slack
    means = ~((mean >= low) & (mean <= high))
    bars = ~means & ~((mean - std >= low) & (mean + std <= high))
    return means, bars


def outside_texts(prior: Prior, name: str, mean: FloatArray, std: FloatArray) -> list[str]:
    """Say of each item what lies outside the prior, ``[n]``; nothing where nothing does.

    Example:
        >>> mean, std = np.array([0.3, 0.45, 0.69]), np.array([0.05, 0.1, 0.05])
        >>> for text in outside_texts(Prior.of("Omega_m"), "Omega_m", mean, std): print(text or "-")
        -
        error bar of Omega_m is 0.35 to 0.55 (prior: 0.1 to 0.5)
        predicted Omega_m is 0.69 (prior: 0.1 to 0.5)
    """
    texts = []
    for m, s, out, bar in zip(mean, std, *outside(prior, mean, std), strict=True):
        said = f"predicted {name} is {m:.4g}" if out else ""
        said = f"error bar of {name} is {m - s:.4g} to {m + s:.4g}" if bar else said
        texts.append(f"{said} (prior: {limits(prior)})" if said else "")
    return texts


def beyond_prior(
    predictions: Iterable[Predictions | ClassPredictions], priors: Mapping[str, Prior]
) -> list[BeyondPrior]:
    """Count what reaches beyond the prior, for every set of predictions and parameter.

    Args:
        predictions: in physical units; of classes there is nothing to say.
        priors: prior of the training set by parameter; others are not looked at.

    Returns:
        Only what has any such prediction.
    """
    found: list[BeyondPrior] = []
    for p in predictions:
        names: Sequence[str] = () if isinstance(p, ClassPredictions) else p.parameters
        for column, name in enumerate(names):
            if isinstance(p, ClassPredictions) or name not in priors:
                continue
            means, bars = outside(priors[name], p.mean[:, column], p.std[:, column])
            counts = len(p.ids), int(means.sum()), int(bars.sum())
            if any(counts[1:]):
                where = (p.suite, p.role, p.split, name, p.model, priors[name])
                found.append(BeyondPrior(*where, *counts))
    return found
