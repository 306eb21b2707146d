"""Objectives: one task loss and weighted domain terms become one number to minimise."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dagnn.errors import UsageError, nearest
from dagnn.losses.task import TaskLoss
from dagnn.losses.term import RAMPS, DomainTerm
from dagnn.records import Pair, Terms

# A value below this contributes a constant to the log-sum objective, and no gradient.
SMALLEST_TERM = 1e-12

# Items that a window keeps in any case, the nearest ones: terms need a few to compare.
FEWEST = 4


class Weighted(NamedTuple):
    """A domain term with its weight and the name of its ramp."""

    term: DomainTerm
    weight: float = 1.0
    ramp: str = "constant"


class Window(nn.Module):
    """Keep source items whose truth lies in the interval that the target seems to span.

    Task losses see every source item; domain terms see those within, so that a
    target with a narrower prior is not stretched over the source's whole one.

    Args:
        low: lower ends ``[P]``, in prior units.
        high: upper ends ``[P]``.
        without: numbers of target domains that domain terms do not see.

    Example:
        >>> Window([0.5], [1.0])
        Window([0.50, 1.00])
    """

    low: Tensor
    high: Tensor

    def __init__(
        self, low: Sequence[float], high: Sequence[float], without: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.without = tuple(without)
        self.register_buffer("low", torch.tensor(low), persistent=False)
        self.register_buffer("high", torch.tensor(high), persistent=False)

    def forward(self, pair: Pair) -> Pair:
        """Return the pair with fewer items."""
        outside = torch.maximum(self.low - pair.labels, pair.labels - self.high).amax(-1)
        order = outside.clamp_min(0.0).argsort(stable=True)
        count = max(int((outside <= 0).sum()), min(FEWEST, len(order)))
        seen = torch.ones_like(pair.target_domain, dtype=torch.bool)
        for domain in self.without:
            seen &= pair.target_domain != domain
        return pair.take(order[:count], torch.nonzero(seen).flatten())

    def __repr__(self) -> str:
        ends = zip(self.low.tolist(), self.high.tolist(), strict=True)
        return f"Window({', '.join(f'[{low:.2f}, {high:.2f}]' for low, high in ends)})"


class Objective(nn.Module):
    r"""The weighted sum of a task loss and domain terms.

    .. math:: L = L_\mathrm{task} + \sum_k w_k \, r_k(\mathrm{progress}) \, D_k

    Doubling a weight doubles that term's gradient. A term of weight zero is
    left out altogether, so weight zero is exactly training on the source alone. With several
    source or target domains, ``D`` is the mean over all (source, target) pairs of them.

    Args:
        task: the task loss, read on labelled source items only.
        terms: ``name → (term, weight, ramp)``; see :data:`dagnn.losses.TERMS`
            and :data:`dagnn.losses.term.RAMPS`.

    Attributes:
        window: what domain terms see of a pair; all of it, unless a
            :class:`Window` is put here.

    Raises:
        ValueError: a weight is negative or not finite.
        UsageError: a ramp is unknown.

    Example:
        >>> from dagnn.losses import MMD, MomentsLoss
        >>> Objective(MomentsLoss(), {"mmd": Weighted(MMD(), 0.5, "ganin")}).needs_target
        True
    """

    def __init__(
        self, task: TaskLoss, terms: Mapping[str, tuple[DomainTerm, float, str]] | None = None
    ) -> None:
        super().__init__()
        weighted = {name: Weighted(*value) for name, value in (terms or {}).items()}
        for name, value in weighted.items():
            self._check(name, value)
        self.task = task
        self.terms = nn.ModuleDict({name: value.term for name, value in weighted.items()})
        self.weights = {name: value.weight for name, value in weighted.items()}
        self.ramps = {name: value.ramp for name, value in weighted.items()}
        self.window: nn.Module = nn.Identity()

    @property
    def needs_target(self) -> bool:
        """Whether any term with a weight reads target outputs."""
        return any(term.needs_target for name, term in self.terms.items() if self.weights[name])

    def look_through(self, window: nn.Module) -> None:
        """Let domain terms see a pair through a window from now on."""
        self.window = window

    def forward(self, pair: Pair) -> Terms:
        """Return the total, the task loss and each term's own, unweighted value."""
        task = self.task(pair.source.prediction, pair.labels)
        values = self._values(pair)
        total = task
        for name, value in values.items():
            total = total + self.contribution(name, value, pair.progress)
        return Terms(total, task, values)

    def _values(self, pair: Pair) -> dict[str, Tensor]:
        """Return the value of every term with a weight, a mean over pairs of domains."""
        whole = self.window(pair)
        pairs = [whole]
        if len(split := pair.by_domain()) > 1:
            # A window may leave a target out altogether.
            pairs = [p for p in map(self.window, split) if len(p.target_domain)] or [whole]
        return {
            name: _mean([term(p) for p in pairs]) if term.pairwise else term(whole)
            for name, term in self.terms.items()
            if self.weights[name]
        }

    def contribution(self, name: str, value: Tensor, progress: float) -> Tensor:
        """Return what a term of this value adds to the total."""
        return self.weights[name] * RAMPS[self.ramps[name]](progress) * value

    def _check(self, name: str, weighted: Weighted) -> None:
        if not 0 <= weighted.weight < math.inf:
            raise ValueError(
                f"The weight of domain term {name!r} must be finite and not negative, "
                f"got {weighted.weight}."
            )
        if weighted.ramp not in RAMPS:
            raise UsageError(
                f"Unknown ramp {weighted.ramp!r} of domain term {name!r}. "
                f"{nearest(weighted.ramp, RAMPS)}"
            )

    def extra_repr(self) -> str:
        """Return weights and ramps as text."""
        return ", ".join(
            f"{name}: weight={weight:g} ramp={self.ramps[name]}"
            for name, weight in self.weights.items()
        )


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean() if len(values) > 1 else values[0]


