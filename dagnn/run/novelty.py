"""What a trained network has been taught, so that what is unlike that can be called unknown."""

from collections.abc import Sequence
from typing import Any

from dagnn.models import Network
from dagnn.run.answers import answers_of
from dagnn.run.folder import RunFolder
from dagnn.run.predictions import predict_taught
from dagnn.run.prepared import Prepared
from dagnn.trust.novelty import Novelty


def learn_familiar(
    folder: RunFolder, network: Network, taught: Prepared, known: Sequence[str]
) -> Novelty | None:
    """Learn from a training's sources what is familiar, or read what was learned before.

    Args:
        folder: of the training.
        network: what came of it.
        taught: what it was trained on.
        known: short names of the suites that it was trained on, by their number.

    Returns:
        Nothing where answers are no classes, or where there are too few items.
    """
    if folder.novelty.is_file():
        return read_familiar(folder)
    found = fit_familiar(network, taught, known)
    if found is not None:
        found.save(folder.novelty)
    return found


def fit_familiar(network: Network, taught: Prepared, known: Sequence[str]) -> Novelty | None:
    """Learn from the sources what is familiar to a network, and store nothing.

    Arguments and what is returned are those of :func:`learn_familiar`.
    """
    return answers_of(taught.truth.classes).fit_novelty(
        lambda part: predict_taught(network, taught, part, known)
    )


def read_familiar(folder: RunFolder) -> Novelty | None:
    """Read what is familiar to the network of a run; None where it was not learned.

    Raises:
        DataError: the file is damaged.
    """
    return Novelty.load(folder.novelty) if folder.novelty.is_file() else None


def apply_novelty(novelty: Novelty | None, predictions: Sequence[Any]) -> list[Any]:
    """Say of uncalibrated predictions how unlike what was taught each item is, where known."""
    return [novelty.apply(each) if novelty else each for each in predictions]
