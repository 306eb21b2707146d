"""DANN: a discriminator of the domains, and an encoder that is trained to defeat it."""

import math
from typing import Literal

from torch import Tensor
from torch.nn import functional

from dagnn.errors import UsageError
from dagnn.losses.samples import require_samples
from dagnn.losses.term import DomainTerm, ganin
from dagnn.nn import mlp, reverse_gradient
from dagnn.records import Pair


def domain_cross_entropy(source: Tensor, target: Tensor) -> Tensor:
    r"""Return the cross-entropy of a domain classifier, both domains counting the same.

    .. math:: L = -\tfrac12 \langle \log \sigma(-a_s) \rangle
                  -\tfrac12 \langle \log \sigma(a_t) \rangle

    Args:
        source: logits ``a`` of source items for "is target", any shape.
        target: logits of target items.

    Returns:
        A scalar: log 2 where the classifier knows nothing, zero where it is always right.

    Example:
        >>> import torch
        >>> print(f"{domain_cross_entropy(torch.zeros(3), torch.zeros(5)):.4f}")
        0.6931
    """
    return (functional.softplus(source).mean() + functional.softplus(-target).mean()) / 2


class DANN(DomainTerm):
    r"""Domain-adversarial training: the value is the loss of a domain classifier.

    The discriminator descends this loss; the gradient that reaches the latents is
    reversed and multiplied by ``λ``, so the encoder ascends it. With ``ganin``,
    λ follows the training progress ``p`` and leaves the discriminator a start:

    .. math:: \lambda(p) = \frac{2}{1 + e^{-10 p}} - 1

    λ acts on the encoder alone, the weight and ramp of the objective on both;
    keep that ramp ``constant``. **A value near log 2 means that the domains look alike
    to the discriminator; a small one, that they do not.** Unlike in the other
    terms, smaller is not better, and the term cannot enter a logarithm.

    Args:
        width: latent width ``W``.
        hidden: width of the hidden layers.
        layers: number of hidden layers.
        dropout: probability of dropping a hidden unit of the discriminator.
        factor: ``ganin`` or a constant λ.

    Raises:
        UsageError: the factor is a word other than ``ganin``.
        ValueError: a size, the dropout or the factor is out of its range.

    References:
        Ganin et al. 2016, arXiv:1505.07818.

    Example:
        >>> DANN(width=16).factor
        'ganin'
    """

    options = ("factor",)

    def __init__(
        self,
        width: int,
        hidden: int = 64,
        layers: int = 2,
        dropout: float = 0.5,
        factor: float | Literal["ganin"] = "ganin",
    ) -> None:
        super().__init__()
        if min(hidden, layers) < 1:
            raise ValueError(
                f"A discriminator needs hidden units, got hidden={hidden} and layers={layers}."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {dropout}.")
        if isinstance(factor, str):
            if factor != "ganin":
                raise UsageError(f"The factor of DANN is a number or 'ganin', got {factor!r}.")
        elif not 0 <= factor < math.inf:
            raise ValueError(f"The factor of DANN must be finite and not negative, got {factor}.")
        self.factor = factor
        self.discriminator = mlp([width, *[hidden] * layers, 1], dropout)

    def forward(self, pair: Pair) -> Tensor:
        """Return the cross-entropy of the discriminator on latents ``[B, W]`` of both domains.

        Raises:
            UsageError: a batch is empty.
        """
        source, target = pair.source.latent, pair.target.latent
        require_samples("DANN", source, target)
        factor = self.strength(pair.progress)
        logits = [self.discriminator(reverse_gradient(z, factor)) for z in (source, target)]
        return domain_cross_entropy(*logits)

    def strength(self, progress: float) -> float:
        """Return λ at a training progress in [0, 1]."""
        return ganin(progress) if isinstance(self.factor, str) else self.factor