class LogSumObjective(Objective):
    r"""The published DA-GNN form, in which the domain term enters through its logarithm.

    .. math:: L = L_\mathrm{task} + \sum_k \log (w_k D_k)

    Kept for reproduction. Since ``log(w D) = log w + log D``, the weight only
    shifts the total: **doubling it leaves the gradient unchanged**, and so does
    the published factor ``K``, which is detached (there K is chosen such that
    the term makes up a fixed fraction of the total). What acts is the relative
    gradient ``∇D / D``, however small D is. Tune nothing here; use
    :class:`Objective` for that.

    D must be positive, or half of the batches have no gradient: terms that can be zero or
    negative are refused. Values below 1e-12 count as 1e-12. Ramps other than ``constant``
    would be as powerless as the weight and are refused.

    Raises:
        ValueError: a weight is not positive and finite, a ramp is not constant, or a term can
            be zero or negative.

    References:
        Roncoli et al. 2023, arXiv:2311.01588, and their public code GNN_DomainAdapt.
    """

    def contribution(self, name: str, value: Tensor, progress: float) -> Tensor:
        """Return ``log(w D)``."""
        return (self.weights[name] * value.clamp_min(SMALLEST_TERM)).log()

    def _check(self, name: str, weighted: Weighted) -> None:
        super()._check(name, weighted)
        if weighted.weight == 0:
            raise ValueError(f"The log-sum objective cannot take log 0: weight of {name!r} is 0.")
        if not weighted.term.positive:
            raise ValueError(
                f"The log-sum objective takes the logarithm of {name!r} "
                f"({type(weighted.term).__name__}), which can be zero or negative. Use a distance "
                "such as mmd (estimator: biased), coral, moments or sinkhorn, or "
                "loss.objective=weighted_sum."
            )
        if weighted.ramp != "constant":
            raise ValueError(
                f"A ramp has no effect under the logarithm of the log-sum objective; "
                f"domain term {name!r} asks for {weighted.ramp!r}. Use 'constant'."
            )


