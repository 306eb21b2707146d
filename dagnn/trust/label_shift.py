r"""How wide a target's prior is, estimated without its labels.

Aligning the marginals of source and target assumes that both have the same
distribution of parameters. Where the target spans a narrower range, alignment
stretches it over the whole prior, and every prediction goes wrong together.

The source tells how summaries depend on a parameter ``y``; the target is taken
to follow the same law after an affine map per component (its physics), with a
flat prior on an unknown interval ``[a, b]``:

.. math:: p(x) = \frac{1}{b-a} \int_a^b \mathcal N\big(D^{-1}(x - c) \,\big|\, f(y),
          s(y)\, R\, s(y)\big)\, |D|^{-1}\, \mathrm dy

``f`` and ``log s`` are quadratic, ``D = e^{g + d}`` has a common part ``g`` and small
parts ``d`` per component, and all of ``a, b, c, g, d`` are fitted together. What
makes it work is that the scatter ``s`` depends on the parameter, so a piece of
the prior has another shape than the whole, and not only another width.

What no method can know without labels: whether a narrow target is a narrow
prior, or physics that suppresses the dependence on the parameter. The weak
priors on ``g`` and ``d`` say how much of the latter is taken to be plausible.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dagnn.records import FloatArray

WHOLE = (0.0, 1.0)
ALARM_WIDTH = 0.95
"""Narrower fitted intervals, in units of the source's prior, raise the alarm (many items)."""
MANY = 700
"""Source items that make many."""
STEEPNESS = 4 / 3
"""How fast the limit falls with fewer items: as a power of their number."""
NARROWEST_LIMIT = 0.6
FEWEST = 50
"""Items of source and of target below which nothing is estimated."""
COMPONENTS = 5
STARTS = (WHOLE, (0.4, 1.0), (0.0, 0.6), (0.25, 0.75))
# The likelihood is a model, and hundreds of boxes would make its errors significant.
_MOST_EVIDENCE = 200
_COMMON_SCALE = 0.2
_OWN_SCALE = 0.07
_NODES = 40
_SCOUTING = 50
_STEPS = 120


@dataclass(frozen=True)
class PriorInterval:
    """The flat prior that a target seems to have, in units of the source's prior.

    Attributes:
        suite: short name of the target.
        parameter: parameter name.
        low: fitted lower end, 0 to 1.
        high: fitted upper end, 0 to 1.
        limit: width below which the alarm is raised, see :func:`alarm_limit`.
    """

    suite: str
    parameter: str
    low: float
    high: float
    limit: float = ALARM_WIDTH

    @property
    def width(self) -> float:
        """Share of the source's prior that the target seems to span."""
        return self.high - self.low

    @property
    def alarm(self) -> bool:
        """Whether the target seems to span less than the source."""
        return self.width < self.limit


def alarm_limit(items: int) -> float:
    """Return the width below which an interval means more than the scatter of its fit.

    At the whole prior, fitted widths were 0.95 to 1 on real spectra with 700 source
    items, and 0.83 to 1 (0.92 ± 0.06, six splits) on mock graphs with 210: there the
    limit lies three standard deviations below their mean.

    Args:
        items: labelled items that the law was fitted on.

    Example:
        >>> alarm_limit(700), round(alarm_limit(210), 2)
        (0.95, 0.75)
    """
    room: float = (1 - ALARM_WIDTH) * (MANY / min(max(items, 1), MANY)) ** STEEPNESS
    return float(max(NARROWEST_LIMIT, 1 - room))


@dataclass(frozen=True)
class _Law:
    """How components of the source depend on the parameter.

    Attributes:
        axes: summaries to components ``[F, K]``.
        mean: quadratic coefficients of ``f`` ``[3, K]``.
        log_scatter: quadratic coefficients of ``log s`` ``[3, K]``.
        whiten: inverse Cholesky factor of the residual correlation ``[K, K]``.
    """

    axes: Tensor
    mean: Tensor
    log_scatter: Tensor
    whiten: Tensor


