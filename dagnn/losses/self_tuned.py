"""Self-tuned weights: each term weighs as much as it is small, learned as a log-uncertainty."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dagnn.losses.objective import Objective
from dagnn.losses.task import TaskLoss
from dagnn.losses.term import DomainTerm
from dagnn.records import Pair, Terms

TASK = "task"


class SelfTunedObjective(Objective):
    r"""Uncertainty weighting of the domain terms.

    .. math:: L = L_\mathrm{task} + \sum_k w_k \, r_k \Big( \frac{D_k}{2 \eta_k^2}
              + \log \eta_k \Big), \quad \eta_k^2 = \eta_\mathrm{min}^2 + e^{2 s_k}

    The ``s_k`` are learned with the network, from η ≈ 1. For a fixed D the best
    is ``η² = D``: a term that has become small gains weight, ``1 / 2D``, up to the
    bound ``1 / 2 η_min²``. Without that bound this is the log-sum objective in
    disguise. The floor is added in quadrature, so η keeps its gradient there, and
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
            logs[TASK] = self.log_eta_task
        return {name: 0.5 / self._square(log).item() for name, log in logs.items()}

    def _tuned(self, value: Tensor, log_eta: Tensor) -> Tensor:
        square = self._square(log_eta)
        return value / (2 * square) + square.log() / 2

    def _square(self, log_eta: Tensor) -> Tensor:
        return self.floor**2 + (2 * log_eta).exp()

    def extra_repr(self) -> str:
        """Tell weights, ramps and floor."""
        return f"{super().extra_repr()}, floor={self.floor:g}"