class SelfTunedObjective(Objective):
    r"""Uncertainty weighting of the domain terms.

    .. math:: L = L_\mathrm{task} + \sum_k w_k \, r_k \Big( \frac{D_k}{2 \eta_k^2}
              + \log \eta_k \Big), \quad \eta_k^2 = \eta_\mathrm{min}^2 + e^{2 s_k}

    The ``s_k`` are learned with the network, from η ≈ 1. For a fixed D the best
    is ``η² = D``: a term that has become small gains weight, ``1 / 2D``, up to the
    bound ``1 / 2 η_min²``. Without that bound it is equivalent to the log-sum
    objective. The floor is added in quadrature, so η keeps its gradient there, and
    the scalars get no weight decay. The weights ``w_k`` and ramps act on the
    bracket as a whole: doubling ``w`` doubles the pull on the latents at any η.

    **The task loss is divided by an η² of its own only where it is never negative**
    (:attr:`~dagnn.losses.task.TaskLoss.nonnegative`; cross-entropies). A Gaussian
    NLL and the moment loss are logarithms of a density or an error already; below
    zero, a smaller η would lower the total without end, so they enter as they are.
    Domain terms should be non-negative as well (a biased estimator): one below
    zero drives its η to the floor.

    Args:
        task: the task loss.
        terms: as for :class:`~dagnn.losses.objective.Objective`.
        floor: ``η_min``; no term weighs more than ``1 / (2 η_min²)`` (2 by default).

    Raises:
        ValueError: the floor is not positive and finite.

    References:
        Kendall et al. 2018, arXiv:1705.07115 (uncertainty weighting);
        Pandya et al. 2025, arXiv:2501.14048 (SIDDA: with a Sinkhorn divergence).

    Example:
        >>> from dagnn.losses import MMD, GaussianNLL
        >>> SelfTunedObjective(GaussianNLL(), {"mmd": (MMD(), 1.0, "constant")}).factors()
        {'mmd': 0.4}
    """

    def __init__(
        self,
        task: TaskLoss,
        terms: Mapping[str, tuple[DomainTerm, float, str]] | None = None,
        floor: float = 0.5,
    ) -> None:
        super().__init__(task, terms)
        if not 0 < floor < math.inf:
            raise ValueError(f"The floor of self-tuned weights must be positive, got {floor}.")
        self.floor = floor
        tuned = [name for name, weight in self.weights.items() if weight]
        self.log_eta = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tuned})
        self.log_eta_task = nn.Parameter(torch.zeros(())) if task.nonnegative else None

    def forward(self, pair: Pair) -> Terms:
        """Return the total, the task loss and each term's own, unweighted value."""
        total, task, values = super().forward(pair)
        if self.log_eta_task is not None:
            total = total - task + self._tuned(task, self.log_eta_task)
        return Terms(total, task, values)

    def contribution(self, name: str, value: Tensor, progress: float) -> Tensor:
        """Return ``w r (D / 2η² + log η)``."""
        return super().contribution(name, self._tuned(value, self.log_eta[name]), progress)

    def factors(self) -> dict[str, float]:
        """Return ``1 / 2η²`` of each term, and of the task where it is tuned."""
        logs = dict(self.log_eta.items())
        if self.log_eta_task is not None:
            logs["task"] = self.log_eta_task
        return {name: 0.5 / self._square(log).item() for name, log in logs.items()}

    def _tuned(self, value: Tensor, log_eta: Tensor) -> Tensor:
        square = self._square(log_eta)
        return value / (2 * square) + square.log() / 2

    def _square(self, log_eta: Tensor) -> Tensor:
        return self.floor**2 + (2 * log_eta).exp()

    def extra_repr(self) -> str:
        """Return weights, ramps and floor as text."""
        return f"{super().extra_repr()}, floor={self.floor:g}"
