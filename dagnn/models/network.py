"""An encoder and a head make a network."""

import copy
from typing import Any

import torch
from torch import nn

from dagnn.models.normalize import RunningNorm
from dagnn.models.normalize_images import ChannelNorm
from dagnn.records import Output


class Network(nn.Module):
    """Map a batch to its latent and the prediction made from it.

    Args:
        encoder: batch → latent ``[B, width]``; it has the attribute ``width``.
        head: latent → prediction.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    @property
    def width(self) -> int:
        """Width of the latent."""
        encoder: Any = self.encoder
        return int(encoder.width)

    def forward(self, batch: Any) -> Output:
        """Return latent and prediction of every item."""
        latent = self.encoder(batch)
        return Output(latent, self.head(latent))

    def fit_inputs(self, *batches: Any) -> None:
        """Set the input statistics of a domain from training data.

        With shared statistics (``domains=1``) call it once, with the training
        items of all sources; with statistics per domain, once for each domain.

        Args:
            *batches: training items (all, or a large sample), one batch per suite.
        """
        fit = getattr(self.encoder, "fit_inputs", None)
        if fit is not None:
            fit(*batches)

    def adapted(self, *batches: Any) -> "Network":
        """Return a copy whose statistics of domain 0 are those of unlabelled items.

        Input and inner statistics are estimated anew; weights stay. It assumes that the
        truth of these items is spread like that of training.

        Args:
            *batches: many items of one suite, with ``batch.domain == 0``. One batch is
                exact; several, equally large, save memory, and their statistics are averaged.
        """
        other = copy.deepcopy(self).eval()
        other.fit_inputs(*batches)
        for module in other.modules():
            if isinstance(module, RunningNorm | ChannelNorm):
                module.forget(0)
                module.train()
        with torch.no_grad():
            for batch in batches:
                other(batch)
        return other.eval()
