"""DARE-GRAM: alignment of the inverse Gram matrices that a linear regressor would use."""

import math
from typing import Any

import torch
from torch import Tensor

from dagnn.losses.samples import require_samples, standardised
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair

# Eigenvalues below this share of the largest are rounding, not components.
SMALLEST_EIGENVALUE = 1e-6
# Share of an eigenvalue below which the distance to the first discarded one is
# softened in the gradient: where both coincide, the cut between them is arbitrary.
SMALLEST_GAP = 1e-3
SMALLEST_NORM = 1e-12


class TruncatedInverse(torch.autograd.Function):
    r"""Inverse of a symmetric matrix on its ``k`` leading eigenvectors.

    .. math:: A^+_k = \sum_{i \le k} \lambda_i^{-1} v_i v_i^\top

    The gradient (Daleckii & Krein 1965) needs the divided differences of
    ``1/λ`` cut off after ``k``. Between two kept eigenvalues these are
    ``−1/λ_i λ_j``, finite also where they coincide, unlike the gradients of
    the eigenvectors themselves.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, kept: int) -> Tensor:
        """Return the inverse ``[W, W]`` of ``matrix [W, W]`` on ``kept`` components."""
        values, vectors = torch.linalg.eigh(matrix)
        values, vectors = values.flip(0), vectors.flip(1)
        ctx.save_for_backward(values, vectors)
        ctx.kept = kept
        inverse: Tensor = (vectors[:, :kept] / values[:kept]) @ vectors[:, :kept].T
        return inverse

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient with respect to the matrix."""
        values, vectors = ctx.saved_tensors
        kept = values[: ctx.kept]
        gap = kept[:, None] - values[None, ctx.kept :]
        across = gap / (gap.square() + (SMALLEST_GAP * kept[:, None]).square()) / kept[:, None]
        differences = values.new_zeros(len(values), len(values))
        differences[: ctx.kept, : ctx.kept] = -1 / (kept[:, None] * kept[None, :])
        differences[: ctx.kept, ctx.kept :] = across
        differences[ctx.kept :, : ctx.kept] = across.T
        inner = vectors.T @ (gradient + gradient.T) @ vectors / 2
        return vectors @ (differences * inner) @ vectors.T, None


def gram(points: Tensor) -> Tensor:
    """Return the Gram matrix ``[W + 1, W + 1]`` of points ``[n, W]`` and an intercept, per item."""
    features = torch.cat([torch.ones_like(points[:, :1]), points], 1)
    return features.T @ features / len(points)


def components(eigenvalues: tuple[Tensor, Tensor], threshold: float) -> int:
    """Return how many leading components of two matrices to compare.

    So many that both keep a share of at least ``threshold`` of their trace, but
    no more than both have.

    Args:
        eigenvalues: of each matrix, descending.
        threshold: share of the trace, in (0, 1].

    Example:
        >>> flat, steep = torch.tensor([2.0, 1.0, 1.0]), torch.tensor([9.0, 1.0, 0.0])
        >>> components((flat, steep), 0.7), components((flat, steep), 1.0)
        (2, 2)
    """
    values = torch.stack(eigenvalues)
    share = values.cumsum(1) / values.sum(1, keepdim=True)
    needed = (share < threshold - SMALLEST_EIGENVALUE).sum(1).amax() + 1
    present = (values > SMALLEST_EIGENVALUE * values[:, :1]).sum(1).amin()
    return int(torch.minimum(needed, present))


def unit_columns(matrix: Tensor) -> Tensor:
    """Return a matrix with columns of length one; columns of zeros stay zero."""
    return matrix / (matrix.square().sum(0) + SMALLEST_NORM**2).sqrt()


