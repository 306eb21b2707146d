"""An encoder and a head make a network."""

from typing import Any

from torch import nn

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

    def forward(self, batch: Any) -> Output:
        """Return latent and prediction of every item."""
        latent = self.encoder(batch)
        return Output(latent, self.head(latent))

    def fit_inputs(self, batch: Any) -> None:
        """Set the input statistics of the batch's domain from training data.

        With shared statistics (``domains=1``) call it once, with source
        training items; with statistics per domain, once for each domain.

        Args:
            batch: all training items of one domain (or a large sample of them).
        """
        fit = getattr(self.encoder, "fit_inputs", None)
        if fit is not None:
            fit(batch)
