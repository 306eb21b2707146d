"""Normalisation of latents and of image channels, with statistics per domain where configured."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from dagnn.collective import moments_over_processes, world_size
from dagnn.nn import Standardize, at_least_float32, row_of

# Added to variances by torch's batch normalisation.
EPSILON = 1e-5


class DomainNorm(nn.Module, ABC):
    """Normalisation whose running statistics are shared, or kept for each domain.

    In training they average means and variances of single batches, each of one domain. What
    evaluation uses in the end is exact, see :func:`~dagnn.models.network.settle`.
    """

    @abstractmethod
    def row(self, domain: int | None) -> int:
        """Return the row of statistics that a domain uses.

        Raises:
            UsageError: there are several, and the domain is unknown or has none of them.
        """

    @abstractmethod
    def statistics(self, row: int) -> tuple[Tensor, Tensor]:
        """Return mean and variance of a row ``[W]`` each, to be read or written in place."""

    def owns(self, domain: int | None) -> bool:
        """Return whether a domain's items set the statistics that it uses."""
        return True


class RunningNorm(DomainNorm):
    r"""Normalise every feature by running statistics, with the gradient of batch norm.

    Batch renormalisation: the output is ``(x − μ) / σ`` with *running* ``μ, σ``,
    written as a batch normalisation times detached corrections ``r = σ_B/σ`` and
    ``d = (μ_B − μ)/σ``. Plain batch norm would shift source and target batches
    each to zero mean while training and by one mixed mean when evaluated: a
    domain gap that training never saw. Here both go through one map, up to the
    drift of the running statistics between two batches, unless ``domains > 1``
    keeps statistics per domain. The running variance averages variances
    within domains; shared by suites that lie apart, it leaves their distance out.

    Args:
        width: number of features ``W``.
        domains: number of domains that keep statistics of their own.
        momentum: share of the newest batch in the running statistics.

    References:
        Ioffe 2017 (arXiv:1702.03275), eq. 1–2, without clipping of r and d.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, width: int, domains: int = 1, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(domains, width))
        self.register_buffer("variance", torch.ones(domains, width))
        self.register_buffer("batches", torch.zeros(domains, dtype=torch.long))
        self.rows = list(range(domains))

    def share(self, domain: int, owner: int) -> None:
        """Let a domain be normalised by the statistics of another one, and set none itself."""
        self.rows[domain] = owner

    def row(self, domain: int | None) -> int:
        """Return the row of statistics that a domain uses, its own or the one it shares."""
        return self.rows[row_of(domain, len(self.rows))]

    def owns(self, domain: int | None) -> bool:
        """Return whether the statistics that a domain uses are its own, or those of all."""
        return len(self.rows) == 1 or self.row(domain) == domain

    def statistics(self, row: int) -> tuple[Tensor, Tensor]:
        """Return mean and variance of a row ``[W]`` each, to be read or written in place."""
        return self.mean[row], self.variance[row]

    def get_extra_state(self) -> Tensor:
        """Return whose statistics each domain uses, for the checkpoint."""
        return torch.tensor(self.rows)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore whose statistics each domain uses."""
        self.rows = [int(row) for row in state]

    def forward(self, values: Tensor, domain: int | None = None) -> Tensor:
        """Return normalised values ``[B, W]``; in training also update the statistics.

        Raises:
            UsageError: domains have statistics of their own, and this one is unknown.
        """
        row = self.row(domain)
        values = at_least_float32(values)  # no statistics in the precision of autocast
        if self.training and len(values) * world_size() > 1:
            values = self._renormalise(values, row, update=self.owns(domain))
        else:
            values = (values - self.mean[row]) / _spread(self.variance[row])
        return values * self.weight + self.bias

    def _renormalise(self, values: Tensor, row: int, update: bool) -> Tensor:
        variance, mean, count = moments_over_processes(values)
        if update:
            self._update(mean.detach(), (variance * (count / (count - 1))).detach(), row)
        running = _spread(self.variance[row])
        scale = (_spread(variance) / running).detach()
        shift = ((mean - self.mean[row]) / running).detach()
        return (values - mean) / _spread(variance) * scale + shift

    def _update(self, mean: Tensor, variance: Tensor, row: int) -> None:
        """Average over the first batches, then forget exponentially."""
        self.batches[row] += 1
        share = (1.0 / self.batches[row]).clamp(min=self.momentum).to(mean)
        self.mean[row] = self.mean[row].lerp(mean.to(self.mean), share.to(self.mean))
        self.variance[row] = self.variance[row].lerp(
            variance.to(self.variance), share.to(self.variance)
        )

    def extra_repr(self) -> str:
        """Return width, number of domains and momentum as text."""
        domains, width = self.mean.shape[-2:]
        return f"width={width}, domains={domains}, momentum={self.momentum:g}"


def _spread(variance: Tensor) -> Tensor:
    return (variance + EPSILON).sqrt()


