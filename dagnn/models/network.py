"""An encoder and a head make a network; exact statistics for its normalisation layers."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dagnn.errors import UsageError
from dagnn.models.normalize import DomainNorm, RunningNorm
from dagnn.nn import Standardize, at_least_float32, domain_of
from dagnn.records import Output


@dataclass
class Sample:
    """Count, mean and sum of squared deviations of values that come in several batches."""

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "Sample":
        """Describe values ``[B, W]``, or maps ``[B, W, H, W']`` whose pixels all count."""
        variance, mean = torch.var_mean(
            values.movedim(1, -1).flatten(0, -2).double(), 0, correction=0
        )
        count = values.numel() // values.shape[1]
        return cls(count, mean, variance * count)

    def __add__(self, other: "Sample") -> "Sample":
        """Return the description of both together, by the law of total variance."""
        count, step = self.count + other.count, other.mean - self.mean
        return Sample(
            count,
            self.mean + step * (other.count / count),
            self.squares + other.squares + step.square() * (self.count * other.count / count),
        )


class _ReachedError(Exception):
    """The layer in question has been reached: what comes after it need not run."""


@torch.no_grad()
def settle(encoder: nn.Module, batches: Iterable[Any]) -> None:
    """Set the statistics of every normalisation layer to those of some items, exactly.

    The items of a domain may come in any number of batches: mean and variance are those of all
    of them. Layers follow from shallow to deep, each seeing what the final statistics of those
    before it make of the items, as evaluation will. Where domains share statistics, they are the
    means over the domains of mean and variance, as in training: every domain counts the same, and
    the distance between domains is left out. A domain that uses the statistics of another one
    sets none.

    Args:
        encoder: in evaluation mode; a batch goes in.
        batches: each of one domain. They are iterated once for every layer, in memory or
            gathered anew.

    Raises:
        UsageError: there is no batch, they can be iterated only once, or a domain has one item.
    """
    _require_repeatable(batches)
    for norm in _in_order(encoder, batches):
        samples: dict[int | None, Sample] = {}
        for batch in batches:
            domain = domain_of(batch)
            if norm.owns(domain):
                sample = _seen_by(norm, encoder, batch)
                samples[domain] = samples[domain] + sample if domain in samples else sample
        _require_several(samples)
        for row in {norm.row(domain) for domain in samples}:
            own = [sample for domain, sample in samples.items() if norm.row(domain) == row]
            mean, variance = norm.statistics(row)
            mean.copy_(torch.stack([each.mean for each in own]).mean(0))
            variance.copy_(torch.stack([each.squares / each.count for each in own]).mean(0))


def _require_repeatable(batches: Iterable[Any]) -> None:
    """Refuse what a second layer would find used up."""
    if isinstance(batches, Iterator):
        raise UsageError(
            f"Statistics need the batches once for every layer; a {type(batches).__name__} gives "
            "them only once. Pass a list of batches, or the loader itself."
        )
    if next(iter(batches), None) is None:
        raise UsageError("Statistics need items of at least one domain; there is no batch.")


def _require_several(samples: dict[int | None, Sample]) -> None:
    for domain, sample in samples.items():
        if sample.count < 2:
            where = "" if domain is None else f" of domain {domain}"
            raise UsageError(
                f"Statistics{where} need at least two items, got {sample.count}: one has no spread."
            )


def _in_order(encoder: nn.Module, batches: Iterable[Any]) -> list[DomainNorm]:
    """Return the normalisation layers in the order in which a batch reaches them."""
    order: dict[DomainNorm, None] = {}
    norms = [module for module in encoder.modules() if isinstance(module, DomainNorm)]

    def record(norm: DomainNorm, _: Any) -> None:
        order[norm] = None

    handles: list[RemovableHandle] = [norm.register_forward_pre_hook(record) for norm in norms]
    try:
        if norms:
            encoder(next(iter(batches)))
    finally:
        for handle in handles:
            handle.remove()
    return list(order)


def _seen_by(norm: DomainNorm, encoder: nn.Module, batch: Any) -> Sample:
    """Describe what a layer is given of a batch."""
    seen: list[Sample] = []

    def stop(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(Sample.of(inputs[0]))
        raise _ReachedError

    handle = norm.register_forward_pre_hook(stop)
    try:
        encoder(batch)
    except _ReachedError:
        pass
    finally:
        handle.remove()
    return seen[0]


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
        # A head is small, and its predictions need more digits than autocast keeps.
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
                :func:`~dagnn.models.network.settle`.
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
