"""Heads read a latent and predict parameters or classes."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dagnn.nn import mlp
from dagnn.records import Logits, Moments

# Mean and standard deviation of a uniform prior on [0, 1], in scaled units.
_PRIOR_MEAN = 0.5
_PRIOR_STD = 12**-0.5


class MomentsHead(nn.Module):
    """Predict mean and positive standard deviation of every parameter.

    The standard deviation is ``minimum_std + softplus(·)``. The last bias starts
    at the moments of the prior, so an untrained head predicts the prior.

    Args:
        width: latent width ``W``.
        parameters: number of parameters ``P``.
        hidden: widths of the hidden layers.
        minimum_std: lower bound of the standard deviation, in prior units.
        dropout: probability of dropping a hidden unit.

    Raises:
        ValueError: the bound is negative or not finite.

    Attributes:
        count: number of parameters ``P``.
    """

    def __init__(
        self,
        width: int,
        parameters: int,
        hidden: Sequence[int] = (64, 64),
        minimum_std: float = 1e-3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= minimum_std < math.inf:
            raise ValueError(f"minimum_std must be finite and not negative, got {minimum_std}.")
        self.count = parameters
        self.minimum_std = minimum_std
        self.layers = mlp([width, *hidden, 2 * parameters], dropout)
        start = [_PRIOR_MEAN, math.log(math.expm1(_PRIOR_STD))]
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.copy_(torch.tensor(start).repeat_interleave(parameters))

    def forward(self, latent: Tensor) -> Moments:
        """Return mean and std ``[B, P]`` in prior units from a latent ``[B, W]``."""
        mean, raw = self.layers(latent).chunk(2, dim=-1)
        return Moments(mean, self.minimum_std + functional.softplus(raw))

    def extra_repr(self) -> str:
        """Return the lower bound of the standard deviation as text."""
        return f"minimum_std={self.minimum_std:g}"


class SignedMomentsHead(nn.Module):
    """Predict mean and standard deviation of either sign, as published.

    Only the square of the standard deviation enters the published loss, so its
    sign is arbitrary; a report shows the absolute value.

    Args:
        width: latent width ``W``.
        parameters: number of parameters ``P``.
        hidden: widths of the hidden layers.

    References:
        Jeffrey & Wandelt 2020 (arXiv:2011.05991), eq. 6–8;
        Villanueva-Domingo & Villaescusa-Navarro 2022 (arXiv:2204.13713), sec. 3.
    """

    def __init__(self, width: int, parameters: int, hidden: Sequence[int] = (64, 64, 64)) -> None:
        super().__init__()
        self.count = parameters
        self.layers = mlp([width, *hidden, 2 * parameters])

    def forward(self, latent: Tensor) -> Moments:
        """Return mean and signed std ``[B, P]`` in prior units from a latent ``[B, W]``."""
        mean, std = self.layers(latent).chunk(2, dim=-1)
        return Moments(mean, std)


class ClassHead(nn.Module):
    """Predict a score of every class.

    Args:
        width: latent width ``W``.
        classes: number of classes ``K``.
        hidden: widths of the hidden layers; DeepMerge has 64 and 32.
        dropout: probability of dropping a hidden unit.

    Attributes:
        count: number of classes ``K``.
    """

    def __init__(
        self, width: int, classes: int, hidden: Sequence[int] = (64, 32), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.count = classes
        self.layers = mlp([width, *hidden, classes], dropout)

    def forward(self, latent: Tensor) -> Logits:
        """Return scores ``[B, K]`` of a latent ``[B, W]``."""
        return Logits(self.layers(latent))


class PrototypeHead(nn.Module):
    r"""Compare the direction of a latent with one learned prototype per class.

    Scores are ``cos(h, w_k) / T``: latents of one class gather around a direction, and what
    belongs to no class has no high score.

    Args:
        width: latent width ``W``.
        classes: number of classes ``K``.
        temperature: ``T``; small ones make decided predictions.

    Attributes:
        count: number of classes ``K``.
        prototypes: ``[K, W]``, whose directions count.

    References:
        Saito et al. 2020 (arXiv:2002.07953), eq. 1;
        Ćiprijanović et al. 2023 (arXiv:2302.02005), sec. 3.
    """

    def __init__(self, width: int, classes: int, temperature: float = 0.05) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.count = classes
        self.temperature = temperature
        self.prototypes = nn.Parameter(torch.randn(classes, width) / width**0.5)

    def forward(self, latent: Tensor) -> Logits:
        """Return scores ``[B, K]`` of a latent ``[B, W]``."""
        cosine = functional.normalize(latent, dim=1) @ functional.normalize(self.prototypes).T
        return Logits(cosine / self.temperature)

    def extra_repr(self) -> str:
        """Return classes and temperature as text."""
        return f"classes={self.count}, temperature={self.temperature:g}"
