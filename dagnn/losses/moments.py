"""Alignment of the mean and standard deviation of every latent feature."""

from torch import Tensor

from dagnn.losses.samples import SMALLEST_SHARE, require_samples, safe_denominator
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair


def moment_distance(source: Tensor, target: Tensor) -> Tensor:
    r"""Return how far means and standard deviations lie apart, in units of the common spread.

    .. math:: D = \frac1W \sum_w
                  \frac{(\mu^s_w - \mu^t_w)^2 + (\sigma^s_w - \sigma^t_w)^2}{v_w}, \quad
              v_w = \tfrac12 \big( {\sigma^s_w}^2 + {\sigma^t_w}^2 \big)
                  + \tfrac14 (\mu^s_w - \mu^t_w)^2

    ``v`` is the variance of the pooled sample in which both domains count the
    same. It carries its gradient: D does not change when a feature is scaled or
    shifted in both domains, so it cannot be lowered by collapsing the latent,
    and it is bounded (0 ≤ D ≤ 4), so a feature of little spread cannot take over.

    Args:
        source: ``[n, W]``.
        target: ``[m, W]``.

    Returns:
        A scalar in double precision with gradients to both samples; a feature
        that is constant over both domains adds nothing.

    Raises:
        UsageError: a sample is empty, or they have different widths.

    References:
        The central moment discrepancy (Zellinger et al. 2017, arXiv:1702.08811)
        to second order, with spreads in the place of the bounds of the features.

    Example:
        >>> import torch
        >>> source = torch.tensor([[-1.0], [1.0]])
        >>> print(f"{moment_distance(source, source + 2.0):.6f}")  # 4 / (1 + 4 / 4)
        2.000000
    """
    require_samples("Moment alignment", source, target)
    source, target = source.double(), target.double()
    shift = source.mean(0) - target.mean(0)
    variances = [points.var(0, correction=0) for points in (source, target)]
    magnitude = (source.square().mean(0) + target.square().mean(0)) / 2
    pooled = safe_denominator((variances[0] + variances[1]) / 2 + shift.square() / 4, magnitude)
    # The floor keeps the gradient of the root finite where one domain has no spread.
    stds = [(variance + SMALLEST_SHARE * pooled).sqrt() for variance in variances]
    return ((shift.square() + (stds[0] - stds[1]).square()) / pooled).mean()


class MomentAlignment(DomainTerm):
    """Module form of :func:`moment_distance`.

    Example:
        >>> MomentAlignment()
        MomentAlignment()
    """

    positive = True
    vectorises = True

    def forward(self, pair: Pair) -> Tensor:
        """Return the distance of latents ``[B_s, W]`` and ``[B_t, W]``."""
        source, target = pair.source.latent, pair.target.latent
        return moment_distance(source, target).to(source.dtype)
