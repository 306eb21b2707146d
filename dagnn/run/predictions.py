"""Predictions of every suite of a run."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dagnn.errors import UsageError
from dagnn.models import Network
from dagnn.records import Dataset
from dagnn.run.answers import AnyPredictions, answers_of
from dagnn.run.prepared import Prepared, SuiteData

FEWEST_TO_ADAPT = 20
ITEMS_AT_ONCE = 512


def predict_all(
    network: Network,
    prepared: Prepared,
    model: str,
    known: Sequence[str] | None = None,
    *,
    adapt_statistics: bool = False,
    transductive: bool = False,
) -> list[AnyPredictions]:
    """Predict every item that training has not learned from.

    Args:
        network: trained network.
        prepared: suites to predict.
        model: which network this is.
        known: short names of the suites that it was trained on, by their number; those of
            ``prepared`` if None. Others are seen through the statistics of the first.
        adapt_statistics: see unseen suites through statistics of their own.
        transductive: take all items of a target together, which training saw unlabelled.
    """
    known = prepared.trained if known is None else known
    predictions = []
    for suite in prepared.suites:
        dataset, unseen = suite.loaded.dataset, suite.split is None
        parts = {
            part: index for part, index in suite.parts().items() if part != "train" and len(index)
        }
        if transductive and suite.role == "target":
            parts = {"all": unseen_labels(suite, prepared)}
        seen_by = adapt(network, dataset, parts["all"]) if unseen and adapt_statistics else network
        for part, index in parts.items():
            predictions.append(_predict_part(seen_by, suite, prepared, part, index, known, model))
    return predictions


def predict_taught(
    network: Network, prepared: Prepared, part: str, known: Sequence[str]
) -> list[AnyPredictions]:
    """Predict the items of one part of every source, also those that training learned from.

    Args:
        network: trained network.
        prepared: whose sources to predict.
        part: ``train`` or ``valid``.
        known: short names of the suites that the network was trained on, by their number.
    """
    return [
        _predict_part(network, suite, prepared, part, suite.parts()[part], known, "model")
        for suite in prepared.of_role("source")
    ]


def _predict_part(
    network: Network,
    suite: SuiteData,
    prepared: Prepared,
    part: str,
    index: Tensor,
    known: Sequence[str],
    model: str,
) -> AnyPredictions:
    return answers_of(prepared.truth.classes).predict(
        network,
        suite.loaded.dataset.in_domain(known.index(suite.name) if suite.name in known else 0),
        index,
        prepared.truth,
        suite=suite.name,
        role=suite.role,
        split=part,
        model=model,
    )


def unseen_labels(suite: SuiteData, prepared: Prepared) -> Tensor:
    """Return all items of a target but those whose object a labelled source shows as well.

    Args:
        suite: a target.
        prepared: tells whether equal group names mean equal objects.
    """
    items = torch.cat([*suite.parts().values()])
    if not prepared.shared_objects:
        return items
    labelled = {
        source.loaded.dataset.groups[row]
        for source in prepared.of_role("source")
        for part in ("train", "valid")
        for row in source.parts()[part].tolist()
    }
    groups = suite.loaded.dataset.groups
    return items[[groups[row] not in labelled for row in items.tolist()]]


def adapt(network: Network, dataset: Dataset, items: Tensor) -> Network:
    """Return a copy of a network with statistics estimated from unlabelled items.

    Raises:
        UsageError: there are too few items to estimate anything.
    """
    if len(items) < FEWEST_TO_ADAPT:
        raise UsageError(
            f"--adapt-statistics needs at least {FEWEST_TO_ADAPT} inputs of one suite, got "
            f"{len(items)}: statistics of fewer say more about the boxes than about the suite."
        )
    device = next(network.parameters()).device
    parts = torch.split(items.to(device), ITEMS_AT_ONCE)
    there = dataset.to(device).in_domain(0)
    return network.adapted(*(there.batch(part) for part in parts))