def dare_gram(
    source: Tensor,
    target: Tensor,
    *,
    threshold: float = 0.99,
    angle: float = 1.0,
    scale: float = 0.1,
    normalize: bool = True,
) -> Tensor:
    r"""Return how much the inverse Gram matrices of two samples differ in angle and scale.

    .. math:: D = \frac{a}{W + 1} \sum_w (1 - \cos \theta_w)
                + \frac{b}{k} \lVert \lambda^s_{1..k} - \lambda^t_{1..k} \rVert_2

    ``θ_w`` is the angle between the columns ``w`` of the pseudo-inverses of
    ``Z_sᵀ Z_s / n`` and ``Z_tᵀ Z_t / m`` (with a column of ones in Z), both
    restricted to ``k`` leading components; ``λ`` are the leading eigenvalues. The
    least-squares regressor on Z is ``(Zᵀ Z)⁻¹ Zᵀ y``: where inverse Gram
    matrices agree, one linear head can serve both domains.

    Args:
        source: ``[n, W]``; n may be smaller than W.
        target: ``[m, W]``.
        threshold: share of the trace that the components keep, in (0, 1]. Where it
            cuts through directions of similar spread, the kept ones change from
            batch to batch and the angles are noise: take it near one.
        angle: factor ``a``.
        scale: factor ``b``.
        normalize: put both samples in units of their common spread, about their
            common mean (gradient included), so that a smaller latent does not
            lower the value.

    Returns:
        A scalar in double precision with finite gradients to both samples.

    Raises:
        UsageError: a sample is empty, or they have different widths.
        ValueError: an option out of its range.

    References:
        Nejjar et al. 2023, arXiv:2303.13325; there the Gram matrices
        are sums over a batch of one size for both domains, here means.

    Example:
        >>> points = torch.tensor([[-1.0], [1.0]])  # eigenvalues 1, 1 and 4, 1: |1 − 4| / 2
        >>> value = dare_gram(points, 2 * points, scale=1.0, normalize=False)
        >>> print(f"{value:.4f}")
        1.5000
    """
    require_samples("DARE-GRAM", source, target)
    _check(threshold, angle, scale)
    source, target = source.double(), target.double()
    if normalize:
        # A mean square of one per feature puts features and intercept on one footing.
        size = math.sqrt(source.shape[1])
        source, target = (size * points for points in standardised(source, target))
    grams = gram(source), gram(target)
    first, second = (torch.linalg.eigvalsh(matrix).flip(0) for matrix in grams)
    kept = components((first.detach(), second.detach()), threshold)
    inverses = [TruncatedInverse.apply(matrix, kept) for matrix in grams]  # type: ignore[no-untyped-call]
    columns = [unit_columns(inverse) for inverse in inverses]
    angles = (columns[0] - columns[1]).square().sum(0).mean() / 2
    scales: Tensor = torch.linalg.vector_norm((first - second)[:kept]) / kept
    return angle * angles + scale * scales


def _check(threshold: float, angle: float, scale: float) -> None:
    if not 0 < threshold <= 1:
        raise ValueError(f"The threshold of DARE-GRAM must be in (0, 1], got {threshold}.")
    if not (0 <= angle < math.inf and 0 <= scale < math.inf and angle + scale > 0):
        raise ValueError(
            f"The factors of DARE-GRAM must be finite, not negative and not both zero, "
            f"got angle={angle} and scale={scale}."
        )


class DareGram(DomainTerm):
    """Module form of :func:`dare_gram`.

    Args:
        threshold: share of the trace of a Gram matrix that its components keep.
        angle: factor of the angles.
        scale: factor of the eigenvalues.
        normalize: measure in units of the common spread (default).

    Raises:
        ValueError: an option out of its range.

    Example:
        >>> DareGram()
        DareGram(threshold=0.99, angle=1, scale=0.1, normalize=True)
    """

    positive = True
    options = ("threshold", "angle", "scale", "normalize")

    def __init__(
        self,
        threshold: float = 0.99,
        angle: float = 1.0,
        scale: float = 0.1,
        normalize: bool = True,
    ) -> None:
        super().__init__()
        _check(threshold, angle, scale)
        self.threshold = threshold
        self.angle = angle
        self.scale = scale
        self.normalize = normalize

    def forward(self, pair: Pair) -> Tensor:
        """Return the difference of latents ``[B_s, W]`` and ``[B_t, W]``."""
        source, target = pair.source.latent, pair.target.latent
        value = dare_gram(
            source,
            target,
            threshold=self.threshold,
            angle=self.angle,
            scale=self.scale,
            normalize=self.normalize,
        )
        return value.to(source.dtype)
