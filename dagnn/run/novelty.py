"""What a trained network has been taught, so that what is unlike that can be called unknown."""

from collections.abc import Sequence
from typing import Any

from dagnn.evaluation.novelty import Novelty
from dagnn.models import Network
from dagnn.run.answers import answers_of
from dagnn.run.calibrate import Plan
from dagnn.run.folder import RunFolder
from dagnn.run.predictions import predict_taught


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
    parts = (predict_taught(network, plan.prepared, p, plan.known) for p in ("train", "valid"))
    found = answers_of(plan.prepared.truth.classes).fit_novelty(*parts)
    if found is not None:
        found.save(plan.folder.novelty)
    return found


def read_familiar(folder: RunFolder) -> Novelty | None:
    """Read what is familiar to the network of a run; None where it was not learned.

    Raises:
        DataError: the file is damaged.
    """
    return Novelty.load(folder.novelty) if folder.novelty.is_file() else None


def apply_novelty(novelty: Novelty | None, predictions: Sequence[Any]) -> list[Any]:
    """Say of every prediction how unlike what was taught its item is, where that is known."""
    return [novelty.apply(each) if novelty else each for each in predictions]