class ChannelNorm(DomainNorm):
    """Batch normalisation of channels whose running statistics may belong to domains.

    With ``domains > 1`` each domain has running statistics of its own and all share scale
    and shift. Every batch is of one domain, so each is seen through the same map in training
    and in evaluation. With ``domains = 1`` it is the batch normalisation of the published
    systems: where source and target both train, each is centred on its own batches, and on
    a mixture in evaluation. Adaptation should therefore keep statistics per domain.

    :class:`RunningNorm` closes that gap by renormalising to the running statistics. Here it
    does harm: statistics of early layers lag behind fast weights and the error grows with
    depth (SDSS galaxies, 12 epochs, balanced accuracy 61% against 68%), while thousands of
    pixels per channel make plain batch statistics sharp enough.

    The names of the state are those of :class:`torch.nn.BatchNorm2d`; with ``domains > 1``
    the statistics have one row per domain.

    Args:
        channels: number of channels ``C``.
        domains: number of domains that keep statistics of their own.
        momentum: share of the newest batch in the running statistics.

    References:
        Ioffe & Szegedy 2015 (arXiv:1502.03167); Chang et al. 2019 (arXiv:1906.03950),
        domain-specific batch normalisation.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, domains: int = 1, momentum: float = 0.1) -> None:
        super().__init__()
        self.domains = domains
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        shape = (domains, channels) if domains > 1 else (channels,)
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))
        self.register_buffer("num_batches_tracked", torch.zeros(shape[:-1], dtype=torch.long))

    def forward(self, maps: Tensor, domain: int | None = None) -> Tensor:
        """Return normalised maps ``[B, C, H, W]``; in training also update the statistics.

        Raises:
            UsageError: domains have statistics of their own, and this one is unknown.
        """
        row = self.row(domain)
        if not self.training or maps.numel() * world_size() == maps.shape[1]:
            mean, variance = self.statistics(row)
            return functional.batch_norm(maps, mean, variance, self.weight, self.bias)
        if world_size() > 1:
            return self._over_processes(maps, row)
        # With momentum 1 torch's running statistics are those of the batch; its general
        # reductions over the same axes take many times as long.
        mean = torch.zeros_like(self.running_mean.view(-1, maps.shape[1])[0])
        variance = torch.zeros_like(mean)
        done = functional.batch_norm(
            maps, mean, variance, self.weight, self.bias, training=True, momentum=1.0
        )
        # torch counts one sample less, which would show where maps are few and small.
        samples = maps.numel() / maps.shape[1]
        self._update(row, mean, variance * ((samples - 1) / samples))
        return done

    def _over_processes(self, maps: Tensor, row: int) -> Tensor:
        """Return maps that are normalised by the statistics of a batch that processes share."""
        pixels = at_least_float32(maps.movedim(1, -1))
        variance, mean, _ = moments_over_processes(pixels.flatten(0, -2))
        self._update(row, mean.detach(), variance.detach())
        normal = (pixels - mean) * (variance + EPSILON).rsqrt() * self.weight + self.bias
        return normal.to(maps).movedim(-1, 1)

    def row(self, domain: int | None) -> int:
        """Return the row of statistics that a domain uses."""
        return row_of(domain, self.domains)

    def statistics(self, row: int) -> tuple[Tensor, Tensor]:
        """Return mean and variance of a row ``[C]`` each, to be read or written in place."""
        if self.domains == 1:
            return self.running_mean, self.running_var
        return self.running_mean[row], self.running_var[row]

    def _update(self, row: int, batch_mean: Tensor, batch_variance: Tensor) -> None:
        """Average over the first batches, then forget exponentially."""
        batches = self.num_batches_tracked.view(-1)[row]
        batches += 1
        share = (1.0 / batches).clamp(min=self.momentum)
        mean, variance = self.statistics(row)
        mean.lerp_(batch_mean.to(mean), share.to(mean))
        variance.lerp_(batch_variance.to(variance), share.to(variance))

    def extra_repr(self) -> str:
        """Return channels, number of domains and momentum as text."""
        return f"{self.weight.shape[-1]}, domains={self.domains}, momentum={self.momentum:g}"


class ChannelStandardize(Standardize):
    """Standardise the channels of images by statistics over items and pixels."""

    def fit(self, values: Tensor, domain: int = 0) -> None:
        """Set the statistics of one domain from images ``[n, C, H, W]``.

        A channel that does not vary keeps a standard deviation of one.
        """
        # Images are equally large, so the statistics of each can be averaged: no
        # double-precision copy of all pixels is needed.
        variance, mean = (s.double() for s in torch.var_mean(values, (2, 3), correction=0))
        std = (variance.mean(0) + mean.var(0, correction=0)).sqrt()
        self.mean[domain] = mean.mean(0).to(self.mean)
        self.std[domain] = torch.where(std > 1e-8, std, torch.ones_like(std)).to(self.std)

    def forward(self, values: Tensor, domain: int | None = None) -> Tensor:
        """Return standardised images, same shape ``[B, C, H, W]``."""
        return super().forward(values.movedim(1, -1), domain).movedim(-1, 1)
