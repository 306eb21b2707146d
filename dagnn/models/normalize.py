"""Normalisation of latents that is the same function in training and in evaluation."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from dagnn.collective import moments_over_processes, world_size
from dagnn.nn import at_least_float32, row_of


class DomainNorm(nn.Module, ABC):
    """Normalisation whose running statistics are shared, or kept for each domain.

    In training they average means and variances of single batches, each of one domain. What
    evaluation uses in the end is exact, see :func:`~dagnn.models.settle.settle`.
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
    asks for statistics per domain. The running variance averages variances
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
        """Tell width, number of domains and momentum."""
        domains, width = self.mean.shape[-2:]
        return f"width={width}, domains={domains}, momentum={self.momentum:g}"


def _spread(variance: Tensor) -> Tensor:
    return (variance + 1e-5).sqrt()
