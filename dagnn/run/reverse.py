"""Reverse validation: does what a network says about the target lead back to the source?

A second network is trained with the roles swapped: the target's training items
carry the labels that the first network gave them, the source is unlabelled. Its
error on the source's validation items, whose truth is known, is small only if the
pseudo-labels were good. No target label is read.

References:
    Ganin et al. 2016, arXiv:1505.07818, section 5.1.2; Zhong et al. 2010, ECML PKDD.
    There the second network starts from the weights of the first; here it starts
    afresh, so that it cannot remember source labels.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, device

from dagnn.config import Experiment
from dagnn.models import Network
from dagnn.records import Dataset, Moments
from dagnn.run.assemble import assemble
from dagnn.run.prepared import Prepared, SuiteData
from dagnn.run.scores import outputs
from dagnn.training import Callback, fit
from dagnn.training.validation import prediction_error

PARTS = ("train", "valid")
"""Parts of the target that get pseudo-labels; the test part is never used."""


class Relabelled:
    """A dataset whose truth is replaced.

    Args:
        dataset: where the inputs come from.
        labels: truth as batches carry it (prior units or classes), ``[n, ...]``.
    """

    def __init__(self, dataset: Dataset, labels: Tensor) -> None:
        self.dataset = dataset
        self.labels = labels

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        """Give everything but the truth from the dataset itself."""
        return getattr(self.__dict__["dataset"], name)

    @property
    def y(self) -> Tensor:
        """The replaced truth."""
        return self.labels

    def to(self, where: device | str) -> "Relabelled":
        """Return the dataset with its tensors on a device."""
        return Relabelled(self.dataset.to(where), self.labels.to(where))

    def in_domain(self, domain: int | None) -> "Relabelled":
        """Return the same items as those of a domain."""
        return Relabelled(self.dataset.in_domain(domain), self.labels)

    def batch(self, index: Tensor) -> Any:
        """Gather items with their replaced truth."""
        batch = self.dataset.batch(index)
        y = self.labels[index.to(self.labels.device)]
        if is_dataclass(batch) and not isinstance(batch, type):
            return replace(batch, y=y)
        changed = copy.copy(batch)
        changed.y = y
        return changed


def reverse_error(
    network: Network,
    experiment: Experiment,
    prepared: Prepared,
    callbacks: Sequence[Callback] = (),
    train: Callable[..., Any] = fit,
) -> float:
    """Train with swapped roles on pseudo-labels and return the error on the true source.

    Args:
        network: trained on ``experiment``.
        experiment: its recipe, used again.
        prepared: its data, with one target or more.
        callbacks: told about the second training.
        train: what trains, for tests.
    """
    swapped = swap(network, prepared)
    made = assemble(experiment, swapped)
    settings = replace(made.settings, patience=None, select_on="last")
    train(made.network, made.objective, made.domains, settings=settings, callbacks=callbacks)
    errors = []
    for suite in swapped.of_role("target"):
        output, y = outputs(made.network, suite, "valid")
        errors.append(float(prediction_error(output.prediction, y)))
    return float(np.mean(errors))


def swap(network: Network, prepared: Prepared) -> Prepared:
    """Return the data with targets as sources, labelled by a network, and sources as targets."""
    sources = [
        replace(suite, loaded=replace(suite.loaded, dataset=_pseudo_labelled(network, suite)))
        for suite in prepared.of_role("target")
    ]
    roles = dict.fromkeys(range(len(sources)), "source")
    suites = [*sources, *prepared.of_role("source")]
    renumbered = tuple(
        suite.numbered(roles.get(domain, "target"), domain) for domain, suite in enumerate(suites)
    )
    return replace(prepared, suites=renumbered, intervals=())


def _pseudo_labelled(network: Network, suite: SuiteData) -> Relabelled:
    """Label the training and validation items of a suite by a network; hide all other truth."""
    dataset = suite.loaded.dataset
    parts = {part: outputs(network, suite, part)[0].prediction for part in PARTS}
    labels: Tensor | None = None
    for part, prediction in parts.items():
        if isinstance(prediction, Moments):
            guessed, hidden = prediction.mean, float("nan")
        else:
            guessed, hidden = prediction.logits.argmax(-1), -1
        if labels is None:
            labels = torch.full((len(dataset), *guessed.shape[1:]), hidden, dtype=guessed.dtype)
        labels[suite.parts()[part]] = guessed.cpu()
    assert labels is not None
    return Relabelled(dataset, labels)