def estimate_interval(
    source: FloatArray, truth: FloatArray, target: FloatArray
) -> tuple[float, float]:
    """Estimate the interval of a parameter that an unlabelled target spans.

    Args:
        source: summaries of labelled items ``[n, F]``.
        truth: their parameter in units of the prior ``[n]``, 0 to 1.
        target: the same summaries of unlabelled items ``[m, F]``.

    Returns:
        Lower and upper end, 0 to 1; the whole prior where either side has fewer than
        :data:`FEWEST` items, too few to say anything.

    Raises:
        ValueError: shapes do not agree.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> y = generator.uniform(size=900)
        >>> x = np.stack([3 * y + (1.2 - y) * generator.normal(size=900) for _ in "abc"], 1)
        >>> low, high = estimate_interval(x[:500], y[:500], 1.1 * x[500:][y[500:] > 0.6] + 5)
        >>> bool(low > 0.3 and high > 0.9)
        True
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(f"summaries of unequal width: {source.shape} and {target.shape}")
    if min(len(source), len(target)) < FEWEST:
        return WHOLE
    spread = source.std(0)
    varies = spread > 1e-8 * np.abs(source).max(0).clip(min=1e-12)
    centre, spread = source.mean(0)[varies], spread[varies]
    standard, moved = ((x[:, varies] - centre) / spread for x in (source, target))
    law = _fit_law(standard, truth)
    fits = [_Fit(law, standard, truth, moved, start) for start in STARTS]
    best = min(fits, key=lambda fit: fit.climb(_SCOUTING))
    best.climb(_STEPS)
    return best.interval()


def _fit_law(x: FloatArray, y: FloatArray) -> _Law:
    """Fit mean and scatter of the leading components by maximum likelihood."""
    _, _, directions = np.linalg.svd(x, full_matrices=False)
    leading = directions[:COMPONENTS].T
    axes = torch.as_tensor(leading / (x @ leading).std(0).clip(min=1e-12))
    components = torch.as_tensor(x) @ axes
    powers = _powers(torch.as_tensor(np.asarray(y, dtype=np.float64)))
    # Of transposed memory layout, which the optimiser cannot flatten.
    mean = torch.linalg.lstsq(powers, components).solution.contiguous().requires_grad_()
    log_scatter = torch.zeros_like(mean).requires_grad_()

    def loss() -> Tensor:
        residual = (components - powers @ mean) * torch.exp(-powers @ log_scatter)
        loss: Tensor = (powers @ log_scatter + residual.square() / 2).mean(0).sum()
        return loss

    _minimise(loss, [mean, log_scatter])
    with torch.no_grad():
        residual = (components - powers @ mean) * torch.exp(-powers @ log_scatter)
        correlation = residual.T @ residual / len(residual)
        correlation += 1e-6 * torch.eye(len(correlation))
        whiten = torch.linalg.inv(torch.linalg.cholesky(correlation))
    return _Law(axes, mean.detach(), log_scatter.detach(), whiten)


def _minimise(loss: Callable[[], Tensor], parameters: Sequence[Tensor]) -> None:
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        value = loss()
        torch.autograd.backward(value)
        return float(value.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]


def _powers(y: Tensor) -> Tensor:
    return torch.stack([torch.ones_like(y), y, y.square()], 1)


class _Fit:
    """Likelihood of the target from one start, climbed step by step."""

    def __init__(
        self,
        law: _Law,
        source: FloatArray,
        truth: FloatArray,
        target: FloatArray,
        start: tuple[float, float],
    ) -> None:
        self.law, self.x = law, torch.as_tensor(target) @ law.axes
        inside = (truth >= start[0]) & (truth <= start[1])
        likely = torch.as_tensor((source[inside] if inside.any() else source).mean(0))
        kind = self.x.dtype
        self.shift = (self.x.mean(0) - likely @ law.axes).requires_grad_()
        self.common = torch.zeros(1, dtype=kind, requires_grad=True)
        self.own = torch.zeros(self.x.shape[1], dtype=kind, requires_grad=True)
        self.ends = torch.logit(torch.tensor(start, dtype=kind).clamp(0.02, 0.98)).requires_grad_()
        self.optimizer = torch.optim.Adam([self.shift, self.common, self.own, self.ends], lr=0.05)

    def climb(self, steps: int) -> float:
        """Take some steps and return the negative log posterior before the last one."""
        evidence = min(len(self.x), _MOST_EVIDENCE)
        for _ in range(steps):
            scale = self.common + self.own
            likelihood = _log_likelihood(self.law, self.x, self.shift, scale, *self._ends())
            unlikely = (self.common / _COMMON_SCALE).square().sum() / 2
            unlikely = unlikely + (self.own / _OWN_SCALE).square().sum() / 2
            loss = unlikely - evidence * likelihood.mean()
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
        return float(loss.detach())

    def _ends(self) -> tuple[Tensor, Tensor]:
        # A little beyond the prior, so that its ends can be reached.
        low, high = torch.sigmoid(self.ends) * 1.04 - 0.02
        return low, high

    def interval(self) -> tuple[float, float]:
        """Return the fitted ends within the prior."""
        low, high = sorted(float(end.detach().clamp(0.0, 1.0)) for end in self._ends())
        return low, high


def _log_likelihood(
    law: _Law, x: Tensor, shift: Tensor, log_scale: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """Return log p of every item ``[m]``, up to a constant; the integral is a midpoint rule."""
    nodes = (torch.arange(_NODES, dtype=x.dtype) + 0.5) / _NODES
    powers = _powers(low + (high - low) * nodes)
    log_scatter = powers @ law.log_scatter
    back = (x - shift) * torch.exp(-log_scale)
    residual = (back[:, None] - powers @ law.mean) * torch.exp(-log_scatter)
    square = (residual @ law.whiten.T).square().sum(-1)
    return torch.logsumexp(-square / 2 - log_scatter.sum(-1), 1) - log_scale.sum()
