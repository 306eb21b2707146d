"""Normalisation of latents that is the same function in training and in evaluation."""

import torch
from torch import Tensor, nn

from dagnn.collective import moments_over_shares, shares
from dagnn.nn import at_least_float32


class RunningNorm(nn.Module):
    r"""Normalise every feature by running statistics, with the gradient of batch norm.

    Batch renormalisation: the output is ``(x − μ) / σ`` with *running* ``μ, σ``,
    written as a batch normalisation times detached corrections ``r = σ_B/σ`` and
    ``d = (μ_B − μ)/σ``. Plain batch norm would shift source and target batches
    each to zero mean while training and by one mixed mean when evaluated: a
    domain gap that training never saw. Here both go through one map, up to the
    drift of the running statistics between two batches, unless ``domains > 1``
    asks for statistics per domain. The running variance averages variances
    within batches; shared by suites that lie apart, it leaves their distance out.

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
        """Let a domain be normalised by the statistics of another one."""
        self.rows[domain] = owner

    def get_extra_state(self) -> Tensor:
        """Return whose statistics each domain uses, for the checkpoint."""
        return torch.tensor(self.rows)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore whose statistics each domain uses."""
        self.rows = [int(row) for row in state]

    def forward(self, values: Tensor, domain: int = 0) -> Tensor:
        """Return normalised values ``[B, W]``; in training also update the statistics."""
        row = self.rows[domain] if len(self.rows) > 1 else 0
        values = at_least_float32(values)  # no statistics in the precision of autocast
        if self.training and len(values) * shares() > 1:
            values = self._renormalise(values, row)
        else:
            values = (values - self.mean[row]) / _spread(self.variance[row])
        return values * self.weight + self.bias

    def _renormalise(self, values: Tensor, row: int) -> Tensor:
        variance, mean = moments_over_shares(values)
        self._update(mean.detach(), variance.detach(), row)
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

    def forget(self, row: int) -> None:
        """Start the statistics of one domain anew; the next training batch sets them."""
        self.batches[row] = 0

    def extra_repr(self) -> str:
        """Tell width, number of domains and momentum."""
        domains, width = self.mean.shape[-2:]
        return f"width={width}, domains={domains}, momentum={self.momentum:g}"


def _spread(variance: Tensor) -> Tensor:
    return (variance + 1e-5).sqrt()
