"""Cross-entropy of classes, and what all class losses share."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from dagnn.errors import UsageError
from dagnn.losses.task import TaskLoss
from dagnn.records import Logits, Moments

# The weight of a batch without any known class, so that its loss is zero and not 0 / 0.
SMALLEST_WEIGHT = 1e-12


def class_scores(prediction: Moments | Logits) -> Tensor:
    """Return the class scores ``[..., B, K]`` of a prediction.

    Raises:
        TypeError: it has none.
    """
    if isinstance(prediction, Logits):
        return prediction.logits
    raise TypeError(
        f"This loss needs class scores (Logits), got {type(prediction).__name__}. "
        f"Give the network a class head."
    )


def membership(labels: Tensor, classes: int) -> Tensor:
    """Return which class each item belongs to, one column per class.

    Args:
        labels: classes ``[B]``; an item outside 0 to ``K − 1`` (no label, or a class that
            the network does not know) belongs to none.
        classes: number of classes ``K``.

    Returns:
        ``[B, K]`` booleans.

    Example:
        >>> membership(torch.tensor([1, -1, 2]), 2).int().tolist()
        [[0, 1], [0, 0], [0, 0]]
    """
    return labels[:, None] == torch.arange(classes, device=labels.device)


def cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, *, smoothing: float = 0.0
) -> Tensor:
    r"""Return the weighted cross-entropy of class scores.

    .. math:: L = -\frac{\sum_i \sum_k w_k \, t_{ik} \log \hat y_{ik}}{\sum_i w_{y_i}}, \quad
              t_{ik} = (1 - \alpha) \, [k = y_i] + \alpha / K

    Args:
        logits: ``[B, K]``.
        labels: classes ``[B]``; items that belong to none of the ``K`` are left out.
        weights: ``w`` ``[K]``, of any common factor; None counts all classes the same.
        smoothing: ``α`` in [0, 1).

    Returns:
        A scalar; zero for a batch without any known class.

    Raises:
        UsageError: there is not one label for every item.

    References:
        Szegedy et al. 2016, arXiv:1512.00567, section 7 (smoothing);
        Ćiprijanović et al. 2021, arXiv:2103.01373 (weights).

    Example:
        >>> loss = cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]))
        >>> print(f"{loss:.4f}")  # log 4
        1.3863
    """
    if logits.shape[:1] != labels.shape:
        raise UsageError(
            f"Cross-entropy needs one class number for every item, got scores "
            f"{list(logits.shape)} and labels {list(labels.shape)}. Labels are [B]."
        )
    belongs = membership(labels, logits.shape[1]).to(logits.dtype)
    target = (1 - smoothing) * belongs + smoothing / logits.shape[1] * belongs.sum(1, keepdim=True)
    if weights is not None:
        target, belongs = weights.to(target) * target, weights.to(belongs) * belongs
    return -(target * logits.log_softmax(1)).sum() / belongs.sum().clamp_min(SMALLEST_WEIGHT)


def balanced_weights(counts: Sequence[int]) -> list[float]:
    """Return class weights with which every class counts the same, whatever its share.

    Args:
        counts: labelled training items of each class.

    Returns:
        ``n / (K n_k)``, with the number ``K`` of classes that occur; zero for the others.

    Raises:
        UsageError: no class occurs.

    Example:
        >>> balanced_weights([30, 10, 0])
        [0.6666666666666666, 2.0, 0.0]
    """
    present = sum(count > 0 for count in counts)
    if not present:
        raise UsageError("Balanced class weights need labelled items; no class has any.")
    share = sum(counts) / present
    return [share / count if count else 0.0 for count in counts]


class CrossEntropy(TaskLoss):
    """Module form of :func:`cross_entropy`.

    Args:
        counts: labelled training items of each class, from the data.
        weights: ``equal`` (default), ``balanced`` by the counts, or one number per class.
        smoothing: see :func:`cross_entropy`.

    Raises:
        UsageError: balanced weights without counts.
        ValueError: a weight or the smoothing is out of its range.

    Example:
        >>> CrossEntropy(counts=[30, 10], weights="balanced").weights
        tensor([0.6667, 2.0000])
    """

    predicts = "classes"
    nonnegative = True
    vectorises = True
    weights: Tensor | None

    def __init__(
        self,
        counts: Sequence[int] = (),
        weights: Literal["equal", "balanced"] | Sequence[float] = "equal",
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"Label smoothing must be in [0, 1), got {smoothing}.")
        self.smoothing = smoothing
        self.weighting = weights if isinstance(weights, str) else "given"
        self.register_buffer("weights", _weights(weights, counts))

    def forward(self, prediction: Moments | Logits, y: Tensor) -> Tensor:
        """Return the scalar loss of class scores ``[B, K]`` for classes ``y [B]``."""
        scores = class_scores(prediction)
        if self.weights is not None and len(self.weights) != scores.shape[1]:
            raise UsageError(
                f"There are {len(self.weights)} class weights and {scores.shape[1]} classes."
            )
        return cross_entropy(scores, y, self.weights, smoothing=self.smoothing)

    def extra_repr(self) -> str:
        """Return weights and smoothing as text."""
        return f"weights={self.weighting}, smoothing={self.smoothing:g}"


def _weights(weights: str | Sequence[float], counts: Sequence[int]) -> Tensor | None:
    """Return weights ``[K]``, or None where all classes count the same."""
    if weights == "equal":
        return None
    if isinstance(weights, str):
        if weights != "balanced":
            raise UsageError(
                f"Class weights are 'equal', 'balanced' or one number per class, got {weights!r}."
            )
        weights = balanced_weights(counts)
    if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        raise ValueError(f"Class weights must be finite and not negative, got {list(weights)}.")
    return torch.tensor(weights, dtype=torch.float32)
