"""How decided predictions on the target are."""

import math

import torch
from torch import Tensor

from dagnn.errors import UsageError
from dagnn.losses.classes import class_scores
from dagnn.losses.samples import require_items
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair

PUBLISHED_MARGIN = 0.5


def entropies(logits: Tensor) -> Tensor:
    """Return ``H = −Σ_k p_k log p_k`` of every item, in nats.

    Args:
        logits: ``[..., K]``.

    Returns:
        ``[...]``, between 0 and ``log K``.

    Example:
        >>> entropies(torch.tensor([[0.0, 0.0], [900.0, 0.0]]))  # log 2, and decided
        tensor([0.6931, 0.0000])
    """
    log_probability = logits.log_softmax(-1)
    return (log_probability.exp() * -log_probability).sum(-1)


class TargetEntropy(DomainTerm):
    """The mean entropy of target predictions; lowering it moves boundaries out of the crowd.

    It lowers the uncertainty and does not choose the class: alone it has a minimum
    where all items are of one class. Use it next to a term that aligns latents.

    References:
        Grandvalet & Bengio 2005, NeurIPS 17; Ćiprijanović et al. 2021,
        arXiv:2103.01373.
    """

    needs_classes = True
    pairwise = False
    vectorises = True

    def forward(self, pair: Pair) -> Tensor:
        """Return the mean entropy of target scores ``[B, K]``."""
        scores = class_scores(pair.target.prediction)
        require_items("Target entropy", scores)
        return entropies(scores).mean()


class EntropySeparation(DomainTerm):
    r"""Push target predictions to be clearly known or clearly unknown.

    .. math:: L(p) = -|H(p) - \rho| \;\text{where}\; |H(p) - \rho| > m, \;\text{else}\; 0, \quad
              \rho = \tfrac12 \log K

    What is decided becomes more so and counts as a known class; what is
    undecided becomes more so and counts as unknown; within the margin nothing moves.

    Args:
        margin: ``m`` in nats; below ``ρ``, or nothing would ever move. None takes 0.5 as
            published, and half of ``ρ`` for two classes, whose ``ρ`` is only 0.35.

    Raises:
        ValueError: the margin is negative.

    References:
        Saito et al. 2020, arXiv:2002.07953 (DANCE).

    Example:
        >>> EntropySeparation(), EntropySeparation(0.4)
        (EntropySeparation(margin=auto), EntropySeparation(margin=0.4))
    """

    needs_classes = True
    pairwise = False
    vectorises = True

    def __init__(self, margin: float | None = None) -> None:
        super().__init__()
        if margin is not None and not 0 <= margin < math.inf:
            raise ValueError(f"The margin of entropy separation is not negative, got {margin}.")
        self.margin = margin

    def forward(self, pair: Pair) -> Tensor:
        """Return the mean over target scores ``[B, K]``.

        Raises:
            UsageError: the margin is so wide that no entropy lies outside it.
        """
        scores = class_scores(pair.target.prediction)
        require_items("Entropy separation", scores)
        middle = math.log(scores.shape[1]) / 2
        margin = self.margin
        if margin is None:
            margin = PUBLISHED_MARGIN if middle > PUBLISHED_MARGIN else middle / 2
        if margin >= middle:
            raise UsageError(
                f"Entropies of {scores.shape[1]} classes lie within {middle:.3f} of their middle, "
                f"so that a margin of {margin:g} leaves nothing to separate. Set a smaller "
                f"one, for example {middle / 2:.2f}."
            )
        distance = (entropies(scores) - middle).abs()
        return -torch.where(distance > margin, distance, torch.zeros_like(distance)).mean()

    def extra_repr(self) -> str:
        """Return the margin as text."""
        return "margin=auto" if self.margin is None else f"margin={self.margin:g}"
