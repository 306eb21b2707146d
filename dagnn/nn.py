"""Small building blocks that several rooms share."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


def mlp(sizes: Sequence[int], dropout: float = 0.0) -> nn.Sequential:
    """Build a multilayer perceptron with ReLU between its linear layers.

    Args:
        sizes: widths from input to output, at least two.
        dropout: probability of dropping a hidden unit.

    Returns:
        A module from ``[..., sizes[0]]`` to ``[..., sizes[-1]]``; the last layer is linear.

    Example:
        >>> mlp([4, 8, 2])(torch.zeros(3, 4)).shape
        torch.Size([3, 2])
    """
    if len(sizes) < 2:
        raise ValueError(f"An MLP needs an input and an output width, got {list(sizes)}.")
    layers: list[nn.Module] = []
    for width, following in pairwise(sizes[:-1]):
        layers += [nn.Linear(width, following), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class Standardize(nn.Module):
    """Subtract a mean and divide by a standard deviation, per domain.

    The statistics are buffers: fitted on training data, saved in the
    checkpoint, never learned. With ``domains=1`` every domain shares them.

    Args:
        width: number of features ``F``.
        domains: number of domains that keep statistics of their own.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int, domains: int = 1) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(domains, width))
        self.register_buffer("std", torch.ones(domains, width))

    def fit(self, values: Tensor, domain: int = 0) -> None:
        """Set the statistics of one domain from ``values`` of shape ``[n, F]``.

        A feature that does not vary keeps a standard deviation of one.
        """
        wide = values.double()
        mean = wide.mean(0)
        std = (wide - mean).square().mean(0).sqrt()
        self.mean[domain] = mean.to(self.mean)
        self.std[domain] = torch.where(std > 1e-8, std, torch.ones_like(std)).to(self.std)

    def forward(self, values: Tensor, domain: int = 0) -> Tensor:
        """Return standardised values, same shape ``[..., F]``."""
        row = domain if len(self.mean) > 1 else 0
        return (values - self.mean[row]) / self.std[row]

    def extra_repr(self) -> str:
        """Tell width and number of domains."""
        domains, width = self.mean.shape
        return f"width={width}, domains={domains}"


class GradientReversal(torch.autograd.Function):
    """The identity forwards; the negative gradient, times a factor, backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float) -> Tensor:
        """Return the values as they are."""
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the reversed gradient."""
        return -ctx.factor * gradient, None


def reverse_gradient(values: Tensor, factor: float = 1.0) -> Tensor:
    """Return values unchanged, and let gradients through with a factor ``−factor``.

    What comes after learns to do its task well; what comes before, to make it hard.

    References:
        Ganin et al. 2016, arXiv:1505.07818.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> (3 * reverse_gradient(x, 0.5)).sum().backward()
        >>> x.grad
        tensor([-1.5000, -1.5000])
    """
    reversed_: Tensor = GradientReversal.apply(values, factor)  # type: ignore[no-untyped-call]
    return reversed_
