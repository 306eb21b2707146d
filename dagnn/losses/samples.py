"""Two samples of latents: what a loss may be applied to, and their common scale.

A distance between latents shrinks with the latents themselves, so a network can
lower it by making its latent small. Dividing by a *detached* scale hides this
from the value and leaves it in the gradient, which then points inwards and
collapses the latent. Here the gradient flows through the scale as well: the
quotient is unchanged when both latents are multiplied by one factor, hence its
gradient has no component along that factor (Euler's theorem for functions of
degree zero), and only a relative change of the domains can lower it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dagnn.errors import UsageError, nearest

# Squared spread, relative to the squared distance from the origin, below which
# points count as coinciding: what rounding leaves of single-precision numbers.
SMALLEST_SHARE = 1e-12


def require_samples(
    loss: str, source: Tensor, target: Tensor, least: int = 1, remedy: str = "Use larger batches."
) -> None:
    """Refuse two samples that no distance is defined for.

    Args:
        loss: how messages call what reads them.
        source: ``[n, W]``.
        target: ``[m, W]``.
        least: items of each that it takes.
        remedy: what to do about too few.

    Raises:
        UsageError: a sample has too few items, or they have different widths.
    """
    if min(len(source), len(target)) < least:
        raise UsageError(
            f"{loss} needs at least {least} source and {least} target items in a batch, got "
            f"{len(source)} and {len(target)}. {remedy}"
        )
    if source.shape[1:] != target.shape[1:]:
        raise UsageError(
            f"{loss} compares items of one width, got source {list(source.shape)} and target "
            f"{list(target.shape)}. Take the latents of one encoder."
        )


def require_items(loss: str, target: Tensor) -> None:
    """Refuse a batch without target items.

    Args:
        loss: how messages call what reads them.
        target: ``[m, ...]``.

    Raises:
        UsageError: there is none.
    """
    if not len(target):
        raise UsageError(f"{loss} needs target items in a batch, got none. Use larger batches.")


def check_choice(term: str, option: str, value: str, known: Sequence[str]) -> None:
    """Refuse an option of a term that is none of the known ones.

    Raises:
        UsageError: naming the nearest known one.
    """
    if value not in known:
        raise UsageError(f"Unknown {option} {value!r} of {term}. {nearest(value, known)}")


def safe_denominator(square: Tensor, magnitude: Tensor) -> Tensor:
    """Return a squared scale that can be divided by, of the same degree as ``square``.

    A scale that is only rounding error would turn noise into a distance, so the
    magnitude of the points adds a tiny share; where all is zero it becomes one.

    Args:
        square: squared spread, any shape, not negative.
        magnitude: mean square of the points, same shape.

    Example:
        >>> safe_denominator(torch.tensor([4.0, 0.0]), torch.tensor([1.0, 0.0])).tolist()
        [4.0, 1.0]
    """
    total = square + SMALLEST_SHARE * magnitude
    return torch.where(total > 0, total, torch.ones_like(total))


def standardised(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return both samples about their common mean, in units of their common spread.

    .. math:: z \to (z - m) / r, \quad m = \tfrac12 (\bar s + \bar t), \quad
              r^2 = \tfrac12 (\langle \lVert s - m \rVert^2 \rangle
                            + \langle \lVert t - m \rVert^2 \rangle)

    Both domains count the same whatever their number of items. One number
    ``r`` serves all features, so the shape of the clouds is kept.

    Args:
        source: ``[n, W]``.
        target: ``[m, W]``.

    Returns:
        Source and target in double precision, with gradients through ``m`` and ``r``.

    Example:
        >>> near, far = standardised(torch.zeros(3, 1), torch.full((2, 1), 8.0))
        >>> print(f"{near[0].item():.6f} {far[0].item():.6f}")
        -1.000000 1.000000
    """
    source, target = source.double(), target.double()
    centre = (source.mean(0) + target.mean(0)) / 2
    magnitude = (mean_square(source) + mean_square(target)) / 2
    source, target = source - centre, target - centre
    square = (mean_square(source) + mean_square(target)) / 2
    scale = safe_denominator(square, magnitude).sqrt()
    return source / scale, target / scale


def mean_square(points: Tensor) -> Tensor:
    """Return the mean squared length of points ``[n, W]``, a scalar."""
    return points.square().sum(1).mean()
