"""Maximum mean discrepancy between the latents of two domains."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from dagnn.losses.samples import check_choice, require_samples, standardised
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair

ESTIMATORS = ("unbiased", "biased")
COMBINATIONS = ("mean", "sum")

# The 19 squared bandwidths of the public DA-GNN, DeepMerge and DeepAdversaries codes.
PUBLISHED_BANDWIDTHS = (
    *(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    *(1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0),
    *(1e2, 1e3, 1e4, 1e5, 1e6),
)


def squared_distances(points: Tensor) -> Tensor:
    """Return the squared Euclidean distance of every pair of rows.

    Uses ‖a‖² + ‖b‖² − 2 a·b, so that memory is O(N²) and not O(N²·W). The
    difference loses digits where points lie far from the origin compared with
    their distance, hence double precision: its rounding stays below that of
    single-precision points themselves, and only pairs that coincide can reach
    the bound at zero.

    Args:
        points: ``[N, W]``.

    Returns:
        ``[N, N]`` in double precision, never negative.

    Example:
        >>> squared_distances(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))[0].tolist()
        [0.0, 25.0]
    """
    wide = points.double()
    square = wide.square().sum(1)
    return (square[:, None] + square[None, :] - 2 * wide @ wide.T).clamp_min(0)


def median_bandwidths(distances: Tensor, widths: int) -> Tensor:
    """Return squared bandwidths around the median squared distance of distinct points.

    ``s_j = median · 2^j`` for ``j`` centred on zero: five widths span a factor
    of 16. The scale follows the latent, so neither growing nor shrinking the
    latent as a whole changes the discrepancy. It is detached: a gradient
    through the median would let the network lower the loss by spreading out.

    Args:
        distances: squared distances of the pooled sample, ``[N, N]``.
        widths: number of bandwidths.

    Returns:
        ``[widths]``, positive also where most points coincide (then the mean
        takes the place of the median, or one if all points coincide).

    References:
        Gretton et al. 2012, JMLR 13, section 8 (median heuristic);
        Long et al. 2015, arXiv:1502.02791 (powers of two).
    """
    fixed = distances.detach()
    count = len(fixed)
    row, column = torch.triu_indices(count, count, offset=1, device=fixed.device)
    pairs = fixed[row, column]
    scale = torch.where(pairs.median() > 0, pairs.median(), pairs.mean())
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    powers = torch.arange(widths, device=fixed.device, dtype=fixed.dtype) - (widths - 1) / 2
    return scale * 2.0**powers


def multi_kernel(distances: Tensor, bandwidths: Tensor) -> Tensor:
    """Return ``Σ_j exp(−d² / (2 s_j))`` for squared distances of any shape."""
    total = torch.zeros_like(distances)
    for bandwidth in bandwidths:
        total = total + torch.exp(distances / (-2 * bandwidth))
    return total


def mean_discrepancy(kernel: Tensor, sources: int, estimator: str) -> Tensor:
    r"""Return MMD² from the kernel matrix of the pooled sample.

    .. math:: \mathrm{MMD}^2 = \langle k(x, x') \rangle + \langle k(y, y') \rangle
                              - 2 \langle k(x, y) \rangle

    The biased estimator (a V-statistic) averages over all pairs and is never
    negative; the unbiased one (a U-statistic) leaves out the pairs of a point
    with itself, is zero on average where the domains agree, and may be negative.

    Args:
        kernel: ``[n + m, n + m]``, sources first.
        sources: number ``n`` of source items.
        estimator: ``biased`` or ``unbiased``.

    References:
        Gretton et al. 2012, JMLR 13, eqs. 3 (unbiased) and 5 (biased).
    """
    within_source, within_target = kernel[:sources, :sources], kernel[sources:, sources:]
    across = kernel[:sources, sources:].mean()
    if estimator == "biased":
        return within_source.mean() + within_target.mean() - 2 * across
    return _mean_off_diagonal(within_source) + _mean_off_diagonal(within_target) - 2 * across


def _mean_off_diagonal(kernel: Tensor) -> Tensor:
    count = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))


def mmd(
    source: Tensor,
    target: Tensor,
    bandwidths: Tensor | None = None,
    *,
    widths: int = 5,
    estimator: str = "unbiased",
    combine: str = "mean",
) -> Tensor:
    """Return the squared maximum mean discrepancy of two samples.

    With the median heuristic the samples are first put in units of their common
    spread (:func:`~dagnn.losses.samples.standardised`, gradient included). That leaves
    the value as it is, and takes from the gradient the component along a common
    factor of both latents, which a detached median has.

    Args:
        source: ``[n, W]``.
        target: ``[m, W]``.
        bandwidths: squared bandwidths ``[K]``; None takes the median heuristic.
        widths: number of bandwidths around the median.
        estimator: ``unbiased`` or ``biased``.
        combine: ``mean`` or ``sum`` over kernels.

    Returns:
        A scalar with gradients to both samples.

    Raises:
        UsageError: an option is none of the known ones, a sample is too small for the
            estimator (the unbiased one takes two items), or they have different widths.
        ValueError: the number of widths is not positive.

    Example:
        >>> mmd(torch.zeros(4, 2), torch.zeros(3, 2) + 100, estimator="biased") > 0.1
        tensor(True)
    """
    _check(widths, estimator, combine)
    require_estimable(f"The {estimator} MMD", source, target, estimator)
    kind = source.dtype
    if bandwidths is None:
        source, target = standardised(source, target)
    distances = squared_distances(torch.cat([source, target]))
    chosen = median_bandwidths(distances, widths) if bandwidths is None else bandwidths
    value = mean_discrepancy(multi_kernel(distances, chosen), len(source), estimator)
    return (value / (len(chosen) if combine == "mean" else 1)).to(kind)


def require_estimable(loss: str, source: Tensor, target: Tensor, estimator: str) -> None:
    """Refuse samples that an estimator of the discrepancy cannot be applied to.

    Args:
        loss: how messages call it.
        source: ``[n, W]``.
        target: ``[m, W]``.
        estimator: ``unbiased`` or ``biased``.

    Raises:
        UsageError: a sample is too small, or they have different widths.
    """
    if estimator == "biased":
        require_samples(loss, source, target)
    else:
        remedy = "Use larger batches or the biased estimator."
        require_samples(loss, source, target, 2, remedy)


def _check(widths: int, estimator: str, combine: str) -> None:
    check_choice("MMD", "estimator", estimator, ESTIMATORS)
    check_choice("MMD", "combine", combine, COMBINATIONS)
    if widths < 1:
        raise ValueError(f"MMD needs at least one width, got widths={widths}.")


class MMD(DomainTerm):
    """Squared maximum mean discrepancy of source and target latents.

    Several Gaussian kernels ``exp(−d² / (2 s))`` are combined. The mean over
    kernels keeps the value in [0, 2] whatever their number, so that one weight
    means the same for any ``widths``: it is the default for the median
    heuristic. The sum is the published form and the default for fixed bandwidths.

    Args:
        estimator: ``unbiased`` (default) or ``biased`` (the published form).
        bandwidth: ``median`` for the median heuristic, ``published`` for the 19
            values of the public codes, or a list of squared bandwidths ``s``.
        widths: number of bandwidths around the median.
        combine: ``mean`` or ``sum`` over kernels; by default as described above.

    Raises:
        UsageError: an option is none of the known ones.
        ValueError: a bandwidth or the number of widths is not positive.

    Example:
        >>> MMD(estimator="biased", bandwidth="published")
        MMD(estimator=biased, bandwidth=published, combine=sum)
    """

    vectorises = True
    bandwidths: Tensor | None

    def __init__(
        self,
        estimator: str = "unbiased",
        bandwidth: Literal["median", "published"] | Sequence[float] = "median",
        widths: int = 5,
        combine: str | None = None,
    ) -> None:
        super().__init__()
        combine = combine or ("mean" if bandwidth == "median" else "sum")
        _check(widths, estimator, combine)
        self.estimator = estimator
        self.positive = estimator == "biased"
        self.bandwidth = bandwidth
        self.widths = widths
        self.combine = combine
        self.register_buffer("bandwidths", _fixed_bandwidths(bandwidth), persistent=False)

    def forward(self, pair: Pair) -> Tensor:
        """Return the discrepancy of latents ``[B_s, W]`` and ``[B_t, W]``.

        Raises:
            UsageError: a batch is too small for the estimator.
        """
        source, target = pair.source.latent, pair.target.latent
        return mmd(
            source,
            target,
            self.bandwidths,
            widths=self.widths,
            estimator=self.estimator,
            combine=self.combine,
        )

    def extra_repr(self) -> str:
        """Return estimator, bandwidths and combination as text."""
        widths = f", widths={self.widths}" if self.bandwidth == "median" else ""
        return (
            f"estimator={self.estimator}, bandwidth={self.bandwidth}{widths}, "
            f"combine={self.combine}"
        )


def _fixed_bandwidths(bandwidth: str | Sequence[float]) -> Tensor | None:
    """Return fixed squared bandwidths ``[K]``, or None for the median heuristic."""
    if bandwidth == "median":
        return None
    if isinstance(bandwidth, str):
        check_choice("MMD", "bandwidth", bandwidth, ("median", "published"))
        bandwidth = PUBLISHED_BANDWIDTHS
    if not bandwidth or not all(0 < value < math.inf for value in bandwidth):
        raise ValueError(f"MMD bandwidths must be positive and finite, got {list(bandwidth)}.")
    return torch.tensor(bandwidth, dtype=torch.float64)
