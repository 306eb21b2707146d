"""Adaptive clustering: targets that rank the classes alike shall predict alike."""

import torch
from torch import Tensor

from dagnn.losses.classes import class_scores
from dagnn.losses.samples import require_items
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair

# Keeps log x finite where two predictions are the same, or exclude one another, to the last digit.
SMALLEST_AGREEMENT = 1e-6


def alike(scores: Tensor, others: Tensor, top: int) -> Tensor:
    """Return which pairs of items rank the same ``top`` classes first, in the same order.

    Args:
        scores: ``[n, K]``.
        others: ``[m, K]``.
        top: how many classes must agree.

    Returns:
        ``[n, m]`` booleans.

    Example:
        >>> first = torch.tensor([[3.0, 2.0, 1.0]])
        >>> others = torch.tensor([[3.0, 1.0, 2.0], [9.0, 2.0, 1.0]])
        >>> alike(first, others, 1).tolist(), alike(first, others, 2).tolist()
        ([[True, True]], [[False, True]])
    """
    rows, columns = (each.topk(top, dim=1).indices for each in (scores, others))
    return (rows[:, None] == columns[None]).all(2)


def adaptive_clustering(scores: Tensor, targets: Tensor, top: int) -> Tensor:
    r"""Return the cross-entropy of "these two belong together" over pairs of items.

    .. math:: L = -\big\langle s_{ij} \log (p_i^T p_j)
              + (1 - s_{ij}) \log (1 - p_i^T p_j) \big\rangle_{i \in B, \, j \in b_t}

    Args:
        scores: of all items ``i``, ``[n, K]``.
        targets: of target items ``j``, ``[m, K]``.
        top: see :func:`alike`, which gives ``s``.

    Returns:
        A scalar, the mean over pairs where the source has the sum.

    References:
        Han et al. 2020, arXiv:2002.05714 (rank statistics); Li et al. 2021, CVPR
        (cross-domain adaptive clustering); Ćiprijanović et al. 2023, arXiv:2302.02005.
    """
    agreement = scores.softmax(1) @ targets.softmax(1).T
    same = alike(scores.detach(), targets.detach(), top)
    right = torch.where(same, agreement, 1 - agreement)
    return -(right.clamp_min(0) + SMALLEST_AGREEMENT).log().mean()


class AdaptiveClustering(DomainTerm):
    """Module form of :func:`adaptive_clustering`, over source and target items.

    Args:
        top: how many classes must rank alike; by default half of them.

    Raises:
        ValueError: ``top`` is not positive.

    Example:
        >>> AdaptiveClustering(top=2)
        AdaptiveClustering(top=2)
    """

    needs_classes = True
    pairwise = False
    vectorises = True

    def __init__(self, top: int | None = None) -> None:
        super().__init__()
        if top is not None and top < 1:
            raise ValueError(f"Adaptive clustering compares at least one class, got top={top}.")
        self.top = top

    def forward(self, pair: Pair) -> Tensor:
        """Return the value for scores ``[B_s, K]`` and ``[B_t, K]``."""
        source, target = (class_scores(side.prediction) for side in (pair.source, pair.target))
        require_items("Adaptive clustering", target)
        classes = target.shape[1]
        top = max(1, classes // 2) if self.top is None else min(self.top, classes)
        return adaptive_clustering(torch.cat([source, target]), target, top)

    def extra_repr(self) -> str:
        """Return how many classes are compared as text."""
        return f"top={'half' if self.top is None else self.top}"
