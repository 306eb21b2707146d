"""Say without labels where many items of a suite are unlike all that was taught."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dagnn.records import ClassPredictions
from dagnn.tasks import AnyPredictions, of_classes
from dagnn.tasks.classification_metrics import called_unknown
from dagnn.trust.class_shift import ClassShift, class_shifts, sides_of

MANY = 0.1
"""Share of items called unknown, beyond that of the source, which is told."""
_TIMES_CHANCE = 2.0


@dataclass(frozen=True)
class Unfamiliar:
    """How many items of two suites a network finds unlike all that it was taught.

    Attributes:
        source: short name of the labelled suite.
        target: short name of the other one.
        source_share: share of held-out items of the source with a novelty above 1.
        target_share: the same of the target.
        chance: standard deviation of the difference of the two, from numbers of items alone.
    """

    source: str
    target: str
    source_share: float
    target_share: float
    chance: float
    subject = "novelty"

    @property
    def alarm(self) -> bool:
        """Whether there are many more in the target, and more than by chance."""
        return self.target_share - self.source_share > max(MANY, _TIMES_CHANCE * self.chance)

    def sentence(self) -> str:
        """Say how many, and what that may mean."""
        return (
            f"Unfamiliar? {self.target_share:.0%} of the items of {self.target} are unlike what "
            f"the network was taught (novelty above 1; {self.source_share:.0%} of those of "
            f"{self.source}). Either objects of another kind are among them or its images differ "
            "in a way that alignment left: then this threshold finds too much, and only the order "
            "of the novelties tells anything. Which items, predictions.csv tells."
        )


def unfamiliar(predictions: Iterable[ClassPredictions]) -> list[Unfamiliar]:
    """Compare the model's novelty on every other suite with that on the sources.

    Both sides are held-out items. No label is read.

    Args:
        predictions: of any models, suites and splits; those of unknown novelty are left out.
    """
    name, sources, others = sides_of(p for p in predictions if p.novelty is not None)
    if not sources:
        return []
    share, count = _share(sources), sum(len(p.ids) for p in sources)
    return [
        Unfamiliar(name, p.suite, share, _share([p]), _chance(share, count, len(p.ids)))
        for p in others
    ]


def _share(predictions: Sequence[ClassPredictions]) -> float:
    found = [called_unknown(p.novelty) for p in predictions if p.novelty is not None]
    return float(np.concatenate(found).mean())


def _chance(share: float, count: int, others: int) -> float:
    """Return the standard deviation of the difference of two shares of equal expectation.

    One item more on either side keeps it positive where the source has none.
    """
    expected = (share * count + 1) / (count + 2)
    return float((expected * (1 - expected) * (1 / count + 1 / others)) ** 0.5)


def class_alarms(predictions: Iterable[AnyPredictions]) -> list[ClassShift | Unfamiliar]:
    """Return what in held-out predictions of classes forbids trusting them; no label is read."""
    classes = of_classes(predictions)
    found: list[ClassShift | Unfamiliar] = [*class_shifts(classes), *unfamiliar(classes)]
    return [each for each in found if each.alarm]
