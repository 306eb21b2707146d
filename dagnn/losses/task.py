"""Task losses: how far a predicted mean and standard deviation are from the truth."""

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn

from dagnn.errors import UsageError
from dagnn.records import Logits, Moments

# Smallest mean square that still counts as an error, in squared prior units. It
# is far below what any network reaches (1e-6 of the prior range) and keeps
# log x and its gradient finite where the squares vanish.
SMALLEST_SQUARE = 1e-12


def moments_loss(mean: Tensor, std: Tensor, y: Tensor, *, pooled: bool = False) -> Tensor:
    r"""Return the moment-network loss, whose minimum is the posterior mean and variance.

    .. math:: L = \sum_p \log \langle (y_p - \mu_p)^2 \rangle
                + \log \langle ((y_p - \mu_p)^2 - \sigma_p^2)^2 \rangle

    with averages over the batch. The logarithms put both terms, and every
    parameter, on one scale. Only σ² enters, so σ may have either sign.

    Args:
        mean: predicted means μ, ``[B, P]``.
        std: predicted standard deviations σ, ``[B, P]``.
        y: truth, ``[B, P]``.
        pooled: sum the squares over the parameters before the logarithm, as the
            public GNN_DomainAdapt and CosmoGraphNet codes do; the same for one parameter.

    Returns:
        The scalar loss; finite, with finite gradients, also for a perfect prediction.

    Raises:
        UsageError: the shapes differ.

    References:
        Jeffrey & Wandelt 2020, arXiv:2011.05991 (moment networks);
        Villaescusa-Navarro et al. 2021, arXiv:2109.10915 (the logarithms).

    Example:
        >>> import torch
        >>> y = torch.tensor([[0.0], [0.0]])
        >>> loss = moments_loss(y + 1.0, y + 2.0, y)  # log 1 + log (1 − 4)²
        >>> print(f"{loss:.4f}")
        2.1972
    """
    _require_shapes("The moments loss", mean, std, y)
    square = (y - mean).square()
    spread = (square - std.square()).square()
    if pooled:
        square, spread = square.sum(-1, keepdim=True), spread.sum(-1, keepdim=True)
    logs = (square.mean(0) + SMALLEST_SQUARE).log() + (spread.mean(0) + SMALLEST_SQUARE).log()
    return logs.sum()


def gaussian_nll(mean: Tensor, std: Tensor, y: Tensor, *, minimum_std: float = 1e-3) -> Tensor:
    r"""Return the negative log-likelihood of independent Gaussians.

    .. math:: L = \Big\langle \sum_p \tfrac{(y_p - \mu_p)^2}{2 s_p^2}
                + \log s_p + \tfrac12 \log 2\pi \Big\rangle, \quad s^2 = \sigma^2 + s_\mathrm{min}^2

    The floor is added in quadrature: unlike a clamp it leaves a gradient on a
    standard deviation that is too small.

    Args:
        mean: predicted means μ, ``[B, P]``.
        std: predicted standard deviations σ, ``[B, P]``.
        y: truth, ``[B, P]``.
        minimum_std: lower bound of s, in the units of ``y``; positive.

    Returns:
        The scalar loss: mean over the batch, sum over the parameters.

    Raises:
        UsageError: the shapes differ.

    References:
        Nix & Weigend 1994, Proc. IEEE ICNN, p. 55.
    """
    _require_shapes("The Gaussian likelihood", mean, std, y)
    variance = std.square() + minimum_std**2
    terms = (y - mean).square() / variance + variance.log() + math.log(2 * math.pi)
    return 0.5 * terms.sum(-1).mean()


def _require_shapes(loss: str, mean: Tensor, std: Tensor, y: Tensor) -> None:
    """Refuse a truth that would be broadcast."""
    for prediction in (mean, std):
        if prediction.shape != y.shape:
            raise UsageError(
                f"{loss} needs one truth for every number that is predicted, got predictions "
                f"{list(prediction.shape)} and truth {list(y.shape)}. One parameter of B items is "
                "[B, 1]."
            )


def _moments(prediction: Moments | Logits) -> Moments:
    """Return the prediction if it has moments."""
    if isinstance(prediction, Moments):
        return prediction
    raise TypeError(
        f"This loss needs a mean and a standard deviation per parameter (Moments), "
        f"got {type(prediction).__name__}. Give the network a moments head."
    )


# A larger floor would let the network report a σ well below the one it was trained with.
LARGEST_FLOOR = 0.02


class TaskLoss(nn.Module, ABC):
    """Base of the task losses: ``forward(prediction, y) → scalar``.

    Attributes:
        predicts: ``parameters`` or ``classes``.
        nonnegative: whether the loss is never below zero, so that a learned
            uncertainty may divide it.
        vectorises: see :class:`~dagnn.losses.term.DomainTerm`.
    """

    predicts: str = "parameters"
    nonnegative: bool = False
    vectorises: bool = False

    @abstractmethod
    def forward(self, prediction: Moments | Logits, y: Tensor) -> Tensor:
        """Return the loss of a prediction for the truth ``y`` in scaled units."""


class MomentsLoss(TaskLoss):
    """Module form of :func:`moments_loss`.

    Args:
        pooled: see :func:`moments_loss`.
    """

    vectorises = True

    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        self.pooled = pooled

    def forward(self, prediction: Moments | Logits, y: Tensor) -> Tensor:
        """Return the scalar loss of predicted moments ``[B, P]`` for ``y [B, P]``."""
        return moments_loss(*_moments(prediction), y, pooled=self.pooled)

    def extra_repr(self) -> str:
        """Return the reduction as text."""
        return f"pooled={self.pooled}"


class GaussianNLL(TaskLoss):
    """Module form of :func:`gaussian_nll`.

    Args:
        minimum_std: lower bound of the standard deviation, in prior units.

    Raises:
        ValueError: the bound is not positive and finite.
    """

    vectorises = True

    def __init__(self, minimum_std: float = 1e-3) -> None:
        super().__init__()
        if not 0 < minimum_std <= LARGEST_FLOOR:
            raise ValueError(
                f"minimum_std only keeps the loss finite and must lie in (0, {LARGEST_FLOOR}], got "
                f"{minimum_std}. To bound the reported error bar, set minimum_std of the head."
            )
        self.minimum_std = minimum_std

    def forward(self, prediction: Moments | Logits, y: Tensor) -> Tensor:
        """Return the scalar loss of predicted moments ``[B, P]`` for ``y [B, P]``."""
        return gaussian_nll(*_moments(prediction), y, minimum_std=self.minimum_std)

    def extra_repr(self) -> str:
        """Return the bound as text."""
        return f"minimum_std={self.minimum_std:g}"
