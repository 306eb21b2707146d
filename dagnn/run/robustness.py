"""Choose the images, and the pairs of images, that trained networks are examined on."""

from collections import Counter
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from dagnn.config import Experiment
from dagnn.evaluation.measure import HELD_OUT
from dagnn.models import Network
from dagnn.robustness.changes import Evolution
from dagnn.robustness.examine import Examination, Sample, examine
from dagnn.run.prepared import Prepared, SuiteData

MOST_PAIRS = 1000
"""Pairs that are looked at: all images of a pair are in memory at once."""


def examine_networks(
    experiment: Experiment, prepared: Prepared, networks: Mapping[str, Network]
) -> Examination | None:
    """Examine networks on held-out images of the first source and the first target.

    Where surveys share objects, also on every pair of held-out images of one object.

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
    if not samples:
        return None
    pairs = [
        (_sample(source, first, device), _sample(other, second, device))
        for source, other, first, second in paired(prepared, experiment.seed)
    ]
    return examine(
        networks,
        samples,
        prepared.truth.classes,
        pairs,
        noise=asked.noise,
        levels=asked.levels,
        evolution=Evolution(asked.population, generations=asked.generations, seed=experiment.seed),
    )


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


def paired(prepared: Prepared, seed: int) -> Iterator[tuple[SuiteData, SuiteData, Tensor, Tensor]]:
    """Pair images of one object by a source and another suite, row by row.

    Only images that are held out, of objects that training and selection have not seen
    in any suite.

    Args:
        prepared: suites with their splits.
        seed: of the draw, where there are more than :data:`MOST_PAIRS`.

    Yields:
        Source and other suite, and the rows of each ``[n]``; nothing where none is shared.
    """
    if not prepared.shared_objects:
        return
    taught = _objects_of_training(prepared)
    draws = torch.Generator().manual_seed(seed)
    for source in prepared.of_role("source"):
        for other in (suite for suite in prepared.suites if suite.role != "source"):
            first, second = same_objects(_names(source, taught), _names(other, taught))
            chosen = torch.randperm(len(first), generator=draws)[:MOST_PAIRS]
            if len(first):
                yield source, other, first[chosen], second[chosen]


def _objects_of_training(prepared: Prepared) -> set[str]:
    """Return the objects that training or selection has seen in any suite."""
    return {
        suite.loaded.dataset.groups[row]
        for suite in prepared.suites
        for part, rows in suite.parts().items()
        if part in ("train", "valid")
        for row in rows.tolist()
    }


def _names(suite: SuiteData, taught: set[str]) -> dict[int, str]:
    """Return the object of every image that is held out, and whose object is."""
    groups = suite.loaded.dataset.groups
    parts = suite.parts()
    held = torch.cat([rows for part, rows in parts.items() if part in HELD_OUT]).tolist()
    return {row: groups[row] for row in held if groups[row] not in taught}


def same_objects(first: Mapping[int, str], second: Mapping[int, str]) -> tuple[Tensor, Tensor]:
    """Pair the rows of two suites that show the same objects.

    Several images of one object are paired in their order, where both suites have
    equally many; else nobody knows which belongs to which, and they are left out.

    Args:
        first: row → object.
        second: the same of the other suite.

    Returns:
        Rows of the first and of the second suite, ``[n]`` each.

    Example:
        >>> same_objects({0: "a", 1: "b", 2: "b"}, {4: "b", 5: "c", 6: "a", 7: "b"})
        (tensor([0, 1, 2]), tensor([6, 4, 7]))
        >>> same_objects({0: "a", 1: "a"}, {0: "a"})
        (tensor([], dtype=torch.int64), tensor([], dtype=torch.int64))
    """
    numbered = [_numbered(rows) for rows in (first, second)]
    counts = [Counter(rows.values()) for rows in (first, second)]
    common = [key for key in numbered[0] if counts[0][key[0]] == counts[1][key[0]]]
    rows = [[names[key] for key in common] for names in numbered]
    return torch.tensor(rows[0], dtype=torch.long), torch.tensor(rows[1], dtype=torch.long)


def _numbered(rows: Mapping[int, str]) -> dict[tuple[str, int], int]:
    """Return the row of the k-th image of every object."""
    seen: Counter[str] = Counter()
    found = {}
    for row in sorted(rows):
        found[rows[row], seen[rows[row]]] = row
        seen[rows[row]] += 1
    return found


def _sample(suite: SuiteData, items: Tensor, device: torch.device) -> Sample:
    batch = suite.loaded.dataset.to(device).batch(items.to(device))
    return Sample(suite.name, batch.x, batch.y, suite.domain)
