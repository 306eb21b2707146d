"""What a trained network has been taught, so that what is unlike that can be called unknown."""

from collections.abc import Sequence
from typing import Any

from dagnn.evaluation.novelty import Novelty
from dagnn.models import Network
from dagnn.run.answers import answers_of
from dagnn.run.calibrate import Plan
from dagnn.run.folder import RunFolder
from dagnn.run.predictions import predict_taught
from dagnn.run.prepared import Prepared


def learn_familiar(plan: Plan, network: Network) -> Novelty | None:
    """Learn from a training's sources what is familiar, or read what was learned before.

    Args:
        plan: the training.
        network: what came of it.

    Returns:
        Nothing where answers are no classes, or where there are too few items.
    """
    if plan.folder.novelty.is_file():
        return read_familiar(plan.folder)
    found = fit_familiar(network, plan.prepared, plan.known)
    if found is not None:
        found.save(plan.folder.novelty)
    return found


def fit_familiar(network: Network, prepared: Prepared, known: Sequence[str]) -> Novelty | None:
    """Learn from the sources what is familiar to a network, and store nothing.

    Args:
        network: trained network.
        prepared: what it was trained on.
        known: short names of the suites that it was trained on, by their number.

    Returns:
        As :func:`learn_familiar`.
    """
    parts = (predict_taught(network, prepared, part, known) for part in ("train", "valid"))
    return answers_of(prepared.truth.classes).fit_novelty(*parts)


def read_familiar(folder: RunFolder) -> Novelty | None:
    """Read what is familiar to the network of a run; None where it was not learned.

    Raises:
        DataError: the file is damaged.
    """
    return Novelty.load(folder.novelty) if folder.novelty.is_file() else None


def apply_novelty(novelty: Novelty | None, predictions: Sequence[Any]) -> list[Any]:
    """Say of every prediction how unlike what was taught its item is, where that is known."""
    return [novelty.apply(each) if novelty else each for each in predictions]
