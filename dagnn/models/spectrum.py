"""A multilayer perceptron for summary vectors such as power spectra."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dagnn.models.normalize import RunningNorm
from dagnn.nn import Standardize, common_row, domain_of, mlp


class SpectrumEncoder(nn.Module):
    """Encode summary vectors with a standardised input and an MLP.

    Args:
        sizes: feature widths: ``features``.
        hidden: widths of the hidden layers.
        width: latent width ``W``.
        dropout: probability of dropping a hidden unit.
        standardize: whether inputs are standardised.
        batch_norm: whether the latent is normalised, see :class:`RunningNorm`.
        domains: number of domains that keep statistics of their own.

    Attributes:
        vectorises: whether members of an ensemble are faster side by side, see
            :class:`~dagnn.models.ensemble.Ensemble`.
    """

    vectorises: ClassVar[bool] = True

    def __init__(
        self,
        sizes: Mapping[str, int],
        hidden: Sequence[int] = (64, 64),
        width: int = 16,
        dropout: float = 0.0,
        standardize: bool = True,
        batch_norm: bool = False,
        domains: int = 1,
    ) -> None:
        super().__init__()
        self.width = width
        self.standardize = standardize
        self.input = Standardize(sizes["features"], domains)
        self.layers = mlp([sizes["features"], *hidden, width], dropout)
        self.norm = RunningNorm(width, domains) if batch_norm else None

    def fit_inputs(self, *batches: Any) -> None:
        """Fit input statistics on batches of training vectors; a no-op without ``standardize``."""
        if self.standardize:
            row = common_row(batches, len(self.input.mean))
            self.input.fit(torch.cat([batch.x for batch in batches]), row)

    def forward(self, batch: Any) -> Tensor:
        """Return latents ``[B, W]`` of a batch with ``x [B, F]`` and ``domain``.

        Raises:
            UsageError: statistics are per domain, and the batch does not carry one domain.
        """
        domain = domain_of(batch)
        latent: Tensor = self.layers(self.input(batch.x, domain))
        return latent if self.norm is None else self.norm(latent, domain)
