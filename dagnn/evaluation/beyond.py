"""What of Gaussian predictions lies outside the prior, where training had no truth.

One rule for every table, note and figure: a mean outside the limits of the prior, or else
an error bar of one standard deviation that ends outside them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dagnn.evaluation.wording import plain
from dagnn.tasks import AnyPredictions, Prior, of_parameters
from dagnn.tasks.regression import limits, outside


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


def beyond_prior(
    predictions: Iterable[AnyPredictions], priors: Mapping[str, Prior]
) -> list[BeyondPrior]:
    """Count what reaches beyond the prior, for every set of predictions and parameter.

    Args:
        predictions: in physical units; classes have no prior.
        priors: prior of the training set by parameter; others are not looked at.

    Returns:
        Only what has any such prediction.
    """
    found: list[BeyondPrior] = []
    for p in of_parameters(predictions):
        for column, name in enumerate(p.parameters):
            if name not in priors:
                continue
            means, bars = outside(priors[name], p.mean[:, column], p.std[:, column])
            counts = len(p.ids), int(means.sum()), int(bars.sum())
            if any(counts[1:]):
                where = (p.suite, p.role, p.split, name, p.model, priors[name])
                found.append(BeyondPrior(*where, *counts))
    return found
