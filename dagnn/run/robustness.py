"""Choose the images that trained networks are examined on."""

from collections.abc import Mapping

import torch
from torch import Tensor

from dagnn.config import Experiment
from dagnn.evaluation.attacks import Evolution
from dagnn.evaluation.examination import Examination
from dagnn.evaluation.examine import Effort, Sample, examine
from dagnn.models import Network
from dagnn.run.data import Prepared, SuiteData


def examine_networks(
    experiment: Experiment, prepared: Prepared, networks: Mapping[str, Network]
) -> Examination | None:
    """Examine networks on held-out images of the first source and the first target.

    Args:
        experiment: how many images, and how hard to try.
        prepared: suites; only labelled images of known classes are taken.
        networks: name → trained network of class scores.

    Returns:
        None where nothing was asked for, or no suite has such images.
    """
    asked = experiment.evaluation.robustness
    suites = [*prepared.of_role("source")[:1], *prepared.of_role("target")[:1]]
    if not asked.images:
        return None
    device = next(next(iter(networks.values())).parameters()).device
    samples = [
        _sample(suite, items, device)
        for suite in suites
        if len(items := _chosen(experiment, prepared, suite))
    ]
    effort = Effort(
        asked.noise,
        tuple(asked.levels),
        Evolution(asked.population, generations=asked.generations, seed=experiment.seed),
        experiment.seed,
    )
    return examine(networks, samples, prepared.truth.classes, effort) if samples else None


def _chosen(experiment: Experiment, prepared: Prepared, suite: SuiteData) -> Tensor:
    """Draw held-out items, the classes in turn: as many of each as there are."""
    parts = suite.parts()
    together = experiment.evaluation.transductive and suite.role == "target"
    items = torch.cat([*parts.values()]) if together else parts["test"]
    labels = suite.loaded.dataset.y[items].cpu()
    known = (labels >= 0) & (labels < len(prepared.truth.classes))
    draws = torch.Generator().manual_seed(experiment.seed)
    order = torch.randperm(int(known.sum()), generator=draws)
    items, labels = items[known][order], labels[known][order]
    rank = (labels[:, None] == labels).tril().sum(1)
    return items[torch.argsort(rank, stable=True)[: experiment.evaluation.robustness.images]]


def _sample(suite: SuiteData, items: Tensor, device: torch.device) -> Sample:
    batch = suite.loaded.dataset.to(device).batch(items.to(device), suite.domain)
    return Sample(suite.name, batch.x, batch.y, suite.domain)
