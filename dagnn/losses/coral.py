"""CORAL: distance of the covariances of two latents."""

from torch import Tensor

from dagnn.losses.samples import SMALLEST_SHARE, require_samples, safe_denominator
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair


def covariance(points: Tensor) -> Tensor:
    """Return the unbiased covariance ``[W, W]`` of points ``[n, W]``."""
    centred = points - points.mean(0)
    return centred.T @ centred / (len(points) - 1)


def coral(source: Tensor, target: Tensor, *, normalize: bool = True) -> Tensor:
    r"""Return the squared Frobenius distance of two covariances.

    .. math:: D = \frac{\lVert C_s - C_t \rVert_F^2}{4 W^2} \quad\text{or}\quad
              D = \frac{\lVert C_s - C_t \rVert_F^2}{4 \lVert \bar C \rVert_F^2}, \quad
              \bar C = \tfrac12 (C_s + C_t)

    The first is the published form. It goes with the fourth power of the latent
    and is lowered by shrinking it. In the second, the norm of the pooled
    covariance takes the place of the width and carries its gradient: D does not
    change when both latents are scaled together, and 0 ≤ D ≤ 1. Neither sees means.

    Args:
        source: ``[n, W]``, at least two items.
        target: ``[m, W]``, at least two items.
        normalize: take the second form.

    Returns:
        A scalar in double precision with gradients to both samples.

    Raises:
        UsageError: a sample has no covariance, or they have different widths.

    References:
        Sun & Saenko 2016, arXiv:1607.01719, eqs. 1 to 3.

    Example:
        >>> import torch
        >>> points = torch.tensor([[-1.0], [0.0], [1.0]])
        >>> coral(points, 3 * points, normalize=False).item()  # (1 − 9)² / 4
        16.0
    """
    require_samples("CORAL", source, target, 2)
    source, target = source.double(), target.double()
    first, second = covariance(source), covariance(target)
    distance = (first - second).square().sum()
    if not normalize:
        return distance / (4 * source.shape[1] ** 2)
    size = (source.square().sum(1).mean() + target.square().sum(1).mean()) / 2
    # Squares of squares: the share of rounding is squared as well.
    return distance / safe_denominator((first + second).square().sum(), SMALLEST_SHARE * size**2)


class CORAL(DomainTerm):
    """Module form of :func:`coral`.

    Args:
        normalize: measure covariances in units of their pooled norm (default);
            false is the published form.

    Example:
        >>> CORAL()
        CORAL(normalize=True)
    """

    positive = True
    vectorises = True
    options = ("normalize",)

    def __init__(self, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize

    def forward(self, pair: Pair) -> Tensor:
        """Return the distance of the covariances of latents ``[B_s, W]`` and ``[B_t, W]``.

        Raises:
            UsageError: a batch has no covariance.
        """
        source, target = pair.source.latent, pair.target.latent
        return coral(source, target, normalize=self.normalize).to(source.dtype)
