"""Compare the predictions of classes on two suites without labels: proportions and novelty.

Both sides of a comparison are held-out items predicted by the same network, so that its
own preference for some class, or its own scale of novelty, cancels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dagnn.evaluation.measure import HELD_OUT, MODEL
from dagnn.records import ClassPredictions, FloatArray
from dagnn.tasks import AnyPredictions, of_classes
from dagnn.tasks.classification_metrics import called_unknown

STRONG = 0.15
"""Total variation above which proportions are called different."""
MANY = 0.1
"""Share of items called unknown, beyond that of the source, above which there is an alarm."""
_TIMES_CHANCE = 2.0


@dataclass(frozen=True)
class ClassShift:
    """How differently the predicted classes are distributed in two suites.

    Attributes:
        source: short name of the labelled suite.
        target: short name of the other one.
        classes: names of the ``K`` classes.
        source_share: predicted share of each class among items of the source, ``[K]``.
        target_share: the same of the target, ``[K]``.
        chance: total variation to expect from the numbers of items alone.
    """

    source: str
    target: str
    classes: tuple[str, ...]
    source_share: FloatArray
    target_share: FloatArray
    chance: float
    subject = "proportions of classes"

    @property
    def distance(self) -> float:
        """Total variation ``½ Σ |p − q|``: the share of items in other classes."""
        return float(np.abs(self.source_share - self.target_share).sum() / 2)

    @property
    def alarm(self) -> bool:
        """Whether proportions differ strongly, and by more than chance."""
        return self.distance > max(STRONG, _TIMES_CHANCE * self.chance)

    def sentence(self) -> str:
        """Name the classes that differ most, and what follows."""
        change = self.target_share - self.source_share
        named = [
            f"{self.classes[k]} ({self.source_share[k]:.0%} of {self.source}, "
            f"{self.target_share[k]:.0%} of {self.target})"
            for k in (int(change.argmax()), int(change.argmin()))
        ]
        return (
            f"Label shift? The classes predicted for {self.target} are in other proportions than "
            f"those for {self.source}: most of all {' and '.join(named)}. Either the proportions "
            "differ indeed or the network is misled there; without labels nobody can tell. If they "
            "do differ, aligning the suites as wholes pulls unlike classes onto one another, and "
            "the probabilities, which assume the proportions of the source, are off: read the "
            "balanced accuracy, and compare with a run without a domain term."
        )


@dataclass(frozen=True)
class NoveltyShift:
    """How many items of two suites a network finds unlike its training set.

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
            f"Out of distribution? {self.target_share:.0%} of the items of {self.target} are "
            f"unlike the training set (novelty above 1; {self.source_share:.0%} of those of "
            f"{self.source}). Either objects of another kind are among them or its images differ "
            "in a way that alignment left: then this threshold finds too many, and only the order "
            "of the novelties is informative. predictions.csv lists the novelty of every item."
        )


def class_alarms(predictions: Iterable[AnyPredictions]) -> list[ClassShift | NoveltyShift]:
    """Return the alarms of held-out predictions of classes; no label is read.

    Args:
        predictions: of any tasks, models, suites and splits.
    """
    classes = of_classes(predictions)
    found: list[ClassShift | NoveltyShift] = [*class_shifts(classes), *novelty_shifts(classes)]
    return [each for each in found if each.alarm]


def class_shifts(predictions: Iterable[ClassPredictions]) -> list[ClassShift]:
    """Compare the classes predicted on every other suite with those on the sources.

    Args:
        predictions: of any models, suites and splits.
    """
    name, sources, others = _sides(predictions)
    if not sources:
        return []
    share, count = predicted_shares(sources), sum(len(p.ids) for p in sources)
    found = []
    for each in others:
        # ½ Σ_k √(2/π) σ_k is the mean of ½ Σ |p − q| of two finite samples.
        variance = share * (1 - share) * (1 / count + 1 / len(each.ids))
        chance = float(np.sqrt(2 / np.pi * variance).sum() / 2)
        own = predicted_shares([each])
        found.append(ClassShift(name, each.suite, each.classes, share, own, chance))
    return found


def novelty_shifts(predictions: Iterable[ClassPredictions]) -> list[NoveltyShift]:
    """Compare the model's novelty on every other suite with that on the sources.

    Args:
        predictions: of any models, suites and splits; those of unknown novelty are left out.
    """
    name, sources, others = _sides(p for p in predictions if p.novelty is not None)
    if not sources:
        return []
    share, count = _unknown_share(sources), sum(len(p.ids) for p in sources)
    # One item more on either side keeps the variance positive where the source has none.
    expected = (share * count + 1) / (count + 2)
    found = []
    for each in others:
        chance = float((expected * (1 - expected) * (1 / count + 1 / len(each.ids))) ** 0.5)
        found.append(NoveltyShift(name, each.suite, share, _unknown_share([each]), chance))
    return found


def predicted_shares(predictions: Sequence[ClassPredictions]) -> FloatArray:
    """Return the share of items that are put into each class, ``[K]``.

    Example:
        >>> probability = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
        >>> truth, latent = np.full(4, -1), np.zeros((4, 0))
        >>> where = ("decals", "target", "test", tuple("abcd"), ("spiral", "merger"))
        >>> predicted_shares([ClassPredictions(*where, truth, probability, latent)])
        array([0.75, 0.25])
    """
    probability = np.concatenate([each.probability for each in predictions])
    counts = np.bincount(probability.argmax(1), minlength=probability.shape[1])
    return np.asarray(counts / len(probability))


def _unknown_share(predictions: Sequence[ClassPredictions]) -> float:
    found = [called_unknown(p.novelty) for p in predictions if p.novelty is not None]
    return float(np.concatenate(found).mean())


def _sides(
    predictions: Iterable[ClassPredictions],
) -> tuple[str, list[ClassPredictions], list[ClassPredictions]]:
    """Return the names of the sources, and the model's held-out predictions of these and others."""
    ours = [p for p in predictions if p.model == MODEL and p.split in HELD_OUT]
    sources = [p for p in ours if p.role == "source"]
    name = "+".join(dict.fromkeys(p.suite for p in sources))
    return name, sources, [p for p in ours if p.role != "source"]
