"""Validation numbers that need no target label."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dagnn.nn import mixture
from dagnn.records import Batch, Logits, Moments, Pair
from dagnn.training.forward import ITEMS, make_pair

# Domain terms compare every item with every other, so they see at most this
# many of each domain; task loss and error see all.
ITEMS_FOR_TERMS = 1024


def prediction_error(prediction: Moments | Logits, y: Tensor) -> Tensor:
    """Return how wrong predictions are, one number whatever the task loss.

    Args:
        prediction: moments ``[B, P]`` or class scores ``[B, K]``.
        y: truth in prior units ``[B, P]``, or classes ``[B]``.

    Returns:
        Root mean square error of the mean in prior units, or the fraction of wrong classes.
    """
    if isinstance(prediction, Moments):
        return (prediction.mean - y).square().mean().sqrt()
    return (prediction.logits.argmax(-1) != y).float().mean()


def latent_distance(source: Tensor, target: Tensor) -> Tensor:
    r"""Return how far apart two latent clouds are, in units of their own spread.

    .. math:: d = \sqrt{\lVert \bar h_s - \bar h_t \rVert^2 / v}, \quad
              v = \tfrac12 \big( \langle \lVert h_s - \bar h_s \rVert^2 \rangle
                               + \langle \lVert h_t - \bar h_t \rVert^2 \rangle \big)

    Args:
        source: ``[..., B_s, W]``.
        target: ``[..., B_t, W]``.

    Returns:
        One number per leading index (a scalar where there is none).

    Example:
        >>> cloud = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
        >>> latent_distance(cloud, cloud + torch.tensor([0.0, 3.0]))
        tensor(3.)
    """
    shift = (source.mean(ITEMS) - target.mean(ITEMS)).square().sum(-1)
    variances = source.var(ITEMS, correction=0) + target.var(ITEMS, correction=0)
    spread = variances.sum(-1)
    return (shift / (spread / 2).clamp_min(1e-12)).sqrt()


@torch.no_grad()
def validation_metrics(
    network: nn.Module,
    objective: nn.Module,
    sources: Iterable[Batch],
    targets: Iterable[Batch] = (),
) -> dict[str, float]:
    """Measure a network on validation items, reading the truth of sources only.

    Numbers that compare domains are means over all pairs of a source and a target domain.
    Of an ensemble, loss and error are those of its mixture; the numbers that
    compare domains are means over the members, as in training.

    Args:
        network: ``batch → Output``, in evaluation mode.
        objective: ``Pair → Terms``, with attributes ``task`` and ``needs_target``.
        sources: labelled validation batches, each of one domain.
        targets: unlabelled validation batches; without any, the numbers that
            compare domains are left out.

    Returns:
        ``source_loss`` (task loss over all items), ``source_error`` (see
        :func:`prediction_error`), and, given targets, ``latent_distance`` and
        the unweighted value of every domain term by its name.
    """
    pair = make_pair(network, list(sources), list(targets), torch.zeros(0, dtype=torch.int64), 1.0)
    prediction = mixture(pair.source).prediction
    task: Any = objective.task
    values = {
        "source_loss": task(prediction, pair.labels),
        "source_error": prediction_error(prediction, pair.labels),
    }
    if pair.target.latent.shape[ITEMS]:
        distances = [latent_distance(p.source.latent, p.target.latent) for p in pair.by_domain()]
        values["latent_distance"] = torch.stack(distances).mean()
        if objective.needs_target:
            values |= objective(_thinned(pair, ITEMS_FOR_TERMS)).domain
    return {name: float(value) for name, value in values.items()}


@torch.no_grad()
def target_error(network: nn.Module, targets: Iterable[Batch]) -> float:
    """Return the error on **labelled** targets, which only the oracle may use.

    Args:
        network: ``batch → Output``, in evaluation mode.
        targets: validation batches of the targets; items of unknown truth are left out.
    """
    errors = []
    for batch in targets:
        prediction = mixture(network(batch)).prediction
        known = batch.y.isfinite().all(-1) if isinstance(prediction, Moments) else batch.y >= 0
        kept = type(prediction)(*(column[known] for column in prediction))
        errors.append(prediction_error(kept, batch.y[known]))
    return float(torch.stack(errors).mean())


def _thinned(pair: Pair, items: int) -> Pair:
    """Keep at most ``items`` of every domain, evenly, so that a small one is not lost."""
    return pair.take(
        *(_rows_of_each(numbers, items) for numbers in (pair.source_domain, pair.target_domain))
    )


def _rows_of_each(numbers: Tensor, items: int) -> Tensor:
    each = (torch.nonzero(numbers == number).flatten() for number in sorted(set(numbers.tolist())))
    return torch.cat([numbers.new_zeros(0), *(rows[_rows(len(rows), items)] for rows in each)])


def _rows(count: int, items: int) -> Tensor:
    return torch.arange(min(count, items)) * max(count, 1) // max(min(count, items), 1)
