"""Say without labels where the classes of a suite seem to occur in other proportions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dagnn.evaluation.table import HELD_OUT, MODEL
from dagnn.records import ClassPredictions, FloatArray

STRONG = 0.15
"""Total variation above which proportions are called different."""
_TIMES_CHANCE = 2.0


@dataclass(frozen=True)
class ClassShift:
    """How differently a network shares the items of two suites among the classes.

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
        """Say what differs most, and what follows."""
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


def class_shifts(predictions: Iterable[ClassPredictions]) -> list[ClassShift]:
    """Compare the predictions of the model on every other suite with those on the sources.

    Both sides are predicted by the same network on held-out items, so that its own
    leaning towards some class cancels. No label is read.

    Args:
        predictions: of any models, suites and splits.
    """
    name, sources, others = sides_of(predictions)
    if not sources:
        return []
    share, count = predicted_shares(sources), sum(len(p.ids) for p in sources)
    return [
        ClassShift(
            name,
            p.suite,
            p.classes,
            share,
            predicted_shares([p]),
            _chance(share, count, len(p.ids)),
        )
        for p in others
    ]


def sides_of(
    predictions: Iterable[ClassPredictions],
) -> tuple[str, list[ClassPredictions], list[ClassPredictions]]:
    """Return the names of the sources, and the model's held-out predictions of these and others."""
    ours = [p for p in predictions if p.model == MODEL and p.split in HELD_OUT]
    sources = [p for p in ours if p.role == "source"]
    name = "+".join(dict.fromkeys(p.suite for p in sources))
    return name, sources, [p for p in ours if p.role != "source"]


def _chance(share: FloatArray, count: int, others: int) -> float:
    r"""Return ``½ Σ_k √(2/π) σ_k``, the mean of ``½ Σ |p − q|`` of two finite samples."""
    variance = share * (1 - share) * (1 / count + 1 / others)
    return float(np.sqrt(2 / np.pi * variance).sum() / 2)
