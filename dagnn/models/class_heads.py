"""Heads that predict classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dagnn.nn import mlp
from dagnn.records import Logits


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
        """Tell classes and temperature."""
        return f"classes={self.count}, temperature={self.temperature:g}"
