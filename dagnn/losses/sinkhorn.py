"""Sinkhorn divergence: optimal transport between two latents, blurred and debiased."""

import math

import torch
from torch import Tensor

from dagnn.losses.samples import require_samples, standardised
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair

# Share of the iterations in which the temperature falls; the others polish.
ANNEALED = 0.5


def transport_cost(first: Tensor, second: Tensor) -> Tensor:
    """Return ``½ ‖a − b‖²`` of every row of one sample and of another.

    Args:
        first: ``[n, W]`` in double precision (the difference of squares loses digits).
        second: ``[m, W]``.

    Returns:
        ``[n, m]``, never negative.
    """
    squares = first.square().sum(1)[:, None] + second.square().sum(1)[None, :]
    return (squares / 2 - first @ second.T).clamp_min(0)


def soft_minimum(cost: Tensor, potential: Tensor, temperature: Tensor) -> Tensor:
    r"""Return ``−ε log ⟨exp((g_j − C_ij) / ε)⟩_j`` for every row of a cost matrix.

    Args:
        cost: ``[n, m]``.
        potential: dual potential of the columns, ``[m]``.
        temperature: ε.
    """
    scores = (potential[None, :] - cost) / temperature
    return temperature * (math.log(cost.shape[1]) - scores.logsumexp(1))


def temperatures(points: Tensor, end: float, iterations: int) -> Tensor:
    """Return ε for each iteration: falling from the extent of the points, then resting.

    Args:
        points: pooled sample ``[N, W]``.
        end: the last ε.
        iterations: how many.
    """
    start = (points.amax(0) - points.amin(0)).square().sum().clamp_min(end)
    falling = max(1, round(ANNEALED * iterations))
    step = torch.arange(iterations, device=points.device, dtype=points.dtype)
    return start * (end / start) ** (step / falling).clamp_max(1)


@torch.no_grad()
def dual_potentials(first: Tensor, second: Tensor, schedule: Tensor) -> tuple[Tensor, Tensor]:
    """Solve entropic transport between two uniform samples in the log domain.

    Both potentials are updated at once and averaged with their last value,
    which treats the samples alike and also converges where they are the same.

    Args:
        first: ``[n, W]``.
        second: ``[m, W]``.
        schedule: ε of each iteration.

    Returns:
        Potentials ``[n]`` and ``[m]``.
    """
    cost = transport_cost(first, second)
    f = soft_minimum(cost, cost.new_zeros(len(second)), schedule[0])
    g = soft_minimum(cost.T, cost.new_zeros(len(first)), schedule[0])
    for temperature in schedule:
        better = soft_minimum(cost, g, temperature), soft_minimum(cost.T, f, temperature)
        f, g = (f + better[0]) / 2, (g + better[1]) / 2
    return f, g


def entropic_transport(first: Tensor, second: Tensor, schedule: Tensor) -> Tensor:
    """Return the dual value of entropic transport, with gradients to both samples.

    At the optimum the potentials may be held fixed (envelope theorem): each is
    extended to its own points once more, and only that step is differentiated,
    so the memory does not grow with the number of iterations.
    """
    f, g = dual_potentials(first.detach(), second.detach(), schedule)
    to_second = transport_cost(first, second.detach())
    to_first = transport_cost(second, first.detach())
    end = schedule[-1]
    return soft_minimum(to_second, g, end).mean() + soft_minimum(to_first, f, end).mean()


def sinkhorn_divergence(
    source: Tensor,
    target: Tensor,
    *,
    blur: float = 0.5,
    iterations: int = 20,
    normalize: bool = True,
) -> Tensor:
    r"""Return the debiased Sinkhorn divergence of two samples.

    .. math:: S_\varepsilon(s, t) = OT_\varepsilon(s, t) - \tfrac12 OT_\varepsilon(s, s)
              - \tfrac12 OT_\varepsilon(t, t), \quad
              C(x, y) = \tfrac12 \lVert x - y \rVert^2, \quad \varepsilon = \mathrm{blur}^2

    It is positive and zero only where the samples agree; for ``blur → 0`` it is
    half the squared Wasserstein distance, for ``blur → ∞`` half the squared
    distance of the means. It goes with the square of the latent. With
    ``normalize`` both samples are first put in units of their common spread
    (:func:`~dagnn.losses.samples.standardised`, gradient included), so that it
    lies in [0, 2], the blur is a share of that spread, and a smaller latent
    does not lower it.

    Args:
        source: ``[n, W]``.
        target: ``[m, W]``.
        blur: in units of the common spread, or of the latent without ``normalize``.
        iterations: of the potentials; half of them while ε falls to its end.
        normalize: measure in units of the common spread.

    Returns:
        A scalar in double precision with gradients to both samples.

    Raises:
        UsageError: a sample is empty, or they have different widths.
        ValueError: blur or iterations are not positive.

    References:
        Feydy et al. 2019, arXiv:1810.08278 (debiasing, symmetric updates).

    Example:
        >>> divergence = sinkhorn_divergence(
        ...     torch.zeros(3, 2), torch.ones(4, 2), normalize=False
        ... )
        >>> print(f"{divergence:.4f}")  # one place to another: ½ ‖(1, 1)‖²
        1.0000
    """
    require_samples("The Sinkhorn divergence", source, target)
    _check(blur, iterations)
    source, target = source.double(), target.double()
    if normalize:
        source, target = standardised(source, target)
    schedule = temperatures(torch.cat([source, target]).detach(), blur**2, iterations)
    across = entropic_transport(source, target, schedule)
    of_source = entropic_transport(source, source, schedule)
    of_target = entropic_transport(target, target, schedule)
    return across - (of_source + of_target) / 2


def _check(blur: float, iterations: int) -> None:
    if not 0 < blur < math.inf:
        raise ValueError(f"The blur of a Sinkhorn divergence must be positive, got {blur}.")
    if iterations < 1:
        raise ValueError(f"Sinkhorn needs at least one iteration, got {iterations}.")


class Sinkhorn(DomainTerm):
    """Module form of :func:`sinkhorn_divergence`.

    Args:
        blur: in units of the common spread of the latents, or of the latent
            itself without ``normalize``.
        iterations: a fixed number; more for a smaller blur.
        normalize: measure in units of the common spread (default).

    Raises:
        ValueError: blur or iterations are not positive.

    Example:
        >>> Sinkhorn()
        Sinkhorn(blur=0.5, iterations=20, normalize=True)
    """

    positive = True
    vectorises = True
    options = ("blur", "iterations", "normalize")

    def __init__(self, blur: float = 0.5, iterations: int = 20, normalize: bool = True) -> None:
        super().__init__()
        _check(blur, iterations)
        self.blur = blur
        self.iterations = iterations
        self.normalize = normalize

    def forward(self, pair: Pair) -> Tensor:
        """Return the divergence of latents ``[B_s, W]`` and ``[B_t, W]``.

        Raises:
            UsageError: a batch is empty.
        """
        source, target = pair.source.latent, pair.target.latent
        value = sinkhorn_divergence(
            source, target, blur=self.blur, iterations=self.iterations, normalize=self.normalize
        )
        return value.to(source.dtype)
