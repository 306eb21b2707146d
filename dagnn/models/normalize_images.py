"""Normalisation of image channels, with statistics per domain where asked for."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dagnn.nn import Standardize

# Corrections from batch to running statistics are clipped: in deep networks running
# statistics lag behind fast weights, and what lags must not explode (Ioffe 2017, sec. 3).
_MOST_SCALE, _MOST_SHIFT = 3.0, 5.0


class ChannelNorm(nn.Module):
    r"""Batch normalisation of channels whose statistics may belong to domains.

    With ``domains > 1`` it is plain batch normalisation, with running statistics of each
    domain and one scale and shift for all. Every batch is of one domain, so each domain is
    seen through the same map in training and in evaluation; thousands of pixels per channel
    and batch make that map sharp.

    With ``domains = 1`` all suites share the running statistics. Plain batch normalisation
    would centre source and target each on their own batches in training and both on a
    mixture in evaluation: a gap that training never saw. So batches are corrected to the
    running statistics (batch renormalisation, as in :class:`RunningNorm`), with clipping.

    The names of the state are those of :class:`torch.nn.BatchNorm2d`; with ``domains > 1``
    the statistics have one row per domain.

    Args:
        channels: number of channels ``C``.
        domains: number of domains that keep statistics of their own.
        momentum: share of the newest batch in the running statistics.

    References:
        Ioffe & Szegedy 2015 (arXiv:1502.03167); Ioffe 2017 (arXiv:1702.03275), eq. 1–2;
        Chang et al. 2019 (arXiv:1906.03950), domain-specific batch normalisation.
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

    def forward(self, maps: Tensor, domain: int = 0) -> Tensor:
        """Return normalised maps ``[B, C, H, W]``; in training also update the statistics."""
        mean, variance = self._row(domain)
        if not self.training or maps.numel() == maps.shape[1]:
            return functional.batch_norm(maps, mean, variance, self.weight, self.bias)
        if self.domains > 1:
            return self._observed(maps, domain, self.weight, self.bias)[0]
        with torch.no_grad():
            scale, shift = self._corrections(maps)
        weight, bias = self.weight * scale, self.weight * shift + self.bias
        return functional.batch_norm(maps, None, None, weight, bias, training=True)

    def _observed(
        self, maps: Tensor, domain: int, weight: Tensor | None = None, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalise by the batch, update the running statistics; return also mean and variance."""
        # With momentum 1 torch's running statistics are those of the batch: its general
        # reductions take many times as long.
        mean = torch.zeros_like(self.running_mean.view(-1, len(self.weight))[0])
        variance = torch.zeros_like(mean)
        done = functional.batch_norm(maps, mean, variance, weight, bias, True, momentum=1.0)
        self._update(domain, mean, variance)
        return done, mean, variance

    def _corrections(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return what turns batch into running statistics: scale ``r`` and shift ``d``."""
        _, mean, variance = self._observed(maps, 0)
        spread = (self.running_var + 1e-5).sqrt()
        scale = ((variance + 1e-5).sqrt() / spread).clamp(1 / _MOST_SCALE, _MOST_SCALE)
        shift = ((mean - self.running_mean) / spread).clamp(-_MOST_SHIFT, _MOST_SHIFT)
        return scale, shift

    def _row(self, domain: int) -> tuple[Tensor, Tensor]:
        if self.domains == 1:
            return self.running_mean, self.running_var
        return self.running_mean[domain], self.running_var[domain]

    def _update(self, domain: int, batch_mean: Tensor, batch_variance: Tensor) -> None:
        """Average over the first batches, then forget exponentially."""
        batches = self.num_batches_tracked.view(-1)[domain if self.domains > 1 else 0]
        batches += 1
        share = (1.0 / batches).clamp(min=self.momentum)
        mean, variance = self._row(domain)
        mean.lerp_(batch_mean.to(mean), share.to(mean))
        variance.lerp_(batch_variance.to(variance), share.to(variance))

    def forget(self, row: int) -> None:
        """Start the statistics of one domain anew; the next training batch sets them."""
        self.num_batches_tracked.view(-1)[row] = 0

    def extra_repr(self) -> str:
        """Tell channels, number of domains and momentum."""
        return f"{len(self.weight)}, domains={self.domains}, momentum={self.momentum:g}"


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

    def forward(self, values: Tensor, domain: int = 0) -> Tensor:
        """Return standardised images, same shape ``[B, C, H, W]``."""
        return super().forward(values.movedim(1, -1), domain).movedim(-1, 1)
