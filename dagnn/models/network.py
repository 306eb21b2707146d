"""An encoder and a head make a network."""

import copy
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dagnn.models.normalize import RunningNorm
from dagnn.models.settle import settle
from dagnn.nn import Standardize, at_least_float32, domain_of
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
        # A head is small, and its answers are wanted to more digits than autocast keeps.
        with torch.autocast(latent.device.type, enabled=False):
            latent = at_least_float32(latent)
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

    def refer_inputs(self, domain: int, *batches: Any) -> None:
        """Let a domain's inputs be spread like some items of another domain.

        For a target whose parameters span less than the source's: its statistics are
        fitted first, then referred to the source items that span as much. Latents
        are normalised by the statistics of that other domain from then on, since
        equal inputs need no translation of their own.

        Args:
            domain: whose statistics are changed.
            *batches: items of other domains, one batch per domain.
        """
        seen: dict[Standardize, list[Tensor]] = {}
        hooks = [
            module.register_forward_hook(partial(_remember, seen))
            for module in self.modules()
            if isinstance(module, Standardize)
        ]
        training = self.training
        try:
            self.eval()
            with torch.no_grad():
                for batch in batches:
                    Network.forward(self, batch)
        finally:
            self.train(training)
            for hook in hooks:
                hook.remove()
        for standardize, values in seen.items():
            standardize.refer(domain, torch.cat(values))
        owner = domain_of(batches[0])
        for module in self.modules():
            if isinstance(module, RunningNorm) and owner is not None:
                module.share(domain, owner)

    def settle(self, batches: Iterable[Any]) -> None:
        """Set the statistics of inner layers to those of some items, exactly.

        What training keeps is an average over its last batches; once the weights are final,
        the training items of every domain give what it estimates.

        Args:
            batches: items of every domain, each batch of one; iterated several times. See
                :func:`~dagnn.models.settle.settle`.
        """
        training = self.training
        try:
            settle(self.eval().encoder, batches)
        finally:
            self.train(training)

    def adapted(self, *batches: Any) -> "Network":
        """Return a copy whose statistics of one domain are those of unlabelled items.

        Input and inner statistics are estimated anew; weights stay. It assumes that the
        truth of these items is spread like that of training.

        Args:
            *batches: many items of one suite, which carry the number of the domain whose
                statistics they replace. In how many batches they come changes nothing.
        """
        other = copy.deepcopy(self).eval()
        other.fit_inputs(*batches)
        other.settle(batches)
        return other


def _remember(
    seen: dict[Standardize, list[Tensor]], module: Standardize, _: Any, output: Tensor
) -> None:
    seen.setdefault(module, []).append(output)
